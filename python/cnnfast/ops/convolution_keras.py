"""``keras.ops``' names and order of arguments for the convolutions, over images and sequences.

The number of axes of ``inputs`` says which: (N, H, W, C) or (N, L, C), channels second with
``data_format="channels_first"``.
"""

from __future__ import annotations

from typing import Any

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Node, PaddingArgument, Pair, Result, Value
from cnnfast.ops.convolution import conv2d
from cnnfast.ops.convolution_1d import as_image, as_line, conv1d, to_steps_first
from cnnfast.ops.convolution_variants import (
    conv2d_transpose,
    depthwise_conv2d,
    separable_conv2d,
)


def conv(
    inputs: Value,
    kernel: Value,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    data_format: str | None = None,
    dilation_rate: Pair = 1,
) -> Result:
    """``keras.ops.conv``: :func:`conv2d` or :func:`conv1d` with Keras' order of arguments.

    The number of groups follows from the channels of ``inputs`` and ``kernel``, as there.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.ones((1, 5, 5, 4), "float32")
    >>> ops.conv(x, np.ones((3, 3, 2, 6), "float32"), 2, "same").shape
    (1, 3, 3, 6)
    """
    op = "conv"
    x, w = arguments.same_dtype(op, inputs=inputs, kernel=kernel)
    axes = _spatial_axes(op, x, w)
    channels = x.shape[1 if arguments.channels_first(op, data_format) else -1]
    own = w.shape[-2]
    groups = channels // own if channels and own and channels % own == 0 else 1
    options: dict[str, Any] = {"padding": padding, "groups": groups, "data_format": data_format}
    with arguments.named(op):
        if axes == 1:
            step, dilation = _both_single(op, strides, dilation_rate)
            return conv1d(x, w, strides=step, dilation_rate=dilation, **options)
        return conv2d(x, w, strides=strides, dilation_rate=dilation_rate, **options)


def conv_transpose(
    inputs: Value,
    kernel: Value,
    strides: Pair = 1,
    padding: str = "valid",
    output_padding: Pair | None = None,
    data_format: str | None = None,
    dilation_rate: Pair = 1,
) -> Result:
    """``keras.ops.conv_transpose``: :func:`conv2d_transpose`, or the same along one axis.

    The kernel is (KH, KW, K, C) for images and (KL, K, C) for sequences.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.ones((1, 5, 4), "float32")
    >>> ops.conv_transpose(x, np.ones((3, 2, 4), "float32"), 2, "same").shape
    (1, 10, 2)
    """
    op = "conv_transpose"
    x, w = arguments.same_dtype(op, inputs=inputs, kernel=kernel)
    if _spatial_axes(op, x, w) == 2:
        with arguments.named(op):
            return conv2d_transpose(
                x,
                w,
                strides=strides,
                padding=padding,
                output_padding=output_padding,
                dilation_rate=dilation_rate,
                data_format=data_format,
            )
    step, dilation = _both_single(op, strides, dilation_rate)
    extra = None
    if output_padding is not None:
        extra = (0, arguments.single(op, "output_padding", output_padding, 0))
    first = arguments.channels_first(op, data_format)
    with arguments.named(op):
        y = conv2d_transpose(
            as_image(to_steps_first(x) if first else x),
            _one_row(op, w),
            strides=(1, step),
            padding=padding,
            output_padding=extra,
            dilation_rate=(1, dilation),
        )
    y = as_line(y)
    return to_steps_first(y) if first else y


def depthwise_conv(
    inputs: Value,
    kernel: Value,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    data_format: str | None = None,
    dilation_rate: Pair = 1,
) -> Result:
    """``keras.ops.depthwise_conv``: :func:`depthwise_conv2d`, or the same along one axis.

    The kernel is (KH, KW, C, M) for images and (KL, C, M) for sequences.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.ones((1, 5, 5, 4), "float32")
    >>> ops.depthwise_conv(x, np.ones((3, 3, 4, 2), "float32")).shape
    (1, 3, 3, 8)
    """
    op = "depthwise_conv"
    x, w = arguments.same_dtype(op, inputs=inputs, kernel=kernel)
    with arguments.named(op):
        if _spatial_axes(op, x, w) == 2:
            return depthwise_conv2d(
                x,
                w,
                strides=strides,
                padding=padding,
                dilation_rate=dilation_rate,
                data_format=data_format,
            )
        return _on_one_row(
            op, depthwise_conv2d, x, [w], strides, padding, data_format, dilation_rate
        )


def separable_conv(
    inputs: Value,
    depthwise_kernel: Value,
    pointwise_kernel: Value,
    strides: Pair = 1,
    padding: PaddingArgument = "valid",
    data_format: str | None = None,
    dilation_rate: Pair = 1,
) -> Result:
    """``keras.ops.separable_conv``: :func:`separable_conv2d`, or the same along one axis.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.ones((1, 5, 5, 4), "float32")
    >>> deep, point = np.ones((3, 3, 4, 2), "float32"), np.ones((1, 1, 8, 7), "float32")
    >>> ops.separable_conv(x, deep, point).shape
    (1, 3, 3, 7)
    """
    op = "separable_conv"
    x, deep, point = arguments.same_dtype(
        op, inputs=inputs, depthwise_kernel=depthwise_kernel, pointwise_kernel=pointwise_kernel
    )
    axes = _spatial_axes(op, x, deep)
    _spatial_axes(op, x, point)
    with arguments.named(op):
        if axes == 2:
            return separable_conv2d(
                x,
                deep,
                point,
                strides=strides,
                padding=padding,
                dilation_rate=dilation_rate,
                data_format=data_format,
            )
        kernels = [deep, point]
        return _on_one_row(
            op, separable_conv2d, x, kernels, strides, padding, data_format, dilation_rate
        )


def _on_one_row(
    op: str,
    function: Any,
    x: Node,
    kernels: list[Node],
    strides: Pair,
    padding: PaddingArgument,
    data_format: str | None,
    dilation_rate: Pair,
) -> Result:
    """``function`` of images on sequences: one row high, square strides do not matter there."""
    step, dilation = _both_single(op, strides, dilation_rate)
    first = arguments.channels_first(op, data_format)
    y = function(
        as_image(to_steps_first(x) if first else x),
        *[_one_row(op, kernel) for kernel in kernels],
        strides=(1, step),
        padding=padding,
        dilation_rate=(1, dilation),
    )
    y = as_line(y)
    return to_steps_first(y) if first else y


def _one_row(op: str, kernel: Node) -> Node:
    shape = [1, *arguments.known_shape(op, "kernel", kernel)]
    made: Node = apply("reshape", [kernel], {"shape": shape})[0]
    return made


def _both_single(op: str, strides: Pair, dilation_rate: Pair) -> tuple[int, int]:
    return (
        arguments.single(op, "strides", strides),
        arguments.single(op, "dilation_rate", dilation_rate),
    )


def _spatial_axes(op: str, x: Node, kernel: Node) -> int:
    axes = arguments.rank(x) - 2
    if axes not in (1, 2) or arguments.rank(kernel) != axes + 2:
        raise ValueError(
            f"{op}: images and kernel must have 4 axes, sequences and kernel 3, "
            f"got {arguments.shown_shape(x)} and {arguments.shown_shape(kernel)}"
        )
    return axes
