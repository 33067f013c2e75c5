"""Strings, classes, configurations and instances, made into objects.

Layers, losses, metrics and optimizers are all asked for in the ways Keras allows: by name, as a
class, as an instance, or as the dictionary that ``serialize`` wrote.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class _Scope(threading.local):
    def __init__(self) -> None:
        self.known: dict[str, Any] = {}


_scope = _Scope()


@contextmanager
def custom_object_scope(custom_objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Classes and functions of the caller's that names inside may stand for.

    >>> from cnnfast import layers, utils
    >>> class Twice(layers.Layer):
    ...     def call(self, x):
    ...         return x + x
    >>> with utils.custom_object_scope({"Twice": Twice}):
    ...     type(layers.deserialize({"class_name": "Twice", "config": {}})).__name__
    'Twice'
    """
    before = _scope.known
    _scope.known = {**before, **(custom_objects or {})}
    try:
        yield
    finally:
        _scope.known = before


def unknown_name(kind: str, name: str, table: Mapping[str, Any]) -> ValueError:
    """The error for a name that is not in the table, with the closest ones that are."""
    import difflib  # only where something went wrong

    close = difflib.get_close_matches(name, list(table), n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    known = ", ".join(sorted(table))
    return ValueError(f"unknown {kind} {name!r}{hint} Known: {known}")


def resolve(
    kind: str,
    identifier: Any,
    table: Mapping[str, Any],
    base: type | None,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """The object that ``identifier`` stands for.

    Args:
        kind: "layer", "loss" ...: for messages.
        identifier: a name of the table, a class, an instance of ``base``, any callable, or
            ``{"class_name": ..., "config": {...}}``.
        table: names to classes (made without arguments) or functions (returned as they are).
        base: what instances are instances of; None where only functions serve.
        custom_objects: classes and functions that the caller adds to the table.

    Raises:
        ValueError: an unknown name, a broken configuration.
        TypeError: something else.
    """
    names = {**table, **_scope.known, **(custom_objects or {})}
    if base is not None and isinstance(identifier, base):
        return identifier
    if isinstance(identifier, str):
        found = names.get(identifier)
        if found is None:
            found = names.get(identifier.lower())
        if found is None:
            raise unknown_name(kind, identifier, names)
        return found() if isinstance(found, type) else found
    if isinstance(identifier, type):
        return identifier()
    if isinstance(identifier, Mapping):
        return from_config(kind, identifier, names)
    if callable(identifier):
        return identifier
    instance = f", or an instance of {base.__name__}" if base is not None else ""
    raise TypeError(
        f"{kind} must be a name, a class or a function{instance}; "
        f"got {identifier!r} ({type(identifier).__name__})"
    )


def from_config(kind: str, config: Mapping[str, Any], names: Mapping[str, Any]) -> Any:
    """The object described by ``{"class_name": ..., "config": {...}}``."""
    class_name = config.get("class_name")
    if not isinstance(class_name, str):
        raise ValueError(f"{kind}: a configuration needs a 'class_name', got {dict(config)!r}")
    found = _scope.known.get(class_name, names.get(class_name))
    if found is None:
        raise unknown_name(kind, class_name, names)
    arguments = config.get("config") or {}
    if not isinstance(arguments, Mapping):
        raise ValueError(f"{kind} {class_name!r}: 'config' must be a dictionary")
    if not isinstance(found, type):
        return found
    make: Callable[..., Any] = getattr(found, "from_config", found)
    try:
        return make(dict(arguments)) if hasattr(found, "from_config") else make(**arguments)
    except TypeError as error:
        raise ValueError(f"{kind} {class_name!r} cannot be made: {error}") from error


def serialize(thing: Any) -> Any:
    """What :func:`resolve` takes back: None, a function's name, or class name and configuration."""
    if thing is None:
        return None
    if hasattr(thing, "get_config"):
        return {"class_name": type(thing).__name__, "config": thing.get_config()}
    return getattr(thing, "__name__", str(thing))
