"""Pooling and its gradients against the oracle, at every instruction set."""

import numpy as np
import pytest

import cnnfast
from check import assert_accurate, assert_close
from cnnfast import ops
from ops.levels import levels
from oracle import pooling
from oracle.cases import POOLINGS


def _operands(case, rng, dtype):
    x = rng.standard_normal(case.x).astype(dtype)
    dy = rng.standard_normal(pooling.max_pool2d(x, **case.options).shape).astype(dtype)
    return x, dy


def _all(room, x, dy, options):
    return {
        "max_pool2d": room.max_pool2d(x, **options),
        "max_pool2d_backward": room.max_pool2d_backward(x, dy, **options),
        "avg_pool2d": room.avg_pool2d(x, **options),
        "avg_pool2d_backward": room.avg_pool2d_backward(dy, x.shape, **options),
    }


def test_float32(rng):
    cases = []
    for case in POOLINGS:
        operands = _operands(case, rng, "float32")
        cases.append((case, operands, _all(pooling, *operands, case.options)))
    for level in levels():
        for case, operands, right in cases:
            for name, y in _all(ops, *operands, case.options).items():
                assert_accurate(y, right[name], "float32", f"{name}, {case}, {level}")


def test_few_channels(rng):
    """Averages of them are made of rows as streams of floats, in lanes that repeat."""
    options = [
        {"pool_size": 2},
        {"pool_size": (3, 2), "strides": (2, 2), "padding": ((1, 1), (0, 0))},
        {"pool_size": (2, 1), "strides": (3, 2)},
        {"pool_size": 3, "strides": 1},
        {"pool_size": (2, 3), "strides": (2, 1), "padding": "valid"},
        {"pool_size": 3, "strides": 2, "padding": "same"},
    ]
    for channels in (*range(1, 9), 15):
        x = rng.standard_normal((2, 7, 26, channels)).astype("float32")
        cases = []
        for how in options:
            dy = rng.standard_normal(pooling.max_pool2d(x, **how).shape).astype("float32")
            cases.append((how, dy, _all(pooling, x, dy, how)))
        for level in levels():
            for how, dy, right in cases:
                for name, y in _all(ops, x, dy, how).items():
                    what = f"{name}, {channels} channels, {how}, {level}"
                    assert_accurate(y, right[name], "float32", what)


def test_float64(rng):
    for case in POOLINGS:
        operands = _operands(case, rng, "float64")
        right = _all(pooling, *operands, case.options)
        for name, y in _all(ops, *operands, case.options).items():
            assert_accurate(y, right[name], "float64", f"{name}, {case}")


def test_first_of_equal_values_wins(rng):
    """Images of few levels are full of ties; so are maps after a ReLU."""
    for level in levels():
        for case in POOLINGS:
            for x in (rng.integers(-1, 2, case.x).astype("float32"), np.zeros(case.x, "float32")):
                y = ops.max_pool2d(x, **case.options)
                assert_close(y, pooling.max_pool2d(x, **case.options), 0, 0)
                dy = rng.standard_normal(y.shape).astype("float32")
                dx = ops.max_pool2d_backward(x, dy, **case.options)
                right = pooling.max_pool2d_backward(x, dy, **case.options)
                assert_accurate(dx, right, "float32", f"{case}, {level}")


def test_padding_never_wins():
    x = np.full((1, 3, 3, 5), -7.0, "float32")
    for level in levels():
        for padding in ("same", 1, ((1, 0), (0, 1))):
            y = ops.max_pool2d(x, 3, strides=1, padding=padding)
            assert (y == -7).all(), (padding, level)
            y = ops.avg_pool2d(x, 3, strides=1, padding=padding)
            assert_close(y, np.full(y.shape, -7.0), 1e-6)


def test_infinities(rng):
    x = rng.standard_normal((1, 4, 4, 19)).astype("float32")
    x[0, 1, 1] = -np.inf
    x[0, 2, 2] = np.inf
    for level in levels():
        y = ops.max_pool2d(x, 2)
        assert np.array_equal(y, pooling.max_pool2d(x, 2)), level
        every = np.full((1, 4, 4, 19), -np.inf, "float32")
        assert np.array_equal(ops.max_pool2d(every, 2), every[:, :2, :2]), level
        dx = ops.max_pool2d_backward(every, np.ones((1, 2, 2, 19), "float32"), 2)
        assert dx.sum() == 4 * 19, level


def test_gradients_of_a_traced_function(rng):
    for case in POOLINGS:
        x, dy = _operands(case, rng, "float32")
        right = _all(pooling, x, dy, case.options)
        for name in ("max_pool2d", "avg_pool2d"):

            def loss(x, name=name, dy=dy, case=case):
                return ops.sum(getattr(ops, name)(x, **case.options) * dy)

            _, dx = cnnfast.value_and_grad(loss)(x)
            assert_accurate(dx, right[f"{name}_backward"], "float32", f"{name}, {case}")


