"""Learning rates that follow the steps: names, arguments, defaults and formulas of Keras.

Hand one to an optimizer: ``Adam(schedules.CosineDecay(1e-3, 1000))``. The training plan computes
the rate of every step itself, so a schedule costs nothing in Python. Called with a number or an
array of steps, counted from 0, a schedule gives the rates, to look at or to plot.

>>> import numpy as np
>>> from cnnfast.optimizers import schedules
>>> schedules.PolynomialDecay(1.0, 4, end_learning_rate=0.0)(np.arange(6))
array([1.  , 0.75, 0.5 , 0.25, 0.  , 0.  ])
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cnnfast import _resolve, _trace, ops
from cnnfast.optimizers._arguments import in_range, positive


class LearningRateSchedule:
    """A learning rate for every step. Subclass with ``__call__(step)`` and ``get_config``.

    ``step`` is a number, or a float32 scalar Tensor when a training plan is traced: write the
    formula with Python's arithmetic and ``ops`` (``ops.where`` instead of ``if``).

    >>> from cnnfast.optimizers import schedules
    >>> class Hyperbola(schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.1 / (step + 1.0)
    >>> Hyperbola()(4)
    0.02
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step, counted from 0."""
        raise NotImplementedError(f"{type(self).__name__}: define __call__(self, step)")

    def traced(self, steps: _trace.Variable, kind: str) -> Any:
        """The rate as a scalar of a plan. ``steps``: the counter; ``kind``: the dtype."""
        rate = self(ops.cast(steps, "float32"))
        if not _trace.is_symbolic(rate):
            return np.asarray(rate, kind)
        if rate.shape != ():
            raise ValueError(
                f"{type(self).__name__}: expected one learning rate, got shape {rate.shape}"
            )
        return rate if rate.dtype == kind else ops.cast(rate, kind)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        raise NotImplementedError(
            f"{type(self).__name__}: define get_config(self) to save a model that uses it"
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """The schedule that ``get_config`` described."""
        return cls(**config)


class _Formula(LearningRateSchedule):
    """One of the formulas of the op ``learning_rate_schedule``, with its numbers."""

    _kind = ""
    name: str

    def _numbers(self) -> list[float]:
        raise NotImplementedError

    def __call__(self, step: Any) -> Any:
        if _trace.is_symbolic(step) or isinstance(step, _trace.Variable):
            return self._rates(step, "float32")
        steps = np.asarray(step)
        if steps.dtype.kind not in "iuf":
            raise TypeError(f"{type(self).__name__}: step must be a number, got {step!r}")
        steps = steps.astype(np.float64)
        rates = self._rates(steps, "float64")
        return float(rates) if steps.ndim == 0 else rates

    def traced(self, steps: _trace.Variable, kind: str) -> Any:
        return self._rates(steps, kind)

    def _rates(self, steps: Any, kind: str) -> Any:
        numbers = np.asarray(self._numbers(), np.float64)
        attributes = {"kind": self._kind, "dtype": kind}
        return _trace.apply("learning_rate_schedule", [steps, numbers], attributes)[0]


class ExponentialDecay(_Formula):
    """``initial * decay_rate ^ (step / decay_steps)``.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: after so many steps the rate is multiplied by ``decay_rate``.
        decay_rate: at least 0.
        staircase: in jumps every ``decay_steps`` steps instead of smoothly.
        name: kept for configurations.
    """

    _kind = "exponential"

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = _rate(self, "initial_learning_rate", initial_learning_rate)
        self.decay_steps = positive(self, "decay_steps", decay_steps)
        self.decay_rate = in_range(self, "decay_rate", decay_rate, 0.0, math.inf)
        self.staircase = bool(staircase)
        self.name = name

    def _numbers(self) -> list[float]:
        return [self.initial_learning_rate, self.decay_steps, self.decay_rate, self.staircase]

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class InverseTimeDecay(ExponentialDecay):
    """``initial / (1 + decay_rate * step / decay_steps)``; arguments as of ExponentialDecay."""

    _kind = "inverse_time"

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, decay_rate, staircase, name)


class PolynomialDecay(_Formula):
    """``(initial - end) * (1 - step / decay_steps) ^ power + end``, then ``end``.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: when the end is reached.
        end_learning_rate: the rate from then on.
        power: 1.0 is a straight line.
        cycle: begin again, with more steps each time, instead of staying at the end.
        name: kept for configurations.
    """

    _kind = "polynomial"

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = _rate(self, "initial_learning_rate", initial_learning_rate)
        self.decay_steps = positive(self, "decay_steps", decay_steps)
        self.end_learning_rate = _rate(self, "end_learning_rate", end_learning_rate)
        self.power = in_range(self, "power", power, 0.0, math.inf)
        self.cycle = bool(cycle)
        self.name = name

    def _numbers(self) -> list[float]:
        rates = [self.initial_learning_rate, self.decay_steps, self.end_learning_rate]
        return [*rates, self.power, self.cycle]

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
            "name": self.name,
        }


class PiecewiseConstantDecay(_Formula):
    """``values[0]`` up to and with step ``boundaries[0]``, then ``values[1]`` ...

    Args:
        boundaries: increasing steps.
        values: rates, one more than boundaries.
        name: kept for configurations.

    Raises:
        ValueError: lengths that do not go together, boundaries that do not increase.
    """

    _kind = "piecewise"

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "PiecewiseConstantDecay: expected one value more than boundaries, got "
                f"{len(boundaries)} boundaries and {len(values)} values"
            )
        self.boundaries = [in_range(self, "boundaries", b, -math.inf, math.inf) for b in boundaries]
        if any(b <= a for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(
                f"PiecewiseConstantDecay: boundaries must increase, got {list(boundaries)}"
            )
        self.values = [_rate(self, "values", value) for value in values]
        self.name = name

    def _numbers(self) -> list[float]:
        return [*self.boundaries, *self.values]

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class CosineDecay(_Formula):
    """Half a cosine down to ``alpha`` of the rate, after a linear warm-up where one is asked for.

    Loshchilov and Hutter, 2017; the warm-up is that of Goyal et al., 2017.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: of the decay, behind the warm-up.
        alpha: the last rate as a share of the largest.
        name: kept for configurations.
        warmup_target: the rate that the warm-up ends with; None: no warm-up.
        warmup_steps: of the warm-up.
    """

    _kind = "cosine"

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        self.initial_learning_rate = _rate(self, "initial_learning_rate", initial_learning_rate)
        self.decay_steps = positive(self, "decay_steps", decay_steps)
        self.alpha = in_range(self, "alpha", alpha, 0.0, math.inf)
        self.name = name
        self.warmup_target = (
            None if warmup_target is None else _rate(self, "warmup_target", warmup_target)
        )
        self.warmup_steps = in_range(self, "warmup_steps", warmup_steps, 0.0, math.inf)

    def _numbers(self) -> list[float]:
        target = math.nan if self.warmup_target is None else self.warmup_target
        rates = [self.initial_learning_rate, self.decay_steps, self.alpha]
        return [*rates, target, self.warmup_steps]

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(_Formula):
    """CosineDecay that begins again (Loshchilov and Hutter, 2017).

    Args:
        initial_learning_rate: the rate at step 0.
        first_decay_steps: of the first period.
        t_mul: each period is so many times as long as the one before, at least 1.
        m_mul: and begins at so many times its rate.
        alpha: the last rate of a period as a share of ``initial_learning_rate``.
        name: kept for configurations.
    """

    _kind = "cosine_restarts"

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = _rate(self, "initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = positive(self, "first_decay_steps", first_decay_steps)
        self.t_mul = in_range(self, "t_mul", t_mul, 1.0, math.inf)
        self.m_mul = in_range(self, "m_mul", m_mul, 0.0, math.inf)
        self.alpha = in_range(self, "alpha", alpha, 0.0, math.inf)
        self.name = name

    def _numbers(self) -> list[float]:
        periods = [self.first_decay_steps, self.t_mul, self.m_mul]
        return [self.initial_learning_rate, *periods, self.alpha]

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


class OneCycle(_Formula):
    """Up to a large rate and down to almost nothing (Smith and Topin, 2018). Not in Keras.

    The formula, defaults and argument names are those of ``torch.optim.lr_scheduler.OneCycleLR``,
    but for ``max_learning_rate`` and ``cycle_momentum``, which is False here; steps beyond the last
    keep its rate.

    Args:
        max_learning_rate: the largest rate.
        total_steps: steps of the whole training: epochs * steps an epoch.
        pct_start: the share of the steps that the rise takes.
        anneal_strategy: "cos" or "linear".
        div_factor: the first rate is ``max_learning_rate / div_factor``.
        final_div_factor: the last rate is the first one divided by this.
        three_phase: down to the first rate as fast as it rose, then to the last.
        name: kept for configurations.
        cycle_momentum: the momentum of SGD, or Adam's and AdamW's ``beta_1``, goes down while the
            rate rises and up again while it falls, whatever the optimizer's own says.
        base_momentum, max_momentum: the smallest and the largest, 0 <= momentum < 1.

    Raises:
        ValueError, TypeError: numbers out of range, a base_momentum above max_momentum. An
            optimizer without momentum refuses the schedule if its momentum cycles.

    >>> from cnnfast.optimizers import schedules
    >>> cycle = schedules.OneCycle(0.1, 100, cycle_momentum=True)
    >>> [(round(cycle(step), 4), round(cycle.momentum(step), 4)) for step in (0, 29, 99)]
    [(0.004, 0.95), (0.1, 0.85), (0.0, 0.95)]
    """

    _kind = "one_cycle"

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        name: str = "OneCycle",
        cycle_momentum: bool = False,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
    ) -> None:
        self.max_learning_rate = _rate(self, "max_learning_rate", max_learning_rate)
        self.total_steps = positive(self, "total_steps", total_steps)
        self.pct_start = in_range(self, "pct_start", pct_start, 0.0, 1.0)
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycle: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}"
            )
        self.anneal_strategy = anneal_strategy
        self.div_factor = positive(self, "div_factor", div_factor)
        self.final_div_factor = positive(self, "final_div_factor", final_div_factor)
        self.three_phase = bool(three_phase)
        self.name = name
        self.cycle_momentum = bool(cycle_momentum)
        self.max_momentum = in_range(self, "max_momentum", max_momentum, 0.0, 1.0)
        if self.max_momentum == 1.0:
            raise ValueError(f"OneCycle: max_momentum must be below 1, got {max_momentum!r}")
        self.base_momentum = in_range(self, "base_momentum", base_momentum, 0.0, self.max_momentum)

    def momentum(self, step: Any) -> Any:
        """The momentum of a step, counted from 0: a number, an array or a Tensor."""
        return self._momentum_of(self._height()(step))

    def traced_momentum(self, steps: _trace.Variable, kind: str) -> Any:
        """The momentum as a scalar of a plan. ``steps``: the counter; ``kind``: the dtype."""
        return self._momentum_of(self._height().traced(steps, kind))

    def _height(self) -> OneCycle:
        """From 1/2 up to 1 and down to 1/2, as the rate rises and falls."""
        total: Any = self.total_steps  # a whole number, held as a float
        return OneCycle(
            1.0, total, self.pct_start, self.anneal_strategy, 2.0, 1.0, self.three_phase
        )

    def _momentum_of(self, height: Any) -> Any:
        depth = 2.0 * (self.max_momentum - self.base_momentum)
        return self.max_momentum - (height - 0.5) * depth

    def _numbers(self) -> list[float]:
        shape = [self.max_learning_rate, self.total_steps, self.pct_start]
        factors = [self.div_factor, self.final_div_factor]
        return [*shape, *factors, self.anneal_strategy == "linear", self.three_phase]

    def get_config(self) -> dict[str, Any]:
        return {
            "max_learning_rate": self.max_learning_rate,
            "total_steps": self.total_steps,
            "pct_start": self.pct_start,
            "anneal_strategy": self.anneal_strategy,
            "div_factor": self.div_factor,
            "final_div_factor": self.final_div_factor,
            "three_phase": self.three_phase,
            "name": self.name,
            "cycle_momentum": self.cycle_momentum,
            "base_momentum": self.base_momentum,
            "max_momentum": self.max_momentum,
        }


def _rate(owner: Any, name: str, value: Any) -> float:
    return in_range(owner, name, value, 0.0, math.inf)


_CLASSES: dict[str, type[LearningRateSchedule]] = {
    found.__name__: found
    for found in (
        ExponentialDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
        InverseTimeDecay,
        CosineDecay,
        CosineDecayRestarts,
        OneCycle,
    )
}

serialize = _resolve.serialize


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> LearningRateSchedule:
    """The schedule that ``serialize`` described.

    Raises:
        ValueError: an unknown class, arguments that it does not take.
    """
    names = {**_CLASSES, **(custom_objects or {})}
    found = _resolve.from_config("learning rate schedule", config, names)
    if not isinstance(found, LearningRateSchedule):
        raise ValueError(f"{config.get('class_name')!r} is no learning rate schedule")
    return found
