"""Checks of what optimizers are given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def in_range(owner: Any, name: str, value: Any, least: float, most: float) -> float:
    """A finite float in [least, most].

    Raises:
        TypeError: no number.
        ValueError: out of range.
    """
    label = type(owner).__name__
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{label}: {name} must be a number, got {value!r}")
    number = float(value)
    if not (math.isfinite(number) and least <= number <= most):
        bound = f"at least {least}" if most == math.inf else f"between {least} and {most}"
        raise ValueError(f"{label}: {name} must be {bound} and finite, got {value!r}")
    return number


def positive(owner: Any, name: str, value: Any) -> float:
    """A finite float above 0."""
    number = in_range(owner, name, value, 0.0, math.inf)
    if number == 0.0:
        raise ValueError(f"{type(owner).__name__}: {name} must be above 0, got {value!r}")
    return number


def positive_or_none(owner: Any, name: str, value: Any) -> float | None:
    """The same, or None."""
    return None if value is None else positive(owner, name, value)


def whole_or_none(owner: Any, name: str, value: Any, least: int) -> int | None:
    """An integer of at least ``least``, or None (which False and 0 stand for too, as in Keras)."""
    if value is None or value is False or (isinstance(value, int) and value == 0):
        return None
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{type(owner).__name__}: {name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{type(owner).__name__}: {name} must be at least {least}, got {value}")
    return int(value)
