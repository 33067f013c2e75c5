"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnfast import _random, _trace, ops
from cnnfast.layers._arguments import whole
from cnnfast.layers.layer import Layer


class Dropout(Layer):
    """In training sets a share of the values to 0 and divides the others by ``1 - rate``.

    The mask comes from a counter (Philox4x32-10; Salmon et al., 2011): nothing is stored for the
    backward pass, and the same seed gives the same masks whatever the number of threads.

    Args:
        rate: the share, 0 <= rate <= 1.
        noise_shape: not supported.
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: a rate outside of [0, 1].

    >>> import numpy as np
    >>> from cnnfast.layers import Dropout
    >>> Dropout(0.5)(np.ones((1, 3), "float32"))        # not training: nothing happens
    array([[1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)):
            raise TypeError(f"{self.label}: rate must be a number, got {rate!r}")
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"{self.label}: rate must be between 0 and 1, got {rate!r}")
        if noise_shape is not None:
            raise ValueError(f"{self.label}: noise_shape is not supported; leave it out")
        self.rate = float(rate)
        self.seed = None if seed is None else whole(self.label, "seed", seed, 0)
        # (seed, step): the step is raised after every training step, in the plan.
        first = _random.draw_seed() if self.seed is None else self.seed
        self._state = _trace.Variable(
            np.array([first, 0], np.int64), name="seed_state", trainable=False
        )

    @property
    def random_states(self) -> list[_trace.Variable]:
        """States to raise after a training step."""
        return [self._state] if 0.0 < self.rate < 1.0 else []

    def call(self, x: Any, training: bool = False) -> Any:
        if not training or self.rate == 0.0:
            return x
        if self.rate == 1.0:
            return ops.multiply(x, 0.0)
        y = ops.dropout(x, self.rate, self._state)
        if not _trace.is_symbolic(x):
            state = np.array(self._state.numpy())
            state[1] += 1
            self._state.assign(state)
        return y

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
