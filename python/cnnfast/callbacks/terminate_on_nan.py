"""Stops when the loss is no number any more."""

from __future__ import annotations

import math

from cnnfast.callbacks.callback import Callback, Logs


class TerminateOnNaN(Callback):
    """Ends training at the first batch after which the loss is NaN or infinite.

    Args:
        raise_error: with a RuntimeError out of ``fit`` instead of ``model.stop_training``.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = bool(raise_error)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"TerminateOnNaN: the loss is {loss} after batch {batch}; lower the learning rate, "
                "or look for NaN in the data"
            )
        print(f"Batch {batch}: the loss is {loss}, training ends")
        self.model.stop_training = True
