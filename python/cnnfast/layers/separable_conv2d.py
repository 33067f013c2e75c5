"""Depthwise separable convolution (Chollet 2017, Xception)."""

from __future__ import annotations

from typing import Any

from cnnfast import initializers, ops, regularizers
from cnnfast.layers._arguments import whole
from cnnfast.layers.base_conv import BaseConv


class SeparableConv2D(BaseConv):
    """A depthwise convolution, then a 1x1 convolution that mixes its channels.

    Input (N, H, W, C), output (N, OH, OW, filters); with ``data_format="channels_first"`` the
    channels stand second. Weights: depthwise_kernel (KH, KW, C, depth_multiplier),
    pointwise_kernel (1, 1, C depth_multiplier, filters) and bias (filters,).

    Args:
        filters: number of output channels.
        kernel_size: one integer or (height, width), of the depthwise convolution.
        strides: one integer or (vertical, horizontal).
        padding: "valid" or "same". Beyond Keras: what ``ops.conv2d`` takes.
        data_format: "channels_last" (also None) or "channels_first".
        dilation_rate: distance between the taps of the depthwise kernel.
        depth_multiplier: depthwise outputs for each input channel.
        activation: a name or function; None: linear.
        use_bias: whether a bias is added (after the 1x1 convolution; there is none between).
        depthwise_initializer, pointwise_initializer, bias_initializer: see
            ``cnnfast.initializers``.
        depthwise_regularizer, pointwise_regularizer, bias_regularizer: see
            ``cnnfast.regularizers``.
        **kwargs: those of :class:`Layer`.

    Raises:
        ValueError, TypeError: arguments out of range; an input of another rank.

    >>> import numpy as np
    >>> from cnnfast.layers import SeparableConv2D
    >>> layer = SeparableConv2D(8, 3, padding="same")
    >>> layer(np.zeros((2, 5, 5, 3), "float32")).shape, layer.count_params()
    ((2, 5, 5, 8), 59)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
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
                "depthwise_constraint": depthwise_constraint,
                "pointwise_constraint": pointwise_constraint,
                "bias_constraint": bias_constraint,
            },
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.filters = whole(self.label, "filters", filters)
        self.depth_multiplier = whole(self.label, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def build(self, input_shape: Any) -> None:
        channels = self.input_channels(input_shape)
        self.depthwise_kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            name="depthwise_kernel",
        )
        self.pointwise_kernel = self.add_weight(
            (1, 1, channels * self.depth_multiplier, self.filters),
            self.pointwise_initializer,
            regularizer=self.pointwise_regularizer,
            name="pointwise_kernel",
        )
        self.add_bias(self.filters)

    def call(self, x: Any) -> Any:
        self.expect_channels(x, self.depthwise_kernel.shape[2], self.depthwise_kernel)
        y = ops.separable_conv2d(
            x, self.depthwise_kernel, self.pointwise_kernel, self.bias, **self.window()
        )
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "depth_multiplier": self.depth_multiplier,
            "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
            "pointwise_initializer": initializers.serialize(self.pointwise_initializer),
            "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
            "pointwise_regularizer": regularizers.serialize(self.pointwise_regularizer),
        }
