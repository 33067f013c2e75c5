"""``cnnfast train``: from images to a model, its history and pictures."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from . import _arguments, _data, _report

if TYPE_CHECKING:
    from cnnfast.models import Sequential

_MODELS = ("lenet5", "cnn")
_LEARNING_RATES = {"adam": 1e-3, "sgd": 0.05}


def add_command(commands: Any) -> None:
    parser = commands.add_parser(
        "train",
        help="train a network on MNIST, synthetic digits or a folder of pictures",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--model", choices=_MODELS, default="lenet5", help="the network")
    parser.add_argument(
        "--data",
        help="mnist, digits (synthetic), or a folder: one sub-folder of PNG/JPEG pictures for "
        "each class, or four IDX files; without it MNIST, and the digits where there is none",
    )
    parser.add_argument("--epochs", type=_arguments.positive_int, default=5)
    parser.add_argument("--batch-size", type=_arguments.positive_int, default=128)
    parser.add_argument(
        "--lr", type=_arguments.positive_float, help="learning rate; 0.001 for adam, 0.05 for sgd"
    )
    parser.add_argument(
        "--optimizer", choices=tuple(_LEARNING_RATES), default="adam", help="sgd: momentum 0.9"
    )
    parser.add_argument("--seed", type=_arguments.seed, default=0)
    parser.add_argument("--threads", type=_arguments.positive_int, help="default: all there are")
    parser.add_argument(
        "--image-size",
        type=_arguments.positive_int,
        default=28,
        help="pictures of a folder are made square and grey, of so many pixels",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/latest"), help="folder to write")
    parser.set_defaults(run=run)


def _optimizer(name: str, rate: float | None) -> Any:
    from cnnfast import optimizers

    rate = _LEARNING_RATES[name] if rate is None else rate
    if name == "sgd":
        return optimizers.SGD(learning_rate=rate, momentum=0.9)
    return optimizers.Adam(learning_rate=rate)


def build_model(name: str, shape: tuple[int, int, int], classes: int) -> Sequential:
    """One of the networks of ``--model``."""
    from cnnfast import applications

    build = {"lenet5": applications.LeNet5, "cnn": applications.TutorialCNN}[name]
    return build(input_shape=shape, classes=classes)


def as_input(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """uint8 (n, height, width) -> float32 (n, height, width, 1) in [0, 1]."""
    scaled: npt.NDArray[np.float32] = np.divide(
        images[..., None], np.float32(255), dtype=np.float32
    )
    return scaled


def run(arguments: argparse.Namespace) -> int:
    import cnnfast
    from cnnfast import runtime

    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.threads is not None:
        runtime.set_num_threads(arguments.threads)
    cnnfast.set_random_seed(arguments.seed)
    data = _data.load(arguments.data, arguments.seed, arguments.image_size)
    print(
        f"cnnfast {cnnfast.__version__}: instruction set {runtime.isa()}, "
        f"{runtime.get_num_threads()} threads"
    )

    model = build_model(arguments.model, (*data.x.shape[1:3], 1), len(data.classes))
    model.compile(
        optimizer=_optimizer(arguments.optimizer, arguments.lr),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.summary()
    x_test = as_input(data.x_test)
    begin = time.perf_counter()
    history = model.fit(
        as_input(data.x),
        data.y,
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        validation_split=0.1 if len(data.x) >= 20 else 0.0,
        verbose=1 if sys.stderr.isatty() else 2,  # a bar is for a terminal, not for a log
    )
    seconds = time.perf_counter() - begin
    probabilities = model.predict(x_test, verbose=0)
    accuracy = float((probabilities.argmax(axis=1) == data.y_test).mean())
    print(f"trained {arguments.epochs} epochs in {seconds:.1f} s")
    print(f"test accuracy: {100 * accuracy:.2f} % of {len(x_test)} images ({data.name})")

    model.save(out / "model.safetensors")
    _report.write_history(out / "history.csv", history.history)
    _report.write_about(out / _report.ABOUT, data)
    written = ["model.safetensors", "history.csv", _report.ABOUT]
    try:
        written += _report.write_pictures(out, model, history, data, probabilities)
    except ImportError as error:
        print(f"no pictures: {error}")
    print(f"written to {out}/: {', '.join(written)}")
    return 0
