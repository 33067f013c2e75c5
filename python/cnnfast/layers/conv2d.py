"""Two-dimensional convolution."""

from __future__ import annotations

from typing import Any

from cnnfast import activations, initializers, ops, regularizers
from cnnfast.layers._arguments import (
    image_format,
    image_input,
    pair,
    whole,
    window_padding,
)
from cnnfast.layers.layer import Layer


class Conv2D(Layer):
    """Convolution over height and width, with bias and activation.

    Input (N, H, W, C), output (N, OH, OW, filters); with ``data_format="channels_first"`` the
    channels stand second. Weights: kernel (KH, KW, C / groups, filters) and bias (filters,).

    Args:
        filters: number of output channels.
        kernel_size: one integer or (height, width).
        strides: one integer or (vertical, horizontal).
        padding: "valid": none; "same": output size ceil(input / stride), extra rows and columns
            at the end (as TensorFlow has it). Beyond Keras: what ``ops.conv2d`` takes.
        data_format: "channels_last" (also None) or "channels_first".
        dilation_rate: distance between the taps of the kernel.
        groups: channels and filters are convolved in that many separate groups.
        activation: a name or function; None: linear.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: see ``cnnfast.initializers``.
        kernel_regularizer, bias_regularizer: see ``cnnfast.regularizers``.
        **kwargs: those of :class:`Layer`.

    Raises:
        ValueError, TypeError: arguments out of range; an input of another rank; channels that
            do not divide into the groups.

    >>> import numpy as np
    >>> from cnnfast.layers import Conv2D
    >>> Conv2D(8, 3, padding="same", activation="relu")(np.zeros((2, 5, 5, 3), "float32")).shape
    (2, 5, 5, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        label = self.label
        self.filters = whole(label, "filters", filters)
        self.kernel_size = pair(label, "kernel_size", kernel_size)
        self.strides = pair(label, "strides", strides)
        self.padding = window_padding(label, padding)
        self.data_format = image_format(label, data_format)
        self.dilation_rate = pair(label, "dilation_rate", dilation_rate)
        self.groups = whole(label, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"{label}: filters ({filters}) must be a multiple of groups ({groups})"
            )
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        refuse_unsupported(
            label,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        channels = image_input(self.label, input_shape, self.data_format)
        if channels % self.groups:
            raise ValueError(
                f"{self.label}: {channels} input channels do not divide into {self.groups} groups"
            )
        self.kernel = self.add_weight(
            (*self.kernel_size, channels // self.groups, self.filters),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.filters,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                name="bias",
            )

    def call(self, x: Any) -> Any:
        channels = image_input(self.label, x.shape, self.data_format)
        expected = self.kernel.shape[2] * self.groups
        if channels != expected:
            plural = "" if channels == 1 else "s"
            raise ValueError(
                f"{self.label}: input has {channels} channel{plural}, kernel "
                f"{tuple(self.kernel.shape)} expects {expected}; got x {tuple(x.shape)}"
            )
        y = ops.conv2d(
            x,
            self.kernel,
            self.bias,
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            groups=self.groups,
            data_format=self.data_format,
        )
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": list(self.dilation_rate),
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
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
