"""Activations, arithmetic and comparisons against the oracle, at every instruction set."""

import numpy as np
import pytest

from check import assert_close
from cnnfast import ops
from ops.levels import levels
from oracle import elementwise, loss

SIZES = [(1,), (7,), (16,), (3, 17), (2, 5, 3, 33), (40007,)]
UNARY = {**elementwise.ACTIVATIONS, **elementwise.UNARY, **elementwise.POSITIVE}
# Accuracy of each single value: about eight units in the last place of float32.
RTOL = {"float32": 1e-6, "float64": 1e-13}


def _wide(name, size, rng, dtype):
    """Values over many magnitudes, the interesting ones for exponentials included."""
    x = rng.uniform(-20, 20, size) * 10.0 ** rng.integers(-6, 1, size)
    return (np.abs(x) + 1e-7 if name in elementwise.POSITIVE else x).astype(dtype)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name, rng):
    function = UNARY[name][0]
    for dtype in ("float32", "float64"):
        inputs = [_wide(name, size, rng, dtype) for size in SIZES]
        with np.errstate(all="ignore"):
            right = [function(x.astype("float64")) for x in inputs]
        for level in levels() if dtype == "float32" else ["float64"]:
            for x, expected in zip(inputs, right, strict=True):
                y = getattr(ops, name)(x)
                assert_close(y, expected, RTOL[dtype], 1e-37, dtype, f"{name}, {x.shape}, {level}")


def test_far_ends():
    """No overflow into NaN where the result has a limit."""
    x = np.array([-1e30, -1000, -90, -88, 88, 90, 1000, 1e30, -np.inf, np.inf], "float32")
    with np.errstate(all="ignore"):
        for level in levels(threads=(1,)):
            for name in ("relu", "leaky_relu", "elu", "tanh", "sigmoid", "softplus", "exp"):
                expected = UNARY[name][0](x.astype("float64")).astype("float32")
                y = getattr(ops, name)(x)
                assert_close(y, expected, 1e-5, 1e-37, what=f"{name}, {level}")
            assert_close(ops.log([0.0, np.inf]), [-np.inf, np.inf], what=level)
            assert np.isnan(ops.log([-1.0])).all() and np.isnan(ops.sqrt([-1.0])).all(), level


def test_nan_stays_nan():
    x = np.full(37, np.nan, "float32")
    for level in levels(threads=(1,)):
        for name in UNARY:
            assert np.isnan(getattr(ops, name)(x)).all(), f"{name}, {level}"
        for name in ("add", "maximum", "minimum", "multiply"):
            assert np.isnan(getattr(ops, name)(x, np.float32(1))).all(), f"{name}, {level}"
            assert np.isnan(getattr(ops, name)(np.ones_like(x), x)).all(), f"{name}, {level}"


def test_parameters_of_activations(rng):
    x = rng.standard_normal(101)
    assert_close(ops.leaky_relu(x, 0.01), np.where(x > 0, x, 0.01 * x), 1e-13)
    assert_close(ops.leaky_relu(x, negative_slope=0), np.maximum(x, 0), 1e-13)
    assert_close(ops.elu(x, 1.7), np.where(x > 0, x, 1.7 * np.expm1(x)), 1e-12)


BROADCASTS = [
    ((5,), (5,)),
    ((3, 17), (17,)),
    ((3, 17), (3, 1)),
    ((3, 1), (1, 17)),
    ((2, 4, 5, 19), (19,)),
    ((2, 4, 5, 19), (2, 1, 1, 19)),
    ((2, 4, 1, 3), (5, 1)),
    ((), (4, 3)),
    ((40007,), ()),
    ((1, 1, 1), (3, 4)),
    ((0, 3), (3,)),
    ((200, 300), (300,)),
]


@pytest.mark.parametrize("name", elementwise.BINARY)
def test_binary_with_broadcasting(name, rng):
    function = elementwise.BINARY[name]
    cases = []
    for a_shape, b_shape in BROADCASTS:
        a, b = rng.uniform(0.5, 2, a_shape), rng.uniform(0.5, 2, b_shape)
        cases += [(a, b), (b, -a)]
    for level in levels():
        for a, b in cases:
            a32, b32 = a.astype("float32"), np.asarray(b, "float32")
            y = getattr(ops, name)(a32, b32)
            expected = function(a32.astype("float64"), b32.astype("float64"))
            what = f"{name}, {a.shape} {b.shape}, {level}"
            assert_close(y, expected, 1e-6, 1e-37, "float32", what)
    for a, b in cases:
        assert_close(getattr(ops, name)(a, np.asarray(b)), function(a, b), 1e-14, 0, "float64")


