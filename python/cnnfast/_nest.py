"""Nests of lists, tuples and dicts: what layers and models take and return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any


def leaves(nest: Any) -> list[Any]:
    """Everything in a nest that is no list, tuple or dict, in order; dicts in theirs."""
    found: list[Any] = []
    if isinstance(nest, (list, tuple)):
        for one in nest:
            found.extend(leaves(one))
    elif isinstance(nest, dict):
        for one in nest.values():
            found.extend(leaves(one))
    else:
        found.append(nest)
    return found


def mapped(function: Callable[[Any], Any], nest: Any) -> Any:
    """The same nest with ``function(leaf)`` for every leaf."""
    if isinstance(nest, list):
        return [mapped(function, one) for one in nest]
    if isinstance(nest, tuple):
        return tuple(mapped(function, one) for one in nest)
    if isinstance(nest, dict):
        return {key: mapped(function, one) for key, one in nest.items()}
    return function(nest)


def packed(nest: Any, values: Sequence[Any]) -> Any:
    """The same nest with these leaves, as many as it has."""
    rest: Iterator[Any] = iter(values)
    return mapped(lambda _: next(rest), nest)
