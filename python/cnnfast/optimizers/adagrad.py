"""Adagrad."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnfast import _trace
from cnnfast.optimizers._arguments import in_range
from cnnfast.optimizers.optimizer import Optimizer


class Adagrad(Optimizer):
    """Steps scaled by the sum of squared gradients (Duchi, Hazan and Singer, 2011).

    Args:
        learning_rate: 0.001; larger ones, up to 1.0, are usual.
        initial_accumulator_value: where the sums begin.
        epsilon: keeps the division finite.
        weight_decay, clipnorm ... name: see :class:`Optimizer`.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str = "adagrad",
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
        self.initial_accumulator_value = in_range(
            self, "initial_accumulator_value", initial_accumulator_value, 0.0, math.inf
        )
        self.epsilon = in_range(self, "epsilon", epsilon, 0.0, 1.0)

    def add_slots(self, weight: _trace.Variable) -> dict[str, _trace.Variable]:
        accumulator = self.zeros_like(weight, "accumulator")
        accumulator.assign(np.full(weight.shape, self.initial_accumulator_value))
        return {"accumulator": accumulator}

    def update(self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any) -> None:
        self.apply_op(
            "adagrad_update",
            [weight, gradient, rate, slots["accumulator"]],
            {"epsilon": self.epsilon, "weight_decay": self.decay_of(weight)},
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "initial_accumulator_value": self.initial_accumulator_value,
            "epsilon": self.epsilon,
        }
