import gzip
import hashlib
import http.server
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cnnfast.datasets import _sources, fashion_mnist, mnist
from idx_files import NAMES, idx_bytes, small_set, write_set


def assert_same(got, expected):
    for (x, y), (want_x, want_y) in zip(got, expected, strict=True):
        np.testing.assert_array_equal(x, want_x)
        np.testing.assert_array_equal(y, want_y)


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """Neither $CNNFAST_DATA nor a cache nor a network."""
    monkeypatch.delenv("CNNFAST_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def refuse(self, url, target, name):
        raise OSError("no network in this test")

    monkeypatch.setattr(_sources.NamedDataset, "_fetch", refuse)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_folder(tmp_path, capsys, zipped):
    split = small_set()
    folder = write_set(tmp_path / "set", split, zipped)
    assert_same(mnist.load_data(folder), split)
    assert_same(mnist.load_data(path=str(folder)), split)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"mnist: 20 training and 8 test images from {folder} (path)"
    assert len(lines) == 2


def test_an_npz_file_and_a_folder_with_one(tmp_path, capsys):
    (x, y), (x_test, y_test) = split = small_set()
    arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    np.savez_compressed(tmp_path / "mnist.npz", **arrays)
    assert_same(mnist.load_data(tmp_path / "mnist.npz"), split)
    assert_same(mnist.load_data(tmp_path), split)
    assert "mnist.npz" in capsys.readouterr().out


def test_the_environment_comes_before_the_cache(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_set(tmp_path / "cache" / "cnnfast" / "mnist", small_set(1))
    monkeypatch.setenv("CNNFAST_DATA", str(tmp_path / "data"))
    write_set(tmp_path / "data" / "mnist", small_set(2))
    assert_same(mnist.load_data(), small_set(2))
    assert "$CNNFAST_DATA" in capsys.readouterr().out


def test_a_missing_path_lists_what_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        mnist.load_data(tmp_path / "none")
    for name in NAMES:
        assert name in str(error.value)
    write_set(tmp_path, small_set())
    (tmp_path / f"{NAMES[1]}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=NAMES[1]):
        mnist.load_data(tmp_path)


def test_nothing_found_names_every_place(no_data, tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        mnist.load_data()
    for place in ("$CNNFAST_DATA: not set", "cache", "ossci-datasets", "cvdf-datasets", "path="):
        assert place in str(error.value)


def test_a_foreign_file_in_the_cache_is_not_taken(no_data, tmp_path):
    write_set(tmp_path / "cache" / "cnnfast" / "mnist", small_set())
    with pytest.raises(FileNotFoundError, match="cache: .*SHA-256"):
        mnist.load_data()
    write_set(tmp_path / "cache" / "cnnfast" / "fashion_mnist", small_set())
    with pytest.raises(FileNotFoundError, match="cache: .*SHA-256"):
        fashion_mnist.load_data()


def test_keras_file_name(no_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="mnist.npz"):
        mnist.load_data("mnist.npz")
    folder = tmp_path / "home" / ".keras" / "datasets"
    folder.mkdir(parents=True)
    (x, y), (x_test, y_test) = split = small_set()
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=x_test, y_test=y_test)
    assert_same(mnist.load_data("mnist.npz"), split)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: ((s[0][0], s[0][1][:-1]), s[1]), "20 training images but 19 labels"),
        (lambda s: ((s[0][0][:, 0], s[0][1]), s[1]), "uint8 .n, height, width."),
        (lambda s: (s[0], (s[1][0].astype(np.float32), s[1][1])), "test images.*float32"),
        (lambda s: (s[0], (s[1][0], s[1][1].astype(np.float32))), "test labels.*float32"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, spoil, message):
    with pytest.raises(ValueError, match=message):
        mnist.load_data(write_set(tmp_path, spoil(small_set())))


def test_damaged_npz(tmp_path):
    path = tmp_path / "mnist.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match="damaged"):
        mnist.load_data(path)
    np.savez(path, x_train=np.zeros(3))
    with pytest.raises(ValueError, match="missing y_train, x_test, y_test"):
        mnist.load_data(path)
    np.savez(path, **dict.fromkeys(("x_train", "y_train", "x_test", "y_test"), np.array([{}])))
    with pytest.raises(ValueError, match="Python objects"):
        mnist.load_data(path)


def test_an_npz_that_lies_about_a_shape(tmp_path):
    good = tmp_path / "good.npz"
    np.savez(good, **dict.fromkeys(("x_train", "y_train", "x_test", "y_test"), np.zeros(3)))
    path = tmp_path / "mnist.npz"
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data.replace(b"(3,), }          ", b"(3000000000000,), }"[:19]))
    with pytest.raises(ValueError, match="declares shape"):
        mnist.load_data(path)


class _Server:
    """A mirror on this machine."""

    def __init__(self, folder: Path):
        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(folder))

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirror(tmp_path):
    server = _Server(write_set(tmp_path / "mirror", small_set()))
    yield server
    server.close()


def test_the_mirrors(tmp_path, monkeypatch, mirror, capsys):
    monkeypatch.delenv("CNNFAST_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    split = small_set()
    sums = {
        name: hashlib.sha256(idx_bytes(array)).hexdigest()
        for name, array in zip(NAMES, [a for part in split for a in part], strict=True)
    }
    dead = "http://127.0.0.1:9/"
    data = _sources.NamedDataset("toy", (dead, mirror.url), sums, {})
    assert_same(data.load(None), split)
    folder = tmp_path / "cache" / "cnnfast" / "toy"
    assert sorted(os.listdir(folder)) == sorted(f"{name}.gz" for name in NAMES)
    assert "fetching" in capsys.readouterr().out

    assert_same(data.load(None), split)
    assert capsys.readouterr().out.splitlines() == [
        f"toy: 20 training and 8 test images from {folder} (cache)"
    ]

    # One damaged file: fetched again, alone.
    (folder / f"{NAMES[3]}.gz").write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x01\0"))
    assert_same(data.load(None), split)
    assert capsys.readouterr().out.count(mirror.url) == 1

    # A mirror that serves something else leaves nothing behind.
    wrong = _sources.NamedDataset("toy2", (mirror.url,), dict.fromkeys(NAMES, "0" * 64), {})
    with pytest.raises(FileNotFoundError, match="SHA-256"):
        wrong.load(None)
    assert os.listdir(tmp_path / "cache" / "cnnfast" / "toy2") == []


@pytest.mark.skipif(
    not (Path(os.environ.get("CNNFAST_DATA", "")) / "mnist").is_dir(),
    reason="real MNIST is not here: set CNNFAST_DATA to the folder that holds mnist/",
)
def test_real_mnist():
    (x, y), (x_test, y_test) = mnist.load_data()
    assert x.shape == (60000, 28, 28) and x_test.shape == (10000, 28, 28)
    assert x.dtype == y.dtype == np.uint8 and y[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(y_test).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    folder = Path(os.environ["CNNFAST_DATA"]) / "mnist"
    for name in NAMES:
        data = gzip.decompress((folder / f"{name}.gz").read_bytes())
        assert hashlib.sha256(data).hexdigest() == mnist._MNIST.sha256[name]
