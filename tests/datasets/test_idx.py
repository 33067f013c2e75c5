import gzip
import hashlib
import struct
import tracemalloc

import numpy as np
import pytest

from cnnfast.datasets.idx import read_idx
from idx_files import CODES, idx_bytes

ARRAY = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def write(tmp_path, data, zipped=False):
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", list(CODES))
@pytest.mark.parametrize("shape", [(5,), (0,), (3, 0, 2), (2, 3, 4), (1, 2, 3, 4)])
def test_reads_what_was_written(tmp_path, dtype, shape, zipped):
    array = (np.arange(np.prod(shape)) - 3).astype(dtype).reshape(shape)
    got = read_idx(write(tmp_path, idx_bytes(array), zipped))
    assert got.dtype == array.dtype and got.dtype.isnative
    np.testing.assert_array_equal(got, array)


def test_the_sum_is_of_the_uncompressed_bytes(tmp_path):
    data = idx_bytes(ARRAY)
    right = hashlib.sha256(data).hexdigest()
    for zipped in (False, True):
        path = write(tmp_path, data, zipped)
        np.testing.assert_array_equal(read_idx(path, sha256=right), ARRAY)
        with pytest.raises(ValueError, match="SHA-256.*expected 0000"):
            read_idx(path, sha256="0" * 64)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no magic number"),
        (b"\0\0\x08", "no magic number"),
        (b"PNG\x01" + bytes(20), "not an IDX file"),
        (struct.pack(">HBB", 0, 0x0A, 1) + bytes(4), "type 0x0a is unknown"),
        (struct.pack(">HBB", 0, 8, 0), "rank 0"),
        (struct.pack(">HBB", 0, 8, 200) + bytes(800), "rank 200"),
        (struct.pack(">HBB", 0, 8, 3) + bytes(8), "rank 3 needs 12 bytes"),
        (idx_bytes(ARRAY)[:-1], "truncated"),
        (idx_bytes(ARRAY) + b"\0", "trailing bytes"),
        (idx_bytes(ARRAY, shape=(2, 3, 5)), "truncated"),
        (idx_bytes(ARRAY, shape=(2, 3, 3)), "trailing bytes"),
        (idx_bytes(ARRAY, shape=(2**32 - 1,) * 3), "declares"),
        (idx_bytes(ARRAY, shape=(2**32 - 1,) * 8, code=0x0E), "declares"),
    ],
)
def test_a_lie_is_a_value_error(tmp_path, data, message, zipped):
    with pytest.raises(ValueError, match=message):
        read_idx(write(tmp_path, data, zipped))


def test_a_damaged_gzip_is_a_value_error(tmp_path):
    data = bytearray(gzip.compress(idx_bytes(np.arange(5000, dtype=np.int32))))
    path = tmp_path / "file"
    for bad in (data[:-9], data[: len(data) // 2], data[:4]):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match="truncated or damaged"):
            read_idx(path)
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ValueError, match="damaged|truncated|trailing"):
        read_idx(path)


@pytest.mark.parametrize("declared", [100, 200 << 20])
def test_a_gzip_bomb_is_not_unpacked(tmp_path, declared):
    bomb = struct.pack(">HBBI", 0, 8, 1, declared) + bytes(200 << 20)
    path = write(tmp_path, bomb, zipped=True)
    del bomb
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="declares|trailing"):
            read_idx(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")
