"""What callbacks that watch a figure share."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from cnnfast.callbacks.callback import Callback, Logs

if TYPE_CHECKING:
    from cnnfast.models.model import Model

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
        self._mode_by_metric = mode == "auto"
        if mode == "auto":
            mode = "max" if any(part in monitor for part in _LARGER) else "min"
        self.monitor = monitor
        self.mode = mode
        self.best: Any = None
        self.min_delta = abs(float(min_delta))

    def set_model(self, model: Model) -> None:
        super().set_model(model)
        if self._mode_by_metric:  # a metric that was given a name of one's own knows better
            for metric in model.metrics:
                if self.monitor.removeprefix("val_") == metric.name and metric.larger_is_better:
                    self._become("max")

    def _become(self, mode: str) -> None:
        if mode != self.mode:
            worst, self.mode = self.worst, mode
            if getattr(self, "best", None) == worst:
                self.best = self.worst

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
        elif getattr(found, "ndim", 0):
            raise ValueError(
                f"{type(self).__name__}: {self.monitor!r} is an array of shape {found.shape}, one "
                "number is needed; give the metric an average, e.g. F1Score(average='macro')"
            )
        return found
