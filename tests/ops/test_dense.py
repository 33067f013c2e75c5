"""Dense products against the oracle, at every instruction set."""

import numpy as np

import cnnfast
from check import assert_accurate, assert_close
from cnnfast import ops
from ops.levels import levels
from oracle import dense as oracle

SHAPES = [  # x, out
    ((1, 1), 1),
    ((3, 7), 5),
    ((128, 784), 10),
    ((1, 1600), 10),
    ((33, 130), 65),
    ((17, 31), 16),
    ((2, 3, 19), 23),
    ((5, 257), 129),
    ((64, 64), 64),
    ((130, 3), 100),
    ((2, 400), 120),
    ((140, 1024), 96),  # rows that meet in few sets of L1
    ((300, 64), 40),
]


def _operands(shape, out, rng, dtype):
    x = rng.standard_normal(shape).astype(dtype)
    w = (rng.standard_normal((shape[-1], out)) / np.sqrt(shape[-1])).astype(dtype)
    b = rng.standard_normal(out).astype(dtype)
    dy = rng.standard_normal((*shape[:-1], out)).astype(dtype)
    return x, w, b, dy


def _all(room, x, w, b, dy):
    return {
        "dense": room.dense(x, w),
        "dense with bias": room.dense(x, w, b),
        "dense_backward_input": room.dense_backward_input(dy, w),
        "dense_backward_kernel": room.dense_backward_kernel(x, dy),
    }


def test_float32(rng):
    cases = []
    for shape, out in SHAPES:
        operands = _operands(shape, out, rng, "float32")
        cases.append((f"{shape} to {out}", operands, _all(oracle, *operands)))
    for level in levels():
        for case, operands, right in cases:
            for name, y in _all(ops, *operands).items():
                assert_accurate(y, right[name], "float32", f"{name}, {case}, {level}")


def _placed(w, past):
    """A copy of w that begins `past` floats behind a cache line."""
    room = np.empty(w.size + 32, np.float32)
    begin = -room.ctypes.data % 64 // 4 + past
    placed = room[begin : begin + w.size].reshape(w.shape)
    placed[...] = w
    return placed


# Panels of few and of many rows, whole and with columns and steps left over; the other way round
# lanes filled by half, whole and twice, and dot products.
FEW_ROWS = [
    *(((rows, 1040), 1024) for rows in (4, 8, 13, 16)),
    *(((rows, 1024), 1040) for rows in (7, 15)),
    ((31, 1056), 1024),
    ((50, 1024), 1050),
    ((128, 1031), 1019),
    ((6, 1019), 1031),
    ((14, 3333), 1027),
    ((64, 130), 150),
    ((40, 151), 133),
    ((20, 16400), 70),
    ((8, 300), 5001),  # in parts of k and of columns
    ((16, 260), 5003),
]


def test_few_rows(rng):
    for (rows, size), out in FEW_ROWS:
        x, w, b, dy = _operands((rows, size), out, rng, "float32")
        y, dx = oracle.dense(x, w, b), oracle.dense_backward_input(dy, w)
        for past in (0, 4, 15):
            placed = _placed(w, past)
            for level in levels():
                what = f"{rows}x{size} to {out}, {level}, {past} floats past a line"
                assert_accurate(ops.dense(x, placed, b), y, "float32", f"y {what}")
                ours = ops.dense_backward_input(dy, placed)
                assert_accurate(ours, dx, "float32", f"dx {what}")


def test_same_bits_from_any_number_of_threads(rng):
    """Kernels for few rows add in an order that goes with the size of what a thread is given."""
    runtime = cnnfast.runtime
    runtime.set_deterministic(True)
    try:
        for (rows, size), out in (
            ((40, 260), 200),
            ((9, 700), 30),
            ((9, 700), 20),
            ((1, 1000), 250),
            ((64, 1500), 90),
            ((40, 3000), 1100),
            ((16, 2200), 2100),
        ):
            x, w, b, dy = _operands((rows, size), out, rng, "float32")
            for level in levels():
                results = []
                for threads in (1, 2, 3):
                    runtime.set_num_threads(threads)
                    results.append((ops.dense(x, w, b), ops.dense_backward_input(dy, w)))
                for threads, (y, dx) in zip((2, 3), results[1:], strict=True):
                    what = f"{rows}x{size} to {out}, {level}, {threads} threads"
                    assert np.array_equal(y, results[0][0]), f"y {what}"
                    assert np.array_equal(dx, results[0][1]), f"dx {what}"
    finally:
        runtime.set_deterministic(False)


def test_kernel_gradient_too_large_for_the_caches(rng):
    for out in (2112, 2048):  # the latter are rows of whole pages
        for rows in (1, 3, 16, 20):
            x, _, _, dy = _operands((rows, 2200), out, rng, "float32")
            want = oracle.dense_backward_kernel(x, dy)
            for level in levels():
                ours = ops.dense_backward_kernel(x, dy)
                assert_accurate(ours, want, "float32", f"{rows} rows to {out}, {level}")


def test_float64(rng):
    for shape, out in SHAPES:
        operands = _operands(shape, out, rng, "float64")
        right = _all(oracle, *operands)
        for name, y in _all(ops, *operands).items():
            assert_accurate(y, right[name], "float64", f"{name}, {shape} to {out}")


def test_gradients_of_a_traced_function(rng):
    for shape, out in SHAPES:
        x, w, b, dy = _operands(shape, out, rng, "float32")
        right = _all(oracle, x, w, b, dy)

        def loss(x, w, b, dy=dy):
            return ops.sum(ops.dense(x, w, b) * dy)

        _, (dx, dw, db) = cnnfast.value_and_grad(loss, argnums=(0, 1, 2))(x, w, b)
        assert_accurate(dx, right["dense_backward_input"], "float32", f"dx, {shape}")
        assert_accurate(dw, right["dense_backward_kernel"], "float32", f"dw, {shape}")
        rows = dy.reshape(-1, out).astype("float64")
        assert_close(db, rows.sum(0), 0, 1e-5 * np.abs(rows).sum(0).max(), what=f"db, {shape}")


def test_empty_batch():
    x, w, dy = np.zeros((0, 5), "float32"), np.ones((5, 3), "float32"), np.zeros((0, 3), "float32")
    assert ops.dense(x, w).shape == (0, 3)
    assert ops.dense_backward_input(dy, w).shape == (0, 5)
    assert_close(ops.dense_backward_kernel(x, dy), np.zeros((5, 3)), 0, 0)


def test_matmul(rng):
    x, w = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5))
    assert_accurate(ops.matmul(x, w), x @ w, "float64")


def test_gradient_of_the_bias_alone(rng):
    """The kernel's gradient, which comes from the same step, is not made."""
    for rows, size, out in ((5, 8, 1100), (300, 8, 200)):
        x, w, b, dy = _operands((rows, size), out, rng, "float32")
        for level in levels():
            gradient = cnnfast.grad(lambda b, x=x, w=w, dy=dy: ops.sum(ops.dense(x, w, b) * dy))(b)
            want = dy.astype(np.float64).sum(axis=0)
            assert_accurate(gradient, want, "float32", f"{rows} rows to {out}, {level}")
