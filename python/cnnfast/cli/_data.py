"""What ``--data`` names: MNIST, the synthetic digits, or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnnfast.datasets._types import Bytes, Split


@dataclass(frozen=True)
class Data:
    name: str
    x: Bytes  # (n, height, width)
    y: Bytes  # (n,)
    x_test: Bytes
    y_test: Bytes
    classes: list[str]

    @property
    def background(self) -> float:
        """Mean brightness of the images' borders, 0 black to 255 white."""
        return border(self.x)


def border(images: Bytes) -> float:
    """Mean of the outermost pixels of images (n, height, width)."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    return float(np.mean([edge.mean() for edge in edges]))


def _of_split(name: str, split: Split, classes: list[str] | None = None) -> Data:
    (x, y), (x_test, y_test) = split
    if not len(x) or not len(x_test):
        raise ValueError(
            f"--data {name}: {len(x)} training and {len(x_test)} test images; "
            "expected at least one of each"
        )
    if classes is None:
        classes = [str(k) for k in range(max(10, int(max(y.max(), y_test.max())) + 1))]
    return Data(name, x, y, x_test, y_test, classes)


def _digits(seed: int) -> Data:
    from cnnfast.datasets import digits

    split = digits.load_data(seed=seed)
    print(
        f"digits: {len(split[0][0])} training and {len(split[1][0])} test images, "
        "SYNTHETIC: drawn by cnnfast, not MNIST"
    )
    return _of_split("digits", split)


def _mnist(seed: int, or_digits: bool) -> Data:
    from cnnfast.datasets import mnist

    try:
        return _of_split("mnist", mnist.load_data())
    except FileNotFoundError as error:
        if not or_digits:
            raise
        print(f"{error}\nNo MNIST here: training on synthetic digits instead.")
        return _digits(seed)


def load(name: str | None, seed: int, image_size: int) -> Data:
    """``None``: MNIST if it can be found or fetched, else the synthetic digits."""
    if name is None or name == "mnist":
        return _mnist(seed, or_digits=name is None)
    if name == "digits":
        return _digits(seed)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"--data {name}: expected mnist, digits, or a folder (one sub-folder of pictures for "
            "each class, or the four IDX files); there is no such folder"
        )
    from cnnfast.datasets import image_folder
    from cnnfast.datasets._sources import NamedDataset

    if any(file.is_file() and "ubyte" in file.name for file in folder.iterdir()):
        idx = NamedDataset("idx", mirrors=(), sha256={}, gzip_sha256={})
        return _of_split(name, idx.load(folder))
    classes = image_folder.class_names(folder)
    split = image_folder.load_data(folder, size=(image_size, image_size))
    return _of_split(name, split, classes)
