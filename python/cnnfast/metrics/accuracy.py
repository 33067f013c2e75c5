"""Accuracies: shares of samples that are right."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnfast import _trace, losses, ops
from cnnfast.metrics.metric import MeanMetricWrapper, as_value


def categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred stands where the largest of y_true does. (..., classes)."""
    y_true, y_pred = losses.aligned(y_true, y_pred)
    return _trace.apply("categorical_accuracy", [y_pred, y_true])[0]


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest of y_pred stands at the label. y_true (...) or (..., 1) integers."""
    y_true, y_pred = as_value(y_true), as_value(y_pred)
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


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the class of the one-hot target is among the ``k`` largest of y_pred.

    Ties count: fewer than ``k`` values stand above that of the class.
    """
    y_true, y_pred = losses.aligned(y_true, y_pred)
    return _trace.apply("in_top_k", [y_pred, ops.argmax(y_true, -1)], {"k": k})[0]


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Any:
    """1 where the label is among the ``k`` largest of y_pred. y_true (...) or (..., 1) integers."""
    y_true, y_pred = as_value(y_true), as_value(y_pred)
    if str(y_true.dtype) not in ("uint8", "int32", "int64"):
        y_true = ops.cast(y_true, "int64")
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    return _trace.apply("in_top_k", [y_pred, y_true], {"k": k})[0]


class _Share(MeanMetricWrapper):
    """Means of hits: the more, the better."""

    larger_is_better = True


class CategoricalAccuracy(_Share):
    """The share of samples whose largest output is the class of the one-hot target."""

    def __init__(self, name: str = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(_Share):
    """The share of samples whose largest output is the label."""

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(sparse_categorical_accuracy, name, dtype)


class BinaryAccuracy(_Share):
    """The share of outputs on the right side of the threshold."""

    def __init__(
        self, name: str = "binary_accuracy", dtype: str | None = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class TopKCategoricalAccuracy(_Share):
    """The share of samples whose class is among the ``k`` largest outputs; one-hot targets."""

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: str | None = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=_places(name, k))


class SparseTopKCategoricalAccuracy(_Share):
    """The share of samples whose label is among the ``k`` largest outputs."""

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=_places(name, k))


class Accuracy(_Share):
    """The share of values in y_pred that equal y_true. For classes take the string "accuracy"."""

    def __init__(self, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(equal_values, name, dtype)


class AccuracyByShape(_Share):
    """ "accuracy": categorical, sparse categorical or binary, by the shapes of what it is given."""

    def __init__(self, name: str = "accuracy", dtype: str | None = None) -> None:
        super().__init__(accuracy, name, dtype)


def equal_values(y_true: Any, y_pred: Any) -> Any:
    """1 where y_true equals y_pred."""
    y_true, y_pred = losses.aligned(y_true, y_pred)
    return ops.cast(ops.equal(y_true, y_pred), str(y_pred.dtype))


def accuracy(y_true: Any, y_pred: Any) -> Any:
    """The accuracy that the shapes ask for, as Keras resolves the string "accuracy"."""
    y_true, y_pred = as_value(y_true), as_value(y_pred)
    classes = y_pred.shape[-1] if y_pred.shape else 1
    if classes == 1 or len(y_pred.shape) < 2:
        return binary_accuracy(y_true, y_pred)
    if len(y_true.shape) < len(y_pred.shape) or y_true.shape[-1] == 1:
        return sparse_categorical_accuracy(y_true, y_pred)
    return categorical_accuracy(y_true, y_pred)


def _places(name: str, k: Any) -> int:
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
        raise TypeError(f"{name}: k must be an integer, got {k!r}")
    if k < 1:
        raise ValueError(f"{name}: k must be at least 1, got {k}")
    return int(k)
