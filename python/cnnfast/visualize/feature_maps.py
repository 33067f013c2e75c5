"""What the layers of a model give for an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import cnnfast

from ._figure import GREY, new_figure, show
from ._layers import find, images_for, watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]

_TILE = 0.7  # inches


def layer_outputs(
    model: Any, x: Any, layers: Sequence[Any] | str | int | None = None
) -> dict[str, Array]:
    """What the layers of a model give for images, computed by one plan.

    Works for every kind of model. Layers inside a layer or a nested model are named by their path,
    ``block/conv``; the second call of a shared layer is ``shared#2``.

    Args:
        model: a built model that takes images.
        x: one image or several (n, height, width, channels), as the model is fed; the channel axis
            may be missing for grey.
        layers: names, paths, positions or layer objects, one or a list; None for all.

    Returns:
        outputs (n, ...) by name, in calling order.

    Raises:
        ValueError: no such layer, or images that the model cannot take.
        TypeError: not a model.

    Example:
        >>> import numpy as np
        >>> from cnnfast.applications import LeNet5
        >>> outputs = layer_outputs(LeNet5((28, 28, 1)), np.zeros((2, 28, 28)), [0, 2])
        >>> [output.shape for output in outputs.values()]
        [(2, 28, 28, 6), (2, 10, 10, 16)]
    """
    images = images_for("layer_outputs", model, x)
    if layers is not None and not isinstance(layers, (list, tuple)):
        layers = [layers]

    @cnnfast.compile
    def outputs_of(images: Any) -> Any:
        _, seen = watch(model, images)
        if layers is not None:
            seen = [find("layer_outputs", seen, layer) for layer in layers]
        return {one.name: one.output for one in seen}

    outputs: dict[str, Array] = outputs_of(images)
    return outputs


def feature_maps(
    model: Any,
    image: Any,
    layers: Sequence[Any] | str | int | None = None,
    maps: int = 16,
    columns: int = 16,
) -> Figure:
    """Draw the maps (height, width) that layers make of one image, a block for each layer.

    Each map is drawn over its own range, dark where the layer is silent.

    Args:
        model: a built model that takes images.
        image: one image, as the model is fed.
        layers: names, paths, positions or layer objects, one or a list; None for all that give
            maps, which leaves out dense layers and the like.
        maps: at most so many of each layer.
        columns: maps in a row.

    Raises:
        ValueError: no such layer, one that gives no maps, or an image that the model cannot take.
        ImportError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from cnnfast.applications import LeNet5
        >>> figure = feature_maps(LeNet5((28, 28, 1)), np.zeros((28, 28)), maps=6)
    """
    if maps < 1 or columns < 1:
        raise ValueError(
            f"feature_maps: maps and columns must be at least 1, got {maps}, {columns}"
        )
    image = images_for("feature_maps", model, image, single=True)
    found = layer_outputs(model, image, layers)
    flat = [name for name, output in found.items() if output.ndim != 4]
    if layers is not None and flat:
        raise ValueError(
            f"feature_maps: layer {flat[0]!r} gives {found[flat[0]].shape}, "
            "expected maps (n, height, width, channels)"
        )
    blocks = {name: output[0] for name, output in found.items() if output.ndim == 4}
    if not blocks:
        raise ValueError("feature_maps: no layer of the model gives maps")
    counts = [min(maps, block.shape[2]) for block in blocks.values()]
    columns = min(columns, max(counts))
    rows = [-(-count // columns) for count in counts]
    heights = [_TILE * many + 0.32 for many in rows]
    figure = new_figure(max(_TILE * columns, 3.2), sum(heights))
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)  # type: ignore[union-attr, call-arg]
    parts = figure.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, (name, block), count, many in zip(parts, blocks.items(), counts, rows, strict=True):
        height, width, channels = block.shape
        title = f"{name}: {channels} maps, {height}×{width}"
        part.suptitle(
            title + f", the first {count}" * (count < channels),
            fontsize=8,
            color=GREY,
            x=0.01,
            ha="left",
        )
        grid = part.subplots(many, columns, squeeze=False).ravel()
        for index, axes in enumerate(grid):
            axes.set_axis_off()
            if index < count:
                show(axes, np.asarray(block[:, :, index]), cmap="viridis")
    return figure
