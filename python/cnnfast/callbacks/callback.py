"""What a callback is, and the list of those of one call of fit, evaluate or predict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cnnfast.models.model import Model

Logs = dict[str, Any] | None

_BATCH_HOOKS = (
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_batch_begin",
    "on_batch_end",
)


class Callback:
    """Hooks into training. Subclass and override the methods you need.

    Attributes:
        model: the model at work.
        params: ``epochs``, ``steps``, ``verbose``.

    Batch hooks cost time only where somebody overrides them: the running figures are then read
    after every batch.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}

    #: Called behind all others, the history too: for callbacks that keep what the others did.
    runs_last = False

    def state(self) -> dict[str, Any]:
        """What ``set_state`` takes back when an interrupted training goes on: numbers, strings,
        arrays, lists and dicts of them."""
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Goes on from there; called behind ``on_train_begin``."""

    def set_model(self, model: Model) -> None:
        """Called before training."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called before training."""
        self.params = params

    def on_train_begin(self, logs: Logs = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Before an epoch, counted from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """After an epoch and its validation; ``logs`` holds the figures of both."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of training; ``logs`` holds the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """The older name of ``on_train_batch_begin``."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """The older name of ``on_train_batch_end``."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Before an evaluation, the validation of an epoch too."""

    def on_test_end(self, logs: Logs = None) -> None:
        """After an evaluation."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of an evaluation."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Before a prediction."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """After a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Before a batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs: Logs = None) -> None:
        """After a batch of a prediction."""

    def wants(self, hook: str) -> bool:
        """Whether a hook does anything here."""
        return hook in self.__dict__ or getattr(type(self), hook) is not getattr(Callback, hook)


class CallbackList:
    """The callbacks of one call; hooks nobody overrides are not called.

    Raises:
        TypeError: something that is no callback.
    """

    def __init__(self, label: str, callbacks: Any, model: Model, params: dict[str, Any]) -> None:
        if isinstance(callbacks, CallbackList):
            callbacks = callbacks.callbacks
        if callbacks is None:
            callbacks = []
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
            callbacks = [callbacks]
        self.callbacks: list[Any] = sorted(
            callbacks, key=lambda callback: bool(getattr(callback, "runs_last", False))
        )
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                hint = "; call it: write (...) behind it" if isinstance(callback, type) else ""
                raise TypeError(f"{label}: callbacks must be Callbacks, got {callback!r}{hint}")
            callback.set_model(model)
            callback.set_params(params)
        self.wants_batches = any(
            callback.wants(hook) for callback in self.callbacks for hook in _BATCH_HOOKS
        )

    def __call__(self, hook: str, *arguments: Any) -> None:
        """Calls a hook of every callback that overrides it."""
        for callback in self.callbacks:
            if callback.wants(hook) or hook in _BATCH_HOOKS:
                getattr(callback, hook)(*arguments)
