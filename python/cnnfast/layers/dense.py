"""Fully connected layer."""

from __future__ import annotations

from typing import Any

from cnnfast import activations, initializers, ops, regularizers
from cnnfast.layers._arguments import ANOTHER_LAYER, whole
from cnnfast.layers.base_conv import refuse_unsupported
from cnnfast.layers.layer import Layer


class Dense(Layer):
    """``activation(x @ kernel + bias)`` over the last axis.

    Input (..., in) of at least two axes, output (..., units). Weights: kernel (in, units) and
    bias (units,).

    Args:
        units: size of the output's last axis.
        activation: a name or function; None: linear.
        use_bias: whether a bias is added.
        kernel_initializer, bias_initializer: see ``cnnfast.initializers``.
        kernel_regularizer, bias_regularizer: see ``cnnfast.regularizers``.
        **kwargs: those of :class:`Layer`.

    Raises:
        ValueError, TypeError: units below one; an input whose last axis is unknown or another
            than at the first call.

    >>> import numpy as np
    >>> from cnnfast.layers import Dense
    >>> Dense(10, activation="softmax")(np.zeros((2, 4), "float32")).shape
    (2, 10)
    """

    def __init__(
        self,
        units: int,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.units = whole(self.label, "units", units)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        refuse_unsupported(
            self.label,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        size = self._input_size(input_shape)
        self.kernel = self.add_weight(
            (size, self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                name="bias",
            )

    def call(self, x: Any) -> Any:
        size = self._input_size(x.shape)
        if size != self.kernel.shape[0]:
            plural = "" if size == 1 else "s"
            raise ValueError(
                f"{self.label}: input has {size} feature{plural}, kernel "
                f"{tuple(self.kernel.shape)} expects {self.kernel.shape[0]}; got x "
                f"{tuple(x.shape)}; {ANOTHER_LAYER}"
            )
        return self.activation(ops.dense(x, self.kernel, self.bias))

    def _input_size(self, shape: Any) -> int:
        if len(shape) < 2:
            raise ValueError(
                f"{self.label}: expected an input (batch, ..., features), got shape {tuple(shape)}"
            )
        if shape[-1] is None:
            raise ValueError(
                f"{self.label}: the last axis of the input must be known, got {tuple(shape)}; "
                "give the model's input_shape in full"
            )
        return int(shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
        }
