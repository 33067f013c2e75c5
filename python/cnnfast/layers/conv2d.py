"""Two-dimensional convolution."""

from __future__ import annotations

from typing import Any

from cnnfast import initializers, ops, regularizers
from cnnfast.layers._arguments import whole
from cnnfast.layers.base_conv import BaseConv, refuse_unsupported

__all__ = ["Conv2D", "refuse_unsupported"]


class Conv2D(BaseConv):
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
        super().__init__(
            2,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            {
                "kernel_constraint": kernel_constraint,
                "bias_constraint": bias_constraint,
            },
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        label = self.label
        self.filters = whole(label, "filters", filters)
        self.groups = whole(label, "groups", groups)
        if self.filters % self.groups:
            raise ValueError(
                f"{label}: filters ({filters}) must be a multiple of groups ({groups})"
            )
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, input_shape: Any) -> None:
        channels = self.input_channels(input_shape)
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
        self.add_bias(self.filters)

    def call(self, x: Any) -> Any:
        self.expect_channels(x, self.kernel.shape[-2] * self.groups, self.kernel)
        y = ops.conv2d(x, self.kernel, self.bias, groups=self.groups, **self.window())
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }
