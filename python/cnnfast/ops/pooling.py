"""Pooling over windows, and its gradients. Images are (N, H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import PaddingArgument, Pair, Result, Value

_Attributes = dict[str, bool | int | float | str | Sequence[int]]


def max_pool2d(
    x: Value,
    pool_size: Pair = 2,
    *,
    strides: Pair | None = None,
    padding: PaddingArgument = "valid",
    data_format: str | None = "channels_last",
) -> Result:
    """The largest value of every window; padding never wins.

    Args:
        x: (N, H, W, C), float32 or float64.
        pool_size: one integer or (vertical, horizontal).
        strides: likewise; None is ``pool_size``. Smaller ones make the windows overlap.
        padding: "valid", "same", an integer or ((top, bottom), (left, right)).

    Returns:
        (N, OH, OW, C).

    Raises:
        ValueError: a window larger than the padded input, sizes below 1.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    >>> ops.max_pool2d(x, 2)[0, :, :, 0]
    array([[ 5.,  7.],
           [13., 15.]], dtype=float32)
    """
    op = "max_pool2d"
    attributes = _attributes(op, pool_size, strides, padding)
    first = arguments.channels_first(op, data_format)
    node = arguments.floating(op, "x", x)
    if first:
        node = arguments.to_channels_last(op, "x", node)
    y = apply(op, [node], attributes)[0]
    return arguments.to_channels_first(y) if first else y


def max_pool2d_backward(
    x: Value,
    dy: Value,
    pool_size: Pair = 2,
    *,
    strides: Pair | None = None,
    padding: PaddingArgument = "valid",
    data_format: str | None = "channels_last",
) -> Result:
    """The gradient of :func:`max_pool2d`: dy goes to the winner of its window.

    The first of equal values (in row order) wins. The winners are found again from x.

    Args:
        x: what went into the pooling, (N, H, W, C).
        dy: gradient of the output, (N, OH, OW, C), of x's dtype.
        pool_size, strides, padding, data_format: those of the forward call.

    Returns:
        dx of x's shape.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.array([[1.0, 3.0], [3.0, 2.0]], "float32").reshape(1, 2, 2, 1)
    >>> ops.max_pool2d_backward(x, np.ones((1, 1, 1, 1), "float32"))[0, :, :, 0]
    array([[0., 1.],
           [0., 0.]], dtype=float32)
    """
    op = "max_pool2d_backward"
    attributes = _attributes(op, pool_size, strides, padding)
    first = arguments.channels_first(op, data_format)
    node, gradient = arguments.same_dtype(op, x=x, dy=dy)
    if first:
        node = arguments.to_channels_last(op, "x", node)
        gradient = arguments.to_channels_last(op, "dy", gradient)
    with arguments.named(op):
        winners = apply("max_pool2d", [node], attributes)[1]
    shape = [-1 if size is None else int(size) for size in node.shape]
    dx = apply(op, [gradient, winners], {**attributes, "input_shape": shape})[0]
    return arguments.to_channels_first(dx) if first else dx


def avg_pool2d(
    x: Value,
    pool_size: Pair = 2,
    *,
    strides: Pair | None = None,
    padding: PaddingArgument = "valid",
    data_format: str | None = "channels_last",
) -> Result:
    """The mean of every window; padding is left out of it, as in Keras.

    Args, result and errors are those of :func:`max_pool2d`.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.arange(9, dtype="float32").reshape(1, 3, 3, 1)
    >>> ops.avg_pool2d(x, 2, padding="same")[0, :, :, 0]
    array([[2. , 3.5],
           [6.5, 8. ]], dtype=float32)
    """
    op = "avg_pool2d"
    attributes = _attributes(op, pool_size, strides, padding)
    first = arguments.channels_first(op, data_format)
    node = arguments.floating(op, "x", x)
    if first:
        node = arguments.to_channels_last(op, "x", node)
    y = apply(op, [node], attributes)[0]
    return arguments.to_channels_first(y) if first else y


def avg_pool2d_backward(
    dy: Value,
    input_shape: Sequence[int | None],
    pool_size: Pair = 2,
    *,
    strides: Pair | None = None,
    padding: PaddingArgument = "valid",
    data_format: str | None = "channels_last",
) -> Result:
    """The gradient of :func:`avg_pool2d`: dy shared out evenly over its window.

    Args:
        dy: gradient of the output, (N, OH, OW, C).
        input_shape: x.shape, (N, H, W, C); N may be None: dy's.
        pool_size, strides, padding, data_format: those of the forward call.

    Returns:
        dx of ``input_shape``.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.avg_pool2d_backward(np.ones((1, 1, 1, 1), "float32"), (1, 2, 2, 1))[0, :, :, 0]
    array([[0.25, 0.25],
           [0.25, 0.25]], dtype=float32)
    """
    op = "avg_pool2d_backward"
    attributes = _attributes(op, pool_size, strides, padding)
    first = arguments.channels_first(op, data_format)
    shape = arguments.image_shape(op, "input_shape", input_shape, first)
    gradient = arguments.floating(op, "dy", dy)
    if first:
        gradient = arguments.to_channels_last(op, "dy", gradient)
    dx = apply(op, [gradient], {**attributes, "input_shape": shape})[0]
    return arguments.to_channels_first(dx) if first else dx


def max_pool(
    inputs: Value,
    pool_size: Pair,
    strides: Pair | None = None,
    padding: PaddingArgument = "valid",
    data_format: str | None = None,
) -> Result:
    """``keras.ops.max_pool`` for images: :func:`max_pool2d` with Keras' order of arguments."""
    return max_pool2d(inputs, pool_size, strides=strides, padding=padding, data_format=data_format)


def average_pool(
    inputs: Value,
    pool_size: Pair,
    strides: Pair | None = None,
    padding: PaddingArgument = "valid",
    data_format: str | None = None,
) -> Result:
    """``keras.ops.average_pool`` for images: :func:`avg_pool2d` with Keras' order of arguments."""
    return avg_pool2d(inputs, pool_size, strides=strides, padding=padding, data_format=data_format)


def _attributes(
    op: str, pool_size: Pair, strides: Pair | None, padding: PaddingArgument
) -> _Attributes:
    window = arguments.pair(op, "pool_size", pool_size)
    steps = window if strides is None else arguments.pair(op, "strides", strides)
    return {
        "pool_size": list(window),
        "strides": list(steps),
        **arguments.padding(op, padding),
    }
