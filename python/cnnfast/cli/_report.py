"""What a training leaves behind: history.csv and pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ._data import Data

ABOUT = "about.json"


def write_history(path: Path, history: Mapping[str, Sequence[float]]) -> None:
    names = list(history)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *names])
        for epoch, row in enumerate(zip(*(history[name] for name in names), strict=True), 1):
            writer.writerow([epoch, *(f"{float(value):.8g}" for value in row)])


def write_about(path: Path, data: Data) -> None:
    """What ``predict`` needs beside the model: names of the classes, dark or light paper."""
    about = {"classes": data.classes, "background": data.background}
    path.write_text(json.dumps(about, indent=1) + "\n")


def read_about(path: Path) -> dict[str, Any]:
    """What is known about a model; empty when it was not made by ``cnnfast train``."""
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: cannot be read ({error})") from None
    if not isinstance(about, dict):
        raise ValueError(f"{path}: expected an object, got {type(about).__name__}")
    return about


def write_pictures(
    folder: Path,
    model: Any,
    history: Any,
    data: Data,
    probabilities: npt.NDArray[np.float32],
) -> list[str]:
    """Names of the files written; raises ImportError where matplotlib is missing."""
    from cnnfast import visualize

    names = data.classes
    figures = {
        "training_curves.png": visualize.training_curves(history),
        "filters.png": visualize.filters(model),
        "confusion_matrix.png": visualize.confusion_matrix(data.y_test, probabilities, names),
        "mistakes.png": visualize.mistakes(
            data.x_test, data.y_test, probabilities, class_names=names
        ),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name)
    return list(figures)
