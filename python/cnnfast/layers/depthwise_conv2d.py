"""Depthwise convolution: every channel by itself."""

from __future__ import annotations

from typing import Any

from cnnfast import initializers, ops, regularizers
from cnnfast.layers._arguments import whole
from cnnfast.layers.base_conv import BaseConv


class DepthwiseConv2D(BaseConv):
    """Every input channel convolved with ``depth_multiplier`` kernels of its own.

    Input (N, H, W, C), output (N, OH, OW, C depth_multiplier), the outputs of one channel
    together; with ``data_format="channels_first"`` the channels stand second. Weights: kernel
    (KH, KW, C, depth_multiplier) and bias (C depth_multiplier,).

    Args:
        kernel_size: one integer or (height, width).
        strides: one integer or (vertical, horizontal).
        padding: "valid" or "same". Beyond Keras: what ``ops.conv2d`` takes.
        depth_multiplier: outputs for each input channel.
        data_format: "channels_last" (also None) or "channels_first".
        dilation_rate: distance between the taps of the kernel.
        activation: a name or function; None: linear.
        use_bias: whether a bias is added.
        depthwise_initializer, bias_initializer: see ``cnnfast.initializers``.
        depthwise_regularizer, bias_regularizer: see ``cnnfast.regularizers``.
        **kwargs: those of :class:`Layer`.

    Raises:
        ValueError, TypeError: arguments out of range; an input of another rank.

    >>> import numpy as np
    >>> from cnnfast.layers import DepthwiseConv2D
    >>> DepthwiseConv2D(3, depth_multiplier=2)(np.zeros((2, 5, 5, 3), "float32")).shape
    (2, 3, 3, 6)
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
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
                "bias_constraint": bias_constraint,
            },
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.depth_multiplier = whole(self.label, "depth_multiplier", depth_multiplier)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)

    def build(self, input_shape: Any) -> None:
        channels = self.input_channels(input_shape)
        self.kernel = self.add_weight(
            (*self.kernel_size, channels, self.depth_multiplier),
            self.depthwise_initializer,
            regularizer=self.depthwise_regularizer,
            name="kernel",
        )
        self.add_bias(channels * self.depth_multiplier)

    def call(self, x: Any) -> Any:
        self.expect_channels(x, self.kernel.shape[2], self.kernel)
        y = ops.depthwise_conv2d(x, self.kernel, self.bias, **self.window())
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "depth_multiplier": self.depth_multiplier,
            "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
            "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
        }
