"""What a layer's call is surrounded by: training or not, whose error it is, losses to collect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _trace

Array = npt.NDArray[Any]


# What Python and NumPy say of symbolic Tensors, and what helps.
_BETTER = {
    "does not support ufuncs": (
        "NumPy cannot work on a Tensor, which has no values while a network is traced; use the "
        "function of cnnfast.ops of the same name"
    ),
    "'NoneType' object cannot be interpreted as an integer": (
        "call used a size that is None while a network is traced (x.shape[0] is the batch); write "
        "-1 for it in ops.reshape, or make arrays of x's shape from x itself: x * 0"
    ),
}


class _State(threading.local):
    inside = False
    training: bool | None = None  # None: nobody said
    losses: list[Any] | None = None
    weight_budget: list[int] | None = None
    observer: Callable[[Any, Any], None] | None = None


_state = _State()


@contextmanager
def entered(training: bool | None) -> Iterator[bool | None]:
    """Sets whether layers train; None keeps what surrounds. Yields the outcome, None if unsaid."""
    before = _state.inside, _state.training
    mode = before[1] if training is None else bool(training)
    _state.inside, _state.training = True, mode
    try:
        yield mode
    finally:
        _state.inside, _state.training = before


@contextmanager
def labelled(label: str) -> Iterator[None]:
    """Puts the layer in front of errors that do not name one yet.

    Those are ValueErrors, TypeErrors, and AttributeErrors of Tensors: a forgotten NumPy.
    """
    try:
        yield
    except (ValueError, TypeError, AttributeError) as error:
        known = type(error) in (ValueError, TypeError) or isinstance(
            getattr(error, "obj", None), _trace.Tensor
        )
        if getattr(error, "layer_label", None) or not known:
            raise
        text = str(error)
        for sign, better in _BETTER.items():
            if sign in text:
                text = better
        if text.startswith(label):
            error.layer_label = label  # type: ignore[union-attr]
            raise
        named = type(error)(f"{label}: {text}")
        named.layer_label = label  # type: ignore[union-attr]
        raise named.with_traceback(error.__traceback__) from error


@contextmanager
def collected_losses() -> Iterator[list[Any]]:
    """Collects what layers hand to ``add_loss`` inside."""
    before = _state.losses
    found: list[Any] = []
    _state.losses = found
    try:
        yield found
    finally:
        _state.losses = before


def add_loss(loss: Any) -> None:
    """Keeps a loss if anybody collects."""
    if _state.losses is not None:
        _state.losses.append(loss)


@contextmanager
def weights_from_file(values: int) -> Iterator[None]:
    """Weights made inside are zeros, and no more of them than ``values``.

    A file that describes a layer of 10^12 weights and holds ten is refused before it is believed.
    """
    before = _state.weight_budget
    _state.weight_budget = [values]
    try:
        yield
    finally:
        _state.weight_budget = before


def first_value(
    label: str,
    name: str,
    shape: Sequence[int],
    dtype: str,
    make: Callable[[Sequence[int], str], Any],
) -> Array:
    """The value a new weight begins with."""
    budget = _state.weight_budget
    if budget is None:
        return np.asarray(make(shape, dtype), dtype)
    count = 1
    for size in shape:
        count *= size
    budget[0] -= count
    if budget[0] < 0:
        raise ValueError(
            f"{label}: weight {name!r} of shape {tuple(shape)} is larger than what the file holds"
        )
    return np.zeros(shape, dtype)


@contextmanager
def observed_by(observer: Callable[[Any, Any], None]) -> Iterator[None]:
    """Hands every layer called inside and its output to ``observer``, inner layers first."""
    before = _state.observer
    _state.observer = observer
    try:
        yield
    finally:
        _state.observer = before


def observed(layer: Any, output: Any) -> Any:
    """The output of a layer's call, shown to whoever observes."""
    if _state.observer is not None:
        _state.observer(layer, output)
    return output


def inside() -> bool:
    """Is a layer's call under way in this thread?"""
    return _state.inside
