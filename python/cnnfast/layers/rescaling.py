"""Scaling of what a network is fed."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnfast import ops
from cnnfast.layers.layer import Layer


class Rescaling(Layer):
    """``x * scale + offset``: ``Rescaling(1 / 255)`` turns uint8 images into values up to one.

    Args:
        scale: a number, or one for each channel.
        offset: likewise.

    >>> import numpy as np
    >>> from cnnfast.layers import Rescaling
    >>> Rescaling(0.5, offset=1.0)(np.array([[0, 2]], "uint8"))
    array([[1., 2.]], dtype=float32)
    """

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = _values(self.label, "scale", scale)
        self.offset = _values(self.label, "offset", offset)

    def call(self, x: Any) -> Any:
        y = ops.multiply(x, self._operand(self.scale))
        if np.any(np.asarray(self.offset) != 0):
            y = ops.add(y, self._operand(self.offset))
        return y

    def _operand(self, value: Any) -> Any:
        return value if isinstance(value, float) else np.asarray(value, self.dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


def _values(label: str, name: str, value: Any) -> float | list[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{label}: {name} must be a number or a list of them, got {value!r}")
    found = array.astype(np.float64).tolist()
    return found if isinstance(found, list) else float(found)
