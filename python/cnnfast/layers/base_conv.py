"""What the convolution layers share: arguments, the bias, the activation, the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import activations, initializers, regularizers
from cnnfast.layers._arguments import (
    ANOTHER_LAYER,
    image_format,
    several,
    window_input,
    window_padding,
)
from cnnfast.layers.layer import Layer


class BaseConv(Layer):
    """A layer that slides a window over the last axes but one (or all but two: channels first).

    Args:
        rank: number of axes the window slides over.
        kernel_size, strides, dilation_rate: one integer or ``rank`` of them.
        padding: "valid", "same", or what the layer's op takes beyond Keras.
        data_format: "channels_last" (also None) or "channels_first".
        activation: a name or function; None: linear.
        use_bias, bias_initializer, bias_regularizer: the bias, one value for each output channel.
        unsupported: arguments of Keras that must be None.
        **kwargs: those of :class:`Layer`.
    """

    def __init__(
        self,
        rank: int,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        data_format: str | None,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        unsupported: dict[str, Any],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        label = self.label
        self.rank = rank
        self.kernel_size = several(label, "kernel_size", kernel_size, rank)
        self.strides = several(label, "strides", strides, rank)
        self.padding = self._padding(padding)
        self.data_format = image_format(label, data_format)
        self.dilation_rate = several(label, "dilation_rate", dilation_rate, rank)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.bias: Any = None
        refuse_unsupported(label, **unsupported)

    def _padding(self, value: Any) -> Any:
        return window_padding(self.label, value)

    def input_channels(self, shape: Sequence[int | None]) -> int:
        """The number of channels of an input of this shape, its rank checked."""
        return window_input(self.label, shape, self.data_format, self.rank)

    def add_bias(self, channels: int) -> None:
        """Makes the bias, or leaves it None."""
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (channels,), self.bias_initializer, regularizer=self.bias_regularizer, name="bias"
            )

    def expect_channels(self, x: Any, expected: int, kernel: Any) -> None:
        """The kernel was made for ``expected`` channels: a clear error when x has others."""
        channels = self.input_channels(x.shape)
        if channels != expected:
            plural = "" if channels == 1 else "s"
            raise ValueError(
                f"{self.label}: input has {channels} channel{plural}, kernel "
                f"{tuple(kernel.shape)} expects {expected}; got x {tuple(x.shape)}; {ANOTHER_LAYER}"
            )

    def window(self) -> dict[str, Any]:
        """The keywords that every convolution of ``ops`` takes."""
        return {
            "strides": self._one_or_several(self.strides),
            "padding": self.padding,
            "dilation_rate": self._one_or_several(self.dilation_rate),
            "data_format": self.data_format,
        }

    def _one_or_several(self, values: tuple[int, ...]) -> Any:
        return values[0] if self.rank == 1 else values

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": list(self.dilation_rate),
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }


def refuse_unsupported(label: str, **arguments: Any) -> None:
    """A clear error for arguments of Keras that cnnfast does not have.

    Raises:
        ValueError: one of them is not None.
    """
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(f"{label}: {name} is not supported; leave it out")
