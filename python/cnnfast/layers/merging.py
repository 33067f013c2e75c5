"""Layers that make one tensor of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import ops
from cnnfast.layers._arguments import signed
from cnnfast.layers.layer import Layer


class _Merge(Layer):
    """Element by element, with broadcasting.

    Inputs of fewer axes get axes of size 1 behind the batch, as in Keras: (N, C) goes with
    (N, H, W, C) as (N, 1, 1, C).
    """

    _least = 1

    def call(self, inputs: Any) -> Any:
        inputs = _listed(self.label, inputs, self._least)
        most = max(len(x.shape) for x in inputs)
        _check_broadcast(self.label, [tuple(x.shape) for x in inputs], most)
        result: Any = None
        for x in inputs:
            missing = most - len(x.shape)
            if missing:
                x = ops.expand_dims(x, tuple(range(1, 1 + missing)))
            result = x if result is None else self._combine(result, x)
        return result

    def _combine(self, a: Any, b: Any) -> Any:
        raise NotImplementedError


class Add(_Merge):
    """The sum of its inputs: ``Add()([a, b])``.

    Raises:
        ValueError: no list, shapes that do not broadcast.

    >>> import numpy as np
    >>> from cnnfast.layers import Add
    >>> Add()([np.ones((1, 2), "float32"), np.ones((1, 2), "float32")])
    array([[2., 2.]], dtype=float32)
    """

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.add(a, b)


class Subtract(_Merge):
    """The first input minus the second; exactly two."""

    _least = 2

    def call(self, inputs: Any) -> Any:
        if isinstance(inputs, (list, tuple)) and len(inputs) > 2:
            raise ValueError(
                f"{self.label}: call it on a list of exactly two inputs, got {len(inputs)}"
            )
        return super().call(inputs)

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.subtract(a, b)


class Multiply(_Merge):
    """The product of its inputs, element by element."""

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.multiply(a, b)


class Maximum(_Merge):
    """The largest of its inputs, element by element."""

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.maximum(a, b)


class Minimum(_Merge):
    """The smallest of its inputs, element by element."""

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.minimum(a, b)


class Average(_Merge):
    """The mean of its inputs, element by element."""

    def call(self, inputs: Any) -> Any:
        total = super().call(inputs)
        return total if len(inputs) == 1 else ops.multiply(total, 1.0 / len(inputs))

    def _combine(self, a: Any, b: Any) -> Any:
        return ops.add(a, b)


class Concatenate(Layer):
    """Its inputs one behind the other along an axis: ``Concatenate()([a, b])``.

    Args:
        axis: the axis; the batch is 0. All other sizes must agree.

    Raises:
        ValueError: no list, sizes that differ on another axis.

    >>> import numpy as np
    >>> from cnnfast.layers import Concatenate
    >>> Concatenate()([np.ones((1, 1), "float32"), np.zeros((1, 2), "float32")])
    array([[1., 0., 0.]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = signed(self.label, "axis", axis)

    def call(self, inputs: Any) -> Any:
        inputs = _listed(self.label, inputs, 1)
        found = [tuple(x.shape) for x in inputs]
        rank = len(found[0])
        if not -rank <= self.axis < rank:
            raise ValueError(f"{self.label}: axis {self.axis} is out of range for {found[0]}")
        place = self.axis % rank
        for shape in found[1:]:
            others = zip(found[0], shape, strict=False)
            if len(shape) != rank or any(
                a != b and None not in (a, b) for i, (a, b) in enumerate(others) if i != place
            ):
                raise ValueError(
                    f"{self.label}: inputs must have equal sizes on every axis but {place}, "
                    f"got shapes {_joined(found)}"
                )
        return inputs[0] if len(inputs) == 1 else ops.concatenate(inputs, place)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def add(inputs: Any, **kwargs: Any) -> Any:
    """``Add(**kwargs)(inputs)``.

    >>> import numpy as np
    >>> from cnnfast.layers import add
    >>> add([np.ones((1, 2), "float32"), np.ones((1, 2), "float32")])
    array([[2., 2.]], dtype=float32)
    """
    return Add(**kwargs)(inputs)


def subtract(inputs: Any, **kwargs: Any) -> Any:
    """``Subtract(**kwargs)(inputs)``."""
    return Subtract(**kwargs)(inputs)


def multiply(inputs: Any, **kwargs: Any) -> Any:
    """``Multiply(**kwargs)(inputs)``."""
    return Multiply(**kwargs)(inputs)


def average(inputs: Any, **kwargs: Any) -> Any:
    """``Average(**kwargs)(inputs)``."""
    return Average(**kwargs)(inputs)


def maximum(inputs: Any, **kwargs: Any) -> Any:
    """``Maximum(**kwargs)(inputs)``."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Any, **kwargs: Any) -> Any:
    """``Minimum(**kwargs)(inputs)``."""
    return Minimum(**kwargs)(inputs)


def concatenate(inputs: Any, axis: int = -1, **kwargs: Any) -> Any:
    """``Concatenate(axis, **kwargs)(inputs)``."""
    return Concatenate(axis, **kwargs)(inputs)


def _listed(label: str, inputs: Any, least: int) -> Sequence[Any]:
    if not isinstance(inputs, (list, tuple)) or len(inputs) < least:
        wanted = "two inputs" if least == 2 else "at least one input"
        got = f"{len(inputs)} inputs" if isinstance(inputs, (list, tuple)) else "a single tensor"
        raise ValueError(f"{label}: call it on a list of {wanted}, e.g. layer([a, b]); got {got}")
    return inputs


def _check_broadcast(label: str, found: list[tuple[int | None, ...]], rank: int) -> None:
    padded = [(*shape[:1], *([1] * (rank - len(shape))), *shape[1:]) for shape in found]
    for sizes in zip(*padded, strict=True):
        if len({size for size in sizes if size not in (None, 1)}) > 1:
            raise ValueError(
                f"{label}: inputs must have one shape, or sizes of 1 to broadcast, "
                f"got shapes {_joined(found)}; bring them to one shape, e.g. with a Dense layer or "
                "a 1x1 Conv2D"
            )


def _joined(found: list[tuple[int | None, ...]]) -> str:
    return " and ".join(str(shape) for shape in found)
