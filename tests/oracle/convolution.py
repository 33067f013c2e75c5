"""y[n,i,j,k] = b[k] + sum_abc x[n, i s + a d - top, j s + b d - left, c] w[a,b,c,k], per group.

One pass over the taps (a, b): each is a product over channels, for all output places at once.
"""

import numpy as np

from oracle.windows import Windows


def _geometry(input_shape, kernel_shape, strides, padding, dilation_rate):
    return Windows(input_shape[1:3], kernel_shape[:2], strides, padding, dilation_rate)


def _groups(groups, channels, filters):
    """(input channels, output channels) of each group."""
    c, k = channels // groups, filters // groups
    return [(slice(g * c, (g + 1) * c), slice(g * k, (g + 1) * k)) for g in range(groups)]


def conv2d(x, w, b=None, strides=1, padding="valid", dilation_rate=1, groups=1):
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    at = _geometry(x.shape, w.shape, strides, padding, dilation_rate)
    padded = np.zeros(at.padded_shape(x.shape[0], x.shape[3]))
    padded[at.inner()] = x
    y = np.zeros((x.shape[0], *at.out, w.shape[3]))
    for tap in at.taps():
        seen = padded[at.seen(*tap)]
        for ins, outs in _groups(groups, x.shape[3], w.shape[3]):
            y[..., outs] += seen[..., ins] @ w[tap][:, outs]
    return y if b is None else y + np.asarray(b, np.float64)


def conv2d_backward_input(
    dy, w, input_shape, strides=1, padding="valid", dilation_rate=1, groups=1
):
    dy, w = np.asarray(dy, np.float64), np.asarray(w, np.float64)
    at = _geometry(input_shape, w.shape, strides, padding, dilation_rate)
    padded = np.zeros(at.padded_shape(input_shape[0], input_shape[3]))
    for tap in at.taps():
        seen = padded[at.seen(*tap)]  # a view: adding to it adds to `padded`
        for ins, outs in _groups(groups, input_shape[3], w.shape[3]):
            seen[..., ins] += dy[..., outs] @ w[tap][:, outs].T
    return padded[at.inner()]


def conv2d_backward_kernel(
    x, dy, kernel_shape, strides=1, padding="valid", dilation_rate=1, groups=1
):
    x, dy = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    at = _geometry(x.shape, kernel_shape, strides, padding, dilation_rate)
    padded = np.zeros(at.padded_shape(x.shape[0], x.shape[3]))
    padded[at.inner()] = x
    dw = np.zeros(kernel_shape)
    for tap in at.taps():
        seen = padded[at.seen(*tap)]
        for ins, outs in _groups(groups, x.shape[3], kernel_shape[3]):
            dw[tap][:, outs] = np.einsum("nijc,nijk->ck", seen[..., ins], dy[..., outs])
    return dw
