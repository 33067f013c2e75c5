"""Images under affine maps: given ones, and ones drawn at random for each image."""

from __future__ import annotations

import numpy as np

from cnnfast._trace import Tensor, Variable, apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops import dropout as dropouts
from cnnfast.ops import shape as shapes
from cnnfast.ops._arguments import Node, Result, Value

FILL_MODES = ("constant", "nearest", "reflect", "wrap")
INTERPOLATIONS = ("bilinear", "nearest")
Range = tuple[float, float]


def affine_transform(
    images: Value,
    transform: Value,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = "channels_last",
) -> Result:
    """Every image looked at through an affine map: output (x, y) shows input (x', y').

    ``x' = a0 x + a1 y + a2`` and ``y' = b0 x + b1 y + b2``, x to the right and y down from the
    centre of the first pixel. The map counts as a constant when gradients are taken.

    Args:
        images: (N, H, W, C), float32 or float64.
        transform: (a0, a1, a2, b0, b1, b2), or (N, 6), one for each image. Keras' eight numbers are
            accepted where the last two, a perspective, are 0.
        interpolation: "bilinear" or "nearest".
        fill_mode: what stands beside the image: "constant" (``fill_value``), "nearest" (the edge),
            "reflect" (mirrored, the edge twice) or "wrap".
        data_format: "channels_last" (also None) or "channels_first".

    Raises:
        ValueError: other shapes, an unknown mode.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.float32([1, 2, 3]).reshape(1, 1, 3, 1)
    >>> ops.affine_transform(x, [1, 0, 0.5, 0, 1, 0]).ravel()
    array([1.5, 2.5, 1.5], dtype=float32)
    """
    op = "affine_transform"
    first = arguments.channels_first(op, data_format)
    node = arguments.floating(op, "images", images)
    if arguments.rank(node) != 4:
        expected = "(N, C, H, W)" if first else "(N, H, W, C)"
        raise ValueError(f"{op}: images must be {expected}, got {arguments.shown_shape(node)}")
    matrices = _matrices(op, transform, arguments.dtype_of(node))
    if first:
        node = arguments.to_channels_last(op, "images", node)
    y = sampled(op, node, matrices, node.shape[1:3], interpolation, fill_mode, fill_value)
    return arguments.to_channels_first(y) if first else y


def sampled(
    op: str,
    x: Node,
    matrices: Node,
    size: tuple[int | None, ...],
    interpolation: str,
    fill_mode: str,
    fill_value: float,
) -> Node:
    """(N, H, W, C) to (N, *size, C) through maps of shape (N, 6) or (1, 6)."""
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"{op}: interpolation must be one of {', '.join(INTERPOLATIONS)}; got {interpolation!r}"
        )
    if fill_mode not in FILL_MODES:
        raise ValueError(
            f"{op}: fill_mode must be one of {', '.join(FILL_MODES)}; got {fill_mode!r}"
        )
    high, wide = size
    if high is None or wide is None:
        raise ValueError(
            f"{op}: height and width of the images must be known, got {arguments.shown_shape(x)}"
        )
    attributes: dict[str, int | float | str] = {
        "height": int(high),
        "width": int(wide),
        "interpolation": interpolation,
        "fill_mode": fill_mode,
        "fill_value": arguments.real(op, "fill_value", fill_value),
    }
    y: Node = apply("affine_transform", [x, matrices], attributes)[0]
    return y


def random_affine(
    images: Value,
    seed: int | Value,
    *,
    flip: tuple[bool, bool] = (False, False),
    shift: tuple[Range, Range] = ((0.0, 0.0), (0.0, 0.0)),
    angle: Range = (0.0, 0.0),
    zoom: tuple[Range, Range | None] = ((0.0, 0.0), (0.0, 0.0)),
    crop: tuple[int, int] | None = None,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
) -> Result:
    """Every image under an affine map of its own, drawn from (seed, step, its place in the batch).

    Args:
        images: (N, H, W, C), float32 or float64.
        seed: an integer, or an int64 array or Variable of two: seed and step.
        flip: (upside down, left to right), each with probability 1/2.
        shift: ranges in pixels, (down, to the right).
        angle: a range in radians, counter-clockwise.
        zoom: ranges (vertical, horizontal); 0.1 shows 10 % more than the image, -0.1 less. None:
            the horizontal zoom is the vertical one.
        crop: (height, width) of a window cut out at random instead of all of this.

    Raises:
        ValueError: a range whose ends are the wrong way around, a window larger than the images.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.arange(18, dtype="float32").reshape(1, 3, 6, 1)
    >>> ops.random_affine(x, seed=1, crop=(2, 2)).shape
    (1, 2, 2, 1)
    """
    op = "random_affine"
    node = arguments.floating(op, "images", images)
    state = dropouts._state(op, seed)
    if arguments.rank(node) != 4:
        raise ValueError(f"{op}: images must be (N, H, W, C), got {arguments.shown_shape(node)}")
    attributes: dict[str, bool | int | float] = {
        "flip_vertical": bool(flip[0]),
        "flip_horizontal": bool(flip[1]),
        "one_zoom": zoom[1] is None,
    }
    ranges = (shift[0], shift[1], angle, zoom[0], zoom[1] or (0.0, 0.0))
    names = ("shift_y", "shift_x", "angle", "zoom_y", "zoom_x")
    for name, (low, high) in zip(names, ranges, strict=True):
        attributes[f"{name}_low"] = arguments.real(op, name, low)
        attributes[f"{name}_high"] = arguments.real(op, name, high)
    size = node.shape[1:3]
    if crop is not None:
        size = arguments.pair(op, "crop", crop)
        attributes["crop_height"], attributes["crop_width"] = size
        interpolation = "nearest"  # whole pixels
    with arguments.named(op):
        matrices = apply("draw_affine", [node, state], attributes)[0]
        return sampled(
            "affine_transform", node, matrices, size, interpolation, fill_mode, fill_value
        )


def random_uniform(
    x: Value, seed: int | Value, count: int = 1, low: float = 0.0, high: float = 1.0
) -> Result:
    """(N, count) numbers between ``low`` and ``high``, drawn anew for each row of x (N, ...).

    Args:
        x: only its number of rows and its dtype count.
        seed: an integer, or an int64 array or Variable of two: seed and step.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> u = ops.random_uniform(np.zeros((4, 7), "float32"), seed=1, count=3)
    >>> u.shape, bool((u >= 0).all() and (u < 1).all())
    ((4, 3), True)
    """
    op = "random_uniform"
    node = arguments.floating(op, "x", x)
    attributes = {
        "count": arguments.integer(op, "count", count, 1),
        "low": arguments.real(op, "low", low),
        "high": arguments.real(op, "high", high),
    }
    with arguments.named(op):
        return apply("draw_uniform", [node, dropouts._state(op, seed)], attributes)[0]


def _matrices(op: str, transform: Value, kind: str) -> Node:
    if isinstance(transform, (Tensor, Variable)):
        node: Node = transform
    else:
        array = np.asarray(arguments.value(op, "transform", transform))
        if array.ndim and array.shape[-1] == 8:
            if np.any(array[..., 6:] != 0):
                raise ValueError(f"{op}: a transform with a perspective is not supported")
            array = array[..., :6]
        node = np.ascontiguousarray(array, kind)
    if arguments.rank(node) == 1:
        node = shapes.expand_dims(node, 0)
    if arguments.rank(node) != 2 or node.shape[1] != 6:
        raise ValueError(
            f"{op}: transform must be six numbers or (N, 6), got {arguments.shown_shape(node)}"
        )
    return node
