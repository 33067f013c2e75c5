"""Arithmetic on each value, with NumPy's broadcasting, and comparisons.

Operands share one dtype; Python numbers take that of the other operand. Mixed dtypes are a
``TypeError`` that names both, shapes that do not broadcast a ``ValueError``.
"""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Result, Value

# ---- two operands ----------------------------------------------------------------------------


def add(x1: Value, x2: Value) -> Result:
    """x1 + x2.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.add(np.array([[1.0], [2.0]], "float32"), np.array([10.0, 20.0], "float32"))
    array([[11., 21.],
           [12., 22.]], dtype=float32)
    """
    return _binary("add", x1, x2)


def subtract(x1: Value, x2: Value) -> Result:
    """x1 - x2.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.subtract(1, np.array([0.25, 2.0], "float32"))
    array([ 0.75, -1.  ], dtype=float32)
    """
    return _binary("subtract", x1, x2)


def multiply(x1: Value, x2: Value) -> Result:
    """x1 * x2.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.multiply(np.array([1.0, 2.0], "float32"), 3)
    array([3., 6.], dtype=float32)
    """
    return _binary("multiply", x1, x2)


def divide(x1: Value, x2: Value) -> Result:
    """x1 / x2 of floating operands; x / 0 is inf or NaN as in IEEE 754.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.divide(np.array([1.0, 2.0], "float32"), 4)
    array([0.25, 0.5 ], dtype=float32)
    """
    return _binary("divide", x1, x2)


def maximum(x1: Value, x2: Value) -> Result:
    """The larger of each pair. The gradient of equal values goes to both, half each.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.maximum(np.array([-1.0, 2.0], "float32"), 0)
    array([0., 2.], dtype=float32)
    """
    return _binary("maximum", x1, x2)


def minimum(x1: Value, x2: Value) -> Result:
    """The smaller of each pair. The gradient of equal values goes to both, half each.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.minimum(np.array([-1.0, 2.0], "float32"), 0)
    array([-1.,  0.], dtype=float32)
    """
    return _binary("minimum", x1, x2)


def power(x1: Value, x2: Value) -> Result:
    """x1 ** x2.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.power(np.array([2.0, 3.0], "float32"), 2)
    array([4., 9.], dtype=float32)
    """
    return _binary("power", x1, x2)


def clip(x: Value, x_min: Value, x_max: Value) -> Result:
    """x, but no less than ``x_min`` and no more than ``x_max``.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.clip(np.array([-1.0, 0.5, 2.0], "float32"), 0, 1)
    array([0. , 0.5, 1. ], dtype=float32)
    """
    node, low, high = arguments.together("clip", x=x, x_min=x_min, x_max=x_max)
    return apply("minimum", [apply("maximum", [node, low])[0], high])[0]


# ---- comparisons -----------------------------------------------------------------------------


def equal(x1: Value, x2: Value) -> Result:
    """x1 == x2, bool.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.equal(np.array([1, 2]), np.array([1, 3]))
    array([ True, False])
    """
    return _binary("equal", x1, x2)


def not_equal(x1: Value, x2: Value) -> Result:
    """x1 != x2, bool."""
    return _binary("not_equal", x1, x2)


def less(x1: Value, x2: Value) -> Result:
    """x1 < x2, bool."""
    return _binary("less", x1, x2)


def less_equal(x1: Value, x2: Value) -> Result:
    """x1 <= x2, bool."""
    return _binary("less_equal", x1, x2)


def greater(x1: Value, x2: Value) -> Result:
    """x1 > x2, bool."""
    return _binary("greater", x1, x2)


def greater_equal(x1: Value, x2: Value) -> Result:
    """x1 >= x2, bool."""
    return _binary("greater_equal", x1, x2)


def where(condition: Value, x1: Value, x2: Value) -> Result:
    """x1 where the condition holds, else x2; the three are broadcast together.

    Args:
        condition: bool.
        x1, x2: of one dtype.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.where(np.array([True, False]), np.array([1.0, 2.0], "float32"), 0)
    array([1., 0.], dtype=float32)
    """
    chosen = arguments.value("where", "condition", condition)
    if arguments.dtype_of(chosen) != "bool":
        raise TypeError(
            f"where: condition must be bool, got {arguments.dtype_of(chosen)}; "
            "compare first, e.g. ops.not_equal(condition, 0)"
        )
    return apply("select", [chosen, *arguments.together("where", x1=x1, x2=x2)])[0]


# ---- one operand -----------------------------------------------------------------------------


def exp(x: Value) -> Result:
    """e ** x.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.exp(np.array([0.0], "float32"))
    array([1.], dtype=float32)
    """
    return _unary("exp", x)


def log(x: Value) -> Result:
    """The natural logarithm: -inf at 0, NaN below.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.log(np.array([1.0], "float32"))
    array([0.], dtype=float32)
    """
    return _unary("log", x)


def sqrt(x: Value) -> Result:
    """The square root: NaN below 0.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.sqrt(np.array([9.0], "float32"))
    array([3.], dtype=float32)
    """
    return _unary("sqrt", x)


def square(x: Value) -> Result:
    """x * x.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.square(np.array([-3.0], "float32"))
    array([9.], dtype=float32)
    """
    return _unary("square", x)


def abs(x: Value) -> Result:  # noqa: A001 - NumPy's name
    """The absolute value. The gradient at 0 is 0.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.abs(np.array([-3.0], "float32"))
    array([3.], dtype=float32)
    """
    return _unary("abs", x)


def negative(x: Value) -> Result:
    """-x.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.negative(np.array([-3.0], "float32"))
    array([3.], dtype=float32)
    """
    return _unary("negative", x)


def reciprocal(x: Value) -> Result:
    """1 / x.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.reciprocal(np.array([4.0], "float32"))
    array([0.25], dtype=float32)
    """
    return _unary("reciprocal", x)


def sign(x: Value) -> Result:
    """-1, 0 or 1. Its gradient is 0.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.sign(np.array([-4.0, 0.0, 2.0], "float32"))
    array([-1.,  0.,  1.], dtype=float32)
    """
    return _unary("sign", x)


def _unary(op: str, x: Value) -> Result:
    return apply(op, [arguments.floating(op, "x", x)])[0]


def _binary(op: str, x1: Value, x2: Value) -> Result:
    return apply(op, arguments.together(op, x1=x1, x2=x2))[0]
