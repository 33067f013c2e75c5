"""Gradient descent with momentum."""

from __future__ import annotations

from typing import Any

from cnnfast import _trace, ops
from cnnfast.optimizers._arguments import in_range
from cnnfast.optimizers.optimizer import Optimizer


class SGD(Optimizer):
    """Gradient descent: ``velocity = momentum * velocity - rate * gradient; weight += velocity``.

    Args:
        learning_rate: 0.01.
        momentum: 0 <= momentum <= 1; 0 keeps no velocity. A ``OneCycle`` with
            ``cycle_momentum=True`` sets it step by step.
        nesterov: ``weight += momentum * velocity - rate * gradient`` instead (Sutskever et al.,
            2013).
        weight_decay, clipnorm ... name: see :class:`Optimizer`.

    >>> from cnnfast.optimizers import SGD
    >>> SGD(0.1, momentum=0.9).momentum
    0.9
    """

    follows_momentum = True

    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "SGD",
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
        self.momentum = in_range(self, "momentum", momentum, 0.0, 1.0)
        self.nesterov = bool(nesterov)

    def add_slots(self, weight: _trace.Variable) -> dict[str, _trace.Variable]:
        kept = self.momentum or self.momentum_cycles
        return {"velocity": self.zeros_like(weight, "velocity")} if kept else {}

    def update(self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any) -> None:
        if self.momentum_cycles:
            self._cycling_update(weight, gradient, rate, slots)
            return
        self.apply_op(
            "sgd_update",
            [weight, gradient, rate, *slots.values()],
            {
                "momentum": self.momentum,
                "nesterov": self.nesterov,
                "weight_decay": self.decay_of(weight),
            },
        )

    def _cycling_update(
        self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any
    ) -> None:
        """The same with a momentum that is known when the plan runs."""
        if "velocity" not in slots:
            raise ValueError(
                "SGD: a schedule that cycles the momentum came behind steps without one; make the "
                "optimizer with the schedule, or with momentum="
            )
        velocity = slots["velocity"]
        momentum = ops.cast(self.traced_momentum(), str(weight.dtype))
        step = ops.multiply(gradient, rate)
        moved = ops.subtract(ops.multiply(velocity, momentum), step)
        change = moved
        if self.nesterov:
            change = ops.subtract(ops.multiply(moved, momentum), step)
        self.assign(velocity, moved)
        self.assign(weight, ops.add(self.decayed(weight, rate), change))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
