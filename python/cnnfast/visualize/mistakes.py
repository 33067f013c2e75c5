"""The images that a model got wrong with the most confidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ._arrays import class_name, labels_of, pictures_of, same_length, scaled
from ._figure import GREEN, MAX_TILES, ORANGE, show, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def mistakes(
    x: Any,
    y_true: Any,
    y_pred: Any,
    count: int = 24,
    columns: int = 8,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw the worst mistakes: those whose true class got the least probability come first.

    Args:
        x: images (n, height, width[, 1 or 3]) of any dtype.
        y_true: class numbers (n,) or one-hot (n, classes).
        y_pred: probabilities (n, classes), as ``predict`` returns them.
        count: at most so many.
        columns: images in a row.
        class_names: a name for each class; their numbers when None.

    Raises:
        ValueError: lengths or shapes do not fit.
        ImportError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> figure = mistakes(np.zeros((2, 8, 8)), [0, 1], [[0.9, 0.1], [0.8, 0.2]])
    """
    pictures, true = pictures_of(x), labels_of(y_true, "y_true")
    scores = np.asarray(y_pred, dtype=np.float64)
    if scores.ndim != 2:
        raise ValueError(
            "mistakes: y_pred must be probabilities (n, classes), as model.predict returns them, "
            f"got shape {scores.shape}"
        )
    same_length(x=pictures, y_true=true, y_pred=scores)
    if len(true) and true.max() >= scores.shape[1]:
        raise ValueError(
            f"mistakes: label {true.max()} has no column in y_pred of shape {scores.shape}"
        )
    if count < 1:
        raise ValueError(f"mistakes: count must be at least 1, got {count}")
    predicted = scores.argmax(axis=1)
    wrong = np.flatnonzero(predicted != true)
    order = wrong[np.argsort(scores[wrong, true[wrong]], kind="stable")][: min(count, MAX_TILES)]
    title = f"{len(wrong)} of {len(true)} wrong" + ", the worst first" * bool(len(wrong))
    figure, panels = tiles(max(len(order), 1), max(columns, 3), 0.95, 1.2, title)
    for axes, index in zip(panels, order, strict=False):
        show(axes, scaled(pictures[index]), cmap="gray", vmin=0, vmax=1)
        taken = class_name(int(predicted[index]), class_names)
        meant = class_name(int(true[index]), class_names)
        axes.text(
            0, 1.04, meant, color=GREEN, fontsize=9, transform=axes.transAxes, fontweight="bold"
        )
        axes.text(
            1,
            1.04,
            f"{taken}  {100 * scores[index, predicted[index]]:.0f} %",
            color=ORANGE,
            fontsize=9,
            ha="right",
            transform=axes.transAxes,
        )
    if len(order):
        figure.supxlabel("green: what it is · orange: what it was taken for", fontsize=8)
    return figure
