"""Where windows of convolution and pooling lie."""

import math


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def pads(padding, size, window, strides, dilation):
    """((top, bottom), (left, right)) zeros around an image of ``size`` = (H, W)."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        return tuple(
            _same(n, k, s, d) for n, k, s, d in zip(size, window, strides, dilation, strict=True)
        )
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    return tuple(tuple(side) for side in padding)


def _same(size, taps, stride, dilation):
    # As many outputs as there are steps of `stride` in the input; the odd zero at the end.
    outputs = math.ceil(size / stride)
    total = max((outputs - 1) * stride + (taps - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def out_size(size, pad, taps, stride, dilation):
    return (size + pad[0] + pad[1] - (taps - 1) * dilation - 1) // stride + 1


class Windows:
    """The geometry of one call: pads, output size, and the image places one tap sees."""

    def __init__(self, size, window, strides, padding, dilation=1):
        self.size, self.window = size, window
        self.strides, self.dilation = pair(strides), pair(dilation)
        self.pads = pads(padding, size, window, self.strides, self.dilation)
        self.out = tuple(
            out_size(*args)
            for args in zip(size, self.pads, window, self.strides, self.dilation, strict=True)
        )

    def taps(self):
        return [(a, b) for a in range(self.window[0]) for b in range(self.window[1])]

    def seen(self, a, b):
        """Slices into the padded image: what tap (a, b) sees over all output places."""
        (sh, sw), (dh, dw), (oh, ow) = self.strides, self.dilation, self.out
        rows = slice(a * dh, a * dh + (oh - 1) * sh + 1, sh)
        columns = slice(b * dw, b * dw + (ow - 1) * sw + 1, sw)
        return slice(None), rows, columns

    def padded_shape(self, n, channels):
        (top, bottom), (left, right) = self.pads
        return n, self.size[0] + top + bottom, self.size[1] + left + right, channels

    def inner(self):
        """Slices of the padded image that are the image."""
        (top, _), (left, _) = self.pads
        return slice(None), slice(top, top + self.size[0]), slice(left, left + self.size[1])
