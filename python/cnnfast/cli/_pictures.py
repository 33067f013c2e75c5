"""A trained model and the pictures it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _data, _report

if TYPE_CHECKING:
    from cnnfast.models import Model


@dataclass(frozen=True)
class Trained:
    """A model file and what ``cnnfast train`` noted beside it."""

    model: Model
    size: tuple[int, int]
    channels: int
    classes: Sequence[str]
    background: float

    def name_of(self, number: int) -> str:
        return self.classes[number] if number < len(self.classes) else str(number)


def load(path: Path) -> Trained:
    """Raises where there is no model, or one that does not take images of one size."""
    from cnnfast import models

    if not path.is_file():
        raise FileNotFoundError(f"model {path} does not exist")
    model = models.load_model(path)
    about = _report.read_about(path.parent / _report.ABOUT)
    shape = model.input_shape
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise ValueError(
            f"model {path} takes input {shape}, expected images (n, height, width, 1 or 3)"
        )
    _, height, width, channels = shape
    if height is None or width is None or channels is None:
        raise ValueError(f"model {path} leaves the size of its images open: {shape}")
    return Trained(
        model,
        (height, width),
        channels,
        about.get("classes") or [],
        float(about.get("background", 0.0)),
    )


def read(trained: Trained, paths: Sequence[Path]) -> npt.NDArray[np.float32]:
    """Pictures as the model was fed in training: its size and channels, in [0, 1]."""
    from cnnfast.datasets.pictures import read_picture

    inputs: list[Any] = []
    for picture in [read_picture(path, trained.size, trained.channels) for path in paths]:
        # Dark ink on white paper for a model that learned white on black, or the other way.
        if abs(_data.border(picture[None]) - trained.background) > 127:
            picture = 255 - picture
        inputs.append(picture)
    scaled: npt.NDArray[np.float32] = np.stack(inputs).astype(np.float32) / np.float32(255)
    return scaled
