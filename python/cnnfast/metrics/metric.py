"""What every metric is, and means of functions of (y_true, y_pred)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _names, _trace, losses, ops

Totals = list[npt.NDArray[np.float64]]


class Metric:
    """A figure over many batches. Subclass with ``measure`` and ``compute``.

    Args:
        name: its key in logs and histories.

    Attributes:
        larger_is_better: what callbacks with ``mode="auto"`` go by.
    """

    larger_is_better = False

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        self.name = name or _names.snake_case(type(self).__name__)
        self._totals: Totals | None = None
        self._samples = 0

    def measure(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Sequence[Any]:
        """The sums of one batch, written with ``ops``: floating, of shapes without the batch."""
        raise NotImplementedError(f"{type(self).__name__}: define measure(...)")

    def compute(self, totals: Totals, samples: int) -> Any:
        """The figure from the sums over all batches, which had ``samples`` samples.

        A float, or an array where there is one figure a class or threshold.
        """
        raise NotImplementedError(f"{type(self).__name__}: define compute(...)")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of arrays."""
        sums = self.measure(as_value(y_true), as_value(y_pred), sample_weight)
        found = [np.asarray(one, np.float64) for one in sums]
        before = self._totals
        self._totals = (
            found if before is None else [a + b for a, b in zip(before, found, strict=True)]
        )
        self._samples += len(y_true)

    def result(self) -> Any:
        """The figure over what was added; 0 before anything was."""
        return 0.0 if self._totals is None else self.compute(self._totals, self._samples)

    def reset_state(self) -> None:
        """Forgets what was added."""
        self._totals = None
        self._samples = 0

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """``update_state``, then ``result``."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Metric:
        """The metric that ``get_config`` described."""
        return cls(**config)


class MeanMetricWrapper(Metric):
    """The mean over samples of ``fn(y_true, y_pred)``, weighted where weights are given."""

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", "metric"), dtype)
        self.fn = fn
        self.arguments = kwargs
        self._places = 1

    def measure(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Sequence[Any]:
        values = self.fn(y_true, y_pred, **self.arguments)
        if not values.shape:
            # A scalar stands for the whole batch: its mean over samples is weighted by their number.
            count = ops.sum(ops.add(ops.multiply(_first_column(y_pred), 0.0), 1.0))
            return [ops.multiply(values, count)]
        if sample_weight is not None:
            weights = losses.weights_like(sample_weight, values)
            every = ops.add(ops.multiply(values, 0.0), weights)
            return [ops.sum(ops.multiply(values, weights)), ops.sum(every)]
        self._places = math.prod(int(size) for size in values.shape[1:])
        return [ops.sum(values)]

    def compute(self, totals: Totals, samples: int) -> float:
        count = float(totals[1]) if len(totals) > 1 else float(samples * self._places)
        return float(totals[0]) / count if count else 0.0

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.arguments}


class Sum(Metric):
    """The sum of plain values: ``update_state(values)``."""

    def __init__(self, name: str = "sum", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        total = weighted_total(values, sample_weight)[0]
        self._totals = [total if self._totals is None else self._totals[0] + total]

    def compute(self, totals: Totals, samples: int) -> float:
        return float(totals[0])


class Mean(Metric):
    """The mean of plain values: ``update_state(values)``."""

    def __init__(self, name: str = "mean", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        found = weighted_total(values, sample_weight)
        before = self._totals
        self._totals = (
            found if before is None else [a + b for a, b in zip(before, found, strict=True)]
        )

    def compute(self, totals: Totals, samples: int) -> float:
        return float(totals[0] / totals[1]) if totals[1] else 0.0


def weighted_total(values: Any, sample_weight: Any) -> Totals:
    """[sum of values times weights, sum of weights] of arrays."""
    array = np.asarray(values, np.float64)
    weights = np.ones_like(array) if sample_weight is None else np.asarray(sample_weight, float)
    if 0 < weights.ndim < array.ndim:
        weights = weights.reshape(weights.shape + (1,) * (array.ndim - weights.ndim))
    weights = np.broadcast_to(weights, array.shape)
    return [np.asarray((array * weights).sum()), np.asarray(weights.sum(), np.float64)]


def as_value(x: Any) -> Any:
    """A Tensor, a Variable or an array; Python's floats become float32."""
    if isinstance(x, (np.ndarray, _trace.Tensor, _trace.Variable)):
        return x
    found = np.asarray(x)
    return found.astype(np.float32) if found.dtype == np.float64 else found


def _first_column(y_pred: Any) -> Any:
    return ops.mean(y_pred, tuple(range(1, len(y_pred.shape)))) if len(y_pred.shape) > 1 else y_pred
