"""The loop of ``fit``: checks first, then epochs of one call of the core a step."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnfast import _random
from cnnfast.callbacks.callback import CallbackList
from cnnfast.callbacks.history import History
from cnnfast.callbacks.logs import Figures
from cnnfast.models.compiled import HostMeter, Meter
from cnnfast.models.evaluating import evaluate_feeds, parts
from cnnfast.models.feeding import (
    Feed,
    batch_feeds,
    gives_batches,
    training_feed,
    whole_number,
    with_class_weights,
)
from cnnfast.models.programs import Signature
from cnnfast.models.progress import Silent, make_bar, verbosity

if TYPE_CHECKING:
    from cnnfast.models.model import Model

Array = npt.NDArray[Any]


@dataclass
class FitArguments:
    """The arguments of ``Model.fit`` besides the data."""

    batch_size: int | None
    epochs: int
    verbose: Any
    callbacks: Any
    validation_split: float
    validation_data: Any
    shuffle: bool
    class_weight: Any
    sample_weight: Any
    initial_epoch: int
    steps_per_epoch: int | None
    validation_steps: int | None
    validation_batch_size: int | None
    validation_freq: Any
    validation_shuffle: bool


def fit(model: Model, x: Any, y: Any, a: FitArguments) -> History:
    """See ``Model.fit``."""
    label = model.label
    compiled = model.compiled
    epochs = whole_number(label, "epochs", a.epochs, 0)
    first = whole_number(label, "initial_epoch", a.initial_epoch, 0)
    size = 32 if a.batch_size is None else whole_number(label, "batch_size", a.batch_size)
    steps = a.steps_per_epoch
    if steps is not None:
        steps = whole_number(label, "steps_per_epoch", steps)
    verbose = verbosity(label, a.verbose)
    due = _validation_due(label, a.validation_freq)

    runner: _Arrays | _Batches
    held: Feed | None = None
    if gives_batches(x, y):
        for name, value in (
            ("validation_split", a.validation_split),
            ("sample_weight", a.sample_weight),
        ):
            if value is not None and not (isinstance(value, float) and value == 0.0):
                raise ValueError(f"{label}: {name} needs arrays, x is {type(x).__name__}")
        runner = _Batches(model, x, steps, a.class_weight)
    else:
        feed = training_feed(model, compiled, x, y, a.sample_weight)
        if a.validation_data is None:
            feed, held = _split(model, feed, a.validation_split, a.validation_shuffle)
        # Class weights are for training alone, as in Keras.
        feed = with_class_weights(model, feed, a.class_weight)
        runner = _Arrays(model, feed, size, steps, a.shuffle)
    validate = _validation(model, a, held, size)

    history = History()
    model.history = history
    hooks = CallbackList(
        label,
        [*_listed(a.callbacks), history],
        model,
        {"epochs": epochs, "steps": runner.steps, "verbose": verbose},
    )
    model.stop_training = False
    runner.callbacks = hooks.callbacks
    model._runner = runner  # callbacks.BackupAndRestore reads and sets where it stands
    hooks("on_train_begin")
    first = max(first, runner.first_epoch)
    logs: Figures[Any] = Figures()
    try:
        for epoch in range(first, epochs):
            if model.stop_training:  # resumed behind the epoch that ended training
                break
            hooks("on_epoch_begin", epoch, {})
            bar = make_bar(verbose, runner.steps, f"Epoch {epoch + 1}/{epochs}")
            try:
                logs = Figures(runner.epoch(hooks, bar))
                if validate is not None and due(epoch + 1):
                    found = validate(hooks)
                    logs.update({f"val_{name}": value for name, value in found.items()})
                bar.close(logs)
            finally:
                bar.abandon()
            hooks("on_epoch_end", epoch, logs)
            if model.stop_training:
                break
        if first < epochs:
            compiled.optimizer.finalize_variable_values(model.trainable_weights)
    finally:
        # After an interrupt too: files are closed, best weights restored.
        model._runner = None
        hooks("on_train_end", logs)
    return history


class _Place:
    """Where training stands, so that a resumed one goes on from there.

    Attributes:
        first_epoch: fit begins with it where it is later than ``initial_epoch``.
        once: the data can be gone through once only, over all epochs.
    """

    first_epoch = 0
    once = False
    steps: int | None = None
    callbacks: Sequence[Any] = ()
    _start = 0  # batches of the first epoch that are done already
    _meter: Any

    @property
    def resumed(self) -> bool:
        """The next epoch goes on in its middle."""
        return self._start > 0

    def place(self, done: int) -> dict[str, Any]:
        """What ``resume`` takes back; ``done`` batches of the epoch are done, 0 at its end."""
        return {"done": done, "meter": self._meter.state()} if done else {"done": 0}

    def resume(self, epoch: int, place: dict[str, Any]) -> None:
        """Goes on in an epoch behind the batches of it that are done."""
        self.first_epoch = epoch
        self._start = int(place["done"])
        if self._start:
            self._meter.restore(place["meter"])

    def _begin(self) -> int:
        """The first batch of an epoch."""
        start, self._start = self._start, 0
        if not start:
            self._meter.reset()
        return start


class _Arrays(_Place):
    """Epochs over arrays: the plan gathers each batch by its indices."""

    def __init__(
        self, model: Model, feed: Feed, size: int, steps: int | None, shuffle: bool
    ) -> None:
        self._model = model
        self._shuffle = bool(shuffle)
        self._size = size
        count = len(feed)
        self._limit = count if steps is None else min(count, steps * size)
        self._order = np.arange(count, dtype=np.int64)
        self.steps: int = -(-self._limit // size)
        full, rest = divmod(self._limit, size)
        self._full = full
        self._rest = rest
        signature = Signature("fit", *feed.specs())
        programs = model._programs
        arrays = feed.arrays()
        program = programs.program(signature)
        self._meter = Meter(model.compiled, program.totals, feed.weighted)
        # Bound once: a step in the loop is one slice and one call.
        self._run = _bound(programs.plan(signature, count, size).run, arrays) if full else None
        self._run_rest = _bound(programs.plan(signature, count, rest).run, arrays) if rest else None

    def epoch(self, hooks: CallbackList, bar: Silent) -> dict[str, float]:
        """Trains one epoch; the figures of all its batches."""
        start = self._begin()
        if self._shuffle and not start:
            self._order = _random.generator().permutation(len(self._order))
        if hooks.wants_batches or start:
            return self._watched(hooks, bar, start)
        order, size, run = self._order, self._size, self._run
        meter: Meter = self._meter
        clock = time.perf_counter
        drained = 0
        if run is not None:
            due = bar.due
            for step in range(self._full):
                run(order[step * size : (step + 1) * size])
                if clock() >= due:
                    meter.drain(step + 1 - drained, size)
                    drained = step + 1
                    bar.step(drained, meter.logs)
                    due = bar.due
        meter.drain(self._full - drained, size)
        if self._run_rest is not None:
            self._run_rest(order[self._full * size : self._limit])
            meter.drain(1, self._rest)
        bar.step(self.steps, meter.logs)
        return meter.logs()

    def place(self, done: int) -> dict[str, Any]:
        place = super().place(done)
        return {**place, "order": self._order} if done else place

    def resume(self, epoch: int, place: dict[str, Any]) -> None:
        super().resume(epoch, place)
        if self._start:
            self._order = np.ascontiguousarray(place["order"], np.int64)

    def _watched(self, hooks: CallbackList, bar: Silent, start: int) -> dict[str, float]:
        """The same with hooks around every batch, which read the running figures."""
        meter: Meter = self._meter
        for step in range(start, self.steps):
            hooks("on_train_batch_begin", step, {})
            rows = self._order[step * self._size : min((step + 1) * self._size, self._limit)]
            run = self._run if len(rows) == self._size else self._run_rest
            assert run is not None
            run(rows)
            meter.drain(1, len(rows))
            hooks("on_train_batch_end", step, Figures(meter.logs()))
            bar.step(step + 1, meter.logs)
            if self._model.stop_training:
                break
        return meter.logs()


class _Batches(_Place):
    """Epochs over an iterable of batches."""

    def __init__(self, model: Model, data: Any, steps: int | None, class_weight: Any) -> None:
        self._model = model
        self._data = data
        self._class_weight = class_weight
        self.once = hasattr(data, "__next__")
        self._meter = HostMeter(model.compiled)
        if steps is None and hasattr(data, "__len__"):
            steps = len(data)
        self.steps = steps
        self._iterator: Iterator[Feed] | None = None

    def epoch(self, hooks: CallbackList, bar: Silent) -> dict[str, float]:
        """Trains on one pass, or on ``steps_per_epoch`` batches of an iterator that goes on."""
        model = self._model
        meter: HostMeter = self._meter
        done = self._begin()
        if self._iterator is None or not (self.once or done):
            self._iterator = batch_feeds(model, self._data, self._class_weight)
        while self.steps is None or done < self.steps:
            feed = next(self._iterator, None)
            if feed is None:
                break
            if hooks.wants_batches:
                hooks("on_train_batch_begin", done, {})
            plan = model._programs.plan(Signature("train", *feed.specs()), len(feed))
            meter.add(plan.run(*feed.arrays()), feed)
            done += 1
            if hooks.wants_batches:
                hooks("on_train_batch_end", done - 1, Figures(meter.logs()))
            bar.step(done, meter.logs)
            if model.stop_training:
                break
        if done == 0:
            raise ValueError(
                f"{model.label}: the data gave no batch; an iterator is used up after one pass, "
                "pass steps_per_epoch or something that can be iterated again"
            )
        if self.steps is None and self.once:
            self.steps = done
        return meter.logs()

    def resume(self, epoch: int, place: dict[str, Any]) -> None:
        """The batches that were trained on are taken from the data again and left out."""
        super().resume(epoch, place)
        gone = self._start + (epoch * self.steps if self.once and self.steps is not None else 0)
        if gone:
            self._iterator = batch_feeds(self._model, self._data, self._class_weight)
            for _ in range(gone):
                next(self._iterator, None)


def _bound(run: Callable[..., Any], arrays: list[Array]) -> Callable[[Array], Any]:
    if len(arrays) == 2:
        x, y = arrays
        return lambda rows: run(x, y, rows)
    return lambda rows: run(*arrays, rows)


def _split(model: Model, feed: Feed, share: Any, shuffled: bool) -> tuple[Feed, Feed | None]:
    if share is None or share == 0:
        return feed, None
    if isinstance(share, bool) or not isinstance(share, (int, float, np.floating)):
        raise TypeError(f"{model.label}: validation_split must be a number, got {share!r}")
    if not 0.0 < share < 1.0:
        raise ValueError(
            f"{model.label}: validation_split must be at least 0 and below 1, got {share}"
        )
    count = len(feed)
    # Keras' rounding: the training part is floor(n (1 - share)).
    kept = int(np.floor(count * (1.0 - share)))
    if kept == 0 or kept == count:
        raise ValueError(
            f"{model.label}: validation_split={share} of {count} samples leaves "
            f"{kept} for training and {count - kept} for validation; both need one"
        )
    if shuffled:
        feed = feed.taken(_random.generator().permutation(count))
    head, tail = feed.rows(0, kept), feed.rows(kept, count)
    _warn_of_missing_classes(model, head, tail)
    return head, tail


def _warn_of_missing_classes(model: Model, head: Feed, tail: Feed) -> None:
    # Sorted data is the classic trap: the tail then holds classes that training never sees.
    for place, one in enumerate(model.compiled.heads):
        known, kept = head.ys[place], tail.ys[place]
        if known is None or kept is None or not one.sparse_targets:
            continue
        missing = np.setdiff1d(np.unique(kept), np.unique(known))
        if missing.size:
            warnings.warn(
                f"{model.label}: validation_split takes the last samples, and the labels "
                f"{missing.tolist()[:10]} occur only there; shuffle x and y together before fit",
                stacklevel=5,
            )


def _validation(
    model: Model, a: FitArguments, held: Feed | None, size: int
) -> Callable[[CallbackList], dict[str, float]] | None:
    label = model.label
    batch = size
    if a.validation_batch_size is not None:
        batch = whole_number(label, "validation_batch_size", a.validation_batch_size)
    steps = a.validation_steps
    if steps is not None:
        steps = whole_number(label, "validation_steps", steps)
    data = a.validation_data
    if data is not None and not isinstance(data, (tuple, list)):
        if not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
            raise TypeError(f"{label}: validation_data must be (x, y), got {type(data).__name__}")
        return lambda hooks: evaluate_feeds(
            model, batch_feeds(model, data, None), None, steps, hooks, 0
        )
    if data is not None:
        if not 2 <= len(data) <= 3:
            raise ValueError(
                f"{label}: validation_data must be (x, y) or (x, y, sample_weight), "
                f"got {len(data)} things"
            )
        weights = data[2] if len(data) == 3 else None
        held = training_feed(
            model,
            model.compiled,
            data[0],
            data[1],
            weights,
            names=("validation x", "validation y"),
        )
    if held is None:
        return None
    feed = held
    return lambda hooks: evaluate_feeds(model, parts(feed, batch), None, steps, hooks, 0)


def _validation_due(label: str, frequency: Any) -> Callable[[int], bool]:
    if isinstance(frequency, (list, tuple, set)):
        wanted = {whole_number(label, "validation_freq", epoch) for epoch in frequency}
        return lambda epoch: epoch in wanted
    every = whole_number(label, "validation_freq", frequency)
    return lambda epoch: epoch % every == 0


def _listed(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    if isinstance(callbacks, CallbackList):
        return list(callbacks.callbacks)
    return list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
