"""Keras' ``mnist.npz``, read without trusting a size that it declares."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from . import _bounded
from ._types import Array

_KEYS = ("x_train", "y_train", "x_test", "y_test")


def _check_member(archive: zipfile.ZipFile, name: str, path: Path, budget: int) -> None:
    """The header of one array inside: plain numbers, and as many as the archive holds."""
    info = archive.getinfo(name)
    if info.file_size > budget:
        raise ValueError(
            f"{path}: {name} declares {info.file_size:,} bytes, more than {budget:,} that a file "
            "of this size is trusted to hold"
        )
    with archive.open(name) as member:
        head = io.BytesIO(member.read(4096))
    version = np.lib.format.read_magic(head)
    read = np.lib.format.read_array_header_1_0
    shape, _, dtype = (read if version == (1, 0) else np.lib.format.read_array_header_2_0)(head)
    if dtype.hasobject:
        raise ValueError(f"{path}: {name} holds Python objects, expected numbers")
    declared = head.tell() + math.prod(shape) * dtype.itemsize
    if declared != info.file_size:
        raise ValueError(
            f"{path}: {name} declares shape {shape} = {declared:,} bytes, it has {info.file_size:,}"
        )


def read_npz(path: Path) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """``(x_train, y_train), (x_test, y_test)``; ``ValueError`` when damaged or incomplete."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
            missing = [key for key in _KEYS if key not in names]
            if missing:
                raise ValueError(
                    f"{path}: expected the arrays {', '.join(_KEYS)}; missing {', '.join(missing)}"
                )
            budget = _bounded.allowance(path.stat().st_size)
            for key in _KEYS:
                _check_member(archive, key + ".npy", path, budget)
        with np.load(path, allow_pickle=False) as arrays:
            return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
    except (zipfile.BadZipFile, EOFError, KeyError, OSError, *_bounded.GZIP_ERRORS) as error:
        raise ValueError(f"{path}: damaged or not an .npz file ({error})") from None
