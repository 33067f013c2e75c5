"""Losses: strings, functions on samples, and classes with a reduction, as Keras has them.

A function gives one value a sample; a class averages (``reduction="sum_over_batch_size"``), after
weighing the samples where weights are given.

>>> import numpy as np
>>> from cnnfast import losses
>>> loss = losses.CategoricalCrossentropy(from_logits=True)
>>> round(float(loss(np.eye(2, dtype="float32"), np.zeros((2, 2), "float32"))), 4)
0.6931
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnfast import _resolve, _trace, ops

_REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


# ---- functions: one loss a sample --------------------------------------------------------------


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """-sum(y_true * log(p)) over the classes; y_true one-hot or any distribution.

    Args:
        y_true, y_pred: (..., classes).
        from_logits: y_pred are logits, p = softmax(y_pred).
        label_smoothing: s: y_true becomes (1 - s) y_true + s / classes.
        axis: that of the classes.

    Returns:
        (...): one loss a sample.
    """
    y_true, y_pred = aligned(y_true, y_pred)
    return ops.categorical_crossentropy(y_true, y_pred, from_logits, label_smoothing, axis)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Any:
    """-log(p[label]), y_true integers (...) or (..., 1), y_pred (..., classes).

    Raises:
        ValueError: ``ignore_class`` is given: it is not supported, use sample weights of 0.
    """
    if ignore_class is not None:
        raise ValueError(
            "sparse_categorical_crossentropy: ignore_class is not supported; "
            "give those samples a sample_weight of 0"
        )
    y_true, y_pred = _array(y_true), _array(y_pred)
    return ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits, axis)


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Any:
    """The mean over ``axis`` of -(y log(p) + (1 - y) log(1 - p))."""
    y_true, y_pred = aligned(y_true, y_pred)
    return ops.mean(ops.binary_crossentropy(y_true, y_pred, from_logits, label_smoothing), axis)


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
    """The mean of (y_true - y_pred)^2 over the last axis."""
    return ops.mean_squared_error(*aligned(y_true, y_pred))


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """The mean of |y_true - y_pred| over the last axis."""
    return ops.mean_absolute_error(*aligned(y_true, y_pred))


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Any:
    """Quadratic below ``delta``, linear above (Huber, 1964); the mean over the last axis."""
    y_true, y_pred = aligned(y_true, y_pred)
    error = ops.abs(ops.subtract(y_pred, y_true))
    # With q = min(error, delta): q^2 / 2 + delta (error - q) is both branches without a choice.
    near = ops.minimum(error, float(delta))
    far = ops.multiply(ops.subtract(error, near), float(delta))
    return ops.mean(ops.add(ops.multiply(ops.square(near), 0.5), far), -1)


def aligned(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Both of y_pred's dtype and of one rank: an axis of size 1 at the end may be missing in one."""
    y_true, y_pred = _array(y_true), _array(y_pred)
    if isinstance(y_pred, np.ndarray) and y_pred.dtype.kind != "f":
        y_pred = y_pred.astype(np.float32)
    if str(y_true.dtype) != str(y_pred.dtype):
        y_true = ops.cast(y_true, str(y_pred.dtype))
    true_rank, pred_rank = len(y_true.shape), len(y_pred.shape)
    if pred_rank == true_rank + 1 and y_pred.shape[-1] == 1:
        y_true = ops.expand_dims(y_true, -1)
    elif true_rank == pred_rank + 1 and y_true.shape[-1] == 1:
        y_true = ops.squeeze(y_true, -1)
    return y_true, y_pred


def _array(x: Any) -> Any:
    if isinstance(x, (_trace.Tensor, _trace.Variable, np.ndarray)):
        return x
    array = np.asarray(x)
    return array.astype(np.float32) if array.dtype == np.float64 else array


# ---- classes: a scalar ---------------------------------------------------------------------------


