"""Which class was taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arrays import class_name, labels_of, same_length
from ._figure import GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_NUMBERS = 25  # classes: beyond that numbers in the cells cannot be read


def confusion_matrix(y_true: Any, y_pred: Any, class_names: Sequence[str] | None = None) -> Figure:
    """Draw true classes (rows) against predicted ones (columns).

    The colour of a cell is its share of the row, on a scale that shows rare mistakes; numbers
    count images.

    Args:
        y_true: class numbers (n,) or one-hot (n, classes).
        y_pred: class numbers (n,) or probabilities (n, classes).
        class_names: a name for each class; their numbers when None.

    Raises:
        ValueError: lengths differ, nothing given, a class without a name.
        ImportError: matplotlib is not installed.

    Example:
        >>> figure = confusion_matrix([0, 1, 1], [0, 1, 0], ["cat", "dog"])
    """
    true, predicted = labels_of(y_true, "y_true"), labels_of(y_pred, "y_pred")
    same_length(y_true=true, y_pred=predicted)
    if not len(true):
        raise ValueError("confusion_matrix: expected at least one label, got none")
    scores = np.asarray(y_pred)
    classes = int(max(true.max(), predicted.max())) + 1
    if scores.ndim == 2:
        classes = max(classes, scores.shape[1])
    if class_names is not None:
        classes = max(classes, len(class_names))
    counts = np.bincount(true * classes + predicted, minlength=classes**2)
    counts = counts.reshape(classes, classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [class_name(k, class_names) for k in range(classes)]

    size = float(np.clip(0.42 * classes + 1.4, 3.6, 12))
    figure = new_figure(size + 0.4, size)
    axes = figure.subplots()
    # The square root lifts a 1 % mistake to a tenth of the scale.
    axes.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    if classes <= _MAX_NUMBERS:
        for row in range(classes):
            for column in range(classes):
                if counts[row, column]:
                    colour = "white" if share[row, column] > 0.3 else "black"
                    axes.text(
                        column,
                        row,
                        str(counts[row, column]),
                        ha="center",
                        va="center",
                        fontsize=8,
                        color=colour,
                    )
    if classes <= 60:
        long = max(map(len, names)) > 3
        axes.set_xticks(range(classes), names, rotation=45 if long else 0, fontsize=8)
        axes.set_yticks(range(classes), names, fontsize=8)
    axes.set_xlabel("predicted", color=GREY)
    axes.set_ylabel("true", color=GREY)
    right = int(np.trace(counts))
    axes.set_title(
        f"{right} of {len(true)} right ({100 * right / len(true):.2f} %)", fontsize=11, pad=10
    )
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_color("#cccccc")
    return figure
