"""Layers that put borders around images, cut them off, or make images larger."""

from __future__ import annotations

from typing import Any

from cnnfast import ops
from cnnfast.layers._arguments import image_format, image_input, pair
from cnnfast.layers.layer import Layer

Sides = tuple[tuple[int, int], tuple[int, int]]


def _sides(label: str, name: str, value: Any) -> Sides:
    """((top, bottom), (left, right)) from one integer, two, or two pairs."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(
                f"{label}: {name} must be one integer, (vertical, horizontal) or "
                f"((top, bottom), (left, right)), got {value!r}"
            )
        return pair(label, name, value[0], 0), pair(label, name, value[1], 0)
    both = pair(label, name, value, 0)
    return both, both


class ZeroPadding2D(Layer):
    """Zeros around every image: (N, H, W, C) to (N, top + H + bottom, left + W + right, C).

    Args:
        padding: one integer, (vertical, horizontal) or ((top, bottom), (left, right)).
        data_format: "channels_last" (also None) or "channels_first".

    Raises:
        ValueError: negative sides, an input of another rank.

    >>> import numpy as np
    >>> from cnnfast.layers import ZeroPadding2D
    >>> ZeroPadding2D(((1, 0), (2, 2)))(np.ones((1, 2, 2, 3), "float32")).shape
    (1, 3, 6, 3)
    """

    def __init__(
        self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.padding = _sides(self.label, "padding", padding)
        self.data_format = image_format(self.label, data_format)

    def call(self, x: Any) -> Any:
        image_input(self.label, x.shape, self.data_format)
        none = (0, 0)
        if self.padding == (none, none):
            return x
        if self.data_format == "channels_last":
            return ops.pad(x, (none, *self.padding, none))
        return ops.pad(x, (none, none, *self.padding))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "padding": [list(side) for side in self.padding],
            "data_format": self.data_format,
        }


class Cropping2D(Layer):
    """Cuts borders off every image: (N, H, W, C) to (N, H - top - bottom, W - left - right, C).

    Args:
        cropping: one integer, (vertical, horizontal) or ((top, bottom), (left, right)).
        data_format: "channels_last" (also None) or "channels_first".

    Raises:
        ValueError: negative sides, an input of another rank, nothing left of the image.

    >>> import numpy as np
    >>> from cnnfast.layers import Cropping2D
    >>> Cropping2D(((1, 0), (2, 2)))(np.ones((1, 5, 6, 3), "float32")).shape
    (1, 4, 2, 3)
    """

    def __init__(
        self,
        cropping: Any = ((0, 0), (0, 0)),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cropping = _sides(self.label, "cropping", cropping)
        self.data_format = image_format(self.label, data_format)

    def call(self, x: Any) -> Any:
        image_input(self.label, x.shape, self.data_format)
        first = 1 if self.data_format == "channels_last" else 2
        begin, size = [0] * 4, [-1] * 4
        for axis, (before, after) in zip((first, first + 1), self.cropping, strict=True):
            held = x.shape[axis]
            if held is None:
                raise ValueError(f"{self.label}: axis {axis} of {tuple(x.shape)} must be known")
            if before + after >= held:
                raise ValueError(
                    f"{self.label}: cropping {before} + {after} leaves nothing of axis {axis} "
                    f"of an input of shape {tuple(x.shape)}"
                )
            begin[axis], size[axis] = before, held - before - after
        return ops.slice(x, begin, size)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cropping": [list(side) for side in self.cropping],
            "data_format": self.data_format,
        }


class UpSampling2D(Layer):
    """Every image ``size`` times as large: (N, H, W, C) to (N, size[0] H, size[1] W, C).

    Args:
        size: one integer or (vertical, horizontal).
        data_format: "channels_last" (also None) or "channels_first".
        interpolation: "nearest" repeats every pixel, "bilinear" goes straight from the centre of
            one to the centre of the next.

    Raises:
        ValueError: a size below 1, another interpolation, an input of another rank.

    >>> import numpy as np
    >>> from cnnfast.layers import UpSampling2D
    >>> UpSampling2D((1, 2))(np.float32([[[[1], [2]]]])).ravel()
    array([1., 1., 2., 2.], dtype=float32)
    """

    def __init__(
        self,
        size: Any = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = pair(self.label, "size", size)
        self.data_format = image_format(self.label, data_format)
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(
                f"{self.label}: interpolation must be 'nearest' or 'bilinear', "
                f"got {interpolation!r}"
            )
        self.interpolation = interpolation

    def call(self, x: Any) -> Any:
        image_input(self.label, x.shape, self.data_format)
        first = 1 if self.data_format == "channels_last" else 2
        held = x.shape[first : first + 2]
        if None in held:
            raise ValueError(f"{self.label}: height and width must be known, got {tuple(x.shape)}")
        grown = (held[0] * self.size[0], held[1] * self.size[1])
        return ops.resize(x, grown, self.interpolation, self.data_format)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": list(self.size),
            "data_format": self.data_format,
            "interpolation": self.interpolation,
        }
