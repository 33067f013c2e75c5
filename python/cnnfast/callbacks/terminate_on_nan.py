"""Stops when the loss is no number any more."""

from __future__ import annotations

import math

from cnnfast.callbacks.callback import Callback, Logs


class TerminateOnNaN(Callback):
    """Ends training at the first batch after which the loss is NaN or infinite."""

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            print(f"Batch {batch}: the loss is {loss}, training ends")
            self.model.stop_training = True
