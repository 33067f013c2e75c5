"""Transposed, depthwise and separable convolution: conv2d turned around or taken apart.

Images are (N, H, W, C) or, with ``data_format="channels_first"``, (N, C, H, W).
"""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Node, PaddingArgument, Pair, Result, Value
from cnnfast.ops.convolution import conv2d


def conv2d_transpose(
    x: Value,
    kernel: Value,
    bias: Value | None = None,
    *,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    output_padding: Pair | None = None,
    dilation_rate: Pair = 1,
    groups: int = 1,
    data_format: str | None = "channels_last",
) -> Result:
    """The transpose of :func:`conv2d`: every input value paints the kernel onto the output.

    Args:
        x: (N, H, W, C).
        kernel: (KH, KW, K / groups, C) as Keras has it, of x's dtype.
        bias: (K,) or None.
        strides: one integer or (vertical, horizontal): how far apart the paintings are.
        padding: "valid", "same" (the output is ``strides`` times as large as the input), or
            explicit as in :func:`conv2d`: what is cropped from the full result.
        output_padding: rows and columns added at the end, less than the strides; None works out
            Keras' size.
        dilation_rate: distance between the taps of the kernel.
        groups: divides C and K; group g of the outputs sees group g of the inputs only.

    Returns:
        (N, OH, OW, K).

    Raises:
        ValueError: sizes that do not go together.
        TypeError: mixed or unsupported dtypes.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x, kernel = np.ones((1, 2, 2, 1), "float32"), np.ones((2, 2, 1, 1), "float32")
    >>> ops.conv2d_transpose(x, kernel, strides=2).shape
    (1, 4, 4, 1)
    """
    op = "conv2d_transpose"
    first = arguments.channels_first(op, data_format)
    attributes = {
        "strides": list(arguments.pair(op, "strides", strides)),
        "dilation": list(arguments.pair(op, "dilation_rate", dilation_rate)),
        "groups": arguments.integer(op, "groups", groups, 1),
        **arguments.padding(op, padding),
    }
    if output_padding is not None:
        extra = arguments.pair(op, "output_padding", output_padding, 0)
        attributes["output_padding"] = list(extra)
    operands = arguments.same_dtype(op, x=x, kernel=kernel, bias=bias)
    if first:
        operands[0] = arguments.to_channels_last(op, "x", operands[0])
    y = apply(op, operands, attributes)[0]
    return arguments.to_channels_first(y) if first else y


def depthwise_conv2d(
    x: Value,
    kernel: Value,
    bias: Value | None = None,
    *,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    dilation_rate: Pair = 1,
    data_format: str | None = "channels_last",
) -> Result:
    """Every channel convolved with kernels of its own: :func:`conv2d` with as many groups.

    Args:
        x: (N, H, W, C).
        kernel: (KH, KW, C, M) as Keras has it; M outputs for each channel.
        bias: (C M,) or None.
        strides, padding, dilation_rate, data_format: as in :func:`conv2d`.

    Returns:
        (N, OH, OW, C M); the outputs of one channel stand together.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x, kernel = np.ones((1, 4, 4, 3), "float32"), np.ones((3, 3, 3, 2), "float32")
    >>> ops.depthwise_conv2d(x, kernel).shape
    (1, 2, 2, 6)
    """
    op = "depthwise_conv2d"
    node, weights, *rest = arguments.same_dtype(op, x=x, kernel=kernel, bias=bias)
    _expect_four_axes(op, node, weights)
    kh, kw, channels, multiplier = arguments.known_shape(op, "kernel", weights)
    given = node.shape[1 if arguments.channels_first(op, data_format) else 3]
    if given != channels or channels < 1:
        raise ValueError(
            f"{op}: kernel {arguments.shown_shape(weights)} is for {channels} channels, "
            f"x {arguments.shown_shape(node)} has {given}"
        )
    with arguments.named(op):
        flat = apply("reshape", [weights], {"shape": [kh, kw, 1, channels * multiplier]})[0]
        return conv2d(
            node,
            flat,
            rest[0] if rest else None,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            groups=channels,
            data_format=data_format,
        )


def separable_conv2d(
    x: Value,
    depthwise_kernel: Value,
    pointwise_kernel: Value,
    bias: Value | None = None,
    *,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    dilation_rate: Pair = 1,
    data_format: str | None = "channels_last",
) -> Result:
    """:func:`depthwise_conv2d`, then a 1x1 :func:`conv2d` that mixes the channels.

    Args:
        x: (N, H, W, C).
        depthwise_kernel: (KH, KW, C, M) as Keras has it.
        pointwise_kernel: (1, 1, C M, K).
        bias: (K,) or None.
        strides, padding, dilation_rate, data_format: of the depthwise convolution.

    Returns:
        (N, OH, OW, K).

    Raises:
        ValueError: sizes that do not go together.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x, kernel = np.ones((1, 4, 4, 3), "float32"), np.ones((3, 3, 3, 2), "float32")
    >>> ops.separable_conv2d(x, kernel, np.ones((1, 1, 6, 5), "float32")).shape
    (1, 2, 2, 5)
    """
    op = "separable_conv2d"
    first = arguments.channels_first(op, data_format)
    node, deep, point, *rest = arguments.same_dtype(
        op, x=x, depthwise_kernel=depthwise_kernel, pointwise_kernel=pointwise_kernel, bias=bias
    )
    _expect_four_axes(op, node, deep)
    if arguments.rank(point) != 4 or tuple(point.shape[:2]) != (1, 1):
        raise ValueError(
            f"{op}: pointwise_kernel must be (1, 1, C depth_multiplier, K), "
            f"got {arguments.shown_shape(point)}"
        )
    if first:
        node = arguments.to_channels_last(op, "x", node)
    with arguments.named(op):
        between = depthwise_conv2d(
            node, deep, strides=strides, padding=padding, dilation_rate=dilation_rate
        )
        y = conv2d(between, point, rest[0] if rest else None)
    return arguments.to_channels_first(y) if first else y


def _expect_four_axes(op: str, x: Node, kernel: Node) -> None:
    if arguments.rank(x) != 4 or arguments.rank(kernel) != 4:
        raise ValueError(
            f"{op}: images and kernel must have 4 axes, "
            f"got {arguments.shown_shape(x)} and {arguments.shown_shape(kernel)}"
        )
