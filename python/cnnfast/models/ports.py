"""The inputs or outputs of a model: names, shapes, and how they are nested."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnfast import _nest

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Port:
    """One input or output: shape with the batch (None) in front."""

    name: str
    shape: Shape
    dtype: str


class Ports:
    """All inputs, or all outputs, of a model.

    Args:
        nest: how they are nested; its leaves stand for the ports, in order.
        ports: flat.
    """

    def __init__(self, nest: Any, ports: Sequence[Port]) -> None:
        self.ports = list(ports)
        self.nest = _nest.packed(nest, range(len(self.ports)))

    @classmethod
    def of(cls, nest: Any, kind: str) -> Ports:
        """Ports for a nest of Tensors, named by dict keys or ``kind``, ``kind_1`` ..."""
        found = _nest.leaves(nest)
        names = _names(nest, kind, len(found))
        ports = [Port(n, tuple(t.shape), t.dtype) for n, t in zip(names, found, strict=True)]
        return cls(nest, ports)

    @property
    def single(self) -> bool:
        """Is there one port that is in no list or dict?"""
        return self.nest == 0 and not isinstance(self.nest, (list, tuple, dict))

    @property
    def names(self) -> list[str]:
        return [port.name for port in self.ports]

    def __len__(self) -> int:
        return len(self.ports)

    def __iter__(self) -> Iterator[Port]:
        return iter(self.ports)

    def __getitem__(self, index: int) -> Port:
        return self.ports[index]

    def pack(self, values: Sequence[Any]) -> Any:
        """Values, one for each port, nested as the ports are."""
        return _nest.packed(self.nest, values)

    @property
    def shapes(self) -> Any:
        """Shapes, nested as the ports are; lists for tuples, as Keras gives them."""
        if self.single:
            return self.ports[0].shape
        if isinstance(self.nest, dict) and all(isinstance(v, int) for v in self.nest.values()):
            return {key: self.ports[place].shape for key, place in self.nest.items()}
        return [port.shape for port in self.ports]

    def spread(self, label: str, what: str, value: Any, missing: bool = False) -> list[Any]:
        """The values for the ports, in order.

        Args:
            label: of the model, for messages.
            what: "x", "y" ...: for messages.
            value: one thing for one port; a list or tuple in the ports' order; a dict by name.
            missing: whether a dict may leave ports out, which then get None.

        Raises:
            ValueError: another number of things, names that no port has.
            TypeError: one thing for several ports.
        """
        if isinstance(value, dict):
            return self._by_name(label, what, value, missing)
        if self.single:
            return [value]
        kind = "one for each of " + ", ".join(self.names)
        if len(self) == 1 and not (isinstance(value, (list, tuple)) and len(value) == 1):
            return [value]
        if not isinstance(value, (list, tuple)):
            got = (
                f"an array of shape {np.shape(value)}"
                if hasattr(value, "shape")
                else type(value).__name__
            )
            raise TypeError(
                f"{label}: {what} must be a list of {len(self)} arrays, {kind}, or a dict by "
                f"name; got {got}"
            )
        if isinstance(self.nest, (list, tuple)) and len(value) == len(self):
            return list(value)
        found = _nest.leaves(value) if len(value) != len(self) else list(value)
        if len(found) != len(self):
            raise ValueError(
                f"{label}: {what} must hold {len(self)} arrays, {kind}; got {len(value)}"
            )
        return found

    def _by_name(self, label: str, what: str, value: dict[Any, Any], missing: bool) -> list[Any]:
        places = {port.name: place for place, port in enumerate(self.ports)}
        if isinstance(self.nest, dict):
            places.update({k: v for k, v in self.nest.items() if isinstance(v, int)})
        found: list[Any] = [None] * len(self)
        given = [False] * len(self)
        for key, one in value.items():
            place = places.get(key)
            if place is None:
                close = difflib.get_close_matches(str(key), [str(k) for k in places], 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(
                    f"{label}: {what} has the key {key!r}, expected "
                    f"{', '.join(repr(name) for name in self.names)}{hint}"
                )
            found[place], given[place] = one, True
        lacking = [port.name for port, there in zip(self.ports, given, strict=True) if not there]
        if lacking and not missing:
            raise ValueError(
                f"{label}: {what} lacks {', '.join(repr(name) for name in lacking)}; "
                f"it must hold all of {', '.join(repr(name) for name in self.names)}"
            )
        return found


def _names(nest: Any, kind: str, count: int) -> list[str]:
    if isinstance(nest, dict) and count == len(nest):
        return [str(key) for key in nest]
    if count == 1:
        return [kind]
    return [f"{kind}_{place + 1}" for place in range(count)]
