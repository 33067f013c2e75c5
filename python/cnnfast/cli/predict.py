"""``cnnfast predict``: what a model sees in pictures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from . import _pictures


def add_command(commands: Any) -> None:
    parser = commands.add_parser("predict", help="classify PNG or JPEG pictures with a model")
    parser.add_argument("model", type=Path, help="a model.safetensors that train has written")
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    trained = _pictures.load(arguments.model)
    x = _pictures.read(trained, arguments.images)
    for path, scores in zip(arguments.images, trained.model.predict(x, verbose=0), strict=True):
        best = int(scores.argmax())
        print(f"{path}: {trained.name_of(best)} {float(scores[best]):.4f}")
    return 0
