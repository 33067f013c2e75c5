"""Random changes of images while a network trains; while it predicts they pass as they are.

Each image of a batch gets a draw of its own. The changes run inside the training plan. A layer, or
a model of such layers, called on images acts unless it is told ``training=False``, as in Keras.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnfast import ops
from cnnfast.layers._arguments import image_format, whole
from cnnfast.layers.random_layer import RandomLayer
from cnnfast.ops.affine import FILL_MODES, INTERPOLATIONS

Range = tuple[float, float]


class RandomImageLayer(RandomLayer):
    """Images in either data format, in a batch or (arrays) alone; subclasses say what is done."""

    def __init__(
        self, seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.data_format = image_format(self.label, data_format)

    def call(self, x: Any, training: bool = True) -> Any:
        if len(x.shape) == 3:
            return ops.squeeze(self.call(ops.expand_dims(x, 0), training), 0)
        if len(x.shape) != 4 or None in x.shape[1:]:
            raise ValueError(
                f"{self.label}: expected images of known size, (batch, height, width, channels), "
                f"got shape {tuple(x.shape)}"
            )
        if not training:
            return self._resting(x)
        first = self.data_format == "channels_first"
        y = self._change(ops.transpose(x, (0, 2, 3, 1)) if first else x)
        self._move_on(x)
        return ops.transpose(y, (0, 3, 1, 2)) if first else y

    def _resting(self, x: Any) -> Any:
        """What comes out while the network does not train."""
        return x

    def _change(self, x: Any) -> Any:
        """(N, H, W, C) to (N, OH, OW, C)."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class RandomFlip(RandomImageLayer):
    """Every image flipped with probability 1/2 in each direction of the mode.

    Args:
        mode: "horizontal" (left to right), "vertical" or "horizontal_and_vertical".
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: an unknown mode.

    >>> import numpy as np
    >>> from cnnfast.layers import RandomFlip
    >>> x = np.float32([1, 2]).reshape(1, 1, 2, 1)
    >>> RandomFlip("horizontal", seed=2)(x, training=True).ravel().tolist() in ([1, 2], [2, 1])
    True
    """

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise ValueError(
                f"{self.label}: mode must be 'horizontal', 'vertical' or "
                f"'horizontal_and_vertical', got {mode!r}"
            )
        self.mode = mode

    def _change(self, x: Any) -> Any:
        flip = ("vertical" in self.mode, "horizontal" in self.mode)
        return ops.random_affine(x, self._state, flip=flip, interpolation="nearest")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


class _RandomAffine(RandomImageLayer):
    """What translation, rotation and zoom share: how pixels between and beside others are found."""

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        if fill_mode not in FILL_MODES:
            raise ValueError(
                f"{self.label}: fill_mode must be one of {', '.join(FILL_MODES)}; got {fill_mode!r}"
            )
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"{self.label}: interpolation must be one of {', '.join(INTERPOLATIONS)}; "
                f"got {interpolation!r}"
            )
        self.fill_mode, self.interpolation = fill_mode, interpolation
        self.fill_value = _finite(self.label, "fill_value", fill_value)

    def _affine(self, x: Any, **ranges: Any) -> Any:
        return ops.random_affine(
            x,
            self._state,
            interpolation=self.interpolation,
            fill_mode=self.fill_mode,
            fill_value=self.fill_value,
            **ranges,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fill_mode": self.fill_mode,
            "interpolation": self.interpolation,
            "fill_value": self.fill_value,
        }


