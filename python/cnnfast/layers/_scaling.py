"""What normalisation layers share: gamma, beta, their arguments and checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnfast import _trace, initializers, regularizers
from cnnfast.layers.base_conv import refuse_unsupported
from cnnfast.layers.layer import Layer


class ScalingLayer(Layer):
    """A layer that ends with ``gamma * x + beta``; either may be left out."""

    gamma: _trace.Variable | None
    beta: _trace.Variable | None

    def __init__(
        self,
        *,
        epsilon: Any,
        center: Any,
        scale: Any,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = number(self.label, "epsilon", epsilon, 0.0)
        self.center = bool(center)
        self.scale = bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        refuse_unsupported(
            self.label, beta_constraint=beta_constraint, gamma_constraint=gamma_constraint
        )

    def add_scaling(self, shape: tuple[int, ...]) -> None:
        """Makes gamma, then beta."""
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                shape, self.gamma_initializer, regularizer=self.gamma_regularizer, name="gamma"
            )
        if self.center:
            self.beta = self.add_weight(
                shape, self.beta_initializer, regularizer=self.beta_regularizer, name="beta"
            )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
        }


def axis_size(label: str, shape: Sequence[int | None], axis: int) -> int:
    """The size of an axis that is not the batch.

    Raises:
        ValueError: there is no such axis, it is the batch, or its size is unknown.
    """
    rank = len(shape)
    if rank < 2 or not -rank <= axis < rank or axis % rank == 0:
        raise ValueError(
            f"{label}: axis {axis} does not name an axis behind the batch of an input of shape "
            f"{tuple(shape)}"
        )
    size = shape[axis]
    if size is None:
        raise ValueError(
            f"{label}: the size of axis {axis} must be known, got {tuple(shape)}; "
            "give the model's input_shape in full"
        )
    return size


def number(label: str, name: str, value: Any, least: float, most: float | None = None) -> float:
    """A finite number within bounds.

    Raises:
        TypeError, ValueError: it is none, or outside of them.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{label}: {name} must be a number, got {value!r}")
    found = float(value)
    if not np.isfinite(found) or found < least or (most is not None and found > most):
        bounds = f"at least {least}" if most is None else f"between {least} and {most}"
        raise ValueError(f"{label}: {name} must be {bounds}, got {value!r}")
    return found
