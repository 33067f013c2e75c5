"""The command line, as a process of its own: what it prints, writes and refuses."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from idx_files import write_set

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("matplotlib")


def cnnfast(*arguments, environment=None, cwd=None):
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    source = {"PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in paths if path)}
    return subprocess.run(
        [sys.executable, "-m", "cnnfast", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env={**os.environ, **source, **(environment or {})},
        check=False,
    )


def good(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done, *words):
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("cnnfast: "), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    for word in words:
        assert word in lines[0]


@pytest.fixture(scope="module")
def idx_folder(tmp_path_factory):
    """Digits as four IDX files: a folder that --data takes, small enough to train on at once."""
    from cnnfast.datasets import digits

    split = digits.load_data(3000, 300)
    return write_set(tmp_path_factory.mktemp("idx"), split)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, idx_folder):
    out = tmp_path_factory.mktemp("run")
    done = cnnfast(
        "train", "--model", "cnn", "--data", idx_folder, "--epochs", 3, "--batch-size", 32,
        "--lr", 0.002, "--optimizer", "adam", "--seed", 3, "--threads", 1, "--out", out,
    )  # fmt: skip
    return out, good(done)


def test_train_says_what_it_does(trained, idx_folder):
    _, text = trained
    assert f"3000 training and 300 test images from {idx_folder}" in text
    assert "instruction set" in text and "1 threads" in text
    accuracy = float(text.split("test accuracy: ")[1].split(" %")[0])
    assert accuracy > 80


def test_train_writes_model_history_and_pictures(trained):
    out, text = trained
    names = {
        "model.safetensors", "history.csv", "about.json", "training_curves.png", "filters.png",
        "confusion_matrix.png", "mistakes.png",
    }  # fmt: skip
    assert {path.name for path in out.iterdir()} == names
    for name in names:
        assert name in text
        if name.endswith(".png"):
            with Image.open(out / name) as image:
                assert min(image.size) > 100
    rows = list(csv.DictReader((out / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["loss"]) < float(rows[0]["loss"])
    assert {"accuracy", "val_loss", "val_accuracy"} <= set(rows[0])


def test_the_seed_decides(trained, idx_folder, tmp_path):
    out, _ = trained
    done = cnnfast(
        "train", "--model", "cnn", "--data", idx_folder, "--epochs", 3, "--batch-size", 32,
        "--lr", 0.002, "--seed", 3, "--threads", 1, "--out", tmp_path,
    )  # fmt: skip
    good(done)
    assert (tmp_path / "history.csv").read_text() == (out / "history.csv").read_text()


def test_predict(trained, tmp_path):
    from cnnfast.datasets import digits

    out, _ = trained
    _, (x, y) = digits.load_data(0, 40, seed=5)
    paths = []
    for index, picture in enumerate(x):
        if index % 2:  # dark ink on white paper, larger, in colour
            picture = np.stack([255 - picture] * 3, axis=-1)
        image = Image.fromarray(picture)
        paths.append(tmp_path / f"{index}.png")
        (image.resize((56, 56)) if index % 2 else image).save(paths[-1])
    text = good(cnnfast("predict", out / "model.safetensors", *paths))
    lines = text.splitlines()
    assert len(lines) == 40
    right = {0: 0, 1: 0}
    for index, (line, path) in enumerate(zip(lines, paths, strict=True)):
        name, probability = line.removeprefix(f"{path}: ").split()
        assert 0 < float(probability) <= 1
        right[index % 2] += int(name) == y[index]
    assert right[0] >= 14 and right[1] >= 14  # of 20 each


def test_explain(trained, tmp_path):
    from cnnfast.datasets import digits

    out, _ = trained
    _, (x, y) = digits.load_data(0, 1, seed=5)
    Image.fromarray(x[0]).save(tmp_path / "digit.png")
    arguments = ("explain", out / "model.safetensors", tmp_path / "digit.png")
    seen = good(cnnfast("predict", *arguments[1:]))
    told = ("--class", (y[0] + 1) % 10, "--steps", 8, "--out", tmp_path / "why")
    text = good(cnnfast(*arguments, *told))
    assert text.splitlines()[0] == seen.strip()
    names = {
        "input.png", "feature_maps_conv2d.png", "feature_maps_conv2d_1.png", "saliency.png",
        "grad_cam.png", "classes.png",
    }  # fmt: skip
    assert {path.name for path in (tmp_path / "why").iterdir()} == names
    for name in names:
        assert name in text
        with Image.open(tmp_path / "why" / name) as image:
            assert np.asarray(image.convert("L")).std() > 1
    refused(cnnfast(*arguments, "--class", "ten"), "--class ten", "0, 1, 2")
    refused(cnnfast(*arguments, "--class", "10"), "--class 10")


def test_a_folder_of_pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name, rows in (("high", slice(2, 10)), ("low", slice(18, 26))):
        (tmp_path / "data" / name).mkdir(parents=True)
        for index in range(30):
            picture = rng.integers(0, 60, (28, 28), dtype=np.uint8)
            picture[rows, 4:24] = 230
            Image.fromarray(picture).save(tmp_path / "data" / name / f"{index}.png")
    out = tmp_path / "out"
    arguments = ("--epochs", 8, "--batch-size", 8, "--optimizer", "sgd", "--out", out)
    text = good(cnnfast("train", "--data", tmp_path / "data", *arguments))
    assert "of 2 classes" in text
    assert json.loads((out / "about.json").read_text())["classes"] == ["high", "low"]
    picture = tmp_path / "data" / "low" / "3.png"
    text = good(cnnfast("predict", out / "model.safetensors", picture))
    assert text.startswith(f"{picture}: low ")


def test_info():
    import cnnfast as package
    from cnnfast import runtime

    text = good(cnnfast("info"))
    for word in (package.__version__, runtime.isa(), "threads", "build", "numpy", np.__version__):
        assert word in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ["COMMAND"]),
        (("fly",), ["fly"]),
        (("train", "--model", "vgg99"), ["--model", "vgg99", "lenet5"]),
        (("train", "--epochs", "0"), ["--epochs", "'0'"]),
        (("train", "--epochs", "99999999999999999999"), ["--epochs"]),
        (("train", "--batch-size", "many"), ["--batch-size", "'many'"]),
        (("train", "--lr", "-1"), ["--lr"]),
        (("train", "--lr", "nan"), ["--lr"]),
        (("train", "--optimizer", "magic"), ["--optimizer", "magic"]),
        (("train", "--seed", "-5"), ["--seed"]),
        (("train", "--threads", "0"), ["--threads"]),
        (("train", "--threads", "100000"), ["threads"]),
        (("train", "--data", "no/such/folder"), ["no/such/folder", "mnist, digits"]),
        (("predict", "none.safetensors", "none.png"), ["none.safetensors"]),
        (("predict", "model"), ["IMAGE"]),
        (("explain", "none.safetensors", "none.png"), ["none.safetensors"]),
        (("explain", "model", "a.png", "--steps", "0"), ["--steps", "'0'"]),
    ],
)
def test_a_mistake_is_one_line(arguments, words, tmp_path):
    refused(cnnfast(*arguments, cwd=tmp_path), *words)


def test_bad_models_and_pictures(trained, tmp_path):
    out, _ = trained
    model = out / "model.safetensors"
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    refused(cnnfast("predict", model, tmp_path / "none.png"), "none.png", "does not exist")
    refused(cnnfast("predict", model, bad), "bad.png", "cannot be read")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(model.read_bytes()[:100])
    refused(cnnfast("predict", broken, bad), "broken.safetensors")
    broken.write_bytes(b"")
    refused(cnnfast("predict", broken, bad), "broken.safetensors")


def test_bad_folders(tmp_path):
    refused(cnnfast("train", "--data", tmp_path), "at least 2")
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03")
    refused(cnnfast("train", "--data", tmp_path), "train-labels-idx1-ubyte")


def test_mnist_is_never_substituted(tmp_path):
    nowhere = {
        "CNNFAST_DATA": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path),
        "HOME": str(tmp_path),
    }
    nowhere |= {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    refused(cnnfast("train", "--data", "mnist", environment=nowhere, cwd=tmp_path), "mnist")
