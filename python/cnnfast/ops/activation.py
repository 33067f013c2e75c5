"""Activation functions. All but softmax work on each value by itself."""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Result, Value


def relu(x: Value) -> Result:
    """max(x, 0). The gradient at 0 is 0.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.relu(np.array([-1.0, 2.0], "float32"))
    array([0., 2.], dtype=float32)
    """
    return apply("relu", [arguments.floating("relu", "x", x)])[0]


def leaky_relu(x: Value, negative_slope: float = 0.2) -> Result:
    """x where x > 0, else ``negative_slope * x``; the slope is at least 0.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.leaky_relu(np.array([-1.0, 2.0], "float32"), negative_slope=0.5)
    array([-0.5,  2. ], dtype=float32)
    """
    op = "leaky_relu"
    slope = arguments.real(op, "negative_slope", negative_slope)
    if slope < 0:
        raise ValueError(f"{op}: negative_slope must be at least 0, got {slope}")
    return apply(op, [arguments.floating(op, "x", x)], {"alpha": slope})[0]


def elu(x: Value, alpha: float = 1.0) -> Result:
    """x where x > 0, else ``alpha * (exp(x) - 1)`` (Clevert et al., 2015, arXiv:1511.07289).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.elu(np.array([0.0, 2.0], "float32"))
    array([0., 2.], dtype=float32)
    """
    factor = arguments.real("elu", "alpha", alpha)
    return apply("elu", [arguments.floating("elu", "x", x)], {"alpha": factor})[0]


def tanh(x: Value) -> Result:
    """The hyperbolic tangent.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.tanh(np.array([0.0, 30.0], "float32"))
    array([0., 1.], dtype=float32)
    """
    return apply("tanh", [arguments.floating("tanh", "x", x)])[0]


def sigmoid(x: Value) -> Result:
    """1 / (1 + exp(-x)).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.sigmoid(np.array([0.0, 40.0], "float32"))
    array([0.5, 1. ], dtype=float32)
    """
    return apply("sigmoid", [arguments.floating("sigmoid", "x", x)])[0]


def softplus(x: Value) -> Result:
    """log(1 + exp(x)), without overflow.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.softplus(np.array([-200.0, 100.0], "float32"))
    array([  0., 100.], dtype=float32)
    """
    return apply("softplus", [arguments.floating("softplus", "x", x)])[0]


def silu(x: Value) -> Result:
    """x * sigmoid(x), also called swish (Ramachandran et al., 2017, arXiv:1710.05941).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.silu(np.array([0.0, 40.0], "float32"))
    array([ 0., 40.], dtype=float32)
    """
    node = arguments.floating("silu", "x", x)
    return apply("silu", [node])[0]


def softmax(x: Value, axis: int = -1) -> Result:
    """exp(x) / sum(exp(x)) along one axis, without overflow.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.softmax(np.array([[1000.0, 1000.0]], "float32"))
    array([[0.5, 0.5]], dtype=float32)
    """
    return _along("softmax", x, axis)


def log_softmax(x: Value, axis: int = -1) -> Result:
    """log(softmax(x)), accurate where softmax itself would be 0.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.log_softmax(np.array([[0.0, 1000.0]], "float32"))
    array([[-1000.,     0.]], dtype=float32)
    """
    return _along("log_softmax", x, axis)


def _along(op: str, x: Value, axis: int) -> Result:
    node = arguments.floating(op, "x", x)
    rank = arguments.rank(node)
    if rank == 0:
        raise ValueError(f"{op}: x must have at least one axis, got a single number")
    place = arguments.axis(op, axis, rank)
    if place == rank - 1:
        return apply(op, [node], {"axis": -1})[0]
    swap = list(range(rank))
    swap[place], swap[-1] = swap[-1], swap[place]
    turned = apply("transpose", [node], {"permutation": swap})[0]
    y = apply(op, [turned], {"axis": -1})[0]
    return apply("transpose", [y], {"permutation": swap})[0]
