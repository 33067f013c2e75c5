"""Metrics: sums that the plan of a step adds up, and what becomes of them.

A metric says in ``measure`` which sums it needs from a batch, written with ``ops``: in training
they are added to variables inside the plan, on arrays they are computed at once. ``compute`` turns
the totals into the figure.

>>> import numpy as np
>>> from cnnfast import metrics
>>> accuracy = metrics.SparseCategoricalAccuracy()
>>> accuracy.update_state(np.array([1, 0]), np.array([[0.1, 0.9], [0.2, 0.8]], "float32"))
>>> accuracy.result()
0.5
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _resolve, _trace, losses, ops

Totals = list[npt.NDArray[np.float64]]


class Metric:
    """A figure over many batches. Subclass with ``measure`` and ``compute``.

    Args:
        name: its key in logs and histories.
    """

    def __init__(self, name: str | None = None, dtype: str | None = None) -> None:
        self.name = name or _snake(type(self).__name__)
        self._totals: Totals | None = None
        self._samples = 0

    def measure(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Sequence[Any]:
        """The sums of one batch, written with ``ops``: floating, of shapes without the batch."""
        raise NotImplementedError(f"{type(self).__name__}: define measure(...)")

    def compute(self, totals: Totals, samples: int) -> float:
        """The figure from the sums over all batches, which had ``samples`` samples."""
        raise NotImplementedError(f"{type(self).__name__}: define compute(...)")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch of arrays."""
        sums = self.measure(_array(y_true), _array(y_pred), sample_weight)
        found = [np.asarray(one, np.float64) for one in sums]
        before = self._totals
        self._totals = (
            found if before is None else [a + b for a, b in zip(before, found, strict=True)]
        )
        self._samples += len(y_true)

    def result(self) -> float:
        """The figure over what was added; 0 before anything was."""
        return 0.0 if self._totals is None else self.compute(self._totals, self._samples)

    def reset_state(self) -> None:
        """Forgets what was added."""
        self._totals = None
        self._samples = 0

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
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


class Mean(Metric):
    """The mean of plain values: ``update_state(values)``."""

    def __init__(self, name: str = "mean", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, values: Any, sample_weight: Any = None
    ) -> None:
        array = np.asarray(values, np.float64)
        weights = np.ones_like(array) if sample_weight is None else np.asarray(sample_weight)
        weights = np.broadcast_to(weights, array.shape)
        found = [np.asarray((array * weights).sum()), np.asarray(weights.sum(), np.float64)]
        before = self._totals
        self._totals = (
            found if before is None else [a + b for a, b in zip(before, found, strict=True)]
        )

    def compute(self, totals: Totals, samples: int) -> float:
        return float(totals[0] / totals[1]) if totals[1] else 0.0


# ---- accuracies ------------------------------------------------------------------------------


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred stands where the largest of y_true does. (..., classes)."""
    y_true, y_pred = losses.aligned(y_true, y_pred)
    return _trace.apply("categorical_accuracy", [y_pred, y_true])[0]


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred stands at the label. y_true (...) or (..., 1) integers."""
    y_true, y_pred = _array(y_true), _array(y_pred)
    if str(y_true.dtype) not in ("uint8", "int32", "int64"):
        y_true = ops.cast(y_true, "int64")
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    return _trace.apply("sparse_categorical_accuracy", [y_pred, y_true])[0]


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Any:
    """The share of y_true that equals (y_pred > threshold), over the last axis."""
    y_true, y_pred = losses.aligned(y_true, y_pred)
    said = ops.cast(ops.greater(y_pred, float(threshold)), str(y_pred.dtype))
    return ops.mean(ops.cast(ops.equal(y_true, said), str(y_pred.dtype)), -1)


class CategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose largest output is the class of the one-hot target."""

    def __init__(self, name: str = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """The share of samples whose largest output is the label."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """The share of outputs on the right side of the threshold."""

    def __init__(
        self, name: str = "binary_accuracy", dtype: str | None = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class Accuracy(MeanMetricWrapper):
    """The share of values in y_pred that equal y_true. For classes take the string "accuracy"."""

    def __init__(self, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(equal_values, name, dtype)


class AccuracyByShape(MeanMetricWrapper):
    """ "accuracy": categorical, sparse categorical or binary, by the shapes of what it is given."""

    def __init__(self, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(accuracy, name, dtype)


def equal_values(y_true: Any, y_pred: Any) -> Any:
    """1 where y_true equals y_pred."""
    y_true, y_pred = losses.aligned(y_true, y_pred)
    return ops.cast(ops.equal(y_true, y_pred), str(y_pred.dtype))


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """The accuracy that the shapes ask for, as Keras resolves the string "accuracy"."""
    y_true, y_pred = _array(y_true), _array(y_pred)
    classes = y_pred.shape[-1] if y_pred.shape else 1
    if classes == 1 or len(y_pred.shape) < 2:
        return binary_accuracy(y_true, y_pred)
    if len(y_true.shape) < len(y_pred.shape) or y_true.shape[-1] == 1:
        return sparse_categorical_accuracy(y_true, y_pred)
    return categorical_accuracy(y_true, y_pred)


# ---- losses as metrics -----------------------------------------------------------------------


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean of :func:`cnnfast.losses.categorical_crossentropy`."""

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean of :func:`cnnfast.losses.sparse_categorical_crossentropy`."""

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(
            losses.sparse_categorical_crossentropy, name, dtype, from_logits=from_logits
        )


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean of :func:`cnnfast.losses.binary_crossentropy`."""

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class MeanSquaredError(MeanMetricWrapper):
    """The mean of squared differences."""

    def __init__(self, name: str = "mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of absolute differences."""

    def __init__(self, name: str = "mean_absolute_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class RootMeanSquaredError(MeanSquaredError):
    """The square root of the mean of squared differences."""

    def __init__(self, name: str = "root_mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def compute(self, totals: Totals, samples: int) -> float:
        return math.sqrt(super().compute(totals, samples))


def _array(x: Any) -> Any:
    if isinstance(x, (np.ndarray, _trace.Tensor, _trace.Variable)):
        return x
    found = np.asarray(x)
    return found.astype(np.float32) if found.dtype == np.float64 else found


def _first_column(y_pred: Any) -> Any:
    return ops.mean(y_pred, tuple(range(1, len(y_pred.shape)))) if len(y_pred.shape) > 1 else y_pred


def _snake(class_name: str) -> str:
    from cnnfast._names import snake_case

    return snake_case(class_name)


_TABLE: dict[str, type[Metric]] = {
    "accuracy": AccuracyByShape,
    "acc": AccuracyByShape,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "root_mean_squared_error": RootMeanSquaredError,
    "rmse": RootMeanSquaredError,
    "mean": Mean,
}
_TABLE.update({found.__name__: found for found in list(_TABLE.values())})
_TABLE["Accuracy"] = Accuracy
_TABLE["MeanMetricWrapper"] = MeanMetricWrapper


def get(identifier: Any, custom_objects: dict[str, Any] | None = None) -> Metric:
    """The metric of a name (which is also its key in logs), class, instance or function.

    Raises:
        ValueError: an unknown name.
        TypeError: something that is no metric.
    """
    found = _resolve.resolve("metric", identifier, _TABLE, Metric, custom_objects)
    metric: Metric = found if isinstance(found, Metric) else MeanMetricWrapper(found)
    if isinstance(identifier, str):
        metric.name = {"MSE": "mse", "MAE": "mae"}.get(identifier, identifier)
    return metric


def serialize(metric: Metric) -> Any:
    """A name or a configuration that :func:`get` takes back."""
    if type(metric) is MeanMetricWrapper:
        return getattr(metric.fn, "__name__", metric.name)
    return _resolve.serialize(metric)


deserialize = get