def test_adjoint_of_average_pooling(rng):
    for case in POOLINGS:
        x, dy = _operands(case, rng, "float64")
        forward = np.vdot(ops.avg_pool2d(x, **case.options), dy)
        back = np.vdot(ops.avg_pool2d_backward(dy, x.shape, **case.options), x)
        assert abs(forward - back) <= 1e-12 * np.linalg.norm(dy) * np.linalg.norm(x), case


def test_channels_first(rng):
    for case in POOLINGS[:8]:
        x, dy = _operands(case, rng, "float32")
        right = _all(pooling, x, dy, case.options)
        turned, dy_turned = (np.ascontiguousarray(np.moveaxis(v, 3, 1)) for v in (x, dy))
        options = {**case.options, "data_format": "channels_first"}
        for name, y in _all(ops, turned, dy_turned, options).items():
            assert_accurate(y, np.moveaxis(right[name], 3, 1), "float32", f"{name}, {case}")


def test_empty_batch():
    x, dy = np.zeros((0, 4, 4, 3), "float32"), np.zeros((0, 2, 2, 3), "float32")
    for name, y in _all(ops, x, dy, {"pool_size": 2}).items():
        assert y.shape == (x if "backward" in name else dy).shape, name


def test_keras_spelling(rng):
    x = rng.standard_normal((2, 7, 8, 4)).astype("float32")
    assert np.array_equal(
        ops.max_pool(x, 3, 2, "same"), ops.max_pool2d(x, 3, strides=2, padding="same")
    )
    assert np.array_equal(
        ops.average_pool(x, 3, 2, "same"), ops.avg_pool2d(x, 3, strides=2, padding="same")
    )


def _map(rows):
    return np.array(rows, "float32")[None, :, :, None]


def test_worked_by_hand():
    """docs/pooling.md; the largest value of the last window stands twice, the first wins."""
    x = _map([[1, 3, 2, 1], [4, 2, 0, 1], [0, 0, 5, 6], [7, 5, 8, 8]])
    dy = _map([[10, 20], [30, 40]])
    for level in levels():
        assert ops.max_pool2d(x, 2)[0, :, :, 0].tolist() == [[4, 2], [7, 8]], level
        assert ops.avg_pool2d(x, 2)[0, :, :, 0].tolist() == [[2.5, 1], [3, 6.75]], level
        dx = ops.max_pool2d_backward(x, dy, 2)[0, :, :, 0]
        right = [[0, 0, 20, 0], [10, 0, 0, 0], [0, 0, 0, 0], [30, 0, 40, 0]]
        assert dx.tolist() == right, level
        dx = ops.avg_pool2d_backward(dy, x.shape, 2)[0, :, :, 0]
        assert dx[::2].tolist() == dx[1::2].tolist() == [[2.5, 2.5, 5, 5], [7.5, 7.5, 10, 10]]


def test_overlapping_windows_add_their_gradients():
    peak = np.zeros((1, 5, 5, 1), "float32")
    peak[0, 2, 2] = 1
    dy = _map([[1, 2], [3, 4]])
    for level in levels():
        dx = ops.max_pool2d_backward(peak, dy, 3, strides=2)
        assert dx[0, 2, 2, 0] == 10 and np.count_nonzero(dx) == 1, level


def test_sizes_of_a_course():
    """28x28 is 26x26 after a 3x3 convolution and 13x13 after pooling; AlexNet's 55 become 27."""
    x = np.zeros((1, 28, 28, 1), "float32")
    y = ops.conv2d(x, np.zeros((3, 3, 1, 4), "float32"))
    assert y.shape == (1, 26, 26, 4)
    assert ops.max_pool2d(y, 2).shape == ops.avg_pool2d(y, 2).shape == (1, 13, 13, 4)
    assert ops.max_pool2d(np.zeros((1, 55, 55, 3), "float32"), 3, strides=2).shape == (1, 27, 27, 3)


@pytest.mark.parametrize(("window", "strides"), [(2, 2), (3, 2), (2, 1), (3, 1), (5, 1), (2, 3)])
def test_gradients_larger_than_the_caches(window, strides, rng):
    """They are stored past them; halves of the channels, which are not, have the same bits."""
    x = rng.standard_normal((2, 187, 180, 64), dtype=np.float32)
    dy = np.ones_like(ops.avg_pool2d(x, window, strides=strides))
    dy *= rng.standard_normal(dy.shape[1:], dtype=np.float32)
    halves = [(x[..., c].copy(), dy[..., c].copy()) for c in (slice(32), slice(32, 64))]
    for level in levels():
        largest = ops.max_pool2d_backward(x, dy, window, strides=strides)
        parts = [ops.max_pool2d_backward(*half, window, strides=strides) for half in halves]
        assert np.array_equal(largest, np.concatenate(parts, axis=-1)), level
        mean = ops.avg_pool2d_backward(dy, x.shape, window, strides=strides)
        parts = [
            ops.avg_pool2d_backward(half, a.shape, window, strides=strides) for a, half in halves
        ]
        assert np.array_equal(mean, np.concatenate(parts, axis=-1)), level
        assert np.isclose(mean.sum(dtype=np.float64), dy.sum(dtype=np.float64), rtol=1e-4), level
