"""Gradient ascent on images: one plan gives the gradient, NumPy takes the step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import cnnfast
from cnnfast import ops

Array = npt.NDArray[Any]

#: A function of images (n, height, width, channels) traced into scores (n,).
Objective = Callable[[Any], Any]

_SMOOTH = 1e-6  # under the root of the total variation, whose slope at 0 would be infinite


@dataclass(frozen=True)
class Regularisers:
    """What keeps the images natural; each is off at 0.

    Attributes:
        l2: penalty on the sum of squares (Simonyan, Vedaldi, Zisserman 2013, eq. 1).
        tv: penalty on the total variation, the sum of (dx² + dy²)^(beta / 2) (Mahendran, Vedaldi
            2015, sec. 2).
        beta: its exponent: 1 keeps edges, 2 smooths them.
        jitter: pixels that the image moves at random before each step (Mordvintsev, Olah, Tyka
            2015); what leaves one side comes in at the other.
        blur: standard deviation in pixels of a Gaussian that the image passes (Yosinski, Clune,
            Nguyen, Fuchs, Lipson 2015).
        blur_every: steps from one blur to the next.
    """

    l2: float = 0.0
    tv: float = 0.0
    beta: float = 2.0
    jitter: int = 0
    blur: float = 0.0
    blur_every: int = 4


def total_variation(x: Any, beta: float = 2.0) -> Any:
    """(n,) from images (n, height, width, channels); written with ops, traced or computed."""
    n, height, width, channels = x.shape
    planes = ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (n * channels, height, width, 1))
    # Both differences at once, as a convolution to two maps (KH, KW, C, K) = (2, 2, 1, 2).
    differences = np.zeros((2, 2, 1, 2), x.dtype)
    differences[0, 0] = -1
    differences[0, 1, 0, 0] = differences[1, 0, 0, 1] = 1
    squares = ops.sum(ops.square(ops.conv2d(planes, differences)), axis=-1)
    if beta != 2:
        squares = ops.power(squares + _SMOOTH, beta / 2)
    return ops.sum(ops.reshape(squares, (n, -1)), axis=1)


def ascend(
    objective: Objective,
    images: Array,
    steps: int,
    learning_rate: float,
    regularisers: Regularisers,
    optimizer: str = "adam",
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
) -> Array:
    """Images (n, height, width, channels) that raise ``objective``, begun at ``images``.

    All images climb at once and independently: the plan differentiates the sum of their scores. It
    is made once; each step is one run of it. The gradient of each image's score is scaled to a
    root mean square of 1 over the pixels, so that the penalties weigh the same in every network,
    however large its scores.
    """
    keep = regularisers

    @cnnfast.compile
    def gradient_of(x: Any) -> Any:
        gradient = x.trace.gradients(ops.sum(objective(x)), [x])[0]
        length = ops.sqrt(ops.mean(ops.square(gradient), axis=(1, 2, 3), keepdims=True))
        gradient = gradient / (length + 1e-12)
        penalty = keep.l2 * ops.sum(ops.square(x))
        if keep.tv:
            penalty = penalty + keep.tv * ops.sum(total_variation(x, keep.beta))
        return gradient - x.trace.gradients(penalty, [x])[0]

    rng = np.random.default_rng(seed)
    images = np.array(images)
    first, second = np.zeros_like(images), np.zeros_like(images)
    for step in range(1, steps + 1):
        shift = rng.integers(-keep.jitter, keep.jitter + 1, 2) if keep.jitter else (0, 0)
        moved = np.roll(images, shift, (1, 2))
        gradient = np.roll(gradient_of(moved), (-shift[0], -shift[1]), (1, 2))
        if optimizer == "adam":  # Kingma, Ba 2015
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient * gradient - second)
            rise = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        else:  # Polyak 1964
            first = 0.9 * first + gradient
            rise = first
        images += np.asarray(learning_rate * rise, images.dtype)
        if keep.blur and step % keep.blur_every == 0:
            images = blurred(images, keep.blur)
        if bounds is not None:
            np.clip(images, *bounds, out=images)
    return images


def blurred(images: Array, sigma: float) -> Array:
    """Images (n, height, width, channels) through a Gaussian; edges repeat outwards."""
    reach = max(1, int(np.ceil(3 * sigma)))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights = (weights / weights.sum()).astype(images.dtype)
    for axis in (1, 2):
        pads = [(reach, reach) if one == axis else (0, 0) for one in range(4)]
        padded = np.pad(images, pads, mode="edge")
        size = images.shape[axis]
        images = sum(
            weight * padded.take(range(at, at + size), axis) for at, weight in enumerate(weights)
        )
    return images
