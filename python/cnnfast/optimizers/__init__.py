"""Optimizers: names, arguments, defaults and formulas of Keras.

>>> from cnnfast import optimizers
>>> optimizers.get("adam").learning_rate
0.001
"""

from __future__ import annotations

from typing import Any

from cnnfast import _resolve
from cnnfast.optimizers.adam import Adam, AdamW
from cnnfast.optimizers.optimizer import Optimizer
from cnnfast.optimizers.rmsprop import RMSprop
from cnnfast.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "deserialize", "get", "serialize"]

_TABLE: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "SGD": SGD,
    "adam": Adam,
    "Adam": Adam,
    "adamw": AdamW,
    "AdamW": AdamW,
    "rmsprop": RMSprop,
    "RMSprop": RMSprop,
}


def get(identifier: Any, custom_objects: dict[str, Any] | None = None) -> Optimizer:
    """The optimizer of a name, class, instance or configuration.

    Raises:
        ValueError: an unknown name.
        TypeError: something that is no optimizer.
    """
    found = _resolve.resolve("optimizer", identifier, _TABLE, Optimizer, custom_objects)
    if not isinstance(found, Optimizer):
        raise TypeError(f"optimizer must be a name or an Optimizer, got {identifier!r}")
    return found


serialize = _resolve.serialize
deserialize = get
