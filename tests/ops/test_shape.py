"""Ops that move values: exactly NumPy's results, for every dtype."""

import numpy as np
import pytest

from cnnfast import ops

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool"]


def _same(y, expected):
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    assert np.array_equal(y, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_shapes(dtype, rng):
    x = rng.integers(0, 100, (2, 3, 4, 5)).astype(dtype)
    _same(ops.reshape(x, (6, -1)), x.reshape(6, 20))
    _same(ops.reshape(x, 120), x.reshape(120))
    _same(ops.flatten(x), x.reshape(2, 60))
    _same(ops.ravel(x), x.ravel())
    _same(ops.expand_dims(x, 0), x[None])
    _same(ops.expand_dims(x, (1, -1)), np.expand_dims(x, (1, -1)))
    _same(ops.squeeze(x[:1, :, :1], 0), x[0, :, :1])
    _same(ops.squeeze(x[:1, :, :1]), x[0, :, 0])
    _same(ops.stop_gradient(x), x)
    _same(
        ops.broadcast_to(x[:1, :, :1], (2, 2, 3, 4, 5)),
        np.broadcast_to(x[:1, :, :1], (2, 2, 3, 4, 5)),
    )


def test_transpose(rng):
    import itertools

    x = rng.standard_normal((2, 3, 4, 5)).astype("float32")
    for axes in itertools.permutations(range(4)):
        _same(ops.transpose(x, axes), x.transpose(axes))
    _same(ops.transpose(x), x.T)
    _same(ops.transpose(x, (0, -1, 1, 2)), x.transpose(0, 3, 1, 2))
    large = rng.standard_normal((70, 300)).astype("float32")
    _same(ops.transpose(large), large.T)
    for dtype in DTYPES:
        _same(ops.transpose(x.astype(dtype), (3, 1, 0, 2)), x.astype(dtype).transpose(3, 1, 0, 2))


def test_cast(rng):
    values = np.array([0, 1, 2, 100, 255])
    for source in DTYPES:
        for target in DTYPES:
            x = values.astype(source)
            _same(ops.cast(x, target), x.astype(target))
    _same(
        ops.cast(np.array([1.5, -2.7], "float16"), "float32"),
        np.array([1.5, -2.7], "float16").astype("float32"),
    )
    _same(ops.cast(np.array([1, -2], "int16"), np.int64), np.array([1, -2]))
    big = rng.integers(0, 256, 100_003).astype("uint8")
    _same(ops.cast(big, "float32"), big.astype("float32"))


def test_one_hot():
    labels = np.array([[0, 2], [1, 9]])
    expected = np.zeros((2, 2, 3), "float32")
    expected[0, 0, 0] = expected[0, 1, 2] = expected[1, 0, 1] = 1
    for dtype in ("int32", "int64", "uint8"):
        _same(ops.one_hot(labels.astype(dtype), 3), expected)


def test_empty():
    x = np.zeros((0, 3, 4), "float32")
    assert ops.flatten(x).shape == (0, 12)
    assert ops.transpose(x).shape == (4, 3, 0)
    assert ops.reshape(x, (4, 0)).shape == (4, 0)
    assert ops.broadcast_to(np.zeros((1, 3), "float32"), (0, 3)).shape == (0, 3)
