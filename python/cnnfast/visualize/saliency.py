"""Which pixels a score depends on: its gradient with respect to the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import cnnfast
from cnnfast import ops

from ._heat import draw_heat, targets
from ._layers import images_for, logits, one_hot, watch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]


def saliency_maps(
    model: Any,
    x: Any,
    classes: Any = None,
    samples: int = 0,
    noise: float = 0.15,
    seed: int = 0,
) -> Array:
    """|d score / d pixel|, the largest over the channels (Simonyan, Vedaldi, Zisserman 2013, sec. 3).

    The score is that of the class before softmax. With ``samples`` the map is the mean over as
    many noisy copies of the image: SmoothGrad (Smilkov, Thorat, Kim, Viégas, Wattenberg 2017).

    Args:
        model: a built model that maps images to scores (n, classes).
        x: one image or several (n, height, width, channels), as the model is fed.
        classes: one for all images or one for each; None for those that the model predicts.
        samples: noisy copies of each image; 0 for the plain gradient.
        noise: their noise's standard deviation, as a share of the image's range.
        seed: of the noise.

    Returns:
        (n, height, width), at least 0.

    Raises:
        ValueError: images or classes that the model cannot take.

    Example:
        >>> import numpy as np
        >>> from cnnfast.applications import LeNet5
        >>> saliency_maps(LeNet5((28, 28, 1)), np.zeros((28, 28)), classes=3).shape
        (1, 28, 28)
    """
    images = images_for("saliency_maps", model, x)
    if samples < 0 or noise < 0:
        raise ValueError(
            f"saliency_maps: samples and noise must be at least 0, got {samples} and {noise}"
        )
    numbers, count = targets("saliency_maps", model, images, classes)

    @cnnfast.compile
    def gradient_of(images: Any, wanted: Any) -> Any:
        output, _ = watch(model, images)
        scores = logits("saliency_maps", model, output)
        return images.trace.gradients(ops.sum(scores * wanted), [images])[0]

    wanted = one_hot(numbers, count, model.dtype)
    if samples == 0:
        gradient = gradient_of(images, wanted)
    else:
        rng = np.random.default_rng(seed)
        spread = noise * np.ptp(images, axis=(1, 2, 3), keepdims=True)
        gradient = np.zeros_like(images)
        for _ in range(samples):
            noisy = images + spread * rng.standard_normal(images.shape)
            gradient += gradient_of(noisy.astype(images.dtype), wanted) / samples
    maps: Array = np.abs(gradient).max(axis=-1)
    return maps


def saliency(
    model: Any,
    x: Any,
    classes: Any = None,
    samples: int = 0,
    noise: float = 0.15,
    class_names: Sequence[str] | None = None,
    seed: int = 0,
) -> Figure:
    """Draw images and, below each, the pixels that its score depends on.

    The arguments are those of :func:`saliency_maps`; ``class_names`` are written instead of numbers.

    Raises:
        ValueError: images or classes that the model cannot take.
        ImportError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from cnnfast.applications import LeNet5
        >>> figure = saliency(LeNet5((28, 28, 1)), np.zeros((2, 28, 28)), classes=[3, 4])
    """
    images = images_for("saliency", model, x)
    numbers, _ = targets("saliency", model, images, classes)
    maps = saliency_maps(model, images, numbers, samples, noise, seed)
    return draw_heat(images, {"saliency": maps}, numbers, class_names, cmap="inferno")
