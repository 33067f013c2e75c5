"""Precision, recall, F scores and the area under a curve: from counts of hits and misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import losses, ops
from cnnfast.metrics.metric import Metric, Totals, as_value

# What Keras takes for minus infinity where only the k largest count.
_LOWEST = -1e10
_EPSILON = 1e-7


class _Counting(Metric):
    """Counts y_pred > threshold against y_true, over everything or one class.

    ``measure`` gives true positives, predicted and real positives, each (thresholds,).
    """

    larger_is_better = True

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype)
        label = type(self).__name__
        self.init_thresholds = thresholds
        for argument, value, least in (("top_k", top_k, 1), ("class_id", class_id, 0)):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TypeError(f"{label}: {argument} must be an integer, got {value!r}")
            if value < least:
                raise ValueError(f"{label}: {argument} must be at least {least}, got {value}")
        self.top_k, self.class_id = top_k, class_id
        if thresholds is None:
            self.thresholds = [0.5 if top_k is None else _LOWEST]
        else:
            many = thresholds if isinstance(thresholds, (list, tuple, np.ndarray)) else [thresholds]
            self.thresholds = [float(one) for one in many]
            if not self.thresholds or not all(0.0 <= one <= 1.0 for one in self.thresholds):
                raise ValueError(f"{label}: thresholds must be in [0, 1], got {thresholds!r}")

    def measure(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Sequence[Any]:
        y_true, y_pred = losses.aligned(y_true, y_pred)
        kind = str(y_pred.dtype)
        rank = len(y_pred.shape)
        classes = y_pred.shape[-1] if rank > 1 else None
        if (self.top_k is not None or self.class_id is not None) and classes is None and rank < 2:
            raise ValueError(
                f"{type(self).__name__}: top_k and class_id need y_pred (samples, classes), "
                f"got shape {tuple(y_pred.shape)}"
            )
        truth = ops.cast(ops.not_equal(y_true, 0.0), kind)
        weights: Any = None
        if sample_weight is not None:
            weights = losses.weights_like(sample_weight, y_pred)
        if self.top_k is not None:
            y_pred = _only_largest(y_pred, min(self.top_k, int(classes or 1)))
        if self.class_id is not None:
            if self.class_id >= int(classes or 0):
                raise ValueError(
                    f"{type(self).__name__}: class_id must be below {classes}, the number of "
                    f"classes, got {self.class_id}"
                )
            chosen = (np.arange(int(classes or 0)) == self.class_id).astype(kind)
            weights = chosen if weights is None else ops.multiply(weights, chosen)
        real = truth if weights is None else ops.multiply(truth, weights)
        weight = None if weights is None else ops.add(ops.multiply(truth, 0.0), weights)
        return self._counts(y_pred, truth, real, weight)

    def _counts(self, y_pred: Any, truth: Any, real: Any, weight: Any) -> list[Any]:
        """Sums of hits, of positive predictions, of positive targets and of everything."""
        kind = str(y_pred.dtype)
        limits = np.asarray(self.thresholds, kind).reshape(-1, 1)
        said = ops.cast(ops.greater(ops.reshape(y_pred, (1, -1)), limits), kind)
        real = ops.reshape(real, (1, -1))
        hits = ops.sum(ops.multiply(said, real), axis=-1)
        if weight is not None:
            weight = ops.reshape(weight, (1, -1))
            said = ops.multiply(said, weight)
        every = ops.add(ops.multiply(truth, 0.0), 1.0) if weight is None else weight
        return [
            hits,
            ops.sum(said, axis=-1),
            ops.sum(real, axis=-1),
            ops.reshape(ops.sum(every), (1,)),
        ]

    def _figure(self, values: npt.NDArray[np.float64]) -> Any:
        return float(values[0]) if len(self.thresholds) == 1 else values

    def get_config(self) -> dict[str, Any]:
        thresholds = self.init_thresholds
        return {
            "name": self.name,
            "thresholds": thresholds.tolist() if isinstance(thresholds, np.ndarray) else thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_Counting):
    """The share of positive predictions that are right.

    Args:
        thresholds: y_pred above it is a positive prediction; 0.5. Several give an array.
        top_k: only the ``k`` largest outputs of a sample are positive predictions.
        class_id: only this class counts.
        name: its key in logs.

    y_true and y_pred have one shape: encode integer labels with ``utils.to_categorical``.

    >>> from cnnfast import metrics
    >>> round(metrics.Precision()([0, 1, 1, 1], [1, 0, 1, 1]), 3)
    0.667
    """

    def compute(self, totals: Totals, samples: int) -> Any:
        return self._figure(_share(totals[0], totals[1]))


class Recall(_Counting):
    """The share of positive targets that are found; arguments as of :class:`Precision`.

    >>> from cnnfast import metrics
    >>> round(metrics.Recall()([0, 1, 1, 1], [1, 0, 1, 1]), 3)
    0.667
    """

    def compute(self, totals: Totals, samples: int) -> Any:
        return self._figure(_share(totals[0], totals[2]))


class AUC(_Counting):
    """The area under the ROC or precision-recall curve, by trapezes between thresholds.

    Args:
        num_thresholds: evenly spaced in [0, 1]; 200.
        curve: "ROC" or "PR".
        summation_method: "interpolation", "minoring" or "majoring".
        name: its key in logs.
        thresholds: instead of evenly spaced ones.
        multi_label: an area for each of the labels (samples, labels), and their mean; False: all
            values together as one label.
        num_labels: how many there are, with ``multi_label``; None: what the data have.
        label_weights: one for each label: in the mean with ``multi_label``, else on its counts.
        from_logits: y_pred are logits; a sigmoid is taken.

    Raises:
        ValueError: an unknown curve or method, thresholds or weights that do not fit, data of
            another rank or number of labels.

    >>> import numpy as np
    >>> from cnnfast import metrics
    >>> y_true = np.array([[0, 1], [1, 0], [1, 1]])
    >>> y_pred = np.array([[0.2, 0.3], [0.7, 0.6], [0.9, 0.8]], "float32")
    >>> metrics.AUC(multi_label=True)(y_true, y_pred)      # the mean of 1.0 and 0.5
    0.75

    Between thresholds, "PR" with "interpolation" follows Davis and Goadrich, 2006, as in Keras.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: str | None = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(None, None, None, name or "auc", dtype)
        for argument, value, known in (
            ("curve", curve, ("ROC", "PR")),
            ("summation_method", summation_method, ("interpolation", "minoring", "majoring")),
        ):
            if value not in known:
                raise ValueError(f"AUC: {argument} must be one of {known}, got {value!r}")
        if thresholds is None:
            if num_thresholds < 2:
                raise ValueError(f"AUC: num_thresholds must be at least 2, got {num_thresholds}")
            inner = [(i + 1) / (num_thresholds - 1) for i in range(num_thresholds - 2)]
        else:
            inner = sorted(float(one) for one in thresholds)
        self.init_thresholds = thresholds
        # The ends lie outside of [0, 1], so that they say yes and no to everything.
        self.thresholds = [-_EPSILON, *inner, 1.0 + _EPSILON]
        self.num_thresholds = len(self.thresholds)
        self.curve, self.summation_method = curve, summation_method
        self.from_logits = bool(from_logits)
        self.multi_label = bool(multi_label)
        if num_labels is not None:
            if not self.multi_label:
                raise ValueError("AUC: num_labels is for multi_label=True; leave it out")
            if isinstance(num_labels, bool) or not isinstance(num_labels, (int, np.integer)):
                raise TypeError(f"AUC: num_labels must be an integer, got {num_labels!r}")
            if num_labels < 1:
                raise ValueError(f"AUC: num_labels must be at least 1, got {num_labels}")
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else _label_weights(label_weights)

    def measure(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Sequence[Any]:
        if self.from_logits:
            y_pred = ops.sigmoid(as_value(y_pred))
        return super().measure(y_true, y_pred, sample_weight)

    def _counts(self, y_pred: Any, truth: Any, real: Any, weight: Any) -> list[Any]:
        kind = str(y_pred.dtype)
        if self.multi_label or self.label_weights is not None:
            self._check_labels(tuple(y_pred.shape))
        if not self.multi_label:
            if self.label_weights is not None:
                each = np.asarray(self.label_weights, kind)
                ones = ops.add(ops.multiply(truth, 0.0), 1.0) if weight is None else weight
                real, weight = ops.multiply(real, each), ops.multiply(ones, each)
            return super()._counts(y_pred, truth, real, weight)
        limits = np.asarray(self.thresholds, kind).reshape(-1, 1, 1)
        # (thresholds, samples, labels)
        said = ops.cast(ops.greater(ops.expand_dims(y_pred, 0), limits), kind)
        real = ops.expand_dims(real, 0)
        hits = ops.sum(ops.multiply(said, real), axis=1)
        every = ops.add(ops.multiply(truth, 0.0), 1.0) if weight is None else weight
        if weight is not None:
            said = ops.multiply(said, ops.expand_dims(weight, 0))
        return [
            hits,
            ops.sum(said, axis=1),
            ops.sum(real, axis=1),
            ops.sum(every, axis=0, keepdims=True),
        ]

    def _check_labels(self, shape: tuple[int | None, ...]) -> None:
        if len(shape) != 2:
            raise ValueError(
                "AUC: multi_label and label_weights need y_pred (samples, labels), got shape "
                f"{shape}"
            )
        weights = None if self.label_weights is None else len(self.label_weights)
        for name, expected in (("num_labels", self.num_labels), ("label_weights", weights)):
            if expected is not None and shape[1] != expected:
                raise ValueError(
                    f"AUC: {name} says {expected} labels, y_pred {shape} has {shape[1]}"
                )

    def compute(self, totals: Totals, samples: int) -> float:
        hits, said, real, every = totals
        recall = _share(hits, real)
        if self.curve == "ROC":
            x, y = _share(said - hits, every - real), recall
        else:
            x, y = recall, _share(hits, said)
            if self.summation_method == "interpolation":
                whole = np.broadcast_to(real, hits.shape)
                return self._over_labels(_interpolated(hits, said, whole).sum(0))
        heights = {
            "interpolation": (y[:-1] + y[1:]) / 2,
            "minoring": np.minimum(y[:-1], y[1:]),
            "majoring": np.maximum(y[:-1], y[1:]),
        }[self.summation_method]
        return self._over_labels(((x[:-1] - x[1:]) * heights).sum(0))

    def _over_labels(self, areas: Any) -> float:
        """One area, or the mean of those of the labels."""
        if not self.multi_label or self.label_weights is None:
            return float(np.mean(areas))
        weights = np.asarray(self.label_weights)
        return float(_share(np.asarray((areas * weights).sum()), weights.sum()))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "thresholds": None if self.init_thresholds is None else self.thresholds[1:-1],
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
        }


