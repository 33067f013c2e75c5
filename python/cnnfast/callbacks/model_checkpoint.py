"""Saves the model as it is trained."""

from __future__ import annotations

import os
from typing import Any

from cnnfast.callbacks.callback import Logs
from cnnfast.callbacks.logs import Figures
from cnnfast.callbacks.monitoring import Monitor


class ModelCheckpoint(Monitor):
    """Writes the model, or its weights, after epochs or batches.

    Args:
        filepath: may hold ``{epoch:02d}``, ``{val_loss:.3f}`` and other figures; ``{batch}`` where
            batches are counted.
        monitor: the figure that ``save_best_only`` watches.
        verbose: 1 says what was written.
        save_best_only: only when the figure improves.
        save_weights_only: weights without the architecture.
        mode: "min", "max" or "auto".
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: a figure that must be improved on first.

    Raises:
        ValueError: ``.keras`` or ``.h5`` files, another ``save_freq``.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        from cnnfast.models.saving import checked_path

        self.filepath = checked_path(filepath, "ModelCheckpoint(...)")
        if save_freq != "epoch" and (isinstance(save_freq, bool) or not isinstance(save_freq, int)):
            raise ValueError(
                f"ModelCheckpoint: save_freq must be 'epoch' or a number of batches, "
                f"got {save_freq!r}"
            )
        if save_freq != "epoch" and save_freq < 1:
            raise ValueError(f"ModelCheckpoint: save_freq must be at least 1, got {save_freq}")
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = self.worst if initial_value_threshold is None else initial_value_threshold
        self._epoch = 0
        self._batches = 0
        self._batch: int | None = None

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "batches": self._batches}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self._batches = state["best"], state["batches"]

    def wants(self, hook: str) -> bool:
        if hook == "on_train_batch_end":
            return bool(self.save_freq != "epoch")
        return super().wants(hook)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            return
        self._batch = batch
        self._batches += 1
        if self._batches % self.save_freq == 0:
            self._save(logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        if self.save_freq == "epoch":
            self._save(logs)

    def _save(self, logs: Logs) -> None:
        if self.save_best_only:
            figure = self.figure(logs)
            # Where there is no such figure, Keras warns and saves.
            if figure is not None:
                if not self.better(figure, self.best):
                    return
                self.best = figure
        path = self._path(logs)
        folder = os.path.dirname(path)
        if folder:
            os.makedirs(folder, exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saved {path}")

    def _path(self, logs: Logs) -> str:
        figures: Figures[Any] = Figures(logs or {})
        figures["epoch"] = self._epoch + 1
        if self._batch is not None:
            figures.setdefault("batch", self._batch + 1)
        try:
            return self.filepath.format_map(figures)
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(
                f"ModelCheckpoint: {self.filepath!r} cannot be filled in from "
                f"{', '.join(figures)}: {error}"
            ) from None
