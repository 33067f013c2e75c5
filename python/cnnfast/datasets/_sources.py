"""Where a named data set comes from: a path, ``$CNNFAST_DATA``, the cache, the public mirrors."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import _bounded, _npz
from ._types import Array, Split
from .idx import read_idx

TIMEOUT_SECONDS = 20.0
_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_MAX_DOWNLOAD = 64 << 20


def cache_folder() -> Path:
    """``~/.cache/cnnfast``, or under ``$XDG_CACHE_HOME``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "cnnfast"


def _find(folder: Path, name: str) -> Path | None:
    """The file under its name, with a dot as some archives spell it, gzipped or not."""
    dotted = name.replace("-idx", ".idx")
    for candidate in (name, name + ".gz", dotted, dotted + ".gz"):
        if (folder / candidate).is_file():
            return folder / candidate
    return None


@dataclass(frozen=True)
class NamedDataset:
    """Four IDX files that go by a name."""

    name: str
    mirrors: Sequence[str]
    sha256: Mapping[str, str]  # of the uncompressed bytes
    gzip_sha256: Mapping[str, str]  # of the published .gz, where only that sum is known

    def load(self, path: str | os.PathLike[str] | None) -> Split:
        if path is not None:
            return self._load_path(Path(path).expanduser())
        looked: list[str] = []
        data = os.environ.get("CNNFAST_DATA")
        if data:
            folder = Path(data).expanduser() / self.name
            if self._has_set(folder):
                return self._read_folder(folder, "$CNNFAST_DATA")
            looked.append(f"$CNNFAST_DATA: {self._missing(folder)}")
        else:
            looked.append("$CNNFAST_DATA: not set")
        cache = cache_folder() / self.name
        if self._has_set(cache):
            try:
                return self._read_folder(cache, "cache", verify=True)
            except ValueError as error:
                looked.append(f"cache: {error}")
        else:
            looked.append(f"cache: {self._missing(cache)}")
        self._download(cache, looked)
        return self._read_folder(cache, "cache")

    # ---- local files ---------------------------------------------------------------------------

    def _load_path(self, path: Path) -> Split:
        if path.is_file():
            return self._say(self._checked(_npz.read_npz(path), path), str(path))
        keras = Path.home() / ".keras" / "datasets" / path
        if path.parent == Path() and path.suffix == ".npz" and keras.is_file():
            return self._say(self._checked(_npz.read_npz(keras), keras), str(keras))
        if not path.is_dir():
            raise FileNotFoundError(
                f"{self.name}.load_data: {path} does not exist; looked for a folder with "
                f"{', '.join(_FILES)} (.gz or not) or a file {self.name}.npz"
            )
        if not self._has_set(path):
            raise FileNotFoundError(f"{self.name}.load_data: {self._missing(path)}")
        return self._read_folder(path, "path")

    def _npz_in(self, folder: Path) -> Path:
        return folder / f"{self.name}.npz"

    def _has_set(self, folder: Path) -> bool:
        return self._npz_in(folder).is_file() or all(_find(folder, name) for name in _FILES)

    def _missing(self, folder: Path) -> str:
        if not folder.is_dir():
            return f"folder {folder} does not exist"
        absent = [name for name in _FILES if _find(folder, name) is None]
        return f"{folder} lacks {', '.join(absent)} (.gz or not), and {self.name}.npz"

    def _read_folder(self, folder: Path, label: str, verify: bool = False) -> Split:
        found = [(_find(folder, name), name) for name in _FILES]
        if not all(file for file, _ in found):
            npz = self._npz_in(folder)
            return self._say(self._checked(_npz.read_npz(npz), npz), f"{npz} ({label})")
        arrays = [self._read_file(file, name, verify) for file, name in found if file]
        split = (arrays[0], arrays[1]), (arrays[2], arrays[3])
        return self._say(self._checked(split, folder), f"{folder} ({label})")

    def _read_file(self, file: Path, name: str, verify: bool) -> Array:
        if verify and name in self.gzip_sha256:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            if digest != self.gzip_sha256[name]:
                raise ValueError(
                    f"{file}: SHA-256 is {digest}, expected {self.gzip_sha256[name]}; "
                    "the file is damaged or another one"
                )
        return read_idx(file, sha256=self.sha256.get(name) if verify else None)

    def _checked(self, split: tuple[tuple[Array, Array], tuple[Array, Array]], path: Path) -> Split:
        for part, (x, y) in zip(("training", "test"), split, strict=True):
            if x.ndim != 3 or x.dtype != np.uint8:
                raise ValueError(
                    f"{self.name}: {part} images in {path} must be uint8 (n, height, width), "
                    f"got {x.dtype} {x.shape}"
                )
            if y.ndim != 1 or y.dtype.kind not in "ui":
                raise ValueError(
                    f"{self.name}: {part} labels in {path} must be integers (n,), "
                    f"got {y.dtype} {y.shape}"
                )
            if len(x) != len(y):
                raise ValueError(
                    f"{self.name}: {path} has {len(x)} {part} images but {len(y)} labels"
                )
        return split

    def _say(self, split: Split, source: str) -> Split:
        (x, _), (x_test, _) = split
        print(f"{self.name}: {len(x)} training and {len(x_test)} test images from {source}")
        return split

    # ---- cache and mirrors -----------------------------------------------------------------------

    def _is_right(self, file: Path, name: str) -> bool:
        try:
            self._read_file(file, name, verify=True)
        except (OSError, ValueError):
            return False
        return True

    def _download(self, folder: Path, looked: list[str]) -> None:
        """All four files into the cache; ``FileNotFoundError`` naming every place that failed."""
        for mirror in self.mirrors:
            try:
                for name in _FILES:
                    target = folder / f"{name}.gz"
                    if not self._is_right(target, name):
                        print(f"{self.name}: fetching {mirror}{name}.gz")
                        self._fetch(f"{mirror}{name}.gz", target, name)
                return
            except (OSError, ValueError) as error:
                looked.append(f"{mirror}: {error}")
        raise FileNotFoundError(
            f"{self.name}.load_data: no data found. Looked in:\n  "
            + "\n  ".join(looked)
            + f"\nPut the four IDX files into a folder and call {self.name}.load_data(path=FOLDER) "
            f"or set CNNFAST_DATA to the folder that holds {self.name}/"
        )

    def _fetch(self, url: str, target: Path, name: str) -> None:
        """Into a temporary file, checked, then renamed: the cache never holds half a file."""
        import http.client
        import urllib.request

        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, suffix=".part")
        try:
            with (
                os.fdopen(handle, "wb") as file,
                urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as reply,
            ):
                data = _bounded.read_up_to(reply, _MAX_DOWNLOAD)
                file.write(data)
            self._read_file(Path(temporary), name, verify=True)
            os.replace(temporary, target)
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__} {error}") from None
        finally:
            Path(temporary).unlink(missing_ok=True)
