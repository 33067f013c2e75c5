"""A sheet of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._arrays import class_name, labels_of, pictures_of, same_length, scaled
from ._figure import GREY, MAX_TILES, show, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def images(
    x: Any,
    labels: Any = None,
    count: int = 40,
    columns: int = 10,
    class_names: Sequence[str] | None = None,
    title: str | None = None,
) -> Figure:
    """Draw the first images side by side, with their labels where given.

    Args:
        x: images (n, height, width[, 1 or 3]) of any dtype; each is drawn over its own range.
        labels: class numbers (n,), or scores (n, classes).
        count: at most so many.
        columns: images in a row.
        class_names: a name for each class; their numbers when None.
        title: over the figure.

    Raises:
        ValueError: shapes or lengths do not fit, or there is no image.
        ImportError: matplotlib is not installed.

    Example:
        >>> from cnnfast.datasets import digits
        >>> (x, y), _ = digits.load_data(20, 0)
        >>> figure = images(x, y)
    """
    pictures = pictures_of(x)
    if not len(pictures):
        raise ValueError("images: expected at least one image, got none")
    if count < 1:
        raise ValueError(f"images: count must be at least 1, got {count}")
    numbers = None if labels is None else labels_of(labels, "labels")
    if numbers is not None:
        same_length(x=pictures, labels=numbers)
    count = min(count, len(pictures), MAX_TILES)
    figure, panels = tiles(count, columns, 0.75, 0.75 if labels is None else 0.95, title)
    for index, axes in enumerate(panels):
        show(axes, scaled(pictures[index]), cmap="gray", vmin=0, vmax=1)
        if numbers is not None:
            name = class_name(int(numbers[index]), class_names)
            axes.set_title(name, fontsize=8, color=GREY, pad=2)
    return figure
