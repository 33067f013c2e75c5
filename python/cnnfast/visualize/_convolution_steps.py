"""A convolution of two small arrays, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import ops
from cnnfast.ops import _arguments as arguments

Array = npt.NDArray[np.float64]

MOST_FRAMES = 256
_MOST_CELLS = 24  # a side of the padded input or the output, whose numbers must be legible
_NAME = "animate_convolution"


@dataclass(frozen=True)
class Step:
    """One position of the window.

    Attributes:
        read: the input's rows and columns that take part (padding counted).
        products: (KH, KW) what is added up, or painted by a transposed convolution.
        wrote: the output's rows and columns that change (padding counted).
        total: the sum of the products; None for a transposed convolution, which adds nothing up
            within a step.
    """

    read: tuple[list[int], list[int]]
    products: Array
    wrote: tuple[list[int], list[int]]
    total: float | None


@dataclass(frozen=True)
class Steps:
    """All of it.

    Attributes:
        input: (H, W) with its padding.
        input_pads, output_pads: (top, bottom, left, right), what of input and output is padding: a
            convolution pads its input, a transposed one crops its output.
        kernel: (KH, KW).
        output: (OH, OW), as ``ops.conv2d`` or ``ops.conv2d_transpose`` gives it.
        outputs: for each step the output with its padding, NaN where nothing has been written.
        steps: in the order in which they are shown.
    """

    input: Array
    input_pads: tuple[int, int, int, int]
    kernel: Array
    output: Array
    output_pads: tuple[int, int, int, int]
    outputs: list[Array]
    steps: list[Step]


def _matrix(name: str, value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{_NAME}: {name} must be numbers, got dtype {array.dtype}")
    if array.ndim != 2 or not array.size:
        raise ValueError(
            f"{_NAME}: {name} must be a matrix (height, width), got shape {array.shape}; "
            "take one image and one channel"
        )
    return array.astype(np.float64)


def _split(total: int) -> tuple[int, int]:
    """SAME puts the odd one at the end, as TensorFlow does."""
    return total // 2, total - total // 2


def _check_size(what: str, shape: Sequence[int], frames: int) -> None:
    if max(shape) > _MOST_CELLS:
        raise ValueError(
            f"{_NAME}: the {what} is {shape[0]}x{shape[1]}, at most {_MOST_CELLS}x{_MOST_CELLS} "
            "can be read; use a smaller input"
        )
    if frames > MOST_FRAMES:
        raise ValueError(
            f"{_NAME}: {frames} positions of the window, at most {MOST_FRAMES} are shown; use a "
            "smaller input or larger strides"
        )


def convolution_steps(
    x: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    transposed: bool = False,
    output_padding: Any = None,
) -> Steps:
    """The steps of ``ops.conv2d`` or ``ops.conv2d_transpose`` on matrices, in float64."""
    x, kernel = _matrix("x", x), _matrix("kernel", kernel)
    steps = arguments.pair(_NAME, "strides", strides)
    dilation = arguments.pair(_NAME, "dilation_rate", dilation_rate)
    mode = arguments.padding(_NAME, padding)
    work = _transposed if transposed else _plain
    if not transposed and output_padding is not None:
        raise ValueError(f"{_NAME}: output_padding needs transposed=True")
    reach = [(size - 1) * far + 1 for size, far in zip(kernel.shape, dilation, strict=True)]
    return work(x, kernel, steps, mode, dilation, reach, padding, output_padding)


def _taps(start: int, count: int, dilation: int) -> list[int]:
    return [start + at * dilation for at in range(count)]


def _plain(
    x: Array,
    kernel: Array,
    strides: tuple[int, int],
    mode: Any,
    dilation: tuple[int, int],
    reach: Sequence[int],
    padding: Any,
    _: Any,
) -> Steps:
    pads = list(mode.get("pads", [0, 0, 0, 0]))
    if mode["padding"] == "same":
        for axis in (0, 1):
            count = -(-x.shape[axis] // strides[axis])
            total = max((count - 1) * strides[axis] + reach[axis] - x.shape[axis], 0)
            pads[2 * axis : 2 * axis + 2] = _split(total)
    high, wide = x.shape[0] + pads[0] + pads[1], x.shape[1] + pads[2] + pads[3]
    places = [
        max((size - far) // step + 1, 0)
        for size, far, step in zip((high, wide), reach, strides, strict=True)
    ]
    _check_size("padded input", (high, wide), places[0] * places[1])
    with arguments.named(_NAME):
        output = ops.conv2d(
            x[None, ..., None],
            kernel[..., None, None],
            strides=strides,
            padding=padding,
            dilation_rate=dilation,
        )[0, ..., 0]
    padded = np.pad(x, ((pads[0], pads[1]), (pads[2], pads[3])))
    found, outputs = [], []
    seen = np.full(output.shape, np.nan)
    for row, column in np.ndindex(output.shape):
        rows = _taps(row * strides[0], kernel.shape[0], dilation[0])
        columns = _taps(column * strides[1], kernel.shape[1], dilation[1])
        products = padded[np.ix_(rows, columns)] * kernel
        found.append(Step((rows, columns), products, ([row], [column]), float(products.sum())))
        seen = seen.copy()
        seen[row, column] = products.sum()
        outputs.append(seen)
    whole = (pads[0], pads[1], pads[2], pads[3])
    return Steps(padded, whole, kernel, output, (0, 0, 0, 0), outputs, found)


def _transposed(
    x: Array,
    kernel: Array,
    strides: tuple[int, int],
    mode: Any,
    dilation: tuple[int, int],
    reach: Sequence[int],
    padding: Any,
    output_padding: Any,
) -> Steps:
    full = [
        (size - 1) * step + far for size, step, far in zip(x.shape, strides, reach, strict=True)
    ]
    _check_size("full output", full, x.size)
    with arguments.named(_NAME):
        output = ops.conv2d_transpose(
            x[None, ..., None],
            kernel[..., None, None],
            strides=strides,
            padding=padding,
            output_padding=output_padding,
            dilation_rate=dilation,
        )[0, ..., 0]
    before = list(mode.get("pads", [0, 0, 0, 0]))[::2]
    if mode["padding"] == "same":
        before = [max(long - size, 0) // 2 for long, size in zip(full, output.shape, strict=True)]
    # Rows and columns that output_padding adds lie behind what is painted.
    high, wide = (
        max(long, first + size)
        for long, first, size in zip(full, before, output.shape, strict=True)
    )
    pads = (
        before[0],
        high - before[0] - output.shape[0],
        before[1],
        wide - before[1] - output.shape[1],
    )
    _check_size("full output", (high, wide), x.size)
    found, outputs = [], []
    seen = np.full((high, wide), np.nan)
    for row, column in np.ndindex(x.shape):
        rows = _taps(row * strides[0], kernel.shape[0], dilation[0])
        columns = _taps(column * strides[1], kernel.shape[1], dilation[1])
        products = x[row, column] * kernel
        found.append(Step(([row], [column]), products, (rows, columns), None))
        seen = seen.copy()
        window = np.ix_(rows, columns)
        seen[window] = np.nan_to_num(seen[window]) + products
        outputs.append(seen)
    return Steps(x, (0, 0, 0, 0), kernel, output, pads, outputs, found)
