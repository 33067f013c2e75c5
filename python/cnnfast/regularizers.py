"""Penalties on weights that are added to the loss: l1, l2 and both.

>>> import numpy as np
>>> from cnnfast import regularizers
>>> float(regularizers.L2(0.5)(np.array([1.0, 2.0], "float32")))
2.5
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnfast import _resolve, ops


class Regularizer:
    """``regularizer(weight)`` is a scalar. Subclass with ``__call__`` written with ``ops``."""

    def __call__(self, x: Any) -> Any:
        """The penalty of x: a scalar of its dtype."""
        raise NotImplementedError(f"{type(self).__name__} needs a __call__(x)")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """The regulariser that ``get_config`` described."""
        return cls(**config)


class L1L2(Regularizer):
    """``l1 * sum(|x|) + l2 * sum(x^2)``.

    Raises:
        ValueError: a factor that is negative or not finite.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _factor("l1", l1)
        self.l2 = _factor("l2", l2)

    def __call__(self, x: Any) -> Any:
        penalty: Any = None
        if self.l1:
            penalty = ops.multiply(ops.sum(ops.abs(x)), self.l1)
        if self.l2 or penalty is None:
            square = ops.multiply(ops.sum(ops.square(x)), self.l2)
            penalty = square if penalty is None else ops.add(penalty, square)
        return penalty

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """``l1 * sum(|x|)``."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(L1L2):
    """``l2 * sum(x^2)``."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


def _factor(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"regularizer: {name} must be a number, got {value!r}")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"regularizer: {name} must be finite and not negative, got {value!r}")
    return float(value)


l1 = L1
l2 = L2
l1_l2 = L1L2

_TABLE: dict[str, type[Regularizer]] = {
    "l1": L1,
    "l2": L2,
    "l1_l2": L1L2,
    "L1": L1,
    "L2": L2,
    "L1L2": L1L2,
}


def get(identifier: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The regulariser of a name, class, instance, function or configuration; None stays None.

    Raises:
        ValueError: an unknown name.
    """
    if identifier is None:
        return None
    return _resolve.resolve("regularizer", identifier, _TABLE, Regularizer, custom_objects)


serialize = _resolve.serialize
deserialize = get
