"""The dot product of two inputs, sample by sample."""

from __future__ import annotations

import math
from typing import Any

from cnnfast import ops
from cnnfast.layers._arguments import signed
from cnnfast.layers.layer import Layer

# Lengths below it are taken for it, so that a vector of zeros stays one.
_SHORTEST = 1e-7


class Dot(Layer):
    """The sum of products of two inputs along an axis of each: ``Dot(1)([a, b])``.

    Of (N, A..., n, ...) and (N, B..., n, ...) it makes (N, A..., B...), every sample of the first
    with the same sample of the second; of (N, n) and (N, n) it makes (N, 1). The products of two
    matrices a sample are held at once: A * B * n numbers.

    Args:
        axes: the axis of both, or a pair, one for each; never 0, the batch.
        normalize: vectors along the axes are scaled to length 1 first: the result is the cosine
            of the angle between them.

    Raises:
        TypeError, ValueError: axes that are no integer or pair, or lie outside; no list of two
            inputs, other sizes along the axes, sizes behind the batch that are unknown.

    >>> import numpy as np
    >>> from cnnfast.layers import Dot
    >>> Dot(1)([np.float32([[1, 2]]), np.float32([[3, 4]])])
    array([[11.]], dtype=float32)
    >>> Dot((2, 1))([np.ones((5, 3, 4), "float32"), np.ones((5, 4, 2), "float32")]).shape
    (5, 3, 2)
    """

    def __init__(self, axes: Any, normalize: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(axes, (list, tuple)):
            if len(axes) != 2:
                raise ValueError(f"{self.label}: axes must be one integer or two, got {axes!r}")
            self.axes: Any = tuple(signed(self.label, "axes", one) for one in axes)
        else:
            self.axes = signed(self.label, "axes", axes)
        self.normalize = bool(normalize)

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, (list, tuple)) or len(inputs) != 2:
            got = f"{len(inputs)} inputs" if isinstance(inputs, (list, tuple)) else "one tensor"
            raise ValueError(
                f"{self.label}: call it on a list of exactly two inputs, e.g. layer([a, b]); "
                f"got {got}"
            )
        shapes = [tuple(x.shape) for x in inputs]
        places = self._places(shapes)
        batches = {shape[0] for shape in shapes} - {None}
        if len(batches) > 1:
            raise ValueError(
                f"{self.label}: the inputs must have the same number of samples, got shapes "
                f"{shapes[0]} and {shapes[1]}"
            )
        size = shapes[0][places[0]]
        if shapes[1][places[1]] != size:
            raise ValueError(
                f"{self.label}: the inputs must have one size along axes {places[0]} and "
                f"{places[1]}, got shapes {shapes[0]} and {shapes[1]}"
            )
        rows: list[Any] = []
        rest: list[int] = []
        for x, shape, place in zip(inputs, shapes, places, strict=True):
            others = [axis for axis in range(1, len(shape)) if axis != place]
            rest.extend(shape[axis] for axis in others)
            if self.normalize:
                x = _unit(x, place)
            count = math.prod(shape[axis] for axis in others)
            # (N, what is left of the shape, size)
            rows.append(ops.reshape(ops.transpose(x, (0, *others, place)), (-1, count, size)))
        left, right = rows
        if left.shape[1] == right.shape[1] == 1:
            y = ops.sum(ops.multiply(left, right), axis=-1)
        else:
            products = ops.multiply(ops.expand_dims(left, 2), ops.expand_dims(right, 1))
            y = ops.sum(products, axis=-1)
        return ops.reshape(y, (-1, *(rest or (1,))))

    def _places(self, shapes: list[tuple[int | None, ...]]) -> list[int]:
        """The axes, counted from 0, checked."""
        axes = self.axes if isinstance(self.axes, tuple) else (self.axes, self.axes)
        places = []
        for axis, shape in zip(axes, shapes, strict=True):
            rank = len(shape)
            if not -rank <= axis < rank or axis % rank == 0:
                raise ValueError(
                    f"{self.label}: axes must name an axis behind the batch, got {axis} for an "
                    f"input {shape}"
                )
            if None in shape[1:]:
                raise ValueError(
                    f"{self.label}: all sizes behind the batch must be known, got {shape}"
                )
            places.append(axis % rank)
        return places

    def get_config(self) -> dict[str, Any]:
        axes = list(self.axes) if isinstance(self.axes, tuple) else self.axes
        return {**super().get_config(), "axes": axes, "normalize": self.normalize}


def dot(inputs: Any, axes: Any = -1, **kwargs: Any) -> Any:
    """``Dot(axes, **kwargs)(inputs)``."""
    return Dot(axes, **kwargs)(inputs)


def _unit(x: Any, axis: int) -> Any:
    total = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return ops.divide(x, ops.sqrt(ops.maximum(total, _SHORTEST**2)))
