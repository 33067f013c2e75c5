"""Write IDX files for the tests, right or lying."""

import gzip
import struct
from pathlib import Path

import numpy as np

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(array, shape=None, code=None):
    shape = array.shape if shape is None else shape
    code = CODES[array.dtype.str[1:]] if code is None else code
    header = struct.pack(">HBB", 0, code, len(shape)) + struct.pack(f">{len(shape)}I", *shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def small_set(seed=0, n=20, n_test=8):
    rng = np.random.default_rng(seed)
    return tuple(
        (
            rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            rng.integers(0, 10, count, dtype=np.uint8),
        )
        for count in (n, n_test)
    )


def write_set(folder: Path, split, zipped=True):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(NAMES, [a for part in split for a in part], strict=True):
        data = idx_bytes(array)
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))
        else:
            (folder / name).write_bytes(data)
    return folder
