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

from typing import Any

from cnnfast import _resolve
from cnnfast.metrics.accuracy import (
    Accuracy,
    AccuracyByShape,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    equal_values,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from cnnfast.metrics.confusion import AUC, F1Score, FBetaScore, Precision, Recall
from cnnfast.metrics.metric import Mean, MeanMetricWrapper, Metric, Sum, Totals
from cnnfast.metrics.regression import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanAbsoluteError,
    MeanSquaredError,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
)

__all__ = [
    "AUC",
    "Accuracy",
    "AccuracyByShape",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "F1Score",
    "FBetaScore",
    "Mean",
    "MeanAbsoluteError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "Sum",
    "TopKCategoricalAccuracy",
    "Totals",
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "deserialize",
    "equal_values",
    "get",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]

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
    "sum": Sum,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "precision": Precision,
    "recall": Recall,
    "f1_score": F1Score,
    "fbeta_score": FBetaScore,
    "auc": AUC,
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