class FBetaScore(Metric):
    """The weighted harmonic mean of precision and recall.

    Args:
        average: None: one figure a class (an array); "micro": over all counts; "macro": the mean of
            the classes; "weighted": weighted by how many targets each has.
        beta: recall counts beta times as much as precision.
        threshold: outputs above it are positive; None: the largest of each sample is.
        name: its key in logs.

    y_true and y_pred are (samples, classes): encode integer labels with ``utils.to_categorical``.

    Raises:
        ValueError: another average, beta or threshold; other shapes.
    """

    larger_is_better = True

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, dtype)
        label = type(self).__name__
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                f"{label}: average must be None, 'micro', 'macro' or 'weighted', got {average!r}"
            )
        if not beta > 0:
            raise ValueError(f"{label}: beta must be above 0, got {beta!r}")
        if threshold is not None and not 0.0 < threshold <= 1.0:
            raise ValueError(f"{label}: threshold must be in (0, 1], got {threshold!r}")
        self.average, self.beta, self.threshold = average, float(beta), threshold

    def measure(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Sequence[Any]:
        y_true, y_pred = as_value(y_true), as_value(y_pred)
        if len(y_true.shape) != 2 or len(y_pred.shape) != 2:
            raise ValueError(
                f"{type(self).__name__}: y_true and y_pred must be (samples, classes), got "
                f"{tuple(y_true.shape)} and {tuple(y_pred.shape)}; encode integer labels with "
                "utils.to_categorical"
            )
        y_true, y_pred = losses.aligned(y_true, y_pred)
        kind = str(y_pred.dtype)
        if self.threshold is None:
            largest = ops.max(y_pred, axis=-1, keepdims=True)
            # A row of zeros says nothing, not everything.
            said = ops.multiply(
                ops.cast(ops.greater_equal(y_pred, largest), kind),
                ops.cast(ops.greater(ops.abs(y_pred), 1e-9), kind),
            )
        else:
            said = ops.cast(ops.greater(y_pred, float(self.threshold)), kind)
        hits = ops.multiply(said, y_true)
        parts = [hits, said, y_true]
        if sample_weight is not None:
            weights = losses.weights_like(sample_weight, said)
            parts = [ops.multiply(part, weights) for part in parts]
        axis = None if self.average == "micro" else 0
        return [ops.sum(part, axis=axis) for part in parts]

    def compute(self, totals: Totals, samples: int) -> Any:
        hits, said, real = totals
        precision, recall = hits / (said + _EPSILON), hits / (real + _EPSILON)
        square = self.beta**2
        score = (1 + square) * precision * recall / (square * precision + recall + _EPSILON)
        if self.average is None:
            return np.asarray(score)
        if self.average == "weighted":
            return float((score * real).sum() / (real.sum() + _EPSILON))
        return float(np.mean(score))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; arguments as of :class:`FBetaScore`.

    >>> import numpy as np
    >>> from cnnfast import metrics
    >>> y_true = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0]])
    >>> y_pred = np.array([[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]], "float32")
    >>> metrics.F1Score(threshold=0.5)(y_true, y_pred).round(3)
    array([0.5  , 0.8  , 0.667])
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config


