"""IDX, the file format of MNIST: a magic number, the dimensions, the values in big-endian order.

Format: http://yann.lecun.com/exdb/mnist (section "the IDX file format"). Files may be gzipped;
the first two bytes tell, not the name.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from . import _bounded

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_RANK = 8


@dataclass(frozen=True)
class Header:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of the header itself: magic number and dimensions."""
        return 4 + 4 * len(self.shape)

    @property
    def data_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def _read_header(stream: BinaryIO, path: Path) -> tuple[Header, bytes]:
    magic = stream.read(4)
    if len(magic) < 4:
        raise ValueError(f"IDX file {path}: truncated, {len(magic)} bytes hold no magic number")
    if magic[:2] != b"\0\0":
        raise ValueError(
            f"IDX file {path}: expected a magic number 00 00 TYPE RANK, got {magic.hex(' ')}; "
            "this is not an IDX file"
        )
    if magic[2] not in _TYPES:
        known = ", ".join(f"0x{code:02x}" for code in _TYPES)
        raise ValueError(f"IDX file {path}: type 0x{magic[2]:02x} is unknown, expected {known}")
    rank = magic[3]
    if not 1 <= rank <= _MAX_RANK:
        raise ValueError(f"IDX file {path}: rank {rank}, expected 1 to {_MAX_RANK}")
    raw = stream.read(4 * rank)
    if len(raw) < 4 * rank:
        raise ValueError(
            f"IDX file {path}: truncated, rank {rank} needs {4 * rank} bytes of dimensions, "
            f"got {len(raw)}"
        )
    shape = tuple(int.from_bytes(raw[4 * i : 4 * i + 4], "big") for i in range(rank))
    return Header(np.dtype(_TYPES[magic[2]]), shape), magic + raw


def _check_size(header: Header, path: Path, zipped: bool) -> None:
    """Before anything is allocated: can the file hold what its header declares?"""
    size = path.stat().st_size
    declared = header.bytes + header.data_bytes
    dims = "x".join(map(str, header.shape))
    if zipped:
        allowed = _bounded.allowance(size)
        if declared > allowed:
            raise ValueError(
                f"IDX file {path}: the header declares {dims} = {declared:,} bytes, more than "
                f"{allowed:,} that {size:,} gzipped bytes are trusted to hold; if the file is "
                "right, unpack it with gunzip first"
            )
    elif declared != size:
        what = "truncated" if size < declared else "there are trailing bytes"
        raise ValueError(
            f"IDX file {path}: the header declares {dims} = {declared:,} bytes, "
            f"the file has {size:,}: {what}"
        )


def read_idx(path: str | Path, *, sha256: str | None = None) -> npt.NDArray[Any]:
    """Read one IDX file, plain or gzipped, into an array in native byte order.

    ``sha256`` is the expected sum of the uncompressed bytes. Every lie of a header (magic number,
    type, dimensions that do not fit the file) is a ``ValueError`` before anything is allocated;
    a gzipped file is unpacked no further than its header declares.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not an IDX file, is truncated, has trailing bytes, or has another sum.

    Example:
        >>> labels = read_idx("train-labels-idx1-ubyte.gz")  # doctest: +SKIP
        >>> labels.shape, labels.dtype  # doctest: +SKIP
        ((60000,), dtype('uint8'))
    """
    path = Path(path)
    zipped = _bounded.is_gzip(path)
    with _bounded.open_plain_or_gzip(path) as stream:
        try:
            header, raw = _read_header(stream, path)
            _check_size(header, path, zipped)
            data = _bounded.read_up_to(stream, header.data_bytes)
            trailing = stream.read(1)
        except _bounded.GZIP_ERRORS as error:
            raise ValueError(f"IDX file {path}: truncated or damaged gzip data ({error})") from None
    if len(data) < header.data_bytes:
        raise ValueError(
            f"IDX file {path}: truncated, the header declares {header.data_bytes:,} bytes of data, "
            f"got {len(data):,}"
        )
    if trailing:
        raise ValueError(f"IDX file {path}: trailing bytes after {header.data_bytes:,} of data")
    if sha256 is not None:
        digest = hashlib.sha256(raw)
        digest.update(data)
        if digest.hexdigest() != sha256:
            raise ValueError(
                f"IDX file {path}: SHA-256 of the uncompressed bytes is {digest.hexdigest()}, "
                f"expected {sha256}; the file is damaged or another one"
            )
    array = np.frombuffer(data, dtype=header.dtype).reshape(header.shape)
    return array.astype(header.dtype.newbyteorder("="), copy=False)
