"""What this process runs on, and the switches that change it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from cnnfast import _core, _settings
from cnnfast._version import __version__

__all__ = [
    "config",
    "get_num_threads",
    "isa",
    "set_deterministic",
    "set_isa",
    "set_math",
    "set_num_threads",
    "show_config",
    "supported_isas",
]


def isa() -> str:
    """The instruction set in use: ``"baseline"``, ``"avx2"`` or ``"avx512"``."""
    return _core.isa()


def supported_isas() -> list[str]:
    """The instruction sets that are compiled in and that this machine can run, slowest first."""
    return _core.supported_isas()


def set_isa(name: str) -> None:
    """Use another instruction set from here on (the environment's ``CNNFAST_ISA`` sets the first).

    Raises:
        ValueError: this machine cannot run ``name``.
    """
    if not isinstance(name, str):
        raise TypeError(f"set_isa: expected a name such as 'avx2', got {name!r}")
    _core.set_isa(name)


def get_num_threads() -> int:
    """How many threads a plan made now would use."""
    return _core.threads()


def set_num_threads(count: int) -> None:
    """Use ``count`` threads from here on; may exceed the number of CPUs.

    Raises:
        TypeError: ``count`` is not an integer.
        ValueError: it is not between 1 and 1024.
    """
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)):
        raise TypeError(f"set_num_threads: expected an integer, got {count!r}")
    if not 1 <= count <= 1024:
        raise ValueError(f"set_num_threads: expected 1 to 1024 threads, got {count}")
    _core.set_threads(int(count))


def set_math(mode: str) -> None:
    """``"default"``, or ``"strict"``: nothing less accurate than direct summation (no Winograd).

    Raises:
        ValueError: ``mode`` is neither.
    """
    if mode not in ("default", "strict"):
        raise ValueError(f"set_math: expected 'default' or 'strict', got {mode!r}")
    _settings.strict_math = mode == "strict"


def set_deterministic(enabled: bool) -> None:
    """``True``: the same bits for any number of threads (they are the same for one number anyway).

    Raises:
        TypeError: ``enabled`` is not a bool.
    """
    if not isinstance(enabled, (bool, np.bool_)):
        raise TypeError(f"set_deterministic: expected True or False, got {enabled!r}")
    _settings.deterministic = bool(enabled)


def config() -> dict[str, Any]:
    """Versions, instruction set, threads and switches as a dictionary."""
    return {
        "cnnfast": __version__,
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        **_core.build_info(),
        "isa": _core.isa(),
        "supported isas": ", ".join(_core.supported_isas()),
        "num_threads": _core.threads(),
        "default num_threads": _core.default_threads(),
        "math": "strict" if _settings.strict_math else "default",
        "deterministic": _settings.deterministic,
    }


def show_config() -> None:
    """Print :func:`config`, a line each."""
    entries = config()
    width = max(len(name) for name in entries)
    for name, value in entries.items():
        print(f"{name:<{width}}  {value}")
