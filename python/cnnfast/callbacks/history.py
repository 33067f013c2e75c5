"""The history of a training."""

from __future__ import annotations

from typing import Any

from cnnfast.callbacks.callback import Callback, Logs
from cnnfast.callbacks.logs import Figures


class History(Callback):
    """What ``fit`` returns.

    Attributes:
        epoch: the numbers of the epochs, from 0.
        history: lists of figures by name: "loss", "accuracy", "val_loss" ... ``acc`` answers for
            ``accuracy`` and the other way round.
    """

    def __init__(self) -> None:
        super().__init__()
        self.epoch: list[int] = []
        self.history: Figures[list[Any]] = Figures()

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch = []
        self.history = Figures()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
