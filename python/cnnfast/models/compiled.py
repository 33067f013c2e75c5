"""What ``compile`` was told: optimizer, losses, metrics, and the sums that training adds up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _trace, losses, metrics, ops, optimizers
from cnnfast.models.feeding import Feed
from cnnfast.models.heads import Head, make_heads

Array = npt.NDArray[Any]


class Compiled:
    """Optimizer, losses and metrics of a model.

    Names are looked up at once. What belongs to which output is found by :meth:`bind`, when the
    model knows its outputs.

    Raises:
        ValueError, TypeError: unknown names, a reduction that gives no scalar.
    """

    def __init__(
        self,
        label: str,
        optimizer: Any,
        loss: Any,
        loss_weights: Any,
        plain_metrics: Any,
        weighted_metrics: Any,
        custom_objects: dict[str, Any] | None = None,
    ) -> None:
        self.label = label
        self.optimizer = optimizers.get(optimizer, custom_objects)

        def one_loss(given: Any) -> losses.Loss:
            found = losses.get(given, custom_objects)
            if found.reduction == "none":
                raise ValueError(
                    f"{label}: the loss has reduction 'none', training needs one number; "
                    "use reduction='sum_over_batch_size'"
                )
            return found

        def one_weight(given: Any) -> float:
            if isinstance(given, bool) or not isinstance(given, (int, float, np.number)):
                raise TypeError(f"{label}: loss_weights must be a number, got {given!r}")
            return float(given)

        def one_metric(name: str) -> Callable[[Any], metrics.Metric]:
            def make(given: Any) -> metrics.Metric:
                metric = metrics.get(given, custom_objects)
                if isinstance(metric, (metrics.Mean, metrics.Sum)):
                    raise ValueError(
                        f"{label}: {name} cannot hold {type(metric).__name__}, which has no targets"
                    )
                return metric

            return make

        self._given = {
            "loss": _each(loss, one_loss),
            "loss_weights": _each(loss_weights, one_weight),
            "metrics": _each(plain_metrics, one_metric("metrics")),
            "weighted_metrics": _each(weighted_metrics, one_metric("weighted_metrics")),
        }
        self._totals: list[_trace.Variable] = []
        # How many sums each metric has; by which outputs have sample weights.
        self._counts: dict[tuple[bool, ...], list[int]] = {}
        self._outputs: list[str] | None = None
        self.heads: list[Head] = []
        self._metrics: list[tuple[int, metrics.Metric, bool]] = []
        self.names: list[str] = ["loss"]
        if all(_for_one(what, given) for what, given in self._given.items()):
            self._bind([None])

    def bind(self, outputs: Sequence[str]) -> None:
        """Says which outputs there are; losses and metrics by name or position go to theirs.

        Raises:
            ValueError: lists of another length, names that no output has.
        """
        if self._outputs == list(outputs):
            return
        self._bind(outputs)
        self._outputs = list(outputs)

    def _bind(self, outputs: Sequence[str | None]) -> None:
        self.heads = make_heads(self.label, outputs, **self._given)
        several = len(self.heads) > 1
        # (output, metric, whether sample weights touch it), in the order of the logs.
        self._metrics = [
            *((place, one, False) for place, head in enumerate(self.heads) for one in head.plain),
            *((place, one, True) for place, head in enumerate(self.heads) for one in head.weighted),
        ]
        self.names = ["loss"]
        if several:
            self.names += [f"{head.name}_loss" for head in self.heads if head.loss is not None]
        self.loss_count = len(self.names)
        for index, (place, metric, _) in enumerate(self._metrics):
            name = f"{self.heads[place].name}_{metric.name}" if several else metric.name
            if name in self.names:
                name = f"{name}_{index}"
                if not several:
                    metric.name = name
            self.names.append(name)

    @property
    def metrics(self) -> list[metrics.Metric]:
        """Metrics, then weighted metrics."""
        return [metric for _, metric, _ in self._metrics]

    @property
    def loss(self) -> Any:
        """The loss; for several outputs a list or dict as it was given."""
        return self.heads[0].loss if len(self.heads) == 1 else self._given["loss"]

    # ---- tracing ------------------------------------------------------------------------------

    def trace_loss(
        self,
        ys: Sequence[Any],
        y_preds: Sequence[Any],
        weights: Sequence[Any],
        penalties: Sequence[Any],
    ) -> list[Any]:
        """The scalar that training lowers; for several outputs also the loss of each."""
        total: Any = None
        parts: list[Any] = []
        for head, y, y_pred, weight in zip(self.heads, ys, y_preds, weights, strict=True):
            if head.loss is None:
                continue
            found = head.loss(y, y_pred, weight)
            if found.shape != ():
                raise ValueError(
                    f"{self.label}: loss {head.loss.name!r} gave shape {found.shape}, "
                    "expected one number; return one value a sample from the function"
                )
            if len(self.heads) > 1:
                parts.append(found)
            if head.weight != 1.0:
                found = ops.multiply(found, head.weight)
            total = found if total is None else ops.add(total, found)
        for penalty in penalties:
            total = penalty if total is None else ops.add(total, penalty)
        if total is None:
            raise ValueError(f"{self.label}: nothing to train: compile(loss=...) was given no loss")
        return [total, *parts]

    def trace_sums(
        self, ys: Sequence[Any], y_preds: Sequence[Any], weights: Sequence[Any]
    ) -> list[Any]:
        """The sums of all metrics over one batch; ``result`` takes their totals."""
        sums: list[Any] = []
        counts = []
        for place, metric, weighted in self._metrics:
            arguments = [ys[place], y_preds[place]]
            found = list(metric.measure(*arguments, *([weights[place]] if weighted else [])))
            counts.append(len(found))
            sums.extend(found)
        self._counts[tuple(weight is not None for weight in weights)] = counts
        return sums

    def totals(self, tensors: Sequence[Any]) -> list[_trace.Variable]:
        """The variables that add up loss and sums over an epoch, one for each tensor."""
        shapes = [(tuple(t.shape), str(t.dtype)) for t in tensors]
        if [(tuple(v.shape), str(v.dtype)) for v in self._totals] != shapes:
            self._totals = [
                _trace.Variable(np.zeros(shape, dtype), name=f"total_{i}", trainable=False)
                for i, (shape, dtype) in enumerate(shapes)
            ]
        return self._totals

    # ---- results ------------------------------------------------------------------------------

    def result(
        self, sums: Sequence[Array], samples: int, weighted: tuple[bool, ...]
    ) -> list[float]:
        """The metrics' figures from the totals of their sums over ``samples`` samples."""
        results = []
        start = 0
        for (_, metric, _), count in zip(self._metrics, self._counts[weighted], strict=True):
            totals = list(sums[start : start + count])
            results.append(metric.compute(totals, samples))
            start += count
        return results

    def get_config(self) -> dict[str, Any]:
        """What ``load_model`` compiles with."""
        given = self._given
        return {
            "optimizer": optimizers.serialize(self.optimizer),
            "loss": _each(given["loss"], losses.serialize),
            "loss_weights": given["loss_weights"],
            "metrics": _each(given["metrics"], metrics.serialize),
            "weighted_metrics": _each(given["weighted_metrics"], metrics.serialize),
        }


