"""Sums, means and extremes over axes, with NumPy's ``axis`` and ``keepdims``."""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Axis, Result, Value


def sum(x: Value, axis: Axis = None, keepdims: bool = False) -> Result:  # noqa: A001 - NumPy's name
    """The sum over ``axis``: one axis, several, or None for all.

    float32 and float64 stay what they are; integers are summed as int64, as in NumPy.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.sum(np.ones((2, 3), "float32"), axis=0)
    array([2., 2., 2.], dtype=float32)
    """
    return _reduce("sum", x, axis, keepdims)


def mean(x: Value, axis: Axis = None, keepdims: bool = False) -> Result:
    """The mean over ``axis`` of floating values.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.mean(np.arange(6, dtype="float32").reshape(2, 3), axis=-1, keepdims=True)
    array([[1.],
           [4.]], dtype=float32)
    """
    return _reduce("mean", x, axis, keepdims)


def max(x: Value, axis: Axis = None, keepdims: bool = False) -> Result:  # noqa: A001 - NumPy's name
    """The largest value over ``axis``; the gradient goes to the values that equal it.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.max(np.arange(6, dtype="float32").reshape(2, 3), axis=1)
    array([2., 5.], dtype=float32)
    """
    return _reduce("max", x, axis, keepdims)


def min(x: Value, axis: Axis = None, keepdims: bool = False) -> Result:  # noqa: A001 - NumPy's name
    """The smallest value over ``axis``; the gradient goes to the values that equal it.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.min(np.arange(6, dtype="float32").reshape(2, 3), axis=1)
    array([0., 3.], dtype=float32)
    """
    return _reduce("min", x, axis, keepdims)


def var(x: Value, axis: Axis = None, keepdims: bool = False) -> Result:
    """The mean squared distance from the mean over ``axis``.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.var(np.array([[1.0, 3.0]], "float32"), axis=1)
    array([1.], dtype=float32)
    """
    node = arguments.floating("var", "x", x)
    centred = apply("subtract", [node, _reduce("mean", node, axis, True)])[0]
    return _reduce("mean", apply("square", [centred])[0], axis, keepdims)


def std(x: Value, axis: Axis = None, keepdims: bool = False) -> Result:
    """The square root of :func:`var`.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.std(np.array([[1.0, 3.0]], "float32"), axis=1)
    array([1.], dtype=float32)
    """
    return apply("sqrt", [var(x, axis, keepdims)])[0]


def argmax(x: Value, axis: int | None = None) -> Result:
    """Where the largest value along ``axis`` stands, the first of equals; int64.

    With ``axis=None`` the place in the flattened x.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.argmax(np.array([[1.0, 3.0, 3.0]], "float32"), axis=-1)
    array([1])
    """
    op = "argmax"
    node = arguments.value(op, "x", x)
    if axis is None:
        node = apply("reshape", [node], {"shape": [-1]})[0]
        return apply(op, [node], {"axis": 0})[0]
    return apply(op, [node], {"axis": arguments.axis(op, axis, arguments.rank(node))})[0]


def _reduce(op: str, x: Value, axis: Axis, keepdims: bool) -> Result:
    node = arguments.value(op, "x", x)
    attributes: dict[str, bool | list[int]] = {
        "axes": arguments.axes(op, axis, arguments.rank(node)),
        "keepdims": arguments.boolean(op, "keepdims", keepdims),
    }
    return apply(op, [node], attributes)[0]
