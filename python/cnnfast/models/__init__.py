"""Models: ``Sequential``, ``Model`` of a graph or to subclass, and files."""

from __future__ import annotations

from typing import Any

from cnnfast.models.cloning import clone_model
from cnnfast.models.model import Model
from cnnfast.models.sequential import Sequential

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]


def save_model(model: Model, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
    """The same as ``model.save(filepath)``."""
    model.save(filepath, overwrite, **kwargs)


def load_model(
    filepath: Any, custom_objects: dict[str, Any] | None = None, compile: bool = True
) -> Model:
    """The model of a file that ``model.save`` wrote; it predicts the same bits.

    Args:
        custom_objects: your own layers, losses and metrics by name. Nothing else is ever looked up
            or run: the file holds arrays and JSON.
        compile: also restore optimizer (with its state), loss and metrics.

    Raises:
        FileNotFoundError: no such file.
        ValueError: ``.keras`` or ``.h5``; a damaged file; unknown classes; arrays that are missing,
            extra or of another shape.
    """
    from cnnfast.models.saving import load_model as load

    return load(filepath, custom_objects, compile)


def model_from_json(text: str, custom_objects: dict[str, Any] | None = None) -> Model:
    """A new model from ``model.to_json()``, with fresh weights."""
    from cnnfast.models.saving import model_from_json as make

    return make(text, custom_objects)
