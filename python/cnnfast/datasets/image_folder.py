"""A folder of pictures: one sub-folder for each class, PNG or JPEG files inside."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ._types import Bytes, Split
from .pictures import SUFFIXES, read_picture


def class_names(path: str | os.PathLike[str]) -> list[str]:
    """Names of the sub-folders that hold pictures, sorted: label k is the k-th."""
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"image_folder: folder {folder} does not exist")
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and _pictures(entry))
    if len(names) < 2:
        raise ValueError(
            f"image_folder: {folder} must hold one sub-folder with {', '.join(SUFFIXES)} files "
            f"for each class, at least 2; found {len(names)}"
        )
    if len(names) > 256:
        raise ValueError(f"image_folder: {folder} has {len(names)} classes, expected at most 256")
    return names


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def load_data(
    path: str | os.PathLike[str],
    size: tuple[int, int] = (28, 28),
    channels: int = 1,
    test_share: float = 0.15,
    seed: int = 0,
) -> Split:
    """Read every picture, resized; a share of each class is kept for testing.

    Args:
        path: the folder; label k is the k-th of ``class_names(path)``.
        size: (height, width) of the arrays.
        channels: 1 for grey, 3 for colour.
        test_share: part of each class for testing, in (0, 1); at least one picture of each class
            stays for training.
        seed: of the draw of test pictures.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 (n, height, width) or, in colour,
        (n, height, width, 3); labels uint8 (n,).

    Raises:
        FileNotFoundError: no such folder.
        ValueError: fewer than two classes, or a file that is no picture.

    Example:
        >>> (x, y), (x_test, y_test) = load_data("flowers", size=(32, 32))  # doctest: +SKIP
    """
    if not 0 < test_share < 1:
        raise ValueError(f"image_folder: test_share must be between 0 and 1, got {test_share}")
    names = class_names(path)
    rng = np.random.default_rng(seed)
    images: tuple[list[Bytes], list[Bytes]] = ([], [])
    labels: tuple[list[int], list[int]] = ([], [])
    for label, name in enumerate(names):
        files = _pictures(Path(path) / name)
        tested = min(max(1, round(len(files) * test_share)), len(files) - 1)
        for rank, index in enumerate(rng.permutation(len(files))):
            part = int(rank < tested)
            images[part].append(read_picture(files[index], size, channels))
            labels[part].append(label)

    def stack(part: int) -> tuple[Bytes, Bytes]:
        shape = (0, *size, channels)
        x = np.stack(images[part]) if images[part] else np.empty(shape, np.uint8)
        # Mixed: Keras' validation_split takes the tail, which must not be the last class alone.
        order = rng.permutation(len(x))
        y = np.array(labels[part], dtype=np.uint8)
        return (x[..., 0] if channels == 1 else x)[order], y[order]

    split = stack(0), stack(1)
    print(
        f"image_folder: {len(split[0][0])} training and {len(split[1][0])} test images "
        f"of {len(names)} classes from {path}"
    )
    return split
