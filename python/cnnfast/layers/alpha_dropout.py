"""Dropout that keeps mean and variance, for networks of selu."""

from __future__ import annotations

import math
from typing import Any

from cnnfast import ops
from cnnfast.layers.dropout import _Dropout

# Where selu ends for x -> -infinity (Klambauer et al., 2017): -scale * alpha.
_LOW = -1.0507009873554805 * 1.6732632423543772


class AlphaDropout(_Dropout):
    """In training sets a share of the values to selu's lowest value, and scales and shifts the
    whole so that mean 0 and variance 1 stay what they are (Klambauer et al., 2017,
    arXiv:1706.02515).

    Args:
        rate: the share, 0 <= rate < 1.
        noise_shape: not supported.
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: a rate outside of [0, 1).

    >>> import numpy as np
    >>> from cnnfast.layers import AlphaDropout
    >>> AlphaDropout(0.5)(np.ones((1, 3), "float32"))        # not training: nothing happens
    array([[1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        if self.rate == 1.0:
            raise ValueError(f"{self.label}: rate must be below 1, nothing would be left")
        if noise_shape is not None:
            raise ValueError(f"{self.label}: noise_shape is not supported; leave it out")

    def _drop(self, x: Any) -> Any:
        kept = 1.0 - self.rate
        scale = 1.0 / math.sqrt(kept * (1.0 + self.rate * _LOW**2))
        # 1 / kept where a value stays, 0 where it is dropped.
        mask = ops.dropout(
            ops.add(ops.multiply(ops.stop_gradient(x), 0.0), 1.0), self.rate, self._state
        )
        staying = ops.multiply(mask, kept)
        lowest = ops.multiply(ops.subtract(1.0, staying), _LOW)
        mixed = ops.add(ops.multiply(x, staying), lowest)
        return ops.add(ops.multiply(mixed, scale), -scale * _LOW * self.rate)
