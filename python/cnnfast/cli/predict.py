"""``cnnfast predict``: what a model sees in pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from . import _data, _report


def add_command(commands: Any) -> None:
    parser = commands.add_parser("predict", help="classify PNG or JPEG pictures with a model")
    parser.add_argument("model", type=Path, help="a model.safetensors that train has written")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from cnnfast import models
    from cnnfast.datasets.pictures import read_picture

    if not arguments.model.is_file():
        raise FileNotFoundError(f"model {arguments.model} does not exist")
    model = models.load_model(arguments.model)
    about = _report.read_about(arguments.model.parent / _report.ABOUT)
    shape = model.input_shape
    if len(shape) != 4 or shape[3] not in (1, 3):
        raise ValueError(
            f"model {arguments.model} takes input {shape}, expected images (n, height, width, "
            "1 or 3)"
        )
    _, height, width, channels = shape
    if height is None or width is None or channels is None:
        raise ValueError(f"model {arguments.model} leaves the size of its images open: {shape}")
    pictures = [read_picture(path, (height, width), channels) for path in arguments.images]
    background = float(about.get("background", 0.0))
    inputs = []
    for picture in pictures:
        # Dark ink on white paper for a model that learned white on black, or the other way.
        if abs(_data.border(picture[None]) - background) > 127:
            picture = 255 - picture
        inputs.append(picture)
    x = np.stack(inputs).astype(np.float32) / np.float32(255)
    names = about.get("classes") or []
    for path, scores in zip(arguments.images, model.predict(x, verbose=0), strict=True):
        best = int(scores.argmax())
        name = names[best] if best < len(names) else str(best)
        print(f"{path}: {name} {float(scores[best]):.4f}")
    return 0
