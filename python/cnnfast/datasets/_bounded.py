"""Compressed input that may lie about its size: never more memory than a bound set beforehand."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import BinaryIO

# Pictures compress 2 to 20 times (MNIST's images 4.9); DEFLATE can reach 1,032. Below the floor
# any ratio is harmless.
MAX_EXPANSION = 100
FLOOR_BYTES = 64 << 20
_CHUNK = 1 << 20


def allowance(compressed_bytes: int) -> int:
    """The most bytes that a compressed file of this size may hold."""
    return max(FLOOR_BYTES, MAX_EXPANSION * compressed_bytes)


def is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def read_up_to(stream: BinaryIO, count: int) -> bytearray:
    """At most ``count`` bytes; memory grows with what really arrives, not with what was declared."""
    data = bytearray()
    while len(data) < count:
        chunk = stream.read(min(_CHUNK, count - len(data)))
        if not chunk:
            break
        data += chunk
    return data


def open_plain_or_gzip(path: Path) -> BinaryIO:
    if is_gzip(path):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb")


GZIP_ERRORS = (EOFError, gzip.BadGzipFile, zlib.error)