class Meter:
    """Loss and metric totals of an epoch: what the plan added up, taken out into float64."""

    def __init__(
        self, compiled: Compiled, totals: Sequence[_trace.Variable], weighted: tuple[bool, ...]
    ) -> None:
        self._compiled = compiled
        self._weighted = weighted
        self._variables = list(totals)
        self._views = [variable.numpy() for variable in totals]
        self._losses = compiled.loss_count
        self._zeros = [np.zeros(view.shape, view.dtype) for view in self._views]
        self.reset()

    def reset(self) -> None:
        """Starts an epoch."""
        self._loss = [0.0] * self._losses
        self._sums = [np.zeros(v.shape, np.float64) for v in self._views[self._losses :]]
        self._samples = 0
        self._clear()

    def _clear(self) -> None:
        for variable, zero in zip(self._variables, self._zeros, strict=True):
            variable.core.assign(zero)

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes back, after everything was drained."""
        return {
            "loss": list(self._loss),
            "samples": self._samples,
            "sums": [s.copy() for s in self._sums],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on within an epoch."""
        self.reset()
        self._loss, self._samples = [float(x) for x in state["loss"]], int(state["samples"])
        self._sums = [np.array(one, np.float64) for one in state["sums"]]

    def drain(self, steps: int, batch: int) -> None:
        """Takes out what ``steps`` steps of ``batch`` samples added: losses weigh by samples."""
        if steps == 0:
            return
        for place in range(self._losses):
            self._loss[place] += float(self._views[place]) * batch
        for total, view in zip(self._sums, self._views[self._losses :], strict=True):
            total += view
        self._samples += steps * batch
        self._clear()

    def logs(self) -> dict[str, float]:
        """Running means: "loss" and the metrics."""
        loss = [one / self._samples if self._samples else 0.0 for one in self._loss]
        figures = self._compiled.result(self._sums, self._samples, self._weighted)
        return dict(zip(self._compiled.names, [*loss, *figures], strict=True))