class RandomTranslation(_RandomAffine):
    """Every image moved by a random share of its size.

    Args:
        height_factor: the share of the height, down where positive: a number f draws from
            [-f, f], a pair from [low, high]; between -1 and 1.
        width_factor: the share of the width, to the right where positive.
        fill_mode: what comes in at the other side: "reflect" (the image mirrored), "constant"
            (``fill_value``), "nearest" (its edge) or "wrap" (its other side).
        interpolation: "bilinear" or "nearest".
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: a factor beyond 1, an unknown mode.

    >>> import numpy as np
    >>> from cnnfast.layers import RandomTranslation
    >>> x = np.float32([1, 2, 3, 4]).reshape(1, 1, 4, 1)
    >>> RandomTranslation(0.0, (0.25, 0.25))(x, training=True).ravel()
    array([1., 1., 2., 3.], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = _factor(self.label, "height_factor", height_factor)
        self.width_factor = _factor(self.label, "width_factor", width_factor)

    def _change(self, x: Any) -> Any:
        high, wide = x.shape[1:3]
        return self._affine(
            x, shift=(_scaled(self.height_factor, high), _scaled(self.width_factor, wide))
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "height_factor": list(self.height_factor),
            "width_factor": list(self.width_factor),
        }


class RandomRotation(_RandomAffine):
    """Every image turned around its centre by a random share of a whole turn.

    Args:
        factor: the share, counter-clockwise where positive: a number f draws from [-f, f], a pair
            from [low, high]; between -1 and 1. 0.1 is up to 36 degrees either way.
        fill_mode, interpolation, seed, fill_value: as :class:`RandomTranslation` has them.

    Raises:
        ValueError: a factor beyond 1, an unknown mode.

    >>> import numpy as np
    >>> from cnnfast.layers import RandomRotation
    >>> x = np.float32([[1, 2], [3, 4]]).reshape(1, 2, 2, 1)
    >>> RandomRotation((0.25, 0.25))(x, training=True).round(3).reshape(2, 2)
    array([[2., 4.],
           [1., 3.]], dtype=float32)
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = _factor(self.label, "factor", factor)

    def _change(self, x: Any) -> Any:
        return self._affine(x, angle=_scaled(self.factor, 2 * math.pi))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": list(self.factor)}