def test_power(rng):
    a = rng.uniform(0.1, 5, (3, 17)).astype("float32")
    for exponent in (2, 0.5, -1.5, 0, 3):
        for level in levels(threads=(1,)):
            expected = a.astype("float64") ** exponent
            assert_close(ops.power(a, exponent), expected, 3e-6, what=f"{exponent}, {level}")
    negative = np.array([-2.0, -0.5, 0.0], "float32")
    assert_close(ops.power(negative, 2), [4, 0.25, 0], 1e-6)
    assert_close(ops.power(negative, 3), [-8, -0.125, 0], 1e-6)
    assert np.isnan(ops.power(negative[:2], 0.5)).all()


def test_integers():
    a, b = np.array([7, -3, 2**40]), np.array([2, 5, 3])
    assert np.array_equal(ops.add(a, b), a + b)
    assert np.array_equal(ops.subtract(a, b), a - b)
    assert np.array_equal(ops.multiply(a, b), a * b)
    assert np.array_equal(ops.maximum(a, 3), np.maximum(a, 3))
    assert ops.add(a.astype("int32"), 1).dtype == np.int32


def test_comparisons_and_where(rng):
    a, b = rng.integers(0, 3, (4, 1, 9)), rng.integers(0, 3, (5, 9))
    for dtype in ("float32", "float64", "int32", "int64", "uint8"):
        p, q = a.astype(dtype), b.astype(dtype)
        for name in elementwise.COMPARISONS:
            y = getattr(ops, name)(p, q)
            assert y.dtype == bool
            assert np.array_equal(y, getattr(np, name)(p, q)), f"{name}, {dtype}"
        chosen = ops.where(ops.less(p, q), p, q)
        assert chosen.dtype == np.dtype(dtype)
        assert np.array_equal(chosen, np.minimum(p, q)), dtype
    assert np.array_equal(ops.where(a > 1, 1.0, 0.0), (a > 1).astype("float32"))


def test_clip(rng):
    x = rng.standard_normal((3, 19)).astype("float32")
    assert np.array_equal(ops.clip(x, -0.5, 0.25), np.clip(x, -0.5, 0.25).astype("float32"))


def test_python_numbers_take_the_dtype_of_the_array():
    for dtype in ("float32", "float64"):
        x = np.ones(3, dtype)
        for y in (ops.add(x, 1), ops.add(2.5, x), ops.divide(x, np.sqrt(4.0))):
            assert y.dtype == np.dtype(dtype)
    assert ops.add(1.0, 2).dtype == np.float32
    assert ops.add([1.0, 2.0], np.ones(2, "float32")).dtype == np.float32


SOFTMAXES = [((1, 1), -1), ((3, 10), -1), ((128, 10), 1), ((2, 5, 17), -1), ((2, 5, 3), 1)]
SOFTMAXES += [((4, 1000), -1), ((7,), 0), ((3, 2, 4), 0), ((1, 33), -1), ((300, 9), 0)]


def test_softmax(rng):
    for level in levels():
        for shape, axis in SOFTMAXES:
            x = (10 * rng.standard_normal(shape)).astype("float32")
            what = f"{shape}, axis {axis}, {level}"
            y = ops.softmax(x, axis)
            assert_close(y, loss.softmax(x, axis), 5e-6, 1e-37, "float32", what)
            y = ops.log_softmax(x, axis)
            assert_close(y, loss.log_softmax(x, axis), 1e-6, 2e-6, "float32", what)
    x = rng.standard_normal((5, 11))
    assert_close(ops.softmax(x), loss.softmax(x), 1e-13, dtype="float64")
    assert_close(ops.log_softmax(x), loss.log_softmax(x), 1e-13, dtype="float64")


def test_softmax_of_large_values():
    x = np.array([[1e4, 1e4 - 1, -1e4], [-1e30, 0, -1e30]], "float32")
    for level in levels(threads=(1,)):
        assert_close(ops.softmax(x), loss.softmax(x), 1e-5, 1e-37, what=level)
        assert_close(ops.log_softmax(x), loss.log_softmax(x), 1e-5, 1e-3, what=level)
