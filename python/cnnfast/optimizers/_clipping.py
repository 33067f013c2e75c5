"""Gradient clipping, as ops of the training plan (Pascanu, Mikolov and Bengio, 2013)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import ops


def by_value(gradients: Sequence[Any], limit: float) -> list[Any]:
    """Every value within [-limit, limit]."""
    return [ops.clip(gradient, -limit, limit) for gradient in gradients]


def by_norm(gradients: Sequence[Any], limit: float) -> list[Any]:
    """Every gradient scaled down to an L2 norm of at most ``limit``."""
    # The norm is at least 0 and limit above it: nothing is divided by 0.
    return [
        ops.multiply(gradient, ops.divide(limit, ops.maximum(_norm([gradient]), limit)))
        for gradient in gradients
    ]


def by_global_norm(gradients: Sequence[Any], limit: float) -> list[Any]:
    """All gradients scaled by one number, so that their common norm is at most ``limit``."""
    if not gradients:
        return []
    norm = _norm(gradients)
    # An infinite norm gives inf - inf: NaN, which shows, instead of a silent 0.
    scale = ops.add(ops.divide(limit, ops.maximum(norm, limit)), ops.subtract(norm, norm))
    return [ops.multiply(gradient, _as(scale, gradient.dtype)) for gradient in gradients]


def _norm(gradients: Sequence[Any]) -> Any:
    total: Any = None
    for gradient in gradients:
        squares = ops.sum(ops.square(gradient))
        squares = squares if total is None else _as(squares, total.dtype)
        total = squares if total is None else ops.add(total, squares)
    return ops.sqrt(total)


def _as(x: Any, dtype: str) -> Any:
    return x if x.dtype == dtype else ops.cast(x, dtype)