class RandomZoom(_RandomAffine):
    """Every image made larger or smaller around its centre.

    Args:
        height_factor: 0.2 shows 20 % more than the height (smaller), -0.2 less (larger): a number
            f draws from [-f, f], a pair from [low, high]; above -1, up to 1.
        width_factor: likewise; None keeps the proportions.
        fill_mode, interpolation, seed, fill_value: as :class:`RandomTranslation` has them.

    Raises:
        ValueError: a factor beyond 1, an unknown mode.

    >>> import numpy as np
    >>> from cnnfast.layers import RandomZoom
    >>> RandomZoom(0.2, seed=1)(np.ones((1, 4, 4, 1), "float32"), training=True).shape
    (1, 4, 4, 1)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = _factor(self.label, "height_factor", height_factor)
        self.width_factor = (
            None if width_factor is None else _factor(self.label, "width_factor", width_factor)
        )

    def _change(self, x: Any) -> Any:
        return self._affine(x, zoom=(self.height_factor, self.width_factor))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "height_factor": list(self.height_factor),
            "width_factor": None if self.width_factor is None else list(self.width_factor),
        }


class RandomCrop(RandomImageLayer):
    """A window of ``height`` x ``width`` pixels cut out of every image at a random place.

    While the network does not train, and of images smaller than the window, the largest part in
    the middle that has the window's proportions is resized to it.

    Args:
        height, width: of the result.
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: a size below 1.

    >>> import numpy as np
    >>> from cnnfast.layers import RandomCrop
    >>> RandomCrop(24, 20)(np.zeros((8, 28, 28, 1), "float32"), training=True).shape
    (8, 24, 20, 1)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.height = whole(self.label, "height", height)
        self.width = whole(self.label, "width", width)

    def _change(self, x: Any) -> Any:
        if x.shape[1] < self.height or x.shape[2] < self.width:
            return self._middle(x)
        return ops.random_affine(x, self._state, crop=(self.height, self.width))

    def _resting(self, x: Any) -> Any:
        first = self.data_format == "channels_first"
        y = self._middle(ops.transpose(x, (0, 2, 3, 1)) if first else x)
        return ops.transpose(y, (0, 3, 1, 2)) if first else y

    def _middle(self, x: Any) -> Any:
        high, wide, channels = x.shape[1:]
        kept_high = max(min(high, wide * self.height // self.width), 1)
        kept_wide = max(min(wide, high * self.width // self.height), 1)
        begin = (0, (high - kept_high) // 2, (wide - kept_wide) // 2, 0)
        part = ops.slice(x, begin, (-1, kept_high, kept_wide, channels))
        return ops.resize(part, (self.height, self.width))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


class RandomContrast(RandomImageLayer):
    """Every channel of an image spread around its mean by a random factor: (x - mean) f + mean.

    Args:
        factor: a number f draws from [1 - f, 1 + f], a pair (l, u) from [1 - l, 1 + u]; between 0
            and 1.
        value_range: what the result is held in.
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: a factor outside of [0, 1].

    >>> import numpy as np
    >>> from cnnfast.layers import RandomContrast
    >>> RandomContrast(0.2, seed=1)(np.full((1, 2, 2, 1), 7, "float32"), training=True).ravel()
    array([7., 7., 7., 7.], dtype=float32)
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        several = isinstance(factor, (list, tuple))
        pair = tuple(factor) if several else (factor, factor)
        if len(pair) != 2:
            raise ValueError(f"{self.label}: factor must be one number or two, got {factor!r}")
        low, high = (_within(self.label, "factor", one, 0.0, 1.0) for one in pair)
        self.factor = (low, high)
        self.value_range = _value_range(self.label, value_range)

    def _change(self, x: Any) -> Any:
        drawn = ops.random_uniform(x, self._state, 1, 1 - self.factor[0], 1 + self.factor[1])
        mean = ops.mean(x, axis=(1, 2), keepdims=True)
        spread = ops.multiply(ops.subtract(x, mean), ops.reshape(drawn, (-1, 1, 1, 1)))
        return ops.clip(ops.add(spread, mean), *self.value_range)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": list(self.factor),
            "value_range": list(self.value_range),
        }


class RandomBrightness(RandomImageLayer):
    """A random number added to all values of an image.

    Args:
        factor: the share of the value range: a number f draws from [-f, f], a pair from
            [low, high]; between -1 and 1.
        value_range: what the result is held in.
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: a factor beyond 1.

    >>> import numpy as np
    >>> from cnnfast.layers import RandomBrightness
    >>> RandomBrightness((0.2, 0.2))(np.zeros((1, 1, 2, 1), "float32"), training=True).ravel()
    array([51., 51.], dtype=float32)
    """

    def __init__(
        self, factor: Any, value_range: Any = (0, 255), seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor = _factor(self.label, "factor", factor)
        self.value_range = _value_range(self.label, value_range)

    def _change(self, x: Any) -> Any:
        low, high = self.value_range
        drawn = ops.random_uniform(x, self._state, 1, *_scaled(self.factor, high - low))
        return ops.clip(ops.add(x, ops.reshape(drawn, (-1, 1, 1, 1))), low, high)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": list(self.factor),
            "value_range": list(self.value_range),
        }


def _finite(label: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{label}: {name} must be a number, got {value!r}")
    if not np.isfinite(value):
        raise ValueError(f"{label}: {name} must be finite, got {value!r}")
    return float(value)


def _within(label: str, name: str, value: Any, low: float, high: float) -> float:
    number = _finite(label, name, value)
    if not low <= number <= high:
        raise ValueError(f"{label}: {name} must be between {low:g} and {high:g}, got {value!r}")
    return number


def _factor(label: str, name: str, value: Any) -> Range:
    """[-f, f] of one number, [low, high] of two; between -1 and 1."""
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"{label}: {name} must be one number or two, got {value!r}")
        low, high = sorted(_within(label, name, one, -1.0, 1.0) for one in value)
        return low, high
    number = abs(_within(label, name, value, -1.0, 1.0))
    return -number, number


def _scaled(factor: Range, size: float) -> Range:
    return factor[0] * size, factor[1] * size


def _value_range(label: str, value: Any) -> Range:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise ValueError(f"{label}: value_range must be two numbers, got {value!r}")
    low, high = sorted(_finite(label, "value_range", one) for one in value)
    return low, high
