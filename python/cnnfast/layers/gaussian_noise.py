"""Noise on what passes while a network trains."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnfast import ops
from cnnfast.layers.random_layer import RandomLayer


class GaussianNoise(RandomLayer):
    """In training adds normally distributed noise around 0; otherwise the input passes as it is.

    Noise on its input keeps a network from relying on single values; for a linear model and a
    squared error it is an L2 penalty (Bishop, 1995, "Training with noise is equivalent to Tikhonov
    regularization").

    Args:
        stddev: the standard deviation, 0 <= stddev <= 1 as in Keras: scale the data first.
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Input and output: any shape whose axes behind the batch are known, float32 or float64.

    Raises:
        ValueError: a stddev outside of [0, 1], an axis of unknown size.

    >>> import numpy as np
    >>> from cnnfast.layers import GaussianNoise
    >>> noise = GaussianNoise(0.1, seed=1)
    >>> x = np.ones((100, 100), "float32")
    >>> bool((noise(x) == x).all()), round(float(noise(x, training=True).std()), 2)
    (True, 0.1)
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if isinstance(stddev, bool) or not isinstance(stddev, (int, float, np.number)):
            raise TypeError(f"{self.label}: stddev must be a number, got {stddev!r}")
        if not 0.0 <= stddev <= 1.0:
            raise ValueError(f"{self.label}: stddev must be between 0 and 1, got {stddev!r}")
        self.stddev = float(stddev)

    @property
    def random_states(self) -> list[Any]:
        """States to raise after a training step."""
        return super().random_states if self.stddev else []

    def call(self, x: Any, training: bool = False) -> Any:
        if not training or not self.stddev:
            return x
        sizes = tuple(x.shape[1:])
        if not len(x.shape) or None in sizes:
            raise ValueError(
                f"{self.label}: all sizes behind the batch must be known, got {tuple(x.shape)}"
            )
        count = math.prod(sizes)
        if count == 0:
            return x
        drawn = ops.random_normal(x, self._state, count, stddev=self.stddev)
        y = ops.add(x, ops.reshape(drawn, (-1, *sizes)))
        self._move_on(x)
        return y

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev}
