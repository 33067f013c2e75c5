"""Layers with several inputs of one shape."""

from __future__ import annotations

from typing import Any

from cnnfast import ops
from cnnfast.layers.layer import Layer


class _Merge(Layer):
    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, list) or len(inputs) < 2:
            raise ValueError(f"{self.label}: call it on a list of at least two inputs")
        result = inputs[0]
        for x in inputs[1:]:
            result = self._combine(result, x)
        return result

    def _combine(self, a: Any, b: Any) -> Any:
        raise NotImplementedError


class Add(_Merge):
    """The sum of its inputs: ``Add()([a, b])``.

    >>> import numpy as np
    >>> from cnnfast.layers import Add
    >>> Add()([np.ones((1, 2), "float32"), np.ones((1, 2), "float32")])
    array([[2., 2.]], dtype=float32)
    """

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.add(a, b)


class Subtract(_Merge):
    """The first input minus the second."""

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, list) or len(inputs) != 2:
            raise ValueError(f"{self.label}: call it on a list of two inputs")
        return ops.subtract(inputs[0], inputs[1])


class Multiply(_Merge):
    """The product of its inputs."""

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.multiply(a, b)


class Maximum(_Merge):
    """The largest of its inputs, value by value."""

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.maximum(a, b)


class Average(_Merge):
    """The mean of its inputs."""

    def call(self, inputs: Any) -> Any:
        return ops.multiply(super().call(inputs), 1.0 / len(inputs))

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.add(a, b)
