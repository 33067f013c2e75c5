"""What callbacks that watch a figure share."""

from __future__ import annotations

import warnings
from typing import Any

from cnnfast.callbacks.callback import Callback, Logs

# Figures that are better when larger; everything else is better when smaller.
_LARGER = ("acc", "auc", "precision", "recall", "f1", "top_k")


class Monitor(Callback):
    """Watches one figure of the logs.

    Args:
        monitor: its name, e.g. "val_loss".
        mode: "min", "max", or "auto": by the name.
        min_delta: smaller changes are no improvement.

    Raises:
        ValueError: another mode.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(
                f"{type(self).__name__}: mode must be 'auto', 'min' or 'max', got {mode!r}"
            )
        if mode == "auto":
            mode = "max" if any(part in monitor for part in _LARGER) else "min"
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(float(min_delta))

    @property
    def worst(self) -> float:
        """What every figure improves on."""
        return float("-inf") if self.mode == "max" else float("inf")

    def better(self, figure: float, than: float) -> bool:
        """Whether a figure improves on another by more than ``min_delta``."""
        if self.mode == "max":
            return figure - self.min_delta > than
        return figure + self.min_delta < than

    def figure(self, logs: Logs) -> Any:
        """The watched figure; None, with a warning, where it is missing."""
        found = (logs or {}).get(self.monitor)
        if found is None:
            known = ", ".join(logs or {})
            warnings.warn(
                f"{type(self).__name__}: there is no {self.monitor!r} to watch; there are {known}",
                stacklevel=2,
            )
        return found