def _label_weights(weights: Any) -> list[float]:
    try:
        found = np.asarray(weights, np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"AUC: label_weights must be numbers, got {weights!r}") from None
    if found.ndim != 1 or not found.size or not np.isfinite(found).all() or (found < 0).any():
        raise ValueError(
            f"AUC: label_weights must be one number of at least 0 for each label, got {weights!r}"
        )
    return [float(one) for one in found]


def _share(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> Any:
    """part / whole, 0 where there is nothing."""
    whole = np.broadcast_to(whole, part.shape)
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole != 0)


def _interpolated(hits: Any, said: Any, real: Any) -> Any:
    """Areas below the precision-recall curve between thresholds (Davis and Goadrich, 2006)."""
    fewer = hits[:-1] - hits[1:]
    slope = _share(fewer, np.maximum(said[:-1] - said[1:], 0))
    intercept = hits[1:] - slope * said[1:]
    both = (said[:-1] > 0) & (said[1:] > 0)
    ratio = np.where(both, _share(said[:-1], np.maximum(said[1:], 0)), 1.0)
    grown = slope * (fewer + intercept * np.log(np.where(ratio > 0, ratio, 1.0)))
    return _share(grown, np.maximum(real[1:], 0))


def _only_largest(y_pred: Any, k: int) -> Any:
    """y_pred with everything but the k largest of each row at Keras' minus infinity."""
    kind = str(y_pred.dtype)
    places = np.arange(int(y_pred.shape[-1]), dtype=np.int64)
    left, kept = y_pred, ops.multiply(y_pred, 0.0)
    for _ in range(k):
        first = ops.equal(ops.expand_dims(ops.argmax(left, -1), -1), places)
        kept = ops.add(kept, ops.cast(first, kind))
        left = ops.where(first, float("-inf"), left)
    return ops.where(ops.greater(kept, 0.0), y_pred, _LOWEST)
