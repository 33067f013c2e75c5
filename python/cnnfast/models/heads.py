"""Which loss and which metrics belong to which output of a model."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnfast import losses as losses_room
    from cnnfast import metrics as metrics_room


@dataclass
class Head:
    """What one output is trained and measured by."""

    name: str
    loss: losses_room.Loss | None = None
    weight: float = 1.0
    plain: list[metrics_room.Metric] = field(default_factory=list)
    weighted: list[metrics_room.Metric] = field(default_factory=list)

    @property
    def wants_targets(self) -> bool:
        return self.loss is not None or bool(self.plain or self.weighted)

    @property
    def sparse_targets(self) -> bool | None:
        """Whether targets are integer labels; None: unknown."""
        return None if self.loss is None else self.loss.sparse_targets


def make_heads(
    label: str,
    outputs: Sequence[str | None],
    loss: Any,
    loss_weights: Any,
    metrics: Any,
    weighted_metrics: Any,
) -> list[Head]:
    """One head for each output.

    Args:
        label: of the model, for messages.
        outputs: names; ``[None]`` for one output whose name is not known yet.
        loss: one for all, a list in the outputs' order, a dict by name.
        loss_weights: a number for one output, a list, a dict.
        metrics, weighted_metrics: a metric or list of them for one output; for several a list with
            an entry (again a metric, a list or None) for each, or a dict by name.

    Raises:
        ValueError: another number of entries than outputs, names that no output has.
    """
    known = [f"output {place}" if name is None else name for place, name in enumerate(outputs)]
    loss_of = _spread(label, "loss", loss, known, for_all=True, named=outputs != [None])
    weight_of = _spread(label, "loss_weights", loss_weights, known, named=outputs != [None])
    heads = [
        Head(name, one, 1.0 if weight is None else weight)
        for name, one, weight in zip(known, loss_of, weight_of, strict=True)
    ]
    for what, given in (("metrics", metrics), ("weighted_metrics", weighted_metrics)):
        if len(known) == 1:
            if isinstance(given, dict):
                given = _spread(label, what, given, known, named=outputs != [None])
            found = [_flat(given)]
        else:
            found = [_flat(one) for one in _spread(label, what, given, known)]
        for head, some in zip(heads, found, strict=True):
            (head.plain if what == "metrics" else head.weighted).extend(some)
    return heads


def _spread(
    label: str,
    what: str,
    given: Any,
    names: list[str],
    for_all: bool = False,
    named: bool = True,
) -> list[Any]:
    """What is given, one entry for each output."""
    if given is None:
        return [None] * len(names)
    expected = f"one for each of {', '.join(names)}, or a dict by name"
    if isinstance(given, dict):
        if not named and len(given) == 1:
            return list(given.values())
        for key in given:
            if key not in names:
                close = difflib.get_close_matches(str(key), names, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(
                    f"{label}: {what} has the key {key!r}, the outputs are "
                    f"{', '.join(repr(name) for name in names)}{hint}"
                )
        return [given.get(name) for name in names]
    if isinstance(given, list):
        if len(given) != len(names):
            if len(names) == 1:
                raise ValueError(f"{label}: {what} must be one, for one output; got {len(given)}")
            raise ValueError(
                f"{label}: {what} must have {len(names)} entries, {expected}; got {len(given)}"
            )
        return given
    if for_all or len(names) == 1:
        return [given] * len(names)
    raise ValueError(f"{label}: {what} must be a list of {len(names)}, {expected}; got {given!r}")


def _flat(given: Any) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, list):
        return [leaf for one in given for leaf in _flat(one)]
    return [given]
