"""What ``compile`` was told: optimizer, loss, metrics, and the sums that training adds up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _trace, losses, metrics, ops, optimizers
from cnnfast.models.feeding import Feed

Array = npt.NDArray[Any]


class Compiled:
    """Optimizer, loss and metrics of a model.

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
        self.loss: losses.Loss | None = None
        loss = _only(label, "loss", loss)
        if loss is not None:
            self.loss = losses.get(loss, custom_objects)
            if self.loss.reduction == "none":
                raise ValueError(
                    f"{label}: the loss has reduction 'none', training needs one number; "
                    "use reduction='sum_over_batch_size'"
                )
        self.loss_weight = 1.0
        weight = _only(label, "loss_weights", loss_weights)
        if weight is not None:
            if isinstance(weight, bool) or not isinstance(weight, (int, float)):
                raise TypeError(f"{label}: loss_weights must be a number, got {weight!r}")
            self.loss_weight = float(weight)
        self.plain = _metric_list(label, "metrics", plain_metrics, custom_objects)
        self.weighted = _metric_list(label, "weighted_metrics", weighted_metrics, custom_objects)
        names = [metric.name for metric in self.metrics]
        for index, metric in enumerate(self.metrics):
            if metric.name in names[:index]:
                metric.name = f"{metric.name}_{index}"
        self._totals: list[_trace.Variable] = []
        # How many sums each metric has, without and with sample weights.
        self._counts: dict[bool, list[int]] = {}

    @property
    def metrics(self) -> list[metrics.Metric]:
        """Metrics, then weighted metrics."""
        return [*self.plain, *self.weighted]

    @property
    def names(self) -> list[str]:
        """Keys of logs: "loss", then the metrics."""
        return ["loss", *(metric.name for metric in self.metrics)]

    @property
    def sparse_targets(self) -> bool | None:
        """Whether targets are integer labels; None: unknown."""
        return None if self.loss is None else self.loss.sparse_targets

    # ---- tracing ------------------------------------------------------------------------------

    def trace_loss(self, y: Any, y_pred: Any, weights: Any, penalties: Sequence[Any]) -> Any:
        """The scalar that training lowers."""
        total: Any = None
        if self.loss is not None:
            total = self.loss(y, y_pred, weights)
            if total.shape != ():
                raise ValueError(
                    f"{self.label}: loss {self.loss.name!r} gave shape {total.shape}, "
                    "expected one number; return one value a sample from the function"
                )
            if self.loss_weight != 1.0:
                total = ops.multiply(total, self.loss_weight)
        for penalty in penalties:
            total = penalty if total is None else ops.add(total, penalty)
        if total is None:
            raise ValueError(f"{self.label}: nothing to train: compile(loss=...) was given no loss")
        return total

    def trace_sums(self, y: Any, y_pred: Any, weights: Any) -> list[Any]:
        """The sums of all metrics over one batch; ``result`` takes their totals."""
        sums: list[Any] = []
        counts = []
        for metric in self.plain:
            found = list(metric.measure(y, y_pred))
            counts.append(len(found))
            sums.extend(found)
        for metric in self.weighted:
            found = list(metric.measure(y, y_pred, weights))
            counts.append(len(found))
            sums.extend(found)
        self._counts[weights is not None] = counts
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

    def result(self, sums: Sequence[Array], samples: int, weighted: bool) -> list[float]:
        """The metrics' figures from the totals of their sums over ``samples`` samples."""
        results = []
        start = 0
        for metric, count in zip(self.metrics, self._counts[weighted], strict=True):
            totals = list(sums[start : start + count])
            results.append(metric.compute(totals, samples))
            start += count
        return results

    def get_config(self) -> dict[str, Any]:
        """What ``load_model`` compiles with."""
        return {
            "optimizer": optimizers.serialize(self.optimizer),
            "loss": None if self.loss is None else losses.serialize(self.loss),
            "loss_weights": None if self.loss_weight == 1.0 else self.loss_weight,
            "metrics": [metrics.serialize(metric) for metric in self.plain],
            "weighted_metrics": [metrics.serialize(metric) for metric in self.weighted],
        }


class Meter:
    """Loss and metric totals of an epoch: what the plan added up, taken out into float64."""

    def __init__(
        self, compiled: Compiled, totals: Sequence[_trace.Variable], weighted: bool
    ) -> None:
        self._compiled = compiled
        self._weighted = weighted
        self._variables = list(totals)
        self._views = [variable.numpy() for variable in totals]
        self._zeros = [np.zeros(view.shape, view.dtype) for view in self._views]
        self.reset()

    def reset(self) -> None:
        """Starts an epoch."""
        self._loss = 0.0
        self._sums = [np.zeros(view.shape, np.float64) for view in self._views[1:]]
        self._samples = 0
        self._clear()

    def _clear(self) -> None:
        for variable, zero in zip(self._variables, self._zeros, strict=True):
            variable.core.assign(zero)

    def drain(self, steps: int, batch: int) -> None:
        """Takes out what ``steps`` steps of ``batch`` samples added: losses weigh by samples."""
        if steps == 0:
            return
        self._loss += float(self._views[0]) * batch
        for total, view in zip(self._sums, self._views[1:], strict=True):
            total += view
        self._samples += steps * batch
        self._clear()

    def logs(self) -> dict[str, float]:
        """Running means: "loss" and the metrics."""
        loss = self._loss / self._samples if self._samples else 0.0
        figures = self._compiled.result(self._sums, self._samples, self._weighted)
        return dict(zip(self._compiled.names, [loss, *figures], strict=True))


class HostMeter:
    """The same from the outputs of plans that hand back loss and sums."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._weighted = False
        self._loss = 0.0
        self._sums: list[Array] | None = None
        self._samples = 0

    def add(self, outputs: Sequence[Array], feed: Feed) -> None:
        """Adds one batch."""
        samples = len(feed)
        self._weighted = feed.weights is not None
        self._loss += float(outputs[0]) * samples
        if self._sums is None:
            self._sums = [one.astype(np.float64) for one in outputs[1:]]
        else:
            for index, one in enumerate(outputs[1:]):
                self._sums[index] = self._sums[index] + one
        self._samples += samples

    def logs(self) -> dict[str, float]:
        """Means over what was added."""
        loss = self._loss / self._samples if self._samples else 0.0
        if self._sums is None:
            return {"loss": loss}
        figures = self._compiled.result(self._sums, self._samples, self._weighted)
        return dict(zip(self._compiled.names, [loss, *figures], strict=True))


def _only(label: str, name: str, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        if len(value) != 1:
            raise ValueError(f"{label}: {name} must be one, for one output; got {value!r}")
        return value[0]
    if isinstance(value, dict) and "class_name" not in value:
        if len(value) != 1:
            raise ValueError(f"{label}: {name} must be one, for one output; got {value!r}")
        return next(iter(value.values()))
    return value


def _metric_list(
    label: str, name: str, given: Any, custom_objects: dict[str, Any] | None
) -> list[metrics.Metric]:
    if given is None:
        return []
    if isinstance(given, dict) and "class_name" not in given:
        given = list(given.values())
    if not isinstance(given, (list, tuple)):
        given = [given]
    flat: list[Any] = []
    for one in given:
        flat.extend(one) if isinstance(one, (list, tuple)) else flat.append(one)
    found = []
    for one in flat:
        metric = metrics.get(one, custom_objects)
        if isinstance(metric, metrics.Mean):
            raise ValueError(f"{label}: {name} cannot hold Mean, which has no targets")
        found.append(metric)
    return found
