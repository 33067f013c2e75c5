"""Optimizers: names, arguments, defaults and formulas of Keras.

>>> from cnnfast import optimizers
>>> optimizers.get("adam").learning_rate
0.001
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cnnfast import _resolve
from cnnfast.optimizers import schedules
from cnnfast.optimizers.adagrad import Adagrad
from cnnfast.optimizers.adam import Adam, AdamW
from cnnfast.optimizers.optimizer import Optimizer
from cnnfast.optimizers.rmsprop import RMSprop
from cnnfast.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

_TABLE: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "SGD": SGD,
    "adam": Adam,
    "Adam": Adam,
    "adamw": AdamW,
    "AdamW": AdamW,
    "adagrad": Adagrad,
    "Adagrad": Adagrad,
    "rmsprop": RMSprop,
    "RMSprop": RMSprop,
}


def get(identifier: Any, custom_objects: dict[str, Any] | None = None) -> Optimizer:
    """The optimizer of a name, class, instance or configuration.

    Raises:
        ValueError: an unknown name.
        TypeError: something that is no optimizer.
    """
    if isinstance(identifier, Mapping):
        arguments = identifier.get("config")
        if isinstance(arguments, Mapping) and isinstance(arguments.get("learning_rate"), Mapping):
            rate = schedules.deserialize(arguments["learning_rate"], custom_objects)
            identifier = {**identifier, "config": {**arguments, "learning_rate": rate}}
    found = _resolve.resolve("optimizer", identifier, _TABLE, Optimizer, custom_objects)
    if not isinstance(found, Optimizer):
        raise TypeError(f"optimizer must be a name or an Optimizer, got {identifier!r}")
    return found


serialize = _resolve.serialize
deserialize = get
