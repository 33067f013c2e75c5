"""Images that a class or a filter answers to most: activation maximisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import cnnfast
from cnnfast import ops

from ._arrays import class_name
from ._ascent import Regularisers, ascend
from ._figure import GREY, show, tiles
from ._heat import picture
from ._layers import (
    before_activation,
    find,
    logits,
    one_hot,
    sample_shape,
    watch,
)
from ._layers import (
    units as chosen_units,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]

_MOST = 64  # filters at once when none are named
# Of what a rectified filter computed below 0: enough to find the way up from where it is silent.
_LEAK = 0.01


def _responses(model: Any, x: Any, layer: Any) -> Any:
    """(n, units): class scores before softmax, or each filter's mean over its map."""
    output, seen = watch(model, x)
    if layer is None:
        return logits("activation_maximization", model, output)
    found = find("activation_maximization", seen, layer).output
    before = before_activation(found)
    if found.ndim == 2:
        return before
    if found.ndim != 4:
        raise ValueError(
            f"activation_maximization: layer {layer!r} gives {found.shape}, expected "
            "(n, units) or (n, height, width, channels)"
        )
    return ops.mean(found if before is found else found + _LEAK * before, axis=(1, 2))


def maximal_inputs(
    model: Any,
    units: Any = None,
    layer: Any = None,
    *,
    steps: int = 256,
    learning_rate: float = 0.05,
    optimizer: str = "adam",
    l2: float | None = None,
    tv: float = 0.5,
    beta: float = 2.0,
    jitter: int = 2,
    blur: float = 0.0,
    blur_every: int = 4,
    start: Any = "noise",
    bounds: tuple[float, float] | None = (0.0, 1.0),
    seed: int = 0,
) -> Array:
    """Images that raise the answer of classes or filters, found by gradient ascent.

    What is raised (Erhan, Bengio, Courville, Vincent 2009) is the score of a class before softmax
    (Simonyan, Vedaldi, Zisserman 2013, sec. 2), which can only be raised by what speaks for the
    class and not by lowering the others; for a filter, the mean of its map. Without regularisers
    the images would be noise that means something to the network only; a network trained on noisy
    images shows the clearest pictures. The score's gradient is scaled to a root mean square of 1
    over the pixels, so that the penalties weigh the same in every network.

    Args:
        model: a built model that takes images.
        units: classes or filters, one or several; None for all (of a layer, the first 64).
        layer: name, path, position or object of the layer whose filters or units are meant; None
            for the model's classes.
        steps: of the ascent; one plan is made and run so many times.
        learning_rate: in units of the image for ``"adam"`` and ``"momentum"``.
        optimizer: ``"adam"`` or ``"momentum"``.
        l2: penalty on the sum of squares; None for 0.5 (classes) or 0.3 (filters, whose patterns
            fill the image).
        tv: penalty on the total variation, whose exponent is ``beta``: 1 keeps edges, 2 smooths.
        jitter: pixels that the image moves at random before each step.
        blur: standard deviation in pixels of a Gaussian applied each ``blur_every`` steps.
        start: ``"noise"``, ``"grey"``, or an image or images to start from, such as the mean of
            the training set.
        bounds: that the pixels are kept within; None for none.
        seed: of noise and jitter; the same seed gives the same images.

    Returns:
        (units, height, width, channels).

    Raises:
        ValueError: units or a layer that the model does not have, arguments out of range.

    Example:
        >>> from cnnfast.applications import LeNet5
        >>> maximal_inputs(LeNet5((28, 28, 1)), [3, 5], steps=2).shape
        (2, 28, 28, 1)
    """
    name = "activation_maximization"
    shape = sample_shape(name, model)
    if l2 is None:
        l2 = 0.5 if layer is None else 0.3
    if None in shape:
        raise ValueError(f"{name}: {model.label} leaves the size of its images open: {shape}")
    for label, value, least in (
        ("steps", steps, 1), ("learning_rate", learning_rate, 0), ("l2", l2, 0), ("tv", tv, 0),
        ("jitter", jitter, 0), ("blur", blur, 0), ("blur_every", blur_every, 1),
    ):  # fmt: skip
        if not value >= least:
            raise ValueError(f"{name}: {label} must be at least {least}, got {value}")
    if not beta > 0:
        raise ValueError(f"{name}: beta must be greater than 0, got {beta}")
    if optimizer not in ("adam", "momentum"):
        raise ValueError(f"{name}: optimizer must be 'adam' or 'momentum', got {optimizer!r}")
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ValueError(f"{name}: bounds must be (low, high), got {bounds}")
    numbers = chosen_units(name, "units", units, _count(model, shape, layer), _MOST)
    wanted = one_hot(numbers, _count(model, shape, layer), model.dtype)

    def answers(x: Any) -> Any:
        return ops.sum(_responses(model, x, layer) * wanted, axis=1)

    low, high = bounds or (0.0, 1.0)
    begin = _begin(start, (len(numbers), *shape), low, high, seed).astype(model.dtype)
    keep = Regularisers(l2, tv, beta, jitter, blur, blur_every)
    return ascend(answers, begin, steps, learning_rate, keep, optimizer, bounds, seed)