class HostMeter:
    """The same from the outputs of plans that hand back losses and sums."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._weighted: tuple[bool, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Starts an epoch."""
        self._loss: list[float] = []
        self._sums: list[Array] | None = None
        self._samples = 0

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` takes back."""
        sums = [one.copy() for one in self._sums or []]
        return {
            "loss": list(self._loss),
            "samples": self._samples,
            "weighted": self._weighted,
            "sums": sums,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on within an epoch."""
        self._loss, self._samples = [float(x) for x in state["loss"]], int(state["samples"])
        self._weighted = tuple(bool(one) for one in state["weighted"])
        self._sums = [np.array(one, np.float64) for one in state["sums"]]

    def add(self, outputs: Sequence[Array], feed: Feed) -> None:
        """Adds one batch."""
        samples = len(feed)
        losses = self._compiled.loss_count
        self._weighted = feed.weighted
        if self._sums is None:
            self._loss = [float(one) * samples for one in outputs[:losses]]
            self._sums = [one.astype(np.float64) for one in outputs[losses:]]
        else:
            for index, one in enumerate(outputs[:losses]):
                self._loss[index] += float(one) * samples
            for index, one in enumerate(outputs[losses:]):
                self._sums[index] = self._sums[index] + one
        self._samples += samples

    def logs(self) -> dict[str, float]:
        """Means over what was added."""
        if self._sums is None:
            return {"loss": 0.0}
        loss = [one / self._samples if self._samples else 0.0 for one in self._loss]
        figures = self._compiled.result(self._sums, self._samples, self._weighted)
        return dict(zip(self._compiled.names, [*loss, *figures], strict=True))


def _is_leaf(given: Any) -> bool:
    if isinstance(given, dict):
        return "class_name" in given
    return not isinstance(given, (list, tuple))


def _each(given: Any, make: Callable[[Any], Any]) -> Any:
    """``make`` on everything in lists and dicts, None where nothing is given."""
    if given is None:
        return None
    if _is_leaf(given):
        return make(given)
    if isinstance(given, dict):
        return {key: _each(one, make) for key, one in given.items()}
    return [_each(one, make) for one in given]


def _for_one(what: str, given: Any) -> bool:
    """Could it be meant for a model with one output?"""
    if _is_leaf(given) or len(given) < 2:
        return True
    if isinstance(given, dict) or "loss" in what:
        return False
    return not any(isinstance(one, (list, dict)) for one in given)
