"""Heat maps of images: whose score is explained, and how it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._arrays import class_name, scaled
from ._figure import GREY, MAX_TILES, show, tiles
from ._layers import units

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]


def targets(function: str, model: Any, images: Array, classes: Any) -> tuple[list[int], int]:
    """A class for each image, and how many classes there are.

    Raises:
        ValueError: the model gives no scores (n, classes); classes that do not fit.
    """
    scores = model(images, training=False)
    if isinstance(scores, (list, tuple, dict)) or scores.ndim != 2:
        gives = getattr(scores, "shape", None) or f"{len(scores)} outputs"
        raise ValueError(f"{function}: {model.label} gives {gives}, expected scores (n, classes)")
    if classes is None:
        return [int(best) for best in scores.argmax(axis=1)], scores.shape[1]
    numbers = units(function, "classes", classes, scores.shape[1])
    if len(numbers) == 1:
        numbers = numbers * len(images)
    if len(numbers) != len(images):
        raise ValueError(
            f"{function}: expected one class or one for each image, got {len(numbers)} classes "
            f"for {len(images)} images"
        )
    return numbers, scores.shape[1]


def resized(maps: Array, size: Sequence[int]) -> Array:
    """Maps (n, height, width) stretched to ``size``, linear between the centres of pixels."""
    for axis, length in ((1, size[0]), (2, size[1])):
        have = maps.shape[axis]
        at = np.clip((np.arange(length) + 0.5) * have / length - 0.5, 0, have - 1)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, have - 1)
        share = (at - low).reshape([-1 if one == axis else 1 for one in range(3)])
        maps = maps.take(low, axis) * (1 - share) + maps.take(high, axis) * share
    return maps


def picture(image: Array) -> Array:
    """(height, width) or (height, width, 3) for imshow, from any number of channels."""
    image = scaled(image)
    if image.shape[-1] == 3:
        return image
    grey: Array = image.mean(axis=-1)
    return grey


def draw_heat(
    images: Array,
    rows: Mapping[str, Array],
    classes: Sequence[int],
    class_names: Sequence[str] | None,
    cmap: str,
    over: bool = False,
    signed: bool = False,
) -> Figure:
    """Images in the first row with their classes, maps (n, height, width) in those below."""
    count = min(len(images), MAX_TILES)
    names = [class_name(number, class_names) for number in classes]
    figure, panels = tiles((1 + len(rows)) * count, count, 1.0, 1.05, None)
    for index in range(count):
        show(panels[index], picture(images[index]), cmap="gray", vmin=0, vmax=1)
        panels[index].set_title(names[index], fontsize=8, color=GREY, pad=2)
    for row, (name, maps) in enumerate(rows.items(), 1):
        for index in range(count):
            axes, heat = panels[row * count + index], maps[index]
            if over:
                show(axes, picture(images[index]), cmap="gray", vmin=0, vmax=1)
            peak = float(np.abs(heat).max()) or 1.0
            low = -peak if signed else 0.0
            show(axes, heat, cmap=cmap, vmin=low, vmax=peak, alpha=0.5 if over else None)
        panels[row * count].set_title(name, fontsize=7, color=GREY, pad=2, loc="left")
    return figure
