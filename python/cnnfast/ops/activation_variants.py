"""The less common activation functions, and the one with learned slopes."""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Result, Value


def prelu(x: Value, slope: Value) -> Result:
    """x where x > 0, else ``slope * x`` (He et al., 2015, arXiv:1502.01852).

    Args:
        slope: broadcast to x: one for each channel, or for each value of a sample.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.prelu(np.float32([[-1, -1, 2]]), np.float32([0.25, 0.5, 0.5]))
    array([[-0.25, -0.5 ,  2.  ]], dtype=float32)
    """
    return apply("prelu", arguments.same_dtype("prelu", x=x, slope=slope))[0]


def relu6(x: Value) -> Result:
    """min(max(x, 0), 6).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.relu6(np.float32([-1, 3, 7]))
    array([0., 3., 6.], dtype=float32)
    """
    return apply("clip", [arguments.floating("relu6", "x", x)], {"low": 0.0, "high": 6.0})[0]


def selu(x: Value) -> Result:
    """scale * elu(x, alpha), with the constants of Klambauer et al., 2017, arXiv:1706.02515.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.selu(np.float32([0, 1])).round(4)
    array([0.    , 1.0507], dtype=float32)
    """
    return apply("selu", [arguments.floating("selu", "x", x)])[0]


def gelu(x: Value, approximate: bool = True) -> Result:
    """x * Phi(x), Phi the normal distribution (Hendrycks and Gimpel, 2016, arXiv:1606.08415).

    Args:
        approximate: with tanh, as the paper proposes; False: Phi itself.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.gelu(np.float32([0, 1])).round(4)
    array([0.    , 0.8412], dtype=float32)
    """
    node = arguments.floating("gelu", "x", x)
    tanh = arguments.boolean("gelu", "approximate", approximate)
    return apply("gelu_tanh" if tanh else "gelu", [node])[0]


def erf(x: Value) -> Result:
    """The error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.erf(np.float32([0, 1, 9])).round(4)
    array([0.    , 0.8427, 1.    ], dtype=float32)
    """
    return apply("erf", [arguments.floating("erf", "x", x)])[0]


def mish(x: Value) -> Result:
    """x * tanh(softplus(x)) (Misra, 2019, arXiv:1908.08681).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.mish(np.float32([0, 1])).round(4)
    array([0.    , 0.8651], dtype=float32)
    """
    return apply("mish", [arguments.floating("mish", "x", x)])[0]


def softsign(x: Value) -> Result:
    """x / (1 + abs(x)).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.softsign(np.float32([-1, 0, 3]))
    array([-0.5 ,  0.  ,  0.75], dtype=float32)
    """
    return apply("softsign", [arguments.floating("softsign", "x", x)])[0]


def hard_sigmoid(x: Value) -> Result:
    """relu6(x + 3) / 6.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.hard_sigmoid(np.float32([-4, 0, 3]))
    array([0. , 0.5, 1. ], dtype=float32)
    """
    return apply("hard_sigmoid", [arguments.floating("hard_sigmoid", "x", x)])[0]


def hard_silu(x: Value) -> Result:
    """x * hard_sigmoid(x), also called hard swish (Howard et al., 2019, arXiv:1905.02244).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.hard_silu(np.float32([-4, 0, 3]))
    array([-0.,  0.,  3.], dtype=float32)
    """
    return apply("hard_silu", [arguments.floating("hard_silu", "x", x)])[0]


def hard_tanh(x: Value) -> Result:
    """x held between -1 and 1.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.hard_tanh(np.float32([-4, 0.5, 3]))
    array([-1. ,  0.5,  1. ], dtype=float32)
    """
    return apply("clip", [arguments.floating("hard_tanh", "x", x)], {"low": -1.0, "high": 1.0})[0]


def celu(x: Value, alpha: float = 1.0) -> Result:
    """x where x > 0, else ``alpha * (exp(x / alpha) - 1)`` (Barron, 2017, arXiv:1704.07483).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.celu(np.float32([0, 2]), alpha=0.5)
    array([0., 2.], dtype=float32)
    """
    op = "celu"
    factor = arguments.real(op, "alpha", alpha)
    if factor == 0:
        raise ValueError(f"{op}: alpha must not be 0")
    node = arguments.floating(op, "x", x)
    y = apply("elu", [apply("multiply", [node, 1.0 / factor])[0]])[0]
    return apply("multiply", [y, factor])[0]


def log_sigmoid(x: Value) -> Result:
    """log(sigmoid(x)), accurate where sigmoid itself would be 0.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.log_sigmoid(np.float32([-200, 100]))
    array([-200.,   -0.], dtype=float32)
    """
    return apply("log_sigmoid", [arguments.floating("log_sigmoid", "x", x)])[0]
