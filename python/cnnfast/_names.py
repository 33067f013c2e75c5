"""Automatic names of layers, as Keras gives them: conv2d, conv2d_1, conv2d_2 ..."""

from __future__ import annotations

import re
from collections import Counter

_used: Counter[str] = Counter()


def snake_case(class_name: str) -> str:
    """``MaxPooling2D`` -> ``max_pooling2d``."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def automatic_name(class_name: str) -> str:
    """The next free name of a class in this process."""
    base = snake_case(class_name)
    number = _used[base]
    _used[base] += 1
    return base if number == 0 else f"{base}_{number}"


def reset() -> None:
    """Numbers start again (``utils.clear_session``)."""
    _used.clear()
