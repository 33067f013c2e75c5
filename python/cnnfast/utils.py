"""Small helpers: one-hot targets, confusion matrices, gradient norms, seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _names, _random
from cnnfast._resolve import custom_object_scope as custom_object_scope

Array = npt.NDArray[Any]


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Integer labels to one-hot rows.

    Args:
        x: integers >= 0 of shape (...) or (..., 1).
        num_classes: None: the largest label and one.

    Returns:
        (..., num_classes) of float32 zeros and ones.

    Raises:
        TypeError: labels that are not whole numbers.
        ValueError: a label below zero or not below num_classes.

    >>> to_categorical([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    labels = _whole_numbers("to_categorical", "x", x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels.reshape(labels.shape[:-1])
    shape = labels.shape
    flat = labels.reshape(-1)
    most = int(flat.max()) if flat.size else -1
    if flat.size and int(flat.min()) < 0:
        raise ValueError(f"to_categorical: labels must not be negative, got {int(flat.min())}")
    if num_classes is None:
        num_classes = most + 1
    if isinstance(num_classes, bool) or not isinstance(num_classes, (int, np.integer)):
        raise TypeError(f"to_categorical: num_classes must be an integer, got {num_classes!r}")
    if num_classes < 0 or most >= num_classes:
        raise ValueError(
            f"to_categorical: labels must be below num_classes={num_classes}, got {most}"
        )
    rows = np.zeros((flat.size, int(num_classes)), np.float32)
    rows[np.arange(flat.size), flat] = 1.0
    return rows.reshape((*shape, int(num_classes)))


def confusion_matrix(y_true: Any, y_pred: Any, num_classes: int | None = None) -> Array:
    """How often each class (row) was taken for each class (column).

    Args:
        y_true: labels (n,) or one-hot rows (n, classes).
        y_pred: labels (n,) or the outputs of ``predict`` (n, classes).
        num_classes: None: as many as the data show.

    Returns:
        (num_classes, num_classes) of int64.

    Raises:
        ValueError: different lengths, labels out of range.

    >>> confusion_matrix([0, 1, 1], [0, 1, 0])
    array([[1, 0],
           [1, 1]])
    """
    truth, truth_width = _labels("y_true", y_true)
    guess, guess_width = _labels("y_pred", y_pred)
    if truth.shape != guess.shape:
        raise ValueError(
            f"confusion_matrix: y_true has {truth.size} samples, y_pred has {guess.size}"
        )
    most = int(max(truth.max(), guess.max())) if truth.size else -1
    least = int(min(truth.min(), guess.min())) if truth.size else 0
    count = max(most + 1, truth_width, guess_width) if num_classes is None else int(num_classes)
    if least < 0 or most >= count:
        raise ValueError(f"confusion_matrix: labels must be in [0, {count}), got {least} to {most}")
    cells = np.bincount(truth * count + guess, minlength=count * count)
    return cells.reshape(count, count).astype(np.int64)


def gradient_norms(model: Any, x: Any, y: Any) -> dict[str, float]:
    """L2 norms of the loss' gradients with respect to the trainable weights, on one batch.

    They show where signals vanish or explode on their way back through the layers.

    Args:
        model: built and compiled, with one input and one output. Its loss is differentiated,
            without regularisers, as in training (dropout, statistics of the batch); nothing in the
            model changes.
        x: (N, ...sample).
        y: targets as ``train_on_batch`` takes them.

    Returns:
        {"layer/weight": norm}, in the order of ``model.trainable_weights``.

    Raises:
        TypeError: no model.
        ValueError: a model without a loss, a batch that does not fit it.

    >>> import numpy as np
    >>> import cnnfast as keras
    >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="out")])
    >>> model.compile("sgd", "mse")
    >>> list(keras.utils.gradient_norms(model, np.ones((2, 3)), np.ones((2, 1))))
    ['out/kernel', 'out/bias']
    """
    from cnnfast.models import gradients

    return gradients.gradient_norms(model, x, y)


def set_random_seed(seed: int) -> None:
    """Seeds initialisers, shuffling and dropout, and Python's and NumPy's own generators.

    The same seed, thread count and instruction set give the same bits.

    Raises:
        TypeError: a seed that is no integer.
        ValueError: a seed outside of [0, 2^32).
    """
    import random

    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(f"set_random_seed: seed must be an integer, got {seed!r}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed: seed must be in [0, 2**32), got {seed}")
    random.seed(int(seed))
    np.random.seed(int(seed))
    _random.set_seed(int(seed))


def clear_session() -> None:
    """Automatic layer names count from the beginning again. Memory needs no clearing."""
    _names.reset()


def _labels(name: str, values: Any) -> tuple[Array, int]:
    array = np.asarray(values)
    if array.ndim > 1 and array.shape[-1] > 1:
        width = int(array.shape[-1])
        return array.reshape(-1, width).argmax(axis=1).astype(np.int64), width
    return _whole_numbers("confusion_matrix", name, array).reshape(-1), 0


def _whole_numbers(function: str, name: str, values: Any) -> Array:
    array = np.asarray(values)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind == "f" and bool(np.all(array == np.floor(array))):
        return array.astype(np.int64)
    if array.dtype.kind not in "iub":
        raise TypeError(f"{function}: {name} must be integers, got dtype {array.dtype}")
    return array.astype(np.int64)
