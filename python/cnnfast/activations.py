"""Activation functions by name, on arrays and on Tensors.

>>> import numpy as np
>>> from cnnfast import activations
>>> activations.get("relu")(np.array([-1.0, 2.0], "float32"))
array([0., 2.], dtype=float32)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnfast import _resolve, ops


def linear(x: Any) -> Any:
    """x itself."""
    return x


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """max(x, 0); with a slope below the threshold and a ceiling where they are given.

    f(x) = max_value for x >= max_value, x for threshold <= x < max_value, else
    negative_slope * (x - threshold).
    """
    if not threshold:
        y = ops.leaky_relu(x, negative_slope) if negative_slope else ops.relu(x)
    else:
        below = ops.multiply(ops.subtract(x, threshold), negative_slope)
        y = ops.where(ops.greater_equal(x, threshold), x, below)
    return y if max_value is None else ops.minimum(y, float(max_value))


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x where positive, else negative_slope * x."""
    return ops.leaky_relu(x, negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where positive, else alpha * (exp(x) - 1) (Clevert et al., 2015)."""
    return ops.elu(x, alpha)


def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return ops.tanh(x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return ops.sigmoid(x)


def softmax(x: Any, axis: int = -1) -> Any:
    """exp(x) over its sum along an axis."""
    return ops.softmax(x, axis)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """The logarithm of softmax."""
    return ops.log_softmax(x, axis)


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return ops.softplus(x)


def silu(x: Any) -> Any:
    """x * sigmoid(x), also called swish."""
    return ops.silu(x)


def exponential(x: Any) -> Any:
    """exp(x)."""
    return ops.exp(x)


relu6 = ops.relu6
selu = ops.selu
celu = ops.celu
mish = ops.mish
softsign = ops.softsign
hard_sigmoid = ops.hard_sigmoid
hard_silu = hard_swish = ops.hard_silu
hard_tanh = ops.hard_tanh
log_sigmoid = ops.log_sigmoid
swish = silu


def gelu(x: Any, approximate: bool = False) -> Any:
    """x * Phi(x), Phi the normal distribution (Hendrycks and Gimpel, 2016)."""
    return ops.gelu(x, approximate)


_TABLE: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        linear,
        relu,
        relu6,
        leaky_relu,
        elu,
        selu,
        tanh,
        sigmoid,
        hard_sigmoid,
        softmax,
        log_softmax,
        softplus,
        softsign,
        silu,
        exponential,
        mish,
        celu,
        gelu,
        hard_silu,
        hard_tanh,
        log_sigmoid,
    )
}
_TABLE["hard_swish"] = hard_silu
_TABLE["swish"] = silu


def get(identifier: Any, custom_objects: dict[str, Any] | None = None) -> Callable[..., Any]:
    """The function of a name; None is linear; functions and layers stay as they are.

    Raises:
        ValueError: an unknown name.
        TypeError: something that cannot be called.
    """
    if identifier is None:
        return linear
    found: Callable[..., Any] = _resolve.resolve(
        "activation", identifier, _TABLE, None, custom_objects
    )
    return found


serialize = _resolve.serialize
deserialize = get
