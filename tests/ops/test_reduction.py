"""Reductions against NumPy in float64, at every instruction set."""

import numpy as np
import pytest

from check import assert_close
from cnnfast import ops
from ops.levels import levels

CASES = [
    ((1,), None),
    ((7,), 0),
    ((3, 17), None),
    ((3, 17), 0),
    ((3, 17), -1),
    ((2, 5, 4, 33), (0, 1, 2)),
    ((2, 5, 4, 33), (1, 2)),
    ((2, 5, 4, 33), (0, 3)),
    ((2, 5, 4, 3), (-1, 1)),
    ((2, 5, 4, 3), 2),
    ((50021,), None),
    ((9, 1, 70), 1),
    ((4, 3), ()),
    ((600, 33), 0),
]


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min"])
def test_reductions(name, rng):
    function = getattr(np, name)
    inputs = [(rng.standard_normal(shape).astype("float32"), axis) for shape, axis in CASES]
    for level in levels():
        for x, axis in inputs:
            for keepdims in (False, True):
                expected = function(x.astype("float64"), axis=axis, keepdims=keepdims)
                y = getattr(ops, name)(x, axis, keepdims)
                # The error of a sum is measured against what was added up.
                size = float(np.abs(x).sum(axis=axis).max()) if name == "sum" else 1.0
                what = f"{name}, {x.shape} over {axis}, {level}"
                assert_close(y, expected, 1e-6, 1e-6 * size, "float32", what)
    for x, axis in inputs:
        x = x.astype("float64")
        size = float(np.abs(x).sum())
        y = getattr(ops, name)(x, axis)
        assert_close(y, function(x, axis=axis), 1e-13, 1e-15 * size, "float64", name)


def test_a_long_sum_stays_accurate():
    x = np.full(10_000_000, 0.1, "float32")
    exact = 10_000_000 * float(np.float32(0.1))
    for level in levels(threads=(1, 2)):
        assert abs(float(ops.sum(x)) - exact) <= 1e-5 * exact, level
        assert abs(float(ops.mean(x)) - float(np.float32(0.1))) <= 1e-6, level


def test_extremes_of_special_values():
    x = np.array([[1, np.nan, 3], [-np.inf, -5, -np.inf], [np.inf, 0, 1]], "float32")
    with np.errstate(invalid="ignore"):
        for level in levels(threads=(1,)):
            assert np.array_equal(ops.max(x, 1), np.max(x, 1), equal_nan=True), level
            assert np.array_equal(ops.min(x, 1), np.min(x, 1), equal_nan=True), level


def test_integers(rng):
    for dtype in ("int32", "int64"):
        x = rng.integers(-9, 9, (4, 5)).astype(dtype)
        for name in ("sum", "max", "min"):
            y = getattr(ops, name)(x, 1)
            assert y.dtype == np.dtype("int64" if name == "sum" else dtype)
            assert np.array_equal(y, getattr(np, name)(x, 1)), name


def test_argmax(rng):
    for level in levels(threads=(1,)):
        for shape, axis in [((7,), 0), ((3, 10), -1), ((3, 10), 0), ((2, 3, 5), 1), ((3, 4), None)]:
            x = rng.integers(0, 4, shape).astype("float32")  # ties: the first wins
            y = ops.argmax(x, axis)
            assert y.dtype == np.int64
            assert np.array_equal(y, np.argmax(x, axis)), f"{shape} over {axis}, {level}"


def test_variance(rng):
    x = 100 + rng.standard_normal((5, 6, 7))
    assert_close(ops.var(x, (0, 2)), np.var(x, axis=(0, 2)), 1e-10)
    assert_close(ops.std(x, -1, True), np.std(x, axis=-1, keepdims=True), 1e-10)


def test_empty():
    x = np.zeros((0, 3), "float32")
    assert_close(ops.sum(x, 0), np.zeros(3), 0, 0)
    assert ops.sum(x, 1).shape == (0,)
    for name in ("max", "min", "argmax"):
        with pytest.raises(ValueError, match=name):
            getattr(ops, name)(x, 0)
