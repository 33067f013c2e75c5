"""Writes the figures of every epoch to a table."""

from __future__ import annotations

import csv
import os
from typing import Any, TextIO

from cnnfast.callbacks.callback import Callback, Logs


class CSVLogger(Callback):
    """One line an epoch: epoch and figures.

    Args:
        filename: the file.
        separator: between the columns.
        append: go on with a file that is there.
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._file: TextIO | None = None
        self._keys: list[str] | None = None
        self._header = True

    def on_train_begin(self, logs: Logs = None) -> None:
        there = os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self._header = not (self.append and there)
        self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115
        self._keys = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        figures = logs or {}
        if self._file is None:
            return
        writer = csv.writer(self._file, delimiter=self.separator)
        if self._keys is None:
            self._keys = sorted(figures)
            if self._header:
                writer.writerow(["epoch", *self._keys])
        row = (figures.get(key, "NA") for key in self._keys)
        writer.writerow([epoch, *(one.tolist() if hasattr(one, "tolist") else one for one in row)])
        self._file.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
