"""The one source of random numbers of Python: initialisers, shuffling, the seeds of dropout.

Dropout itself draws in C++ from a counter (Philox) keyed by a seed that is taken here.
"""

from __future__ import annotations

import numpy as np

_generator: np.random.Generator | None = None


def generator() -> np.random.Generator:
    """The process' generator; seeded by the operating system until :func:`set_seed`."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def set_seed(seed: int) -> None:
    """Starts the generator anew from a seed."""
    global _generator
    _generator = np.random.default_rng(seed)


def draw_seed() -> int:
    """A fresh seed of 62 bits."""
    return int(generator().integers(0, 2**62, dtype=np.int64))
