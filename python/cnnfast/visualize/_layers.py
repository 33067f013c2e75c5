"""What every layer of a model gives for an input, while the model is traced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _trace
from cnnfast.layers import _context

Array = npt.NDArray[Any]

# Ops that end a layer: what lies before them keeps its gradient where they are flat.
_ACTIVATIONS = frozenset({"softmax", "log_softmax", "sigmoid", "relu", "tanh"})
_SQUASHED = frozenset({"softmax", "log_softmax", "sigmoid"})


@dataclass(frozen=True)
class Seen:
    """A call of a layer: its path in the model (``block/conv``, ``shared#2``) and its output."""

    name: str
    layer: Any
    output: _trace.Tensor


def watch(model: Any, x: _trace.Tensor) -> tuple[_trace.Tensor, list[Seen]]:
    """The model's output for a Tensor, and what each layer inside gave, in calling order."""
    events: list[tuple[int, Any, Any]] = []
    with _context.observed_by(
        lambda layer, output: events.append((_trace.scope_depth(), layer, output))
    ):
        output = model(x, training=False)
    return output, _named(events, x.trace)


def _named(events: list[tuple[int, Any, Any]], trace: _trace.Trace) -> list[Seen]:
    """Layers come after the layers inside them: read backwards, a path grows as it gets deeper."""
    # The model itself came last.
    top = events.pop()[0] if events else 0
    path: list[tuple[int, str]] = []
    found: list[tuple[str, Any, Any]] = []
    for depth, layer, output in reversed(events):
        while path and path[-1][0] >= depth:
            path.pop()
        path.append((depth, layer.name))
        # A layer that was built on the way has also been traced elsewhere.
        if depth > top and isinstance(output, _trace.Tensor) and output.trace is trace:
            found.append(("/".join(name for _, name in path), layer, output))
    calls: dict[str, int] = {}
    seen = []
    for name, layer, output in reversed(found):
        calls[name] = calls.get(name, 0) + 1
        seen.append(Seen(name if calls[name] == 1 else f"{name}#{calls[name]}", layer, output))
    return seen


def find(function: str, seen: Sequence[Seen], layer: Any) -> Seen:
    """The call that a name, a path, a position among the calls or a layer object means."""
    if isinstance(layer, (int, np.integer)) and not isinstance(layer, bool):
        if -len(seen) <= layer < len(seen):
            return seen[int(layer)]
        raise ValueError(f"{function}: no layer {layer}, the model calls {len(seen)}")
    for one in seen:
        if one.layer is layer or one.name == layer:
            return one
    if isinstance(layer, str):
        inner = [one for one in seen if one.name.rsplit("/", 1)[-1] == layer]
        if len(inner) == 1:
            return inner[0]
    known = ", ".join(one.name for one in seen)
    wanted = repr(layer) if isinstance(layer, str) else f"{type(layer).__name__} {layer!r}"
    raise ValueError(f"{function}: no layer {wanted}; the model has {known}")


def _before(tensor: _trace.Tensor, ops: frozenset[str]) -> _trace.Tensor:
    made = tensor.trace.graph.producer(tensor.value)
    return tensor if made is None or made[0] not in ops else _trace.Tensor(tensor.trace, made[1][0])


def before_activation(output: _trace.Tensor) -> _trace.Tensor:
    """What a layer computed before its activation; the output itself where it has none."""
    return _before(output, _ACTIVATIONS)


def logits(function: str, model: Any, output: Any) -> _trace.Tensor:
    """Scores (n, classes) before softmax or sigmoid.

    Raises:
        ValueError: the model gives something else than one score for each class.
    """
    if not isinstance(output, _trace.Tensor):
        raise ValueError(
            f"{function}: {model.label} gives {len(output)} outputs, expected one; "
            "make a Model of the input and the output that you want to look at"
        )
    if output.ndim != 2:
        raise ValueError(
            f"{function}: {model.label} gives {output.shape}, expected scores (n, classes); "
            "name a layer to look at what comes earlier"
        )
    return _before(output, _SQUASHED)


def sample_shape(function: str, model: Any) -> tuple[int, ...]:
    """(height, width, channels) of the images that a model takes.

    Raises:
        TypeError: not a model.
        ValueError: it is not built, has several inputs, or leaves the size open.
    """
    if not hasattr(model, "layers") or not hasattr(model, "input_shape"):
        raise TypeError(f"{function}: expected a model, got {type(model).__name__}")
    shape = model.input_shape
    if isinstance(shape, dict) or (shape and isinstance(shape[0], (tuple, list))):
        raise ValueError(f"{function}: {model.label} has several inputs, expected one of images")
    if len(shape) != 4:
        raise ValueError(
            f"{function}: {model.label} takes {shape}, expected images (n, height, width, channels)"
        )
    return tuple(shape[1:])


def images_for(function: str, model: Any, x: Any, single: bool = False) -> Array:
    """Images (n, height, width, channels) of the model's dtype from any usual layout.

    Args:
        single: exactly one image is wanted.

    Raises:
        ValueError: shapes that the model cannot take.
    """
    sample = sample_shape(function, model)
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{function}: expected images of numbers, got dtype {array.dtype}")
    bare = sample[:-1] if sample[-1] == 1 else None
    for shape in (sample, bare):
        if shape is None:
            continue
        if _fits(array.shape, shape):
            array = array.reshape(1, *array.shape[: len(sample) - 1], sample[-1] or array.shape[-1])
            break
        if array.ndim and _fits(array.shape[1:], shape):
            array = array.reshape(*array.shape[: len(sample)], sample[-1] or array.shape[-1])
            break
    else:
        raise ValueError(
            f"{function}: {model.label} takes images {sample}, got shape {np.shape(x)}"
        )
    if single and len(array) != 1:
        raise ValueError(f"{function}: expected one image {sample}, got {len(array)}; take one")
    if not len(array):
        raise ValueError(f"{function}: expected at least one image, got none")
    return np.ascontiguousarray(array, dtype=model.dtype)


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(
        want is None or want == size for size, want in zip(shape, wanted, strict=True)
    )


def units(function: str, name: str, values: Any, count: int, most: int | None = None) -> list[int]:
    """Numbers of classes or filters, each below ``count``; all (the first ``most``) when None."""
    if values is None:
        return list(range(count if most is None else min(count, most)))
    chosen = np.atleast_1d(np.asarray(values))
    if chosen.ndim != 1 or chosen.dtype.kind not in "ui" or not len(chosen):
        raise ValueError(f"{function}: {name} must be whole numbers, got {values!r}")
    if chosen.min() < 0 or chosen.max() >= count:
        raise ValueError(
            f"{function}: {name} must be from 0 to {count - 1}, got {chosen.min()} to "
            f"{chosen.max()}"
        )
    return [int(one) for one in chosen]


def one_hot(numbers: Sequence[int], count: int, dtype: str) -> Array:
    rows: Array = np.zeros((len(numbers), count), dtype)
    rows[np.arange(len(numbers)), list(numbers)] = 1
    return rows
