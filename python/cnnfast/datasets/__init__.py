"""Data sets: ``mnist``, ``fashion_mnist``, the synthetic ``digits``, folders of pictures, IDX files.

Each has ``load_data()`` as Keras has it: ``(x_train, y_train), (x_test, y_test)``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import digits as digits
    from . import fashion_mnist as fashion_mnist
    from . import idx as idx
    from . import image_folder as image_folder
    from . import mnist as mnist
    from . import pictures as pictures

__all__ = ["digits", "fashion_mnist", "idx", "image_folder", "mnist", "pictures"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    return __all__
