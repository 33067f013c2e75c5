"""The loop of ``evaluate``, with which ``fit`` validates too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cnnfast.callbacks.callback import CallbackList
from cnnfast.models.compiled import HostMeter
from cnnfast.models.feeding import Feed, batch_feeds, gives_batches, training_feed, whole_number
from cnnfast.models.programs import Signature
from cnnfast.models.progress import make_bar, verbosity

if TYPE_CHECKING:
    from cnnfast.models.model import Model


def evaluate(
    model: Model,
    x: Any,
    y: Any,
    batch_size: int | None,
    verbose: Any,
    sample_weight: Any,
    steps: int | None,
    callbacks: Any,
) -> dict[str, float]:
    """See ``Model.evaluate``."""
    compiled = model.compiled
    size = 32 if batch_size is None else whole_number(model.label, "batch_size", batch_size)
    feeds: Any
    if gives_batches(x, y):
        feeds = batch_feeds(model, x, None)
        total = len(x) if hasattr(x, "__len__") else None
    else:
        feed = training_feed(model, compiled, x, y, sample_weight)
        feeds = parts(feed, size)
        total = -(-len(feed) // size)
    if steps is not None:
        total = whole_number(model.label, "steps", steps)
    hooks = CallbackList(model.label, callbacks, model, {"verbose": verbose, "steps": total})
    return evaluate_feeds(model, feeds, total, steps, hooks, verbosity(model.label, verbose))


def evaluate_feeds(
    model: Model,
    feeds: Any,
    total: int | None,
    steps: int | None,
    hooks: CallbackList,
    verbose: int,
) -> dict[str, float]:
    """Loss and metrics over checked batches."""
    meter = HostMeter(model.compiled)
    bar = make_bar(verbose, total, "Evaluate")
    hooks("on_test_begin")
    batches = hooks.callbacks and any(
        callback.wants("on_test_batch_begin") or callback.wants("on_test_batch_end")
        for callback in hooks.callbacks
    )
    try:
        for index, feed in enumerate(feeds):
            if steps is not None and index >= steps:
                break
            if batches:
                hooks("on_test_batch_begin", index, {})
            plan = model._programs.plan(Signature("test", *feed.specs()), len(feed))
            meter.add(plan.run(*feed.arrays()), feed)
            if batches:
                hooks("on_test_batch_end", index, meter.logs())
            bar.step(index + 1, meter.logs)
        logs = meter.logs()
        bar.close(logs)
    finally:
        bar.abandon()
    hooks("on_test_end", logs)
    return logs


def parts(feed: Feed, size: int) -> Iterator[Feed]:
    """The feed in batches, the last one perhaps smaller."""
    for start in range(0, len(feed), size):
        yield feed.rows(start, start + size)
