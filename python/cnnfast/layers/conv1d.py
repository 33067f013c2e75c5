"""One-dimensional convolution: sequences, signals."""

from __future__ import annotations

from typing import Any

from cnnfast import initializers, ops, regularizers
from cnnfast.layers._arguments import whole, window_padding
from cnnfast.layers.base_conv import BaseConv


class Conv1D(BaseConv):
    """Convolution over the steps of a sequence, with bias and activation.

    Input (N, L, C), output (N, OL, filters); with ``data_format="channels_first"`` the channels
    stand second. Weights: kernel (KL, C / groups, filters) and bias (filters,).

    Args:
        filters: number of output channels.
        kernel_size: number of taps.
        strides: distance between neighbouring windows.
        padding: "valid": none; "same": output size ceil(input / stride); "causal": zeros in front
            only, so that no output sees a later step. Beyond Keras: what ``ops.conv1d`` takes.
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
    >>> from cnnfast.layers import Conv1D
    >>> Conv1D(4, 3, padding="causal", dilation_rate=2)(np.zeros((2, 9, 3), "float32")).shape
    (2, 9, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
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
            1,
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
        y = ops.conv1d(x, self.kernel, self.bias, groups=self.groups, **self.window())
        return self.activation(y)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "groups": self.groups,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
        }

    def _padding(self, value: Any) -> Any:
        return window_padding(self.label, value, ("valid", "same", "causal"))
