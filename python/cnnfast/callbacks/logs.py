"""Dictionaries of figures in which ``acc`` and ``accuracy`` both answer."""

from __future__ import annotations

from typing import Any, TypeVar

V = TypeVar("V")


def other_name(key: Any) -> str | None:
    """``val_acc`` for ``val_accuracy`` and the other way round; None for other keys."""
    if not isinstance(key, str):
        return None
    prefix, name = ("val_", key[4:]) if key.startswith("val_") else ("", key)
    if name == "acc":
        return f"{prefix}accuracy"
    if name == "accuracy":
        return f"{prefix}acc"
    return None


class Figures(dict[str, V]):
    """A dict in which either name of the accuracy finds the one that is there.

    >>> figures = Figures(val_accuracy=0.5)
    >>> figures["val_acc"], "val_acc" in figures, list(figures)
    (0.5, True, ['val_accuracy'])
    """

    def __missing__(self, key: str) -> V:
        other = other_name(key)
        if other is not None and dict.__contains__(self, other):
            return dict.__getitem__(self, other)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return dict.__contains__(self, key) or dict.__contains__(self, other_name(key))

    def get(self, key: str, default: Any = None) -> Any:
        """The value under either name."""
        return self[key] if key in self else default  # noqa: SIM401 - it would call itself
