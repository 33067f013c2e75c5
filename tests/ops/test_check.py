"""The comparison rejects what a wrong kernel would give."""

import numpy as np
import pytest

from check import assert_accurate, assert_close, relative_error
from cnnfast import ops
from oracle import convolution


@pytest.fixture
def result(rng):
    x, w = rng.standard_normal((2, 6, 5, 3)), rng.standard_normal((3, 3, 3, 4))
    right = convolution.conv2d(x, w)
    return right, ops.conv2d(x.astype("float32"), w.astype("float32"))


def _rejected(actual, expected):
    with pytest.raises(AssertionError):
        assert_close(actual, expected, 1e-4, 1e-5)
    with pytest.raises(AssertionError):
        assert_accurate(actual, expected, "float32")


def test_accepts_the_right_result(result):
    right, y = result
    assert_close(y, right, 1e-4, 1e-5, dtype="float32")
    assert_accurate(y, right, "float32")


def test_rejects_zeros(result):
    _rejected(np.zeros_like(result[1]), result[0])


def test_rejects_nan(result):
    right, y = result
    _rejected(np.full_like(y, np.nan), right)
    y = y.copy()
    y.flat[-1] = np.nan
    _rejected(y, right)


def test_rejects_infinity(result):
    right, y = result
    y = y.copy()
    y.flat[3] = np.inf
    _rejected(y, right)


def test_a_limit_that_is_expected_must_be_met():
    assert_close([np.inf, -np.inf], [np.inf, -np.inf])
    for wrong in (1.0, -np.inf, np.nan):
        with pytest.raises(AssertionError):
            assert_close([wrong], [np.inf])


def test_rejects_one_wrong_value(result):
    right, y = result
    y = y.copy()
    y.flat[7] += 0.01
    _rejected(y, right)


def test_rejects_a_small_scale(result):
    right, y = result
    _rejected((y * np.float32(1.001)).astype("float32"), right)


def test_rejects_wrong_shapes_and_dtypes(result):
    right, y = result
    _rejected(y[:1], right)
    _rejected(y.reshape(-1), right)
    with pytest.raises(AssertionError):
        assert_accurate(y.astype("float64"), right, "float32")
    with pytest.raises(AssertionError):
        assert_close(y, right, 1e-4, 1e-5, dtype="float64")


def test_rejects_a_kernel_of_zeros(result, rng):
    # What a kernel that forgot its weights computes is caught too.
    x = rng.standard_normal((2, 6, 5, 3)).astype("float32")
    _rejected(ops.conv2d(x, np.zeros((3, 3, 3, 4), "float32")), result[0])


def test_relative_error():
    assert relative_error([np.nan, 1.0], [1.0, 1.0]) == np.inf
    assert relative_error([0.0], [0.0]) == 0.0
    assert relative_error([1.0], [0.0]) == np.inf
    assert relative_error([1.1], [1.0]) == pytest.approx(0.1)
