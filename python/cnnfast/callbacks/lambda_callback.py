"""A callback from functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnfast.callbacks.callback import Callback


class LambdaCallback(Callback):
    """Calls functions at hooks: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs))``.

    Raises:
        TypeError: a name that is no hook.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any],
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in given.items():
            if not (name.startswith("on_") and hasattr(Callback, name)):
                raise TypeError(f"LambdaCallback: {name!r} is no hook")
            if function is not None:
                setattr(self, name, function)
