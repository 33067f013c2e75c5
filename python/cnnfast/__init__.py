"""Convolutional neural networks on ordinary CPUs, trained and run fast.

>>> import cnnfast as keras
>>> model = keras.Sequential([
...     keras.Input(shape=(28, 28, 1)),
...     keras.layers.Conv2D(32, 3, activation="relu"),
...     keras.layers.MaxPooling2D(2),
...     keras.layers.Flatten(),
...     keras.layers.Dense(10, activation="softmax"),
... ])
>>> model.count_params()
54410

Submodules are imported when they are first used, so ``import cnnfast`` costs little more than
importing NumPy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cnnfast._version import __version__

if TYPE_CHECKING:
    from cnnfast import (
        activations,
        applications,
        callbacks,
        datasets,
        initializers,
        layers,
        losses,
        metrics,
        models,
        ops,
        optimizers,
        regularizers,
        runtime,
        utils,
        visualize,
    )
    from cnnfast._functional import compile, grad, value_and_grad
    from cnnfast._trace import Tensor, Variable
    from cnnfast.layers import Input
    from cnnfast.models import Model, Sequential
    from cnnfast.utils import set_random_seed

_SUBMODULES = frozenset(
    {
        "activations",
        "applications",
        "callbacks",
        "datasets",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "models",
        "ops",
        "optimizers",
        "regularizers",
        "runtime",
        "utils",
        "visualize",
    }
)
_NAMES = {
    "Input": "cnnfast.layers",
    "Model": "cnnfast.models",
    "Sequential": "cnnfast.models",
    "Tensor": "cnnfast._trace",
    "Variable": "cnnfast._trace",
    "compile": "cnnfast._functional",
    "grad": "cnnfast._functional",
    "set_random_seed": "cnnfast.utils",
    "value_and_grad": "cnnfast._functional",
}

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "Tensor",
    "Variable",
    "__version__",
    "activations",
    "applications",
    "callbacks",
    "compile",
    "datasets",
    "grad",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "regularizers",
    "runtime",
    "set_random_seed",
    "utils",
    "value_and_grad",
    "visualize",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"cnnfast.{name}")
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'cnnfast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