def _count(model: Any, shape: tuple[int, ...], layer: Any) -> int:
    """The number of classes or of the layer's filters, without computing anything."""
    trace = cnnfast._trace.Trace()
    with trace.active():
        found = _responses(model, trace.input((1, *shape), model.dtype), layer)
    return int(found.shape[-1])


def _begin(
    start: Any, shape: tuple[int, ...], low: float, high: float, seed: int
) -> npt.NDArray[np.float64]:
    if isinstance(start, str):
        if start == "noise":
            # Dim, so that what is not asked for stays dark.
            return low + 0.1 * (high - low) * np.random.default_rng(seed).random(shape)
        if start == "grey":
            return np.full(shape, (low + high) / 2)
        raise ValueError(
            f"activation_maximization: start must be 'noise', 'grey' or an image, got {start!r}"
        )
    array = np.asarray(start, dtype=np.float64)
    if array.shape[-1:] != shape[-1:] and shape[-1] == 1:
        array = array[..., None]
    try:
        return np.array(np.broadcast_to(array, shape))
    except ValueError:
        raise ValueError(
            f"activation_maximization: start must be an image {shape[1:]} or images {shape}, "
            f"got shape {np.shape(start)}"
        ) from None


def activation_maximization(
    model: Any,
    units: Any = None,
    layer: Any = None,
    columns: int = 10,
    class_names: Sequence[str] | None = None,
    **options: Any,
) -> Figure:
    """Draw the images that classes, or a layer's filters, answer to most.

    Args:
        model: a built model that takes images.
        units: classes or filters, one or several; None for all (of a layer, the first 64).
        layer: name, path, position or object of the layer whose filters are meant; None for the
            model's classes.
        columns: images in a row.
        class_names: a name for each class; their numbers when None.
        options: keywords of :func:`maximal_inputs`: ``steps``, ``tv``, ``jitter``, ...

    Raises:
        ValueError: units or a layer that the model does not have, arguments out of range.
        ImportError: matplotlib is not installed.

    Example:
        >>> from cnnfast.applications import LeNet5
        >>> figure = activation_maximization(LeNet5((28, 28, 1)), [0, 1], layer=0, steps=2)
    """
    images = maximal_inputs(model, units, layer, **options)
    shape = sample_shape("activation_maximization", model)
    numbers = chosen_units(
        "activation_maximization", "units", units, _count(model, shape, layer), _MOST
    )
    where = "" if layer is None else f"{getattr(layer, 'name', layer)}: what its units answer to"
    figure, panels = tiles(len(numbers), columns, 0.85, 1.0, where or None)
    for axes, image, number in zip(panels, images, numbers, strict=True):
        show(axes, picture(image), cmap="gray", vmin=0, vmax=1)
        name = class_name(number, class_names) if layer is None else str(number)
        axes.set_title(name, fontsize=8, color=GREY, pad=2)
    return figure
