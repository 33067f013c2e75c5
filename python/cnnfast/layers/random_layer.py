"""What layers that draw random numbers share: a seed, and a state that moves on."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnfast import _random, _trace
from cnnfast.layers._arguments import whole
from cnnfast.layers.layer import Layer


class RandomLayer(Layer):
    """A layer whose draws come from a counter (Philox4x32-10; Salmon et al., 2011).

    They are a function of seed, step and place: the same seed gives the same numbers whatever the
    number of threads. The step is raised after every training step, in the plan.
    """

    def __init__(self, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = None if seed is None else whole(self.label, "seed", seed, 0)
        first = _random.draw_seed() if self.seed is None else self.seed
        self._state = _trace.Variable(
            np.array([first, 0], np.int64), name="seed_state", trainable=False
        )

    @property
    def random_states(self) -> list[_trace.Variable]:
        """States to raise after a training step."""
        return [self._state]

    def _move_on(self, x: Any) -> None:
        """Raises the step after a draw for an array; in a plan, training does it."""
        if not _trace.is_symbolic(x):
            state = np.array(self._state.numpy())
            state[1] += 1
            self._state.assign(state)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed}
