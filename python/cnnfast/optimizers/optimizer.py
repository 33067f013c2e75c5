"""What every optimizer is: a learning rate, a count of steps, and an update written as plan ops."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from cnnfast import _names, _trace, ops
from cnnfast.optimizers import _clipping, schedules
from cnnfast.optimizers._arguments import in_range, positive_or_none, whole_or_none

__all__ = ["Optimizer", "in_range"]

Slots = dict[str, _trace.Variable]


class Optimizer:
    """Changes weights against their gradients, inside the plan of a training step.

    Subclass it with ``add_slots(weight)``, which makes state variables, and ``update``, which
    traces the ops of one weight's update and writes with ``self.assign``.

    Args:
        learning_rate: positive or zero, or one of :mod:`cnnfast.optimizers.schedules`;
            ``optimizer.learning_rate = 0.01`` changes a number at any time, without planning
            anything anew.
        weight_decay: every step takes ``learning_rate * weight_decay`` of a weight off it
            (decoupled: Loshchilov and Hutter, 2019). None: no decay.
        clipnorm: the L2 norm of each weight's gradient is scaled down to this.
        clipvalue: every value of a gradient is kept within this distance of 0.
        global_clipnorm: the same as ``clipnorm`` for the norm of all gradients together.
        use_ema: keep moving averages of the weights, which become the weights when ``fit`` ends.
        ema_momentum: how much of an average is kept a step.
        ema_overwrite_frequency: weights become their averages every so many steps as well.
        loss_scale_factor: the loss is multiplied by it and gradients are divided by it.
        gradient_accumulation_steps: the mean gradient of so many steps makes one update.
        name: None: the class' name.

    Raises:
        ValueError, TypeError: numbers out of range, more than one kind of clipping, unknown
            arguments.

    >>> import numpy as np
    >>> from cnnfast import Variable, optimizers
    >>> weight = Variable(np.array([1.0, 2.0], "float32"))
    >>> optimizers.SGD(0.5, clipvalue=1.0).apply([np.array([4.0, -0.5], "float32")], [weight])
    >>> weight.numpy()
    array([0.5 , 2.25], dtype=float32)
    """

    #: Whether ``update`` follows a schedule that cycles the momentum (``schedules.OneCycle``).
    follows_momentum = False

    def __init__(
        self,
        learning_rate: Any = 0.01,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.name = name or _names.snake_case(type(self).__name__)
        learning_rate = kwargs.pop("lr", learning_rate)
        kwargs.pop("jit_compile", None)
        if kwargs:
            raise TypeError(f"{type(self).__name__}: unknown argument {sorted(kwargs)[0]!r}")
        self.weight_decay = (
            None
            if weight_decay is None
            else in_range(self, "weight_decay", weight_decay, 0.0, math.inf)
        )
        self.clipnorm = positive_or_none(self, "clipnorm", clipnorm)
        self.clipvalue = positive_or_none(self, "clipvalue", clipvalue)
        self.global_clipnorm = positive_or_none(self, "global_clipnorm", global_clipnorm)
        clips = ("clipnorm", "clipvalue", "global_clipnorm")
        given = [clip for clip in clips if getattr(self, clip) is not None]
        if len(given) > 1:
            raise ValueError(
                f"{type(self).__name__}: only one kind of clipping at a time, got "
                f"{' and '.join(given)}; leave out all but one"
            )
        self.use_ema = bool(use_ema)
        self.ema_momentum = in_range(self, "ema_momentum", ema_momentum, 0.0, 1.0)
        self.ema_overwrite_frequency = whole_or_none(
            self, "ema_overwrite_frequency", ema_overwrite_frequency, 1
        )
        self.loss_scale_factor = positive_or_none(self, "loss_scale_factor", loss_scale_factor)
        self.gradient_accumulation_steps = whole_or_none(
            self, "gradient_accumulation_steps", gradient_accumulation_steps, 2
        )
        self._schedule: schedules.LearningRateSchedule | None = None
        self._rate = _trace.Variable(np.float32(0), name="learning_rate", trainable=False)
        self._set_rate(learning_rate)
        #: Updates so far.
        self.iterations = _trace.Variable(np.int64(0), name="iterations", trainable=False)
        # Steps so far: more than updates where gradients are accumulated.
        self._steps = (
            _trace.Variable(np.int64(0), name="steps", trainable=False)
            if self.gradient_accumulation_steps
            else self.iterations
        )
        self._slots: dict[int, Slots] = {}
        self._weights: list[_trace.Variable] = []
        self._undecayed: set[int] = set()
        self._undecayed_names: list[str] = []
        self._undecayed_places: set[int] = set()  # from a file, until the weights are known
        self._applied: tuple[Any, Any] | None = None

    # ---- to override --------------------------------------------------------------------------

    def add_slots(self, weight: _trace.Variable) -> Slots:
        """The state of one weight, by name: usually ``self.zeros_like(weight)``."""
        return {}

    def update(self, weight: _trace.Variable, gradient: Any, rate: Any, slots: Any) -> None:
        """Traces the update of one weight.

        Args:
            weight: read it like a Tensor, write it with ``self.assign``.
            gradient: of the weight's shape and dtype.
            rate: the learning rate, a scalar of the weight's dtype.
            slots: what ``add_slots`` gave.
        """
        raise NotImplementedError(f"{type(self).__name__}: define update(...)")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        config: dict[str, Any] = {
            "name": self.name,
            "learning_rate": self.learning_rate
            if self._schedule is None
            else schedules.serialize(self._schedule),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }
        places = [i for i, weight in enumerate(self._weights) if id(weight) in self._undecayed]
        if places or self._undecayed_names:
            config["exclude_from_weight_decay"] = [places, self._undecayed_names]
        return config

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Optimizer:
        """A new optimizer, without state, from what ``get_config`` gave."""
        arguments = dict(config)
        places, names = arguments.pop("exclude_from_weight_decay", ([], []))
        if isinstance(arguments.get("learning_rate"), Mapping):
            arguments["learning_rate"] = schedules.deserialize(
                arguments["learning_rate"], custom_objects
            )
        made = cls(**arguments)
        made._undecayed_names = list(names)
        made._undecayed_places = set(places)
        return made

    # ---- learning rate ------------------------------------------------------------------------

    @property
    def learning_rate(self) -> float:
        """The present learning rate: with a schedule, that of the next step."""
        if self._schedule is not None:
            return float(np.asarray(self._schedule(int(self._steps.numpy()))))
        # The shortest number that float32 rounds to what is held: 0.1, not 0.10000000149.
        return float(str(self._rate.numpy()))

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if self._schedule is not None and not isinstance(value, schedules.LearningRateSchedule):
            raise TypeError(
                f"{type(self).__name__}: the learning rate follows "
                f"{type(self._schedule).__name__} and cannot be set to {value!r}; "
                "make the optimizer with a number to set it later"
            )
        self._set_rate(value)

    lr = learning_rate

    def _set_rate(self, value: Any) -> None:
        label = type(self).__name__
        if isinstance(value, Mapping):
            value = schedules.deserialize(value)
        if isinstance(value, schedules.LearningRateSchedule):
            if getattr(value, "cycle_momentum", False) and not self.follows_momentum:
                raise ValueError(
                    f"{label}: it has no momentum that {type(value).__name__} could cycle; take "
                    "SGD, Adam or AdamW, or leave cycle_momentum out"
                )
            if self._schedule is not value:
                from cnnfast.layers import holder

                holder.structure_version += 1  # plans hold the old schedule
            self._schedule = value
            return
        if callable(value) and not isinstance(value, np.generic):
            raise TypeError(
                f"{label}: learning_rate must be a number or a schedule, got {value!r}; for a "
                "function take callbacks.LearningRateScheduler or subclass "
                "optimizers.schedules.LearningRateSchedule"
            )
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        rate = in_range(self, "learning_rate", value, 0.0, math.inf)
        self._rate.assign(np.float32(rate))

    # ---- weight decay -------------------------------------------------------------------------

    def exclude_from_weight_decay(
        self,
        var_list: Sequence[_trace.Variable] | None = None,
        var_names: Sequence[str] | None = None,
    ) -> None:
        """Weights that do not decay: those of a list, and those whose names hold a string.

        Call it before training: ``optimizer.exclude_from_weight_decay(var_names=["bias"])``.

        Raises:
            ValueError: training has begun.
        """
        if self._weights:
            raise ValueError(
                f"{type(self).__name__}: exclude_from_weight_decay must be called before the "
                "optimizer's first step; make a new optimizer"
            )
        self._undecayed = {id(variable) for variable in var_list or ()}
        self._undecayed_list = list(var_list or ())  # ids stay theirs while they are held
        self._undecayed_names = list(var_names or ())

    def decay_of(self, weight: _trace.Variable) -> float:
        """The weight decay of one weight: 0 where it is excluded or there is none."""
        if self.weight_decay is None or id(weight) in self._undecayed:
            return 0.0
        names = self._undecayed_names
        return 0.0 if any(re.search(name, weight.name) for name in names) else self.weight_decay

    # ---- state --------------------------------------------------------------------------------

    @staticmethod
    def zeros_like(weight: _trace.Variable, name: str) -> _trace.Variable:
        """A state variable of a weight's shape, zero."""
        zeros = np.zeros(weight.shape, str(weight.dtype))
        return _trace.Variable(zeros, name=f"{weight.name}_{name}", trainable=False)

    def build(self, weights: Sequence[_trace.Variable]) -> None:
        """Makes the state of weights that have none yet."""
        for weight in weights:
            if id(weight) in self._slots:
                continue
            if len(self._weights) in self._undecayed_places:
                self._undecayed.add(id(weight))
            slots = dict(self.add_slots(weight))
            if self.use_ema:
                slots["average"] = self.zeros_like(weight, "average")
            if self.gradient_accumulation_steps:
                slots["gradient_accumulator"] = self.zeros_like(weight, "gradient_accumulator")
            self._slots[id(weight)] = slots
            self._weights.append(weight)

    def state(self, order: Sequence[_trace.Variable] | None = None) -> Slots:
        """All variables that a saved model keeps, by a name that does not depend on the process.

        Args:
            order: the weights in the order in which their state is numbered; None: as they came.
        """
        found = {"iterations": self.iterations}
        if self._schedule is None:
            found["learning_rate"] = self._rate
        if self._steps is not self.iterations:
            found["steps"] = self._steps
        weights = self._weights if order is None else [w for w in order if id(w) in self._slots]
        for index, weight in enumerate(weights):
            for name, variable in self._slots[id(weight)].items():
                found[f"{index}/{name}"] = variable
        return found

    @property
    def variables(self) -> list[_trace.Variable]:
        """Step count, learning rate and the state of every weight."""
        return list(self.state().values())

    def finalize_variable_values(self, var_list: Iterable[_trace.Variable]) -> None:
        """With ``use_ema``, weights become their moving averages; ``fit`` ends with it."""
        if not self.use_ema or int(self._steps.numpy()) == 0:
            return
        for weight in var_list:
            slots = self._slots.get(id(weight))
            if slots is not None:
                weight.assign(slots["average"].numpy())

    # ---- tracing ------------------------------------------------------------------------------

    def scale_loss(self, loss: Any) -> Any:
        """The loss times ``loss_scale_factor``: its gradients are what ``trace_updates`` takes."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def trace_updates(
        self, trace: _trace.Trace, gradients: Sequence[Any], weights: Sequence[_trace.Variable]
    ) -> None:
        """Puts the updates of all weights and the count of steps into a training graph."""
        self.build(weights)
        gradients = self._prepared(trace, list(gradients), weights)
        rates: dict[str, Any] = {}
        for weight, gradient in zip(weights, gradients, strict=True):
            kind = str(weight.dtype)
            if kind not in rates:
                rates[kind] = self._traced_rate(kind)
            self.update(weight, gradient, rates[kind], self._own_slots(weight))
        if self.use_ema:
            attributes = {
                "momentum": self.ema_momentum,
                "overwrite_every": self.ema_overwrite_frequency or 0,
            }
            for weight in weights:
                average = self._slots[id(weight)]["average"]
                trace.update("ema_update", [average, weight, self.iterations], attributes)
        self.apply_op("increment", [self.iterations], {"index": 0, "by": 1})
        if self._steps is not self.iterations:
            trace.update("increment", [self._steps], {"index": 0, "by": 1})

    def apply_op(self, op: str, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> None:
        """Traces an op that updates variables; with gradient accumulation, where one is due."""
        steps = self.gradient_accumulation_steps
        if steps is not None:
            inputs = [*inputs, self._steps]
            attributes = {**attributes, "every": steps}
        _trace.apply(op, inputs, attributes)

    def assign(self, variable: _trace.Variable, value: Any) -> None:
        """Writes a weight or a state variable in ``update``; ops read what was there before."""
        self.apply_op("assign", [variable, value], {})

    def _own_slots(self, weight: _trace.Variable) -> Slots:
        ours = ("average", "gradient_accumulator")
        return {name: v for name, v in self._slots[id(weight)].items() if name not in ours}

    def _prepared(
        self, trace: _trace.Trace, gradients: list[Any], weights: Sequence[_trace.Variable]
    ) -> list[Any]:
        if self.loss_scale_factor is not None:
            gradients = [gradient / self.loss_scale_factor for gradient in gradients]
        steps = self.gradient_accumulation_steps
        if steps is not None:
            totals = [self._slots[id(weight)]["gradient_accumulator"] for weight in weights]
            means = [
                ops.divide(ops.add(gradient, total), float(steps))
                for gradient, total in zip(gradients, totals, strict=True)
            ]
            for total, gradient in zip(totals, gradients, strict=True):
                inputs = [total, gradient, self._steps]
                trace.update("accumulate_gradient", inputs, {"every": steps})
            gradients = means
        if self.clipvalue is not None:
            return _clipping.by_value(gradients, self.clipvalue)
        if self.clipnorm is not None:
            return _clipping.by_norm(gradients, self.clipnorm)
        if self.global_clipnorm is not None:
            return _clipping.by_global_norm(gradients, self.global_clipnorm)
        return gradients

    def _traced_rate(self, kind: str) -> Any:
        if self._schedule is not None:
            return self._schedule.traced(self._steps, kind)
        return self._rate if kind == "float32" else ops.cast(self._rate, kind)

    @property
    def momentum_cycles(self) -> bool:
        """Whether the schedule of the learning rate sets the momentum too."""
        return bool(getattr(self._schedule, "cycle_momentum", False))

    def traced_momentum(self) -> Any:
        """The momentum of this step, a float64 scalar, where ``momentum_cycles``."""
        schedule: Any = self._schedule
        return schedule.traced_momentum(self._steps, "float64")

    def decayed(self, weight: _trace.Variable, rate: Any) -> Any:
        """A weight behind its decay of this step, for updates written with ``ops``."""
        decay = self.decay_of(weight)
        if not decay:
            return weight
        return ops.subtract(weight, ops.multiply(weight, ops.multiply(rate, decay)))

    # ---- on arrays ----------------------------------------------------------------------------

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """One step from gradients that are arrays: for training loops of one's own.

        Args:
            grads: one array for each variable; None leaves a variable as it is.
            trainable_variables: None: those of the first call.

        Raises:
            ValueError: another number of gradients, other shapes.
        """
        weights = self._weights if trainable_variables is None else list(trainable_variables)
        if len(weights) != len(grads):
            raise ValueError(
                f"{type(self).__name__}: apply needs a gradient for each variable, got "
                f"{len(grads)} gradients and {len(weights)} variables"
            )
        pairs = [
            (_trace.as_array(g, str(w.dtype)), w)
            for g, w in zip(grads, weights, strict=True)
            if g is not None
        ]
        if not pairs:
            return
        for gradient, weight in pairs:
            if gradient.shape != tuple(weight.shape):
                raise ValueError(
                    f"{type(self).__name__}: the gradient of {weight.name!r} must have its shape "
                    f"{tuple(weight.shape)}, got {gradient.shape}"
                )
        changed = [weight for _, weight in pairs]
        key = [id(weight) for weight in changed], self._schedule, _trace.plan_environment()
        if self._applied is None or self._applied[0] != key:
            trace = _trace.Trace()
            with trace.active():
                inputs = [trace.input(g.shape, str(g.dtype), "gradient") for g, _ in pairs]
                self.trace_updates(trace, inputs, changed)
            self._applied = key, trace.plan([])
        self._applied[1].run(*(gradient for gradient, _ in pairs))

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, _trace.Variable]]) -> None:
        """``apply`` for pairs of (gradient, variable)."""
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} learning_rate={self.learning_rate}>"
