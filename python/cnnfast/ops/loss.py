"""Losses of each sample. Names, order of arguments and meanings are those of ``keras.losses``.

``y_true`` comes first. Nothing here averages over the batch; ``ops.mean`` does.
"""

from __future__ import annotations

import numpy as np

from cnnfast import _core
from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Node, Result, Value


def categorical_crossentropy(
    y_true: Value,
    y_pred: Value,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Result:
    """-sum(y_true * log(p)) over the classes.

    Args:
        y_true: (..., classes), of y_pred's dtype: one-hot or any distribution.
        y_pred: (..., classes), float32 or float64.
        from_logits: y_pred are logits z and p = softmax(z), computed without overflow. Otherwise
            y_pred are probabilities, divided by their sum and clipped by 1e-7 as in Keras.
        label_smoothing: s in [0, 1]: y_true becomes (1 - s) y_true + s / classes.
        axis: where the classes are.

    Returns:
        (...): one loss a sample.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> y_true = np.array([[0.0, 1.0]], "float32")
    >>> ops.categorical_crossentropy(y_true, np.array([[0.0, 1000.0]], "float32"), True)
    array([0.], dtype=float32)
    """
    op = "categorical_crossentropy"
    attributes = {
        "from_logits": arguments.boolean(op, "from_logits", from_logits),
        "label_smoothing": _share(op, label_smoothing),
    }
    truth, predicted = arguments.same_dtype(op, y_true=y_true, y_pred=y_pred)
    truth = _classes_last(op, "y_true", truth, axis)
    predicted = _classes_last(op, "y_pred", predicted, axis)
    return apply(op, [predicted, truth], attributes)[0]


def sparse_categorical_crossentropy(
    y_true: Value, y_pred: Value, from_logits: bool = False, axis: int = -1
) -> Result:
    """-log(p[label]) with p as in :func:`categorical_crossentropy`.

    Args:
        y_true: (...) or (..., 1) integer labels in [0, classes).
        y_pred: (..., classes), float32 or float64.
        from_logits, axis: as in :func:`categorical_crossentropy`.

    Returns:
        (...): one loss a sample; NaN for a label out of range in a traced function.

    Raises:
        ValueError: a label out of range (arrays only), shapes that do not go together.
        TypeError: labels that are not integers.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> p = np.array([[0.5, 0.5], [0.0, 1.0]], "float32")
    >>> np.round(ops.sparse_categorical_crossentropy(np.array([0, 1]), p), 3)
    array([0.693, 0.   ], dtype=float32)
    """
    op = "sparse_categorical_crossentropy"
    attributes = {"from_logits": arguments.boolean(op, "from_logits", from_logits)}
    predicted = _classes_last(op, "y_pred", arguments.floating(op, "y_pred", y_pred), axis)
    labels = _labels(op, y_true, predicted)
    return apply(op, [predicted, labels], attributes)[0]


def binary_crossentropy(
    y_true: Value, y_pred: Value, from_logits: bool = False, label_smoothing: float = 0.0
) -> Result:
    """-(y_true log(p) + (1 - y_true) log(1 - p)) of each value (``keras.ops``' meaning: no mean).

    Args:
        y_true, y_pred: of one shape and dtype.
        from_logits: p = sigmoid(y_pred), computed without overflow. Otherwise p = y_pred, clipped
            by 1e-7, as in Keras.
        label_smoothing: s in [0, 1]: y_true becomes (1 - s) y_true + s / 2.

    Returns:
        y_pred's shape.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> z = np.array([-100.0, 100.0], "float32")
    >>> ops.binary_crossentropy(np.array([1.0, 1.0], "float32"), z, from_logits=True)
    array([100.,   0.], dtype=float32)
    """
    op = "binary_crossentropy"
    logits = arguments.boolean(op, "from_logits", from_logits)
    smoothing = _share(op, label_smoothing)
    truth, predicted = _same_shape(op, y_true, y_pred)
    attributes = {"from_logits": logits, "label_smoothing": smoothing}
    return apply(op, [predicted, truth], attributes)[0]


def mean_squared_error(y_true: Value, y_pred: Value) -> Result:
    """The mean of (y_true - y_pred)^2 over the last axis.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.mean_squared_error(np.zeros((1, 2), "float32"), np.array([[1.0, 3.0]], "float32"))
    array([5.], dtype=float32)
    """
    return _mean_of("mean_squared_error", "square", y_true, y_pred)


def mean_absolute_error(y_true: Value, y_pred: Value) -> Result:
    """The mean of |y_true - y_pred| over the last axis.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.mean_absolute_error(np.zeros((1, 2), "float32"), np.array([[1.0, -3.0]], "float32"))
    array([2.], dtype=float32)
    """
    return _mean_of("mean_absolute_error", "abs", y_true, y_pred)


def _mean_of(op: str, measure: str, y_true: Value, y_pred: Value) -> Result:
    truth, predicted = _same_shape(op, y_true, y_pred)
    if arguments.rank(predicted) == 0:
        raise ValueError(f"{op}: y_pred must have at least one axis, got a single number")
    distance = apply(measure, [apply("subtract", [predicted, truth])[0]])[0]
    axes = [arguments.rank(distance) - 1]
    return apply("mean", [distance], {"axes": axes, "keepdims": False})[0]


def _same_shape(op: str, y_true: Value, y_pred: Value) -> list[Node]:
    # (N,) against (N, 1) would broadcast to (N, N) and train towards nonsense.
    truth, predicted = arguments.same_dtype(op, y_true=y_true, y_pred=y_pred)
    agree = len(truth.shape) == len(predicted.shape) and all(
        a is None or b is None or a == b for a, b in zip(truth.shape, predicted.shape, strict=True)
    )
    if not agree:
        raise ValueError(
            f"{op}: y_true and y_pred must have one shape, got {arguments.shown_shape(truth)} and "
            f"{arguments.shown_shape(predicted)}; reshape one of them"
        )
    return [truth, predicted]


def _share(op: str, label_smoothing: float) -> float:
    smoothing = arguments.real(op, "label_smoothing", label_smoothing)
    if not 0.0 <= smoothing <= 1.0:
        raise ValueError(f"{op}: label_smoothing must be in [0, 1], got {smoothing}")
    return smoothing


def _classes_last(op: str, name: str, x: Node, axis: int) -> Node:
    rank = arguments.rank(x)
    if rank == 0:
        raise ValueError(f"{op}: {name} must have an axis of classes, got a single number")
    place = arguments.axis(op, axis, rank)
    if place == rank - 1:
        return x
    order = [i for i in range(rank) if i != place] + [place]
    turned: Node = apply("transpose", [x], {"permutation": order})[0]
    return turned


def _labels(op: str, y_true: Value, predicted: Node) -> Node:
    labels = integer_labels(op, y_true)
    shape = tuple(labels.shape)
    if len(shape) == len(predicted.shape) and shape and shape[-1] == 1:
        known = [-1 if size is None else int(size) for size in shape[:-1]]
        labels = apply("reshape", [labels], {"shape": known})[0]
    classes = predicted.shape[-1]
    if isinstance(labels, np.ndarray) and labels.size and classes is not None:
        least, most = _core.label_range(np.ascontiguousarray(labels))
        if least < 0 or most >= classes:
            raise ValueError(
                f"{op}: labels must be in [0, {classes}) for {classes} classes, "
                f"got labels from {least} to {most}"
            )
    return labels


def integer_labels(op: str, y_true: Value) -> Node:
    """Labels as uint8, int32 or int64; TypeError for anything but integers."""
    array = y_true
    if isinstance(y_true, (np.ndarray, np.generic, list, tuple, int)):
        array = np.asarray(y_true)
        if array.dtype.kind in "iu" and array.dtype.name not in ("uint8", "int32", "int64"):
            if array.size and int(array.max()) > np.iinfo(np.int64).max:
                raise ValueError(f"{op}: labels must fit in 64 bits, got {int(array.max())}")
            array = array.astype(np.int64)
    node = arguments.value(op, "y_true", array)
    kind = arguments.dtype_of(node)
    if kind not in ("uint8", "int32", "int64"):
        raise TypeError(
            f"{op}: y_true must be integer labels, got {kind}; use ops.cast(y_true, 'int64'), "
            "or categorical_crossentropy for one-hot labels"
        )
    return node
