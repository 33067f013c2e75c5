"""The loop of ``predict``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnfast.callbacks.callback import CallbackList
from cnnfast.models.feeding import gives_batches, model_inputs, whole_number
from cnnfast.models.progress import make_bar, verbosity

if TYPE_CHECKING:
    from cnnfast.models.model import Model

Array = npt.NDArray[Any]


def predict(
    model: Model,
    x: Any,
    batch_size: int | None,
    verbose: Any,
    steps: int | None,
    callbacks: Any,
) -> Any:
    """See ``Model.predict``."""
    size = 32 if batch_size is None else whole_number(model.label, "batch_size", batch_size)
    most = None if steps is None else whole_number(model.label, "steps", steps)
    collected: _Collected
    total: int | None
    if gives_batches(x, None):
        batches = _given_batches(model, x)
        total = len(x) if hasattr(x, "__len__") else None
        collected = _Collected(None)
    else:
        arrays = model_inputs(model, x)
        count = len(arrays[0])
        total = -(-count // size)
        if most is not None:
            total = min(total, most)
            count = min(count, total * size)
        batches = (
            [array[first : min(first + size, count)] for array in arrays]
            for first in range(0, count, size)
        )
        collected = _Collected(count)
    hooks = CallbackList(model.label, callbacks, model, {"verbose": verbose, "steps": total})
    bar = make_bar(verbosity(model.label, verbose) if total != 1 else 0, total, "Predict")
    hooks("on_predict_begin")
    try:
        for index, batch in enumerate(batches):
            if most is not None and index >= most:
                break
            if hooks.callbacks:
                hooks("on_predict_batch_begin", index, {})
            outputs = model._predict_plan(batch).run(*batch)
            if hooks.callbacks:
                hooks("on_predict_batch_end", index, {"outputs": model.packed_outputs(outputs)})
            collected.add(outputs)
            bar.step(index + 1, dict)
        bar.close({})
    finally:
        bar.abandon()
    hooks("on_predict_end")
    found = collected.arrays()
    if not found:
        raise ValueError(f"{model.label}: the data gave no batch to predict")
    return model.packed_outputs(found)


def _given_batches(model: Model, data: Any) -> Iterator[list[Array]]:
    items = iter(data) if hasattr(data, "__iter__") else (data[i] for i in range(len(data)))
    for batch in items:
        # (x, y) and (x, y, weights) as fit takes them: targets are left alone.
        yield model_inputs(model, batch[0] if isinstance(batch, tuple) else batch)


class _Collected:
    """The outputs of all batches, written into place where the number of samples is known."""

    def __init__(self, count: int | None) -> None:
        self._count = count
        self._whole: list[Array] = []
        self._parts: list[list[Array]] = []
        self._done = 0

    def add(self, outputs: Any) -> None:
        """Adds a batch."""
        rows = len(outputs[0])
        if self._count is None:
            self._parts.append(list(outputs))
            return
        if not self._whole and rows == self._count:
            self._whole = list(outputs)
            return
        if not self._whole:
            self._whole = [np.empty((self._count, *y.shape[1:]), y.dtype) for y in outputs]
        for whole, one in zip(self._whole, outputs, strict=True):
            whole[self._done : self._done + rows] = one
        self._done += rows

    def arrays(self) -> list[Array]:
        """One array for each output; empty before anything was added."""
        if self._parts:
            return [np.concatenate(one) for one in zip(*self._parts, strict=True)]
        return self._whole
