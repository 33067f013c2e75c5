"""Where a convolution finds what a score depends on: Grad-CAM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

import cnnfast
from cnnfast import ops

from ._heat import draw_heat, resized, targets
from ._layers import Seen, find, images_for, logits, one_hot, watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]


def _maps_of(seen: Sequence[Seen], layer: Any) -> Seen:
    """The layer asked for, or the last convolution, or the last layer that gives maps."""
    if layer is not None:
        one = find("grad_cam", seen, layer)
        if one.output.ndim != 4:
            raise ValueError(
                f"grad_cam: layer {one.name!r} gives {one.output.shape}, expected maps "
                "(n, height, width, channels); name a convolution"
            )
        return one
    maps = [one for one in seen if one.output.ndim == 4]
    if not maps:
        raise ValueError("grad_cam: no layer of the model gives maps")
    convolutions = [one for one in maps if "Conv" in type(one.layer).__name__]
    return (convolutions or maps)[-1]


def grad_cam_maps(
    model: Any, x: Any, classes: Any = None, layer: Any = None, elementwise: bool = False
) -> Array:
    """Grad-CAM (Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra 2017, eq. 1 and 2).

    Each map of the layer is weighted by the mean of the score's gradient over it; what remains of
    the sum above 0 speaks for the class. The score is that of the class before softmax.

    The mean suits networks that end in global average pooling. Where a dense layer follows the
    flattened maps, the gradient differs from place to place and its mean can cancel;
    ``elementwise`` weighs each value by its own gradient: HiResCAM (Draelos, Carin 2020).

    Args:
        model: a built model that maps images to scores (n, classes).
        x: one image or several (n, height, width, channels), as the model is fed.
        classes: one for all images or one for each; None for those that the model predicts.
        layer: name, path, position or object of a layer that gives maps; None for the last
            convolution.
        elementwise: HiResCAM.

    Returns:
        (n, height, width) of the layer's maps, at least 0.

    Raises:
        ValueError: images, classes or a layer that the model does not have.

    Example:
        >>> import numpy as np
        >>> from cnnfast.applications import LeNet5
        >>> grad_cam_maps(LeNet5((28, 28, 1)), np.zeros((28, 28)), classes=3).shape
        (1, 10, 10)
    """
    images = images_for("grad_cam", model, x)
    numbers, count = targets("grad_cam", model, images, classes)

    @cnnfast.compile
    def maps_of(images: Any, wanted: Any) -> Any:
        output, seen = watch(model, images)
        maps = _maps_of(seen, layer).output
        score = ops.sum(logits("grad_cam", model, output) * wanted)
        gradient = images.trace.gradients(score, [maps])[0]
        weights = gradient if elementwise else ops.mean(gradient, axis=(1, 2), keepdims=True)
        return ops.relu(ops.sum(weights * maps, axis=-1))

    found: Array = maps_of(images, one_hot(numbers, count, model.dtype))
    return found


def grad_cam(
    model: Any,
    x: Any,
    classes: Any = None,
    layer: Any = None,
    class_names: Sequence[str] | None = None,
    elementwise: bool = False,
) -> Figure:
    """Draw images and, below each, Grad-CAM's heat laid over it.

    The arguments are those of :func:`grad_cam_maps`; ``class_names`` are written instead of numbers.

    Raises:
        ValueError: images, classes or a layer that the model does not have.
        ImportError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from cnnfast.applications import LeNet5
        >>> figure = grad_cam(LeNet5((28, 28, 1)), np.zeros((2, 28, 28)), classes=[3, 4])
    """
    images = images_for("grad_cam", model, x)
    numbers, _ = targets("grad_cam", model, images, classes)
    maps = grad_cam_maps(model, images, numbers, layer, elementwise)
    heat = {"HiResCAM" if elementwise else "Grad-CAM": resized(maps, images.shape[1:3])}
    return draw_heat(images, heat, numbers, class_names, cmap="jet", over=True)
