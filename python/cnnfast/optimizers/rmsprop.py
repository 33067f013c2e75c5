"""RMSprop: what ``compile`` takes when it is given no optimizer, as in Keras."""

from __future__ import annotations

from typing import Any

from cnnfast import _trace
from cnnfast.optimizers._arguments import in_range
from cnnfast.optimizers.optimizer import Optimizer


class RMSprop(Optimizer):
    """Steps scaled by a running mean of squared gradients (Tieleman and Hinton, 2012).

    Args:
        learning_rate: 0.001.
        rho: how much of the running mean is kept a step.
        momentum: 0 keeps no sum of steps.
        epsilon: keeps the division finite.
        centered: divide by the gradients' deviation instead (Graves, 2013).
        weight_decay, clipnorm ... name: see :class:`Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "rmsprop",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay,
            clipnorm,
            clipvalue,
            global_clipnorm,
            use_ema,
            ema_momentum,
            ema_overwrite_frequency,
            loss_scale_factor,
            gradient_accumulation_steps,
            name,
            **kwargs,
        )
        self.rho = in_range(self, "rho", rho, 0.0, 1.0)
        self.momentum = in_range(self, "momentum", momentum, 0.0, 1.0)
        self.epsilon = in_range(self, "epsilon", epsilon, 0.0, 1.0)
        self.centered = bool(centered)

    def add_slots(self, weight: _trace.Variable) -> dict[str, _trace.Variable]:
        names = ["velocity"]
        if self.centered:
            names.append("average_gradient")
        if self.momentum:
            names.append("momentum")
        return {name: self.zeros_like(weight, name) for name in names}

    def update(self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any) -> None:
        self.apply_op(
            "rmsprop_update",
            [weight, gradient, rate, *slots.values()],
            {
                "rho": self.rho,
                "momentum": self.momentum,
                "epsilon": self.epsilon,
                "centered": self.centered,
                "weight_decay": self.decay_of(weight),
            },
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }
