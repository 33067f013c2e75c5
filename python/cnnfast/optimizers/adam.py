"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from cnnfast import _trace, ops
from cnnfast.optimizers._arguments import in_range
from cnnfast.optimizers.optimizer import Optimizer

_BELOW_ONE = 1.0 - 2**-24


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): steps scaled by running means of gradients and their squares.

    ``weight -= rate * sqrt(1 - beta_2^t) / (1 - beta_1^t) * m / (sqrt(v) + epsilon)``, as Keras.

    Args:
        learning_rate: 0.001.
        beta_1, beta_2: how much of the running means is kept a step, 0 <= beta < 1. A ``OneCycle``
            with ``cycle_momentum=True`` sets beta_1 step by step.
        epsilon: keeps the division finite.
        amsgrad: divide by the largest v so far (Reddi, Kale and Kumar, 2018).
        weight_decay, clipnorm ... name: see :class:`Optimizer`.

    >>> from cnnfast.optimizers import Adam
    >>> adam = Adam()
    >>> adam.learning_rate = 0.01
    >>> adam.learning_rate
    0.01
    """

    follows_momentum = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "adam",
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
        self.beta_1 = in_range(self, "beta_1", beta_1, 0.0, _BELOW_ONE)
        self.beta_2 = in_range(self, "beta_2", beta_2, 0.0, _BELOW_ONE)
        self.epsilon = in_range(self, "epsilon", epsilon, 0.0, 1.0)
        self.amsgrad = bool(amsgrad)

    def add_slots(self, weight: _trace.Variable) -> dict[str, _trace.Variable]:
        names = ("momentum", "velocity", *(("velocity_hat",) if self.amsgrad else ()))
        return {name: self.zeros_like(weight, name) for name in names}

    def update(self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any) -> None:
        if self.momentum_cycles:
            self._cycling_update(weight, gradient, rate, slots)
            return
        moments = [slots["momentum"], slots["velocity"]]
        largest = [slots["velocity_hat"]] if self.amsgrad else []
        self.apply_op(
            "adam_update",
            [weight, gradient, rate, *moments, self.iterations, *largest],
            {
                "beta1": self.beta_1,
                "beta2": self.beta_2,
                "epsilon": self.epsilon,
                "amsgrad": self.amsgrad,
                "weight_decay": self.decay_of(weight),
            },
        )

    def _cycling_update(
        self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any
    ) -> None:
        """The same with a beta_1 that is known when the plan runs."""
        kind = str(weight.dtype)
        beta_1 = self.traced_momentum()
        # One number: in float64, for 1 - 0.999^t has few digits of float32.
        t = ops.add(ops.cast(self.iterations, "float64"), 1.0)
        size = ops.divide(
            ops.sqrt(ops.subtract(1.0, ops.power(self.beta_2, t))),
            ops.subtract(1.0, ops.power(beta_1, t)),
        )
        size = ops.multiply(rate, ops.cast(size, kind))
        share = ops.cast(ops.subtract(1.0, beta_1), kind)
        first, second = slots["momentum"], slots["velocity"]
        m = ops.add(first, ops.multiply(ops.subtract(gradient, first), share))
        v = ops.add(
            second, ops.multiply(ops.subtract(ops.square(gradient), second), 1.0 - self.beta_2)
        )
        self.assign(first, m)
        self.assign(second, v)
        if self.amsgrad:
            v = ops.maximum(slots["velocity_hat"], v)
            self.assign(slots["velocity_hat"], v)
        step = ops.divide(ops.multiply(m, size), ops.add(ops.sqrt(v), self.epsilon))
        self.assign(weight, ops.subtract(self.decayed(weight, rate), step))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019), 0.004 by default."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "adamw",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
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
