"""RMSprop: what ``compile`` takes when it is given no optimizer, as in Keras."""

from __future__ import annotations

from typing import Any

from cnnfast import _trace, ops
from cnnfast.optimizers.optimizer import Optimizer, in_range


class RMSprop(Optimizer):
    """Steps scaled by a running mean of squared gradients (Tieleman and Hinton, 2012).

    Written with ``ops`` and ``assign``: an example of an optimizer without a kernel of its own.

    Args:
        learning_rate: 0.001.
        rho: how much of the running mean is kept a step.
        momentum: 0 keeps no velocity.
        epsilon: keeps the division finite.
        centered: not supported.
        weight_decay: see :class:`Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        name: str = "rmsprop",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay, name, **kwargs)
        if centered:
            raise ValueError("RMSprop: centered is not supported")
        self.rho = in_range(self, "rho", rho, 0.0, 1.0)
        self.momentum = in_range(self, "momentum", momentum, 0.0, 1.0)
        self.epsilon = in_range(self, "epsilon", epsilon, 0.0, 1.0)

    def add_slots(self, weight: _trace.Variable) -> dict[str, _trace.Variable]:
        slots = {"velocity": self.zeros_like(weight, "velocity")}
        if self.momentum:
            slots["momentum"] = self.zeros_like(weight, "momentum")
        return slots

    def update(self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any) -> None:
        kind = str(weight.dtype)
        # `gradient * 0` brings variables into the trace of the gradient where they stand alone.
        squares = ops.add(
            ops.multiply(ops.square(gradient), 1.0 - self.rho),
            ops.multiply(slots["velocity"], self.rho) + gradient * 0.0,
        )
        rate = rate if kind == "float32" else ops.cast(rate, kind)
        step = ops.multiply(ops.divide(gradient, ops.sqrt(ops.add(squares, self.epsilon))), rate)
        if self.momentum:
            step = ops.add(step, ops.multiply(slots["momentum"], self.momentum))
        if self.weight_decay:
            decay = ops.multiply(ops.multiply(weight, rate), self.weight_decay)
            new = ops.subtract(ops.subtract(weight, decay), step)
        else:
            new = ops.subtract(weight, step)
        _trace.apply("assign", [slots["velocity"], squares])
        if self.momentum:
            _trace.apply("assign", [slots["momentum"], step])
        _trace.apply("assign", [weight, new])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
