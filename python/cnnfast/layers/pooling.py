"""Pooling over windows, and over the whole image."""

from __future__ import annotations

from typing import Any

from cnnfast import ops
from cnnfast.layers._arguments import image_format, image_input, pair, window_padding
from cnnfast.layers.layer import Layer


class _Pooling2D(Layer):
    """What maximum and average pooling share."""

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.pool_size = pair(self.label, "pool_size", pool_size)
        self.strides = self.pool_size if strides is None else pair(self.label, "strides", strides)
        self.padding = window_padding(self.label, padding)
        self.data_format = image_format(self.label, data_format)

    def call(self, x: Any) -> Any:
        image_input(self.label, x.shape, self.data_format)
        return self._pool(
            x,
            self.pool_size,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
        )

    def _pool(self, x: Any, pool_size: Any, **arguments: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": list(self.pool_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
        }


class MaxPooling2D(_Pooling2D):
    """The largest value of every window.

    Input (N, H, W, C), output (N, OH, OW, C).

    Args:
        pool_size: one integer or (height, width) of the window.
        strides: None: the window's size.
        padding: "valid" (windows inside the image) or "same" (output size ceil(input / stride)).
        data_format: "channels_last" (also None) or "channels_first".

    Raises:
        ValueError: a window larger than the image, an input of another rank.

    >>> import numpy as np
    >>> from cnnfast.layers import MaxPool2D
    >>> MaxPool2D(2, 2, "same")(np.zeros((1, 5, 5, 3), "float32")).shape
    (1, 3, 3, 3)
    """

    def _pool(self, x: Any, pool_size: Any, **arguments: Any) -> Any:
        return ops.max_pool2d(x, pool_size, **arguments)


class AveragePooling2D(_Pooling2D):
    """The mean of every window; padding is left out of it, as in Keras.

    Arguments, shapes and errors are those of :class:`MaxPooling2D`.
    """

    def _pool(self, x: Any, pool_size: Any, **arguments: Any) -> Any:
        return ops.avg_pool2d(x, pool_size, **arguments)


class _GlobalPooling2D(Layer):
    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.data_format = image_format(self.label, data_format)
        self.keepdims = bool(keepdims)

    def call(self, x: Any) -> Any:
        image_input(self.label, x.shape, self.data_format)
        axes = (1, 2) if self.data_format == "channels_last" else (2, 3)
        return self._reduce(x, axes)

    def _reduce(self, x: Any, axes: tuple[int, int]) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "data_format": self.data_format,
            "keepdims": self.keepdims,
        }


class GlobalMaxPooling2D(_GlobalPooling2D):
    """The largest value of every channel: (N, H, W, C) to (N, C), or (N, 1, 1, C) with keepdims."""

    def _reduce(self, x: Any, axes: tuple[int, int]) -> Any:
        return ops.max(x, axis=axes, keepdims=self.keepdims)


class GlobalAveragePooling2D(_GlobalPooling2D):
    """The mean of every channel: (N, H, W, C) to (N, C), or (N, 1, 1, C) with keepdims."""

    def _reduce(self, x: Any, axes: tuple[int, int]) -> Any:
        return ops.mean(x, axis=axes, keepdims=self.keepdims)


MaxPool2D = MaxPooling2D
AvgPool2D = AveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalAvgPool2D = GlobalAveragePooling2D
