"""Transposed and depthwise convolution, and Keras' spelling: all of them are conv2d turned around.

Images are (N, H, W, C) or, with ``data_format="channels_first"``, (N, C, H, W).
"""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Node, PaddingArgument, Pair, Result, Value
from cnnfast.ops.convolution import conv2d, conv2d_backward_input


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
        output_padding: rows and columns added at the end; None works out Keras' size.

    Returns:
        (N, OH, OW, K).

    Raises:
        ValueError: sizes that do not go together.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x, kernel = np.ones((1, 2, 2, 1), "float32"), np.ones((2, 2, 1, 1), "float32")
    >>> ops.conv2d_transpose(x, kernel, strides=2).shape
    (1, 4, 4, 1)
    """
    op = "conv2d_transpose"
    first = arguments.channels_first(op, data_format)
    steps = arguments.pair(op, "strides", strides)
    dilation = arguments.pair(op, "dilation_rate", dilation_rate)
    count = arguments.integer(op, "groups", groups, 1)
    mode = arguments.padding(op, padding)
    extra = (
        None if output_padding is None else arguments.pair(op, "output_padding", output_padding, 0)
    )
    node, weights, *rest = arguments.same_dtype(op, x=x, kernel=kernel, bias=bias)
    if first:
        node = arguments.to_channels_last(op, "x", node)
    _expect_four_axes(op, node, weights)
    shape = arguments.known_shape(op, "kernel", weights)
    batch, high, wide, _ = node.shape
    pads = mode.get("pads", [0, 0, 0, 0])
    size = [
        _painted(
            op,
            None if length is None else int(length),
            shape[axis],
            steps[axis],
            dilation[axis],
            str(mode["padding"]),
            int(pads[2 * axis]) + int(pads[2 * axis + 1]),
            None if extra is None else extra[axis],
        )
        for axis, length in enumerate((high, wide))
    ]
    filters = shape[2] * count
    if rest and tuple(rest[0].shape) != (filters,):
        raise ValueError(
            f"{op}: bias must have one value for each of {filters} output channels, "
            f"got shape {arguments.shown_shape(rest[0])}"
        )
    with arguments.named(op):
        y = conv2d_backward_input(
            node,
            weights,
            (batch, *size, filters),
            strides=steps,
            padding=padding,
            dilation_rate=dilation,
            groups=count,
        )
        if rest:
            y = apply("add", [y, rest[0]])[0]
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


def conv(
    inputs: Value,
    kernel: Value,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    data_format: str | None = None,
    dilation_rate: Pair = 1,
) -> Result:
    """``keras.ops.conv`` for images: :func:`conv2d` with Keras' order of arguments.

    The number of groups follows from the channels of ``inputs`` and ``kernel``, as there.
    """
    op = "conv"
    x, w = arguments.same_dtype(op, inputs=inputs, kernel=kernel)
    _expect_four_axes(op, x, w)
    channels = x.shape[1 if arguments.channels_first(op, data_format) else 3]
    own = w.shape[2]
    groups = channels // own if channels and own and channels % own == 0 else 1
    with arguments.named(op):
        return conv2d(
            x,
            w,
            strides=strides,
            padding=padding,
            dilation_rate=dilation_rate,
            groups=groups,
            data_format=data_format,
        )


def _expect_four_axes(op: str, x: Node, kernel: Node) -> None:
    if arguments.rank(x) != 4 or arguments.rank(kernel) != 4:
        raise ValueError(
            f"{op}: images and kernel must have 4 axes, "
            f"got {arguments.shown_shape(x)} and {arguments.shown_shape(kernel)}"
        )


def _painted(
    op: str,
    length: int | None,
    taps: int,
    stride: int,
    dilation: int,
    mode: str,
    cropped: int,
    extra: int | None,
) -> int:
    """The output's size along one axis (Keras' compute_conv_transpose_output_length)."""
    if length is None:
        raise ValueError(f"{op}: the height and width of x must be known")
    extent = (taps - 1) * dilation + 1
    full = (length - 1) * stride + extent
    if mode == "explicit":
        return full - cropped + (extra or 0)
    if extra is None:
        return length * stride if mode == "same" else length * stride + max(extent - stride, 0)
    return full - (2 * (extent // 2) if mode == "same" else 0) + extra
