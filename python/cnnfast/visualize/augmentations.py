"""What random layers make of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._figure import GREY, MAX_TILES, show, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]


def augmented_images(image: Any, layers: Any, count: int = 24) -> Array:
    """An image as training would see it, ``count`` times.

    Args:
        image: (height, width) or (height, width, channels), of any dtype.
        layers: a layer, a list of them, or a ``Sequential``; called with ``training=True``.
        count: how many.

    Returns:
        float32 (count, height, width, channels), of the size that the layers give.

    Raises:
        ValueError: not one image, or a count below 1.
        TypeError: something that is no layer.

    Example:
        >>> import numpy as np
        >>> from cnnfast.layers import Dropout
        >>> augmented_images(np.ones((8, 8)), Dropout(0.5), count=3).shape
        (3, 8, 8, 1)
    """
    array = np.asarray(image)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3:
        raise ValueError(
            "augmentations: expected one image (height, width[, channels]), got shape "
            f"{np.shape(image)}"
        )
    if count < 1:
        raise ValueError(f"augmentations: count must be at least 1, got {count}")
    chain = list(layers) if isinstance(layers, (list, tuple)) else [layers]
    for layer in chain:
        if not callable(layer) or isinstance(layer, type):
            raise TypeError(f"augmentations: expected layers, got {layer!r}")
    # A copy for each: layers that draw once for a batch would make them all alike.
    batch = [np.ascontiguousarray(array[None], dtype=np.float32) for _ in range(count)]
    for layer in chain:
        batch = [np.asarray(layer(one, training=True)) for one in batch]
    return np.concatenate(batch)


def augmentations(
    image: Any,
    layers: Any,
    count: int = 24,
    columns: int = 8,
    title: str | None = None,
) -> Figure:
    """Draw an image and what random layers make of it.

    Args:
        image: (height, width) or (height, width, channels); 3 channels are drawn in colour.
        layers: a layer, a list of them, or a ``Sequential``; called with ``training=True``.
        count: how many versions.
        columns: images in a row; the first is the image as it came.
        title: over the figure.

    Raises:
        ValueError: not one image with 1 or 3 channels, or a count below 1.
        TypeError: something that is no layer.
        ImportError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from cnnfast.layers import Dropout
        >>> figure = augmentations(np.ones((8, 8)), Dropout(0.5), count=7)
    """
    count = min(count, MAX_TILES - 1)
    versions = augmented_images(image, layers, count)
    original = np.asarray(image, dtype=np.float64).reshape(
        *np.shape(image)[-3 if np.ndim(image) == 4 else 0 :][:2], -1
    )
    if original.shape[-1] not in (1, 3):
        raise ValueError(f"augmentations: expected 1 or 3 channels, got {original.shape[-1]}")
    # All on the image's own scale, so that changes of brightness show.
    low, high = float(original.min()), float(original.max())
    figure, panels = tiles(count + 1, columns, 0.8, 0.85, title)
    for axes, one in zip(panels, [original, *versions], strict=True):
        level = np.clip((one - low) / ((high - low) or 1.0), 0, 1)
        show(axes, level if level.shape[-1] == 3 else level[..., 0], cmap="gray", vmin=0, vmax=1)
    panels[0].set_title("original", fontsize=7, color=GREY, pad=2)
    return figure
