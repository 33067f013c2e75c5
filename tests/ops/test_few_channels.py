"""Layers of a few channels, whose vectors run over pixels, over taps or over a row's floats."""

import numpy as np
import pytest

from check import assert_accurate
from cnnfast import ops
from ops.levels import levels
from oracle import convolution

# x, kernel, options: row strides, dilated rows, pads beyond the window, rows in several bands.
CASES = [
    ((3, 9, 37, 2), (3, 5), {"padding": ((1, 2), (3, 0))}),
    ((2, 12, 21, 3), (3, 2), {"padding": "valid", "dilation_rate": (2, 1)}),
    ((2, 7, 6, 1), (5, 5), {"padding": ((6, 4), (5, 7))}),
    ((1, 23, 16, 2), (4, 3), {"padding": "same", "strides": (3, 1)}),
    ((1, 21, 33, 1), (2, 3), {"padding": "same", "dilation_rate": (3, 4)}),
    ((5, 2, 3, 4), (1, 1), {"padding": "valid"}),
    ((1, 9, 700, 3), (2, 2), {"padding": "valid"}),
]


@pytest.mark.parametrize("filters", range(1, 9))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_kernel_gradients_of_few_filters(case, filters, rng, monkeypatch):
    shape, kernel, options = case
    w = (*kernel, shape[-1], filters)
    x = rng.standard_normal(shape).astype("float32")
    dy = rng.standard_normal(convolution.conv2d(x, np.zeros(w), **options).shape).astype("float32")
    right = convolution.conv2d_backward_kernel(x, dy, w, **options)
    monkeypatch.setenv("CNNFAST_CONV", "prefer:planar")
    for level in levels():
        dw = ops.conv2d_backward_kernel(x, dy, w, **options)
        assert_accurate(dw, right, "float32", level)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_input_gradients_of_few_channels(case, channels, rng, monkeypatch):
    shape, kernel, options = case
    shape = (*shape[:3], channels)
    w = rng.standard_normal((*kernel, channels, 11)).astype("float32")
    dy = rng.standard_normal(convolution.conv2d(np.zeros(shape), w, **options).shape)
    dy = dy.astype("float32")
    right = convolution.conv2d_backward_input(dy, w, shape, **options)
    for implementation in ("overlap", "planar"):
        monkeypatch.setenv("CNNFAST_CONV", f"prefer:{implementation}")
        for level in levels():
            dx = ops.conv2d_backward_input(dy, w, shape, **options)
            assert_accurate(dx, right, "float32", f"{implementation}, {level}")


@pytest.mark.parametrize("channels", range(1, 9))
def test_forward_from_and_to_few_channels(channels, rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", "prefer:planar")
    for filters in (1, 3, 6, 8):
        x = rng.standard_normal((2, 9, 21, channels)).astype("float32")
        w = rng.standard_normal((3, 3, channels, filters)).astype("float32")
        right = convolution.conv2d(x, w, padding="same")
        for level in levels():
            assert_accurate(ops.conv2d(x, w, padding="same"), right, "float32", level)


def test_what_lies_behind_a_row_does_not_matter(rng, monkeypatch):
    """Infinite pixels that a tap never meets: padding lanes with zeros would make NaN of them."""
    monkeypatch.setenv("CNNFAST_CONV", "prefer:planar")
    x = rng.standard_normal((1, 6, 20, 1)).astype("float32")
    x[:, :, -1] = np.inf
    dy = np.abs(rng.standard_normal((1, 6, 18, 6))).astype("float32")
    for level in levels():
        dw = ops.conv2d_backward_kernel(x, dy, (1, 3, 1, 6))
        assert np.isfinite(dw[0, :2]).all(), level
        assert np.isposinf(dw[0, 2]).all(), level
