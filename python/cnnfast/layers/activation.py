"""Activations as layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnfast import activations, ops
from cnnfast.layers.layer import Layer


class Activation(Layer):
    """Any function of ``cnnfast.activations``, by name, or one of your own written with ``ops``.

    Raises:
        ValueError: an unknown name.

    >>> import numpy as np
    >>> from cnnfast.layers import Activation
    >>> Activation("relu")(np.array([[-1.0, 2.0]], "float32"))
    array([[0., 2.]], dtype=float32)
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, x: Any) -> Any:
        return self.activation(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class ReLU(Layer):
    """max(x, 0), with a ceiling, a slope below and a threshold where they are given."""

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else _number(self.label, "max_value", max_value)
        self.negative_slope = _number(self.label, "negative_slope", negative_slope)
        self.threshold = _number(self.label, "threshold", threshold)

    def call(self, x: Any) -> Any:
        return activations.relu(x, self.negative_slope, self.max_value, self.threshold)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(Layer):
    """x where positive, else ``negative_slope * x``. ``alpha=`` is the older name of the slope."""

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        negative_slope = kwargs.pop("alpha", negative_slope)
        super().__init__(**kwargs)
        self.negative_slope = _number(self.label, "negative_slope", negative_slope)

    def call(self, x: Any) -> Any:
        return ops.leaky_relu(x, self.negative_slope)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(Layer):
    """x where positive, else ``alpha * (exp(x) - 1)`` (Clevert et al., 2015)."""

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = _number(self.label, "alpha", alpha)

    def call(self, x: Any) -> Any:
        return ops.elu(x, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


class Softmax(Layer):
    """exp(x) over its sum along an axis."""

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, x: Any) -> Any:
        return ops.softmax(x, self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def _number(label: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{label}: {name} must be a number, got {value!r}")
    if not np.isfinite(value):
        raise ValueError(f"{label}: {name} must be finite, got {value!r}")
    return float(value)
