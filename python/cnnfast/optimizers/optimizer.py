"""What every optimizer is: a learning rate, a count of steps, and an update written as plan ops."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnfast import _names, _trace

_LATER = ("clipnorm", "clipvalue", "global_clipnorm", "ema_momentum", "loss_scale_factor")


class Optimizer:
    """Changes weights against their gradients, inside the plan of a training step.

    Subclass it with ``add_slots(weight)``, which makes state variables, and ``update``, which
    traces the ops of one weight's update.

    Args:
        learning_rate: positive or zero; ``optimizer.learning_rate = 0.01`` changes it at any time,
            without planning anything anew.
        weight_decay: every step takes ``learning_rate * weight_decay`` of a weight off it
            (decoupled: Loshchilov and Hutter, 2019). None: no decay.
        name: None: the class' name.

    Raises:
        ValueError: numbers out of range, arguments that are not supported.
    """

    def __init__(
        self,
        learning_rate: float = 0.01,
        weight_decay: float | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name or _names.snake_case(type(self).__name__)
        learning_rate = kwargs.pop("lr", learning_rate)
        for argument in _LATER:
            if kwargs.pop(argument, None) is not None:
                raise ValueError(f"{type(self).__name__}: {argument} is not supported yet")
        if kwargs.pop("use_ema", False) or kwargs.pop("gradient_accumulation_steps", None):
            raise ValueError(
                f"{type(self).__name__}: use_ema and gradient_accumulation_steps "
                "are not supported yet"
            )
        kwargs.pop("jit_compile", None)
        kwargs.pop("ema_overwrite_frequency", None)
        if kwargs:
            raise TypeError(f"{type(self).__name__}: unknown argument {sorted(kwargs)[0]!r}")
        self.weight_decay = (
            None
            if weight_decay is None
            else in_range(self, "weight_decay", weight_decay, 0.0, math.inf)
        )
        rate = self._checked_rate(learning_rate)
        self._rate = _trace.Variable(np.float32(rate), name="learning_rate", trainable=False)
        # The value as it was given: 0.1 is not what float32 makes of it.
        self._rate_value = rate
        self.iterations = _trace.Variable(np.int64(0), name="iterations", trainable=False)
        self._slots: dict[int, dict[str, _trace.Variable]] = {}
        self._weights: list[_trace.Variable] = []

    # ---- to override --------------------------------------------------------------------------

    def add_slots(self, weight: _trace.Variable) -> dict[str, _trace.Variable]:
        """The state of one weight, by name: usually ``self.zeros_like(weight)``."""
        return {}

    def update(self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any) -> None:
        """Traces the update of one weight."""
        raise NotImplementedError(f"{type(self).__name__}: define update(...)")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {
            "name": self.name,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """A new optimizer, without state, from what ``get_config`` gave."""
        return cls(**config)

    # ---- learning rate ------------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The present learning rate."""
        held = float(self._rate.numpy())
        return self._rate_value if np.float32(self._rate_value) == np.float32(held) else held

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        rate = self._checked_rate(value)
        self._rate.assign(np.float32(rate))
        self._rate_value = rate

    lr = learning_rate

    def _checked_rate(self, value: Any) -> float:
        if callable(value) and not isinstance(value, np.generic):
            raise TypeError(
                f"{type(self).__name__}: learning_rate must be a number, got {value!r}; "
                "use callbacks.LearningRateScheduler for a schedule"
            )
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        return in_range(self, "learning_rate", value, 0.0, math.inf)

    # ---- state --------------------------------------------------------------------------------

    @staticmethod
    def zeros_like(weight: _trace.Variable, name: str) -> _trace.Variable:
        """A state variable of a weight's shape, zero."""
        zeros = np.zeros(weight.shape, str(weight.dtype))
        return _trace.Variable(zeros, name=f"{weight.name}_{name}", trainable=False)

    def build(self, weights: Sequence[_trace.Variable]) -> None:
        """Makes the state of weights that have none yet."""
        for weight in weights:
            if id(weight) not in self._slots:
                self._slots[id(weight)] = self.add_slots(weight)
                self._weights.append(weight)

    def state(self) -> dict[str, _trace.Variable]:
        """All variables that a saved model keeps, by a name that does not depend on the process."""
        found = {"iterations": self.iterations, "learning_rate": self._rate}
        for index, weight in enumerate(self._weights):
            for name, variable in self._slots[id(weight)].items():
                found[f"{index}/{name}"] = variable
        return found

    @property
    def variables(self) -> list[_trace.Variable]:
        """Step count, learning rate and the state of every weight."""
        return list(self.state().values())

    # ---- tracing ------------------------------------------------------------------------------

    def trace_updates(
        self, trace: _trace.Trace, gradients: Sequence[Any], weights: Sequence[_trace.Variable]
    ) -> None:
        """Puts the updates of all weights and the count of steps into a training graph."""
        self.build(weights)
        for weight, gradient in zip(weights, gradients, strict=True):
            self.update(weight, gradient, self._rate, self._slots[id(weight)])
        trace.update("increment", [self.iterations], {"index": 0, "by": 1})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} learning_rate={self.learning_rate}>"


def in_range(owner: Any, name: str, value: Any, least: float, most: float) -> float:
    """A finite float in [least, most].

    Raises:
        TypeError: no number.
        ValueError: out of range.
    """
    label = type(owner).__name__
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{label}: {name} must be a number, got {value!r}")
    number = float(value)
    if not (math.isfinite(number) and least <= number <= most):
        bound = f"at least {least}" if most == math.inf else f"between {least} and {most}"
        raise ValueError(f"{label}: {name} must be {bound} and finite, got {value!r}")
    return number