class Loss:
    """A scalar from targets and predictions. Subclass with ``call(y_true, y_pred)``.

    Args:
        reduction: "sum_over_batch_size" (the mean over all values of ``call``), "sum",
            "mean_with_sample_weight" (divides by the sum of the weights), "none".
        name: how logs call it.
        dtype: accepted, without a meaning: a loss computes in the dtype of the predictions.

    Raises:
        ValueError: an unknown reduction.
    """

    # Targets are integer labels (True), of y_pred's shape (False), or unknown (None).
    sparse_targets: bool | None = None

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", **unknown: Any
    ) -> None:
        unknown.pop("dtype", None)
        if unknown:
            raise TypeError(f"{type(self).__name__}: unknown argument {sorted(unknown)[0]!r}")
        if reduction not in _REDUCTIONS:
            raise ValueError(
                f"{type(self).__name__}: reduction must be one of "
                f"{', '.join(repr(r) for r in _REDUCTIONS[:-1])}; got {reduction!r}"
            )
        self.name = name or type(self).__name__
        self.reduction = "sum_over_batch_size" if reduction == "mean" else (reduction or "none")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """One loss a sample."""
        raise NotImplementedError(f"{type(self).__name__}: define call(self, y_true, y_pred)")

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """The reduced loss; ``sample_weight`` is (N,) or of the shape of ``call``'s result."""
        return self.reduce(self.call(y_true, y_pred), sample_weight)

    def reduce(self, values: Any, sample_weight: Any = None) -> Any:
        """Weighs and reduces the losses of samples."""
        weights = None
        if sample_weight is not None:
            weights = weights_like(sample_weight, values)
            values = ops.multiply(values, weights)
        if self.reduction == "none":
            return values
        if len(values.shape) == 0:
            return values
        if self.reduction == "sum":
            return ops.sum(values)
        if self.reduction == "mean_with_sample_weight" and weights is not None:
            every = ops.add(weights, ops.multiply(values, 0.0))
            return ops.divide(ops.sum(values), ops.sum(every))
        return ops.mean(values)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Loss:
        """The loss that ``get_config`` described."""
        return cls(**config)


def weights_like(sample_weight: Any, values: Any) -> Any:
    """The weights in the dtype of the losses, with axes of 1 where they have fewer."""
    weights = _array(sample_weight)
    if str(weights.dtype) != str(values.dtype):
        weights = ops.cast(weights, str(values.dtype))
    rank = len(values.shape)
    if len(weights.shape) == rank + 1 and weights.shape[-1] == 1:
        return ops.squeeze(weights, -1)
    if 0 < len(weights.shape) < rank:
        axes = tuple(range(len(weights.shape), rank))
        return ops.expand_dims(weights, axes)
    return weights


class LossFunctionWrapper(Loss):
    """A loss from any function of (y_true, y_pred) written with ``ops``."""

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", "loss"), reduction)
        self.fn = fn
        self.arguments = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return self.fn(y_true, y_pred, **self.arguments)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, **self.arguments}


class CategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy with one-hot targets; see :func:`categorical_crossentropy`."""

    sparse_targets = False

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        _check_smoothing(name, label_smoothing)
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            from_logits=bool(from_logits),
            label_smoothing=float(label_smoothing),
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Cross-entropy with integer labels; see :func:`sparse_categorical_crossentropy`."""

    sparse_targets = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            from_logits=bool(from_logits),
            ignore_class=ignore_class,
            axis=axis,
        )


class BinaryCrossentropy(LossFunctionWrapper):
    """Cross-entropy of independent yes/no outputs; see :func:`binary_crossentropy`."""

    sparse_targets = False

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: str | None = None,
    ) -> None:
        _check_smoothing(name, label_smoothing)
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            from_logits=bool(from_logits),
            label_smoothing=float(label_smoothing),
            axis=axis,
        )


class MeanSquaredError(LossFunctionWrapper):
    """The mean of squared differences."""

    sparse_targets = False

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_squared_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name)


class MeanAbsoluteError(LossFunctionWrapper):
    """The mean of absolute differences."""

    sparse_targets = False

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_absolute_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name)


class Huber(LossFunctionWrapper):
    """Quadratic for small errors, linear for large ones; see :func:`huber`."""

    sparse_targets = False

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: str | None = None,
    ) -> None:
        if not (math.isfinite(delta) and delta > 0):
            raise ValueError(f"{name}: delta must be positive and finite, got {delta!r}")
        super().__init__(huber, reduction, name, delta=float(delta))


def _check_smoothing(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name}: label_smoothing must be between 0 and 1, got {value!r}")


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error

_CLASSES: dict[str, type[Loss]] = {
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
    "huber_loss": Huber,
}
_CLASSES.update({found.__name__: found for found in list(_CLASSES.values())})
_CLASSES["LossFunctionWrapper"] = LossFunctionWrapper

_FUNCTIONS: dict[Any, type[Loss]] = {
    categorical_crossentropy: CategoricalCrossentropy,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    binary_crossentropy: BinaryCrossentropy,
    mean_squared_error: MeanSquaredError,
    mean_absolute_error: MeanAbsoluteError,
    huber: Huber,
}


def get(identifier: Any, custom_objects: dict[str, Any] | None = None) -> Loss:
    """The loss of a name, class, instance, function or configuration.

    Raises:
        ValueError: an unknown name.
        TypeError: something that is no loss.
    """
    for function, loss_class in _FUNCTIONS.items():
        if identifier is function:
            return loss_class()
    found = _resolve.resolve("loss", identifier, _CLASSES, Loss, custom_objects)
    return found if isinstance(found, Loss) else LossFunctionWrapper(found)


def serialize(loss: Loss) -> Any:
    """A name or a configuration that :func:`get` takes back."""
    if type(loss) is LossFunctionWrapper:
        return getattr(loss.fn, "__name__", loss.name)
    return _resolve.serialize(loss)


deserialize = get
