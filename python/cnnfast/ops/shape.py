"""Ops that move or relabel values without computing anything."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnfast._trace import DTYPES, Tensor, Variable, apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Axis, Node, Result, Shape, Value


def reshape(x: Value, newshape: Shape | int) -> Result:
    """The same values, in the same order, under another shape; one size may be -1.

    Raises:
        ValueError: when the number of values differs.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.reshape(np.arange(6, dtype="float32"), (2, -1)).shape
    (2, 3)
    """
    op = "reshape"
    node = arguments.value(op, "x", x)
    shape = (newshape,) if isinstance(newshape, (int, np.integer)) else newshape
    return _reshape(node, arguments.sizes(op, "newshape", shape, unknown=True), op)


def flatten(x: Value) -> Result:
    """(N, ...) to (N, everything else in one axis).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.flatten(np.zeros((2, 3, 4), "float32")).shape
    (2, 12)
    """
    node = arguments.value("flatten", "x", x)
    if arguments.rank(node) == 0:
        raise ValueError("flatten: x must have a batch axis, got a single number")
    batch, *rest = node.shape
    known = None if None in rest else math.prod(size for size in rest if size is not None)
    if known is None and batch is None:
        raise ValueError(
            f"flatten: only one size of x may be unknown, got {arguments.shown_shape(node)}"
        )
    return _reshape(node, [-1 if size is None else size for size in (batch, known)], "flatten")


def ravel(x: Value) -> Result:
    """Everything in one axis.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.ravel(np.zeros((2, 3), "float32")).shape
    (6,)
    """
    node = arguments.value("ravel", "x", x)
    shape = [-1] if None in node.shape else [math.prod(s for s in node.shape if s is not None)]
    return _reshape(node, shape, "ravel")


def expand_dims(x: Value, axis: int | Sequence[int]) -> Result:
    """New axes of size 1 at the places ``axis`` of the result.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.expand_dims(np.zeros((2, 3), "float32"), -1).shape
    (2, 3, 1)
    """
    op = "expand_dims"
    node = arguments.value(op, "x", x)
    several = axis if isinstance(axis, (list, tuple)) else (axis,)
    places = arguments.axes(op, several, arguments.rank(node) + len(several))
    shape = list(node.shape)
    for place in places:
        shape.insert(place, 1)
    return _reshape(node, _unknown_as_minus_one(shape), op)


def squeeze(x: Value, axis: Axis = None) -> Result:
    """Without the axes of size 1: all of them, or those named, which must be of size 1.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.squeeze(np.zeros((1, 3, 1), "float32"), -1).shape
    (1, 3)
    """
    op = "squeeze"
    node = arguments.value(op, "x", x)
    if axis is None:
        places = [i for i, size in enumerate(node.shape) if size == 1]
    else:
        places = arguments.axes(op, axis, arguments.rank(node))
    for place in places:
        if node.shape[place] != 1:
            raise ValueError(
                f"{op}: axis {place} must be of size 1, got shape {arguments.shown_shape(node)}"
            )
    shape = [size for i, size in enumerate(node.shape) if i not in places]
    return _reshape(node, _unknown_as_minus_one(shape), op)


def transpose(x: Value, axes: Sequence[int] | None = None) -> Result:
    """Axis i of the result is axis ``axes[i]`` of x; None turns the order around.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.transpose(np.zeros((2, 3, 4), "float32"), (2, 0, 1)).shape
    (4, 2, 3)
    """
    op = "transpose"
    node = arguments.value(op, "x", x)
    rank = arguments.rank(node)
    if axes is None:
        order = list(range(rank))[::-1]
    else:
        given = arguments.sizes(op, "axes", axes, least=-rank)
        order = [arguments.axis(op, one, rank, "axes") for one in given]
        if sorted(order) != list(range(rank)):
            raise ValueError(f"{op}: axes must name each of {rank} axes once, got {axes!r}")
    return apply(op, [node], {"permutation": order})[0]


def broadcast_to(x: Value, shape: Sequence[int]) -> Result:
    """x repeated along new axes in front and axes of size 1, as NumPy does.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.broadcast_to(np.array([1.0, 2.0], "float32"), (2, 2))
    array([[1., 2.],
           [1., 2.]], dtype=float32)
    """
    op = "broadcast_to"
    node = arguments.value(op, "x", x)
    return apply(op, [node], {"shape": arguments.sizes(op, "shape", shape)})[0]


def cast(x: Value, dtype: str) -> Result:
    """x in another dtype: float32, float64, int32, int64, uint8 or bool.

    Arrays of dtypes that the core has not (float16, int16, ...) are converted by NumPy. Gradients
    pass between floating dtypes only.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.cast(np.array([1, 2]), "float32")
    array([1., 2.], dtype=float32)
    """
    op = "cast"
    name = arguments.dtype(op, dtype)
    if not isinstance(x, (Tensor, Variable)):
        array = np.asarray(x)
        if array.dtype.name not in DTYPES and array.dtype.kind in "fiu":
            return array.astype(name)
    return apply(op, [arguments.value(op, "x", x)], {"dtype": name})[0]


def one_hot(x: Value, num_classes: int, dtype: str = "float32") -> Result:
    """(...) integers to (..., num_classes): 1 at the place of the label, else 0.

    A label outside [0, num_classes) gives a row of zeros.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.one_hot(np.array([1, 0]), 2)
    array([[0., 1.],
           [1., 0.]], dtype=float32)
    """
    op = "one_hot"
    count = arguments.integer(op, "num_classes", num_classes, 1)
    node = arguments.value(op, "x", x)
    kind = arguments.dtype_of(node)
    if kind not in ("int32", "int64", "uint8"):
        raise TypeError(f"{op}: x must be integers, got {kind}; convert it first with ops.cast")
    if kind == "uint8":
        node = apply("cast", [node], {"dtype": "int32"})[0]
        kind = "int32"
    same = apply("equal", [expand_dims(node, -1), np.arange(count, dtype=kind)])[0]
    return cast(same, dtype)


def stop_gradient(x: Value) -> Result:
    """x itself, but no gradient passes through it.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.stop_gradient(np.array([1.0], "float32"))
    array([1.], dtype=float32)
    """
    return apply("stop_gradient", [arguments.value("stop_gradient", "x", x)])[0]


def _unknown_as_minus_one(shape: Shape) -> list[int]:
    return [-1 if size is None else int(size) for size in shape]


def _reshape(x: Node, shape: list[int], op: str) -> Result:
    if shape.count(-1) > 1:
        raise ValueError(f"{op}: only one size may be unknown, got {tuple(shape)}")
    return apply("reshape", [x], {"shape": shape})[0]
