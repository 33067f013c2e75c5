"""Arrays of every layout go in, are not changed, and what comes out is the user's own."""

import resource
import threading

import numpy as np

from check import assert_accurate
from cnnfast import ops, runtime
from ops.levels import levels
from oracle import convolution


def _layouts(x):
    """The same values: C order, Fortran order, strided, reversed, misaligned, read-only, foreign."""
    yield "C order", x
    yield "Fortran order", np.asfortranarray(x)
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    yield "every second value", wide[..., ::2]
    yield "reversed", x[::-1].copy()[::-1]
    raw = np.zeros(x.nbytes + 1, "uint8")
    odd = raw[1:].view(x.dtype).reshape(x.shape)
    odd[...] = x
    yield "misaligned by one byte", odd
    fixed = x.copy()
    fixed.flags.writeable = False
    yield "read-only", fixed
    yield "other byte order", x.astype(x.dtype.newbyteorder())
    yield "transposed view", np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1)


def test_layouts(rng):
    x = rng.standard_normal((2, 6, 5, 3)).astype("float32")
    w = rng.standard_normal((3, 3, 3, 5)).astype("float32")
    right = convolution.conv2d(x, w)
    for name, odd in _layouts(x):
        before = odd.copy()
        assert_accurate(ops.conv2d(odd, w), right, "float32", name)
        assert np.array_equal(ops.relu(odd), np.maximum(x, 0)), name
        assert np.array_equal(ops.add(odd, x), x + x), name
        assert np.array_equal(odd, before), name
    for name, odd in _layouts(w):
        assert_accurate(ops.conv2d(x, odd), right, "float32", name)


def test_broadcast_views(rng):
    x = np.broadcast_to(rng.standard_normal((1, 1, 1, 3)).astype("float32"), (2, 4, 4, 3))
    assert np.array_equal(ops.max_pool2d(x, 2), x[:, :2, :2])
    assert np.array_equal(ops.negative(x), -x)


def test_results_are_independent(rng):
    """A later call must not write into what an earlier one returned, nor views share memory."""
    x = rng.standard_normal((2, 8, 8, 3)).astype("float32")
    w = rng.standard_normal((3, 3, 3, 4)).astype("float32")
    first = ops.conv2d(x, w)
    kept = first.copy()
    for _ in range(5):
        ops.conv2d(-x, w)
    assert np.array_equal(first, kept)
    for f in (ops.flatten, ops.stop_gradient, lambda v: ops.reshape(v, (-1,))):
        y = f(x)
        assert not np.shares_memory(x, y)
        assert y.flags.writeable
        y[...] = 0
    assert x.any()


def test_nothing_outside_the_arrays_is_touched(rng):
    """NaN around the inputs reaches no output: no kernel reads past an end into its result."""
    for level in levels(threads=(1,)):
        for channels, filters in ((1, 1), (3, 5), (7, 17), (16, 9), (33, 31)):
            shapes = [(2, 5, 4, channels), (3, 3, channels, filters), (filters,)]
            guarded = []
            for shape in shapes:
                size = int(np.prod(shape))
                room = np.full(size + 64, np.nan, "float32")
                room[32 : 32 + size] = rng.standard_normal(size)
                guarded.append(room[32 : 32 + size].reshape(shape))
            x, w, b = guarded
            assert np.isfinite(ops.conv2d(x, w, b, padding="same")).all(), level
            assert np.isfinite(ops.max_pool2d(x, 2)).all(), level
            assert np.isfinite(ops.avg_pool2d(x, 3, strides=1, padding="same")).all(), level
            assert np.isfinite(ops.dense(x, w[0, 0], b)).all(), level
            assert np.isfinite(ops.tanh(x)).all(), level
            assert np.isfinite(ops.softmax(x)).all(), level
            assert np.isfinite(ops.sum(x, (0, 1, 2))).all(), level
            assert np.isfinite(ops.transpose(x, (0, 3, 1, 2))).all(), level


def test_many_shapes_do_not_pile_up():
    """What is kept between calls on arrays (plans, buffers for results) is bounded in bytes."""
    runtime.set_num_threads(1)
    ops.relu(np.ones(500_000, "float32"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(900):
        ops.relu(np.ones(500_000 + i, "float32"))  # 2 MB each, 1.8 GB in all
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 600_000, f"{grown} KiB more than before"


def test_calls_from_several_threads(rng):
    """One plan, one arena, four Python threads: every one gets its own result."""
    w = rng.standard_normal((3, 3, 4, 6)).astype("float32")
    inputs = [rng.standard_normal((2, 9, 9, 4)).astype("float32") for _ in range(8)]
    right = [ops.softmax(ops.conv2d(x, w)) for x in inputs]
    wrong = []

    def work(start):
        for i in range(60):
            which = (start + i) % len(inputs)
            if not np.array_equal(ops.softmax(ops.conv2d(inputs[which], w)), right[which]):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
