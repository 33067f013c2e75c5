"""``cnnfast study``; ``batch-size``: what the batch size does to time, updates and accuracy."""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast.callbacks.callback import Callback, Logs

from . import _arguments, _data, study_depth
from .train import as_input, build_model

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Row:
    """What one batch size gave."""

    batch_size: int
    updates: int  # of all epochs together
    seconds_per_epoch: float  # the median epoch, without validation
    images_per_second: float
    train_loss: float
    test_loss: float
    test_accuracy: float


def add_command(commands: Any) -> None:
    parser = commands.add_parser("study", help="experiments: batch-size, depth")
    studies = parser.add_subparsers(dest="study", metavar="STUDY", required=True)
    one = studies.add_parser(
        "batch-size",
        help="train the same network with batches of 1, 10, 100 ... images",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    one.add_argument("--data", help="mnist, digits (synthetic), or a folder, as for train")
    one.add_argument("--model", choices=("lenet5", "cnn"), default="lenet5")
    one.add_argument(
        "--sizes", type=_sizes, default="1,10,100,1000", help="batch sizes, with commas between"
    )
    one.add_argument("--epochs", type=_arguments.positive_int, default=3)
    one.add_argument(
        "--samples", type=_arguments.positive_int, default=10000, help="training images to use"
    )
    one.add_argument(
        "--lr",
        type=_arguments.positive_float,
        default=0.02,
        help="learning rate of plain gradient descent, the same for every batch size",
    )
    one.add_argument("--seed", type=_arguments.seed, default=0)
    one.add_argument("--threads", type=_arguments.positive_int, help="default: all there are")
    one.add_argument("--image-size", type=_arguments.positive_int, default=28, help="as for train")
    one.add_argument("--out", type=Path, default=Path("runs/batch-size"), help="folder to write")
    one.set_defaults(run=run)
    study_depth.add_study(studies)


def _sizes(text: str) -> list[int]:
    sizes = [_arguments.positive_int(part) for part in text.split(",") if part.strip()]
    if not sizes:
        raise argparse.ArgumentTypeError(f"expected batch sizes like 1,10,100, got {text!r}")
    return sorted(set(sizes))


class _Clock(Callback):
    """Seconds that each epoch trained."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._begin = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._begin = time.perf_counter()

    def on_test_begin(self, logs: Logs = None) -> None:
        self.seconds.append(time.perf_counter() - self._begin)


def measure(
    make_model: Callable[[], Any],
    train: tuple[Array, Array],
    test: tuple[Array, Array],
    sizes: Sequence[int],
    epochs: int = 1,
    seed: int = 0,
    show: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Trains a fresh model with each batch size, from the same weights.

    Args:
        make_model: a compiled model with the metric "accuracy".
        train, test: (images, labels).
        sizes: batch sizes.
        epochs: of each training.
        seed: of weights and shuffling.
        show: is told every row when it is done.
    """
    import cnnfast

    rows = []
    for size in sizes:
        cnnfast.set_random_seed(seed)
        model = make_model()
        clock = _Clock()
        history = model.fit(
            *train,
            batch_size=size,
            epochs=epochs,
            verbose=0,
            validation_data=test,
            validation_batch_size=256,
            callbacks=[clock],
        ).history
        seconds = float(np.median(clock.seconds))
        count = len(train[0])
        row = Row(
            size,
            epochs * -(-count // size),
            seconds,
            count / seconds,
            history["loss"][-1],
            history["val_loss"][-1],
            history["val_accuracy"][-1],
        )
        show(row)
        rows.append(row)
    return rows


_HEADER = (
    f"{'batch size':>10}  {'updates':>8}  {'s/epoch':>8}  {'images/s':>9}  {'train loss':>10}  "
    f"{'test loss':>9}  {'accuracy':>8}"
)


def _line(row: Row) -> str:
    return (
        f"{row.batch_size:>10}  {row.updates:>8}  {row.seconds_per_epoch:>8.3f}  "
        f"{row.images_per_second:>9,.0f}  {row.train_loss:>10.4f}  {row.test_loss:>9.4f}  "
        f"{100 * row.test_accuracy:>7.2f}%"
    )


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """One line a batch size."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field.name for field in fields(Row)])
        writer.writerows(astuple(row) for row in rows)


def figure(rows: Sequence[Row], title: str | None = None) -> Any:
    """Time, updates and accuracy against the batch size, side by side (matplotlib).

    Raises:
        ImportError: matplotlib is not installed.
    """
    from cnnfast.visualize._figure import BLUE, GREEN, GREY, ORANGE, new_figure, plain

    made = new_figure(11.0, 3.4)
    sizes = [row.batch_size for row in rows]
    panels: tuple[tuple[str, list[float], str, str], ...] = (
        ("seconds an epoch", [row.seconds_per_epoch for row in rows], "log", BLUE),
        ("updates", [row.updates for row in rows], "log", ORANGE),
        ("test accuracy, %", [100 * row.test_accuracy for row in rows], "linear", GREEN),
    )
    for axes, (name, values, scale, colour) in zip(made.subplots(1, 3), panels, strict=True):
        axes.plot(sizes, values, "o-", color=colour, linewidth=1.8, ms=4)
        axes.set_xscale("log")
        axes.set_yscale(scale)
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        for size, value in zip(sizes, values, strict=True):
            text = f"{value:.3g}" if scale == "log" and value < 1000 else f"{value:,.0f}"
            axes.annotate(
                f"{value:.1f}" if scale == "linear" else text,
                (size, value),
                textcoords="offset points",
                xytext=(0, 7),
                ha="center",
                fontsize=8,
                color=colour,
            )
        axes.set_title(name, fontsize=11)
        axes.set_xlabel("batch size", color=GREY)
        axes.margins(x=0.12, y=0.18)
        plain(axes)
    if title:
        made.suptitle(title, fontsize=12)
    return made


def run(arguments: argparse.Namespace) -> int:
    from cnnfast import optimizers, runtime

    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.threads is not None:
        runtime.set_num_threads(arguments.threads)
    data = _data.load(arguments.data, arguments.seed, arguments.image_size)
    order = np.random.default_rng(arguments.seed).permutation(len(data.x))[: arguments.samples]
    train = as_input(data.x[order]), data.y[order]
    test = as_input(data.x_test), data.y_test
    shape = (*data.x.shape[1:3], 1)

    def make_model() -> Any:
        model = build_model(arguments.model, shape, len(data.classes))
        model.compile(
            optimizers.SGD(arguments.lr), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    print(
        f"{arguments.model}, {len(order)} training images ({data.name}), {arguments.epochs} "
        f"epochs, learning rate {arguments.lr:g}, {runtime.get_num_threads()} threads"
    )
    print(_HEADER)
    rows = measure(
        make_model,
        train,
        test,
        arguments.sizes,
        arguments.epochs,
        arguments.seed,
        lambda row: print(_line(row), flush=True),
    )
    write_table(out / "batch_sizes.csv", rows)
    written = ["batch_sizes.csv"]
    try:
        title = (
            f"{arguments.model} on {data.name}, {arguments.epochs} epochs of {len(order)} images"
        )
        figure(rows, title).savefig(out / "batch_sizes.png")
        written.append("batch_sizes.png")
    except ImportError as error:
        print(f"no picture: {error}")
    print(f"written to {out}/: {', '.join(written)}")
    return 0
