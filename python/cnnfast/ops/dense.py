"""The fully connected layer's product and its gradients. Kernels are (in, out)."""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Result, Value


def dense(x: Value, kernel: Value, bias: Value | None = None) -> Result:
    """x @ kernel + bias.

    Args:
        x: (..., in) with at least two axes, float32 or float64.
        kernel: (in, out), of x's dtype.
        bias: (out,) or None.

    Returns:
        (..., out).

    Raises:
        ValueError: sizes that do not go together.
        TypeError: mixed or unsupported dtypes.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x, kernel = np.array([[1.0, 2.0]], "float32"), np.eye(2, dtype="float32")
    >>> ops.dense(x, kernel, np.array([10.0, 20.0], "float32"))
    array([[11., 22.]], dtype=float32)
    """
    return apply("dense", arguments.same_dtype("dense", x=x, kernel=kernel, bias=bias))[0]


def dense_backward_input(dy: Value, kernel: Value) -> Result:
    """The gradient of :func:`dense` for its input: dy @ kernel.T, (..., in).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.dense_backward_input(np.ones((1, 2), "float32"), np.ones((3, 2), "float32"))
    array([[2., 2., 2.]], dtype=float32)
    """
    op = "dense_backward_input"
    return apply(op, arguments.same_dtype(op, dy=dy, kernel=kernel))[0]


def dense_backward_kernel(x: Value, dy: Value) -> Result:
    """The gradient of :func:`dense` for its kernel, (in, out): x.T @ dy, summed over all rows.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.dense_backward_kernel(np.ones((4, 2), "float32"), np.ones((4, 1), "float32"))
    array([[4.],
           [4.]], dtype=float32)
    """
    op = "dense_backward_kernel"
    return apply(op, arguments.same_dtype(op, x=x, dy=dy))[0]


def matmul(x1: Value, x2: Value) -> Result:
    """x1 @ x2 where x2 is a matrix: (..., n) by (n, m) gives (..., m).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.matmul(np.ones((2, 3), "float32"), np.ones((3, 1), "float32"))
    array([[3.],
           [3.]], dtype=float32)
    """
    left, right = arguments.same_dtype("matmul", x1=x1, x2=x2)
    if arguments.rank(left) < 2 or arguments.rank(right) != 2:
        raise ValueError(
            "matmul: expected (..., n) with at least two axes by (n, m), got "
            f"{arguments.shown_shape(left)} by {arguments.shown_shape(right)}"
        )
    return apply("dense", [left, right])[0]
