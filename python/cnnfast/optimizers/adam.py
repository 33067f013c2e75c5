"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from cnnfast import _trace
from cnnfast.optimizers.optimizer import Optimizer, in_range


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): steps scaled by running means of gradients and their squares.

    ``weight -= rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)``, as Keras.

    Args:
        learning_rate: 0.001.
        beta_1, beta_2: how much of the running means is kept a step, 0 <= beta < 1.
        epsilon: keeps the division finite.
        amsgrad: not supported.
        weight_decay: see :class:`Optimizer`.

    >>> from cnnfast.optimizers import Adam
    >>> adam = Adam()
    >>> adam.learning_rate = 0.01
    >>> adam.learning_rate
    0.01
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        name: str = "adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay, name, **kwargs)
        if amsgrad:
            raise ValueError(f"{type(self).__name__}: amsgrad is not supported")
        self.beta_1 = in_range(self, "beta_1", beta_1, 0.0, 1.0 - 2**-24)
        self.beta_2 = in_range(self, "beta_2", beta_2, 0.0, 1.0 - 2**-24)
        self.epsilon = in_range(self, "epsilon", epsilon, 0.0, 1.0)

    def add_slots(self, weight: _trace.Variable) -> dict[str, _trace.Variable]:
        return {
            "momentum": self.zeros_like(weight, "momentum"),
            "velocity": self.zeros_like(weight, "velocity"),
        }

    def update(self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any) -> None:
        _trace.apply(
            "adam_update",
            [weight, gradient, rate, slots["momentum"], slots["velocity"], self.iterations],
            {
                "beta1": self.beta_1,
                "beta2": self.beta_2,
                "epsilon": self.epsilon,
                "weight_decay": self.weight_decay or 0.0,
            },
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), 0.004 by default."""

    def __init__(
        self,
        learning_rate: float = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        name: str = "adamw",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, name, **kwargs
        )
