"""Two-dimensional convolution (cross-correlation, as every CNN library has it), and its gradients.

Images are (N, H, W, C); kernels (KH, KW, C / groups, K) in either ``data_format``.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import PaddingArgument, Pair, Result, Value

_Attributes = dict[str, bool | int | float | str | Sequence[int]]


def conv2d(
    x: Value,
    kernel: Value,
    bias: Value | None = None,
    *,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    dilation_rate: Pair = 1,
    groups: int = 1,
    data_format: str | None = "channels_last",
) -> Result:
    """y[n,i,j,k] = bias[k] + sum over a, b, c of x[n, i s + a d, j s + b d, c] kernel[a,b,c,k].

    Args:
        x: (N, H, W, C), float32 or float64; (N, C, H, W) with ``data_format="channels_first"``.
        kernel: (KH, KW, C / groups, K), of x's dtype.
        bias: (K,) or None.
        strides: one integer or (vertical, horizontal).
        padding: "valid", "same" (TensorFlow's: the output is ceil(size / stride), an odd zero goes
            to the end), an integer, (vertical, horizontal) or ((top, bottom), (left, right)).
        dilation_rate: distance between the taps of the kernel.
        groups: divides C and K; group g of the outputs sees group g of the inputs only.

    Returns:
        (N, OH, OW, K) with OH = (H + top + bottom - (KH - 1) d - 1) // s + 1.

    Raises:
        ValueError: sizes that do not go together, a window larger than the padded input.
        TypeError: mixed or unsupported dtypes.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x, kernel = np.ones((1, 4, 4, 1), "float32"), np.ones((3, 3, 1, 2), "float32")
    >>> ops.conv2d(x, kernel, padding="same")[0, :, :, 0]
    array([[4., 6., 6., 4.],
           [6., 9., 9., 6.],
           [6., 9., 9., 6.],
           [4., 6., 6., 4.]], dtype=float32)
    """
    op = "conv2d"
    attributes = _attributes(op, strides, padding, dilation_rate, groups)
    first = arguments.channels_first(op, data_format)
    operands = arguments.same_dtype(op, x=x, kernel=kernel, bias=bias)
    if first:
        operands[0] = arguments.to_channels_last(op, "x", operands[0])
    y = apply(op, operands, attributes)[0]
    return arguments.to_channels_first(y) if first else y


def conv2d_backward_input(
    dy: Value,
    kernel: Value,
    input_shape: Sequence[int | None],
    *,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    dilation_rate: Pair = 1,
    groups: int = 1,
    data_format: str | None = "channels_last",
) -> Result:
    """The gradient of :func:`conv2d` for its input: the transpose of that linear map.

    Args:
        dy: gradient of the output, (N, OH, OW, K).
        kernel: (KH, KW, C / groups, K), of dy's dtype.
        input_shape: x.shape, (N, H, W, C); N may be None: dy's.
        strides, padding, dilation_rate, groups, data_format: those of the forward call.

    Returns:
        dx of ``input_shape``.

    Raises:
        ValueError: when no convolution of ``input_shape`` gives dy's shape.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> dy, kernel = np.ones((1, 2, 2, 1), "float32"), np.ones((2, 2, 1, 1), "float32")
    >>> ops.conv2d_backward_input(dy, kernel, (1, 3, 3, 1))[0, :, :, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]], dtype=float32)
    """
    op = "conv2d_backward_input"
    attributes = _attributes(op, strides, padding, dilation_rate, groups)
    first = arguments.channels_first(op, data_format)
    shape = arguments.image_shape(op, "input_shape", input_shape, first)
    operands = arguments.same_dtype(op, dy=dy, kernel=kernel)
    if first:
        operands[0] = arguments.to_channels_last(op, "dy", operands[0])
    dx = apply(op, operands, {**attributes, "input_shape": shape})[0]
    return arguments.to_channels_first(dx) if first else dx


def conv2d_backward_kernel(
    x: Value,
    dy: Value,
    kernel_shape: Sequence[int],
    *,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    dilation_rate: Pair = 1,
    groups: int = 1,
    data_format: str | None = "channels_last",
) -> Result:
    """The gradient of :func:`conv2d` for its kernel. (For its bias: ``ops.sum(dy, (0, 1, 2))``.)

    Args:
        x: (N, H, W, C).
        dy: gradient of the output, (N, OH, OW, K), of x's dtype.
        kernel_shape: (KH, KW, C / groups, K).
        strides, padding, dilation_rate, groups, data_format: those of the forward call.

    Returns:
        dw of ``kernel_shape``.

    Raises:
        ValueError: when the convolution of x with such a kernel has not dy's shape.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)
    >>> ops.conv2d_backward_kernel(x, np.ones((1, 2, 2, 1), "float32"), (2, 2, 1, 1))[:, :, 0, 0]
    array([[ 8., 12.],
           [20., 24.]], dtype=float32)
    """
    op = "conv2d_backward_kernel"
    attributes = _attributes(op, strides, padding, dilation_rate, groups)
    first = arguments.channels_first(op, data_format)
    shape = arguments.sizes(op, "kernel_shape", kernel_shape, least=1)
    operands = arguments.same_dtype(op, x=x, dy=dy)
    if first:
        operands[0] = arguments.to_channels_last(op, "x", operands[0])
        operands[1] = arguments.to_channels_last(op, "dy", operands[1])
    return apply(op, operands, {**attributes, "kernel_shape": shape})[0]


def _attributes(
    op: str, strides: Pair, padding: PaddingArgument, dilation_rate: Pair, groups: int
) -> _Attributes:
    return {
        "strides": list(arguments.pair(op, "strides", strides)),
        "dilation": list(arguments.pair(op, "dilation_rate", dilation_rate)),
        "groups": arguments.integer(op, "groups", groups, 1),
        **arguments.padding(op, padding),
    }
