"""How a score falls when part of the image is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import cnnfast

from ._heat import draw_heat, targets
from ._layers import images_for, logits, watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]

_BATCH = 64


def occlusion_maps(
    model: Any, x: Any, classes: Any = None, size: int = 5, stride: int = 2, fill: float = 0.0
) -> Array:
    """How much the score falls when a square of the image is hidden (Zeiler, Fergus 2014, sec. 4.2).

    Args:
        model: a built model that maps images to scores (n, classes).
        x: one image or several (n, height, width, channels), as the model is fed.
        classes: one for all images or one for each; None for those that the model predicts.
        size: side of the square in pixels.
        stride: pixels from one square to the next.
        fill: what hides the image.

    Returns:
        (n, height, width): for each pixel, the mean fall of the class's score before softmax over
        all squares that hide it. Negative where hiding it helps.

    Raises:
        ValueError: images or classes that the model cannot take, or no square.

    Example:
        >>> import numpy as np
        >>> from cnnfast.applications import LeNet5
        >>> occlusion_maps(LeNet5((28, 28, 1)), np.zeros((28, 28)), size=7, stride=7).shape
        (1, 28, 28)
    """
    images = images_for("occlusion_maps", model, x)
    numbers, _ = targets("occlusion_maps", model, images, classes)
    n, height, width, _ = images.shape
    if not 1 <= size <= min(height, width) or not 1 <= stride <= size:
        raise ValueError(
            f"occlusion_maps: size must be from 1 to {min(height, width)} and stride from 1 to "
            f"size, got size {size}, stride {stride}"
        )

    @cnnfast.compile
    def scores_of(images: Any) -> Any:
        output, _ = watch(model, images)
        return logits("occlusion_maps", model, output)

    # The last square ends with the image.
    rows = list(range(0, height - size, stride)) + [height - size]
    places = [
        (row, column)
        for row in rows
        for column in list(range(0, width - size, stride)) + [width - size]
    ]
    maps = np.zeros((n, height, width), images.dtype)
    for index, (image, number) in enumerate(zip(images, numbers, strict=True)):
        whole = scores_of(image[None])[0, number]
        times = np.zeros((height, width), images.dtype)
        for start in range(0, len(places), _BATCH):
            some = places[start : start + _BATCH]
            hidden = np.repeat(image[None], len(some), axis=0)
            for one, (row, column) in zip(hidden, some, strict=True):
                one[row : row + size, column : column + size] = fill
            falls = whole - scores_of(hidden)[:, number]
            for fall, (row, column) in zip(falls, some, strict=True):
                maps[index, row : row + size, column : column + size] += fall
                times[row : row + size, column : column + size] += 1
        maps[index] /= times
    return maps


def occlusion(
    model: Any,
    x: Any,
    classes: Any = None,
    size: int = 5,
    stride: int = 2,
    fill: float = 0.0,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draw images and, below each, what hiding each place costs the class.

    The arguments are those of :func:`occlusion_maps`; ``class_names`` are written instead of numbers.

    Raises:
        ValueError: images or classes that the model cannot take, or no square.
        ImportError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from cnnfast.applications import LeNet5
        >>> figure = occlusion(LeNet5((28, 28, 1)), np.zeros((28, 28)), stride=5)
    """
    images = images_for("occlusion", model, x)
    numbers, _ = targets("occlusion", model, images, classes)
    maps = occlusion_maps(model, images, numbers, size, stride, fill)
    return draw_heat(images, {"occlusion": maps}, numbers, class_names, cmap="RdBu_r", signed=True)
