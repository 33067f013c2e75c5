"""Images made larger or smaller."""

from __future__ import annotations

import numpy as np

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Node, Pair, Result, Value

_MODES = ("bilinear", "nearest")
_MOST_SIZE = 1 << 24


def resize(
    images: Value,
    size: Pair,
    interpolation: str = "bilinear",
    data_format: str | None = "channels_last",
) -> Result:
    """(N, H, W, C) to (N, size[0], size[1], C), centres of pixels half a pixel from the border.

    Args:
        size: one integer or (height, width) of the result.
        interpolation: "bilinear" (of floating images) or "nearest"; nothing is smoothed before an
            image is made smaller, as with Keras' ``antialias=False``.
        data_format: "channels_last" (also None) or "channels_first".

    Raises:
        ValueError: another rank, an unknown interpolation, a size below 1.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.resize(np.float32([0, 1]).reshape(1, 1, 2, 1), (1, 4)).ravel()
    array([0.  , 0.25, 0.75, 1.  ], dtype=float32)
    """
    op = "resize"
    first = arguments.channels_first(op, data_format)
    if interpolation not in _MODES:
        raise ValueError(
            f"{op}: interpolation must be 'bilinear' or 'nearest', got {interpolation!r}"
        )
    high, wide = arguments.pair(op, "size", size)
    if max(high, wide) > _MOST_SIZE:
        raise ValueError(f"{op}: size must be at most 2^24, got {size!r}")
    if interpolation == "bilinear":
        node = arguments.floating(op, "images", images)
    else:
        node = arguments.value(op, "images", images)
    if arguments.rank(node) != 4:
        expected = "(N, C, H, W)" if first else "(N, H, W, C)"
        raise ValueError(f"{op}: images must be {expected}, got {arguments.shown_shape(node)}")
    if first:
        node = arguments.to_channels_last(op, "images", node)
    held = node.shape[1:3]
    if None in held or 0 in held:
        raise ValueError(
            f"{op}: height and width of the images must be known and not 0, "
            f"got {arguments.shown_shape(node)}"
        )
    # The axis that grows the least goes first: what is between the two is smaller then.
    order = sorted([(high / int(held[0] or 1), 1, high), (wide / int(held[1] or 1), 2, wide)])
    for _, axis, length in order:
        node = _resized(node, axis, length, interpolation)
    return arguments.to_channels_first(node) if first else node


def _resized(x: Node, axis: int, length: int, interpolation: str) -> Node:
    size = int(x.shape[axis] or 1)
    if length == size:
        return x
    y: Node
    if interpolation == "bilinear":
        y = apply("interpolate", [x], {"axis": axis, "size": length})[0]
    else:
        # floor((i + 1/2) size / length), in integers.
        rows = ((2 * np.arange(length) + 1) * size) // (2 * length)
        y = apply("take", [x], {"axis": axis, "indices": rows.tolist()})[0]
    return y
