"""Callbacks that change the learning rate; nothing is planned anew for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from cnnfast.callbacks.callback import Callback, Logs
from cnnfast.callbacks.monitoring import Monitor


class LearningRateScheduler(Callback):
    """Sets the learning rate before every epoch from ``schedule(epoch, rate)``.

    Args:
        schedule: takes the epoch (from 0) and the present rate, or the epoch alone.
        verbose: 1 says the new rate.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        try:
            takes_rate = len(inspect.signature(self.schedule).parameters) > 1
        except (TypeError, ValueError):
            takes_rate = True
        rate = self.schedule(epoch, optimizer.learning_rate) if takes_rate else self.schedule(epoch)
        optimizer.learning_rate = rate
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class ReduceLROnPlateau(Monitor):
    """Multiplies the learning rate by ``factor`` after ``patience`` epochs without improvement.

    Args:
        monitor: the figure to watch.
        factor: below one.
        patience: epochs to wait.
        verbose: 1 says the new rate.
        mode: "min", "max" or "auto".
        min_delta: smaller changes are no improvement.
        cooldown: epochs after a change in which none is counted.
        min_lr: the rate stops here.

    Raises:
        ValueError: a factor of one or more.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau: unknown argument {sorted(kwargs)[0]!r}")
        if not factor < 1.0:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self._begin()

    def _begin(self) -> None:
        self.best = self.worst
        self.wait = 0
        self.cooldown_counter = 0

    def on_train_begin(self, logs: Logs = None) -> None:
        self._begin()

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "wait": self.wait, "cooldown": self.cooldown_counter}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self.wait = state["best"], state["wait"]
        self.cooldown_counter = state["cooldown"]

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        figure = self.figure(logs)
        if figure is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self.better(figure, self.best):
            self.best = figure
            self.wait = 0
            return
        if self.cooldown_counter > 0:
            return
        self.wait += 1
        rate = optimizer.learning_rate
        if self.wait < self.patience or rate <= self.min_lr:
            return
        optimizer.learning_rate = max(rate * self.factor, self.min_lr)
        if self.verbose:
            print(f"Epoch {epoch + 1}: learning rate {optimizer.learning_rate}")
        self.cooldown_counter = self.cooldown
        self.wait = 0
