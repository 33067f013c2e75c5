"""``cnnfast study depth``: what more layers do to plain and to residual networks.

The experiment of He et al., Deep residual learning for image recognition, CVPR 2016, section 4.2,
on digits: the same networks with and without shortcuts, 20 and 32 layers deep.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _arguments, _data
from .train import as_input

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Trained:
    """What one network gave; errors are shares of wrong answers, one an epoch.

    Attributes:
        train_error: while training, as the epoch goes on.
        gradients: norms of the convolutions' gradients before the first step, first layer first.
    """

    depth: int
    plain: bool
    parameters: int
    seconds: float
    loss: list[float]
    train_error: list[float]
    test_error: list[float]
    gradients: list[float]

    @property
    def name(self) -> str:
        return f"{'plain' if self.plain else 'residual'} {self.depth}"


def add_study(studies: Any) -> None:
    parser = studies.add_parser(
        "depth",
        help="train plain and residual networks of 20 and 32 layers",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", help="mnist, digits (synthetic), or a folder, as for train")
    parser.add_argument(
        "--depths", type=_depths, default="20,32", help="6n + 2 each, with commas between"
    )
    parser.add_argument(
        "--width", type=_arguments.positive_int, default=8, help="filters of the first stage"
    )
    parser.add_argument("--epochs", type=_arguments.positive_int, default=5)
    parser.add_argument(
        "--samples", type=_arguments.positive_int, default=10000, help="training images to use"
    )
    parser.add_argument("--batch-size", type=_arguments.positive_int, default=32)
    parser.add_argument(
        "--lr", type=_arguments.positive_float, default=0.03, help="of SGD with momentum 0.9"
    )
    parser.add_argument("--seed", type=_arguments.seed, default=0)
    parser.add_argument("--threads", type=_arguments.positive_int, help="default: all there are")
    parser.add_argument(
        "--image-size", type=_arguments.positive_int, default=28, help="as for train"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/depth"), help="folder to write")


def _depths(text: str) -> list[int]:
    depths = [_arguments.positive_int(part) for part in text.split(",") if part.strip()]
    if not depths or any(depth < 8 or depth % 6 != 2 for depth in depths):
        raise argparse.ArgumentTypeError(f"expected depths 6n + 2 like 20,32, got {text!r}")
    return sorted(set(depths))


def measure(
    train: tuple[Array, Array],
    test: tuple[Array, Array],
    depths: Sequence[int] = (20, 32),
    width: int = 8,
    epochs: int = 5,
    batch_size: int = 32,
    learning_rate: float = 0.03,
    seed: int = 0,
    show: Callable[[Trained], None] = lambda trained: None,
) -> list[Trained]:
    """Trains plain networks, then residual ones, of every depth, each from the same seed.

    Args:
        train, test: (images (n, height, width, channels), labels).
        depths: 6n + 2 each.
        width: filters of the first stage.
        epochs, batch_size, learning_rate: of SGD with momentum 0.9.
        seed: of weights and shuffling.
        show: is told every network when it is done.
    """
    import cnnfast
    from cnnfast import applications, optimizers, utils

    results = []
    classes = int(max(train[1].max(), test[1].max())) + 1
    for plain in (True, False):
        for depth in depths:
            cnnfast.set_random_seed(seed)
            model = applications.CIFARResNet(
                depth, train[0].shape[1:], classes, width=width, plain=plain
            )
            model.compile(
                optimizers.SGD(learning_rate, momentum=0.9),
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )
            norms = utils.gradient_norms(model, train[0][:64], train[1][:64])
            begin = time.perf_counter()
            history = model.fit(
                *train,
                batch_size=batch_size,
                epochs=epochs,
                verbose=0,
                validation_data=test,
                validation_batch_size=256,
            ).history
            results.append(
                Trained(
                    depth,
                    plain,
                    model.count_params(),
                    time.perf_counter() - begin,
                    history["loss"],
                    [1 - accuracy for accuracy in history["accuracy"]],
                    [1 - accuracy for accuracy in history["val_accuracy"]],
                    [
                        norm
                        for name, norm in norms.items()
                        if name.endswith("_conv/kernel") and "_0_conv" not in name
                    ],
                )
            )
            show(results[-1])
    return results


def write_table(path: Path, results: Sequence[Trained]) -> None:
    """One line for each network and epoch."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["network", "depth", "epoch", "loss", "train_error", "test_error"])
        for one in results:
            rows = zip(one.loss, one.train_error, one.test_error, strict=True)
            for epoch, (loss, train, test) in enumerate(rows, 1):
                kind = "plain" if one.plain else "residual"
                writer.writerow(
                    [kind, one.depth, epoch, f"{loss:.6g}", f"{train:.6g}", f"{test:.6g}"]
                )


def write_gradients(path: Path, results: Sequence[Trained]) -> None:
    """One line for each convolution of each network."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["network", "depth", "layer", "gradient_norm"])
        for one in results:
            for layer, norm in enumerate(one.gradients, 1):
                kind = "plain" if one.plain else "residual"
                writer.writerow([kind, one.depth, layer, f"{norm:.6g}"])


_HEADER = (
    f"{'network':<12}  {'parameters':>10}  {'loss':>7}  {'train error':>11}  {'test error':>10}  "
    f"{'seconds':>7}"
)


def _line(one: Trained) -> str:
    return (
        f"{one.name:<12}  {one.parameters:>10,}  {one.loss[-1]:>7.4f}  "
        f"{100 * one.train_error[-1]:>10.2f}%  {100 * one.test_error[-1]:>9.2f}%  "
        f"{one.seconds:>7.1f}"
    )


def verdict(results: Sequence[Trained]) -> list[str]:
    """What depth did to the training error of the last epoch, in words."""
    lines = []
    for plain in (True, False):
        mine = sorted((r for r in results if r.plain == plain), key=lambda one: one.depth)
        if len(mine) < 2:
            continue
        first, last = mine[0], mine[-1]
        before, after = 100 * first.train_error[-1], 100 * last.train_error[-1]
        how = "rises" if after > before else "falls" if after < before else "stays"
        kind = "plain" if plain else "residual"
        lines.append(
            f"{kind}: from {first.depth} to {last.depth} layers the training error {how}: "
            f"{before:.2f} % -> {after:.2f} %"
        )
    return lines


def run(arguments: argparse.Namespace) -> int:
    from cnnfast import runtime

    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    if arguments.threads is not None:
        runtime.set_num_threads(arguments.threads)
    data = _data.load(arguments.data, arguments.seed, arguments.image_size)
    order = np.random.default_rng(arguments.seed).permutation(len(data.x))[: arguments.samples]
    x, x_test = as_input(data.x[order]), as_input(data.x_test)
    mean, deviation = float(x.mean()), float(x.std()) or 1.0
    print(
        f"{len(order)} training images ({data.name}), {arguments.epochs} epochs, batches of "
        f"{arguments.batch_size}, width {arguments.width}, learning rate {arguments.lr:g}, "
        f"{runtime.get_num_threads()} threads"
    )
    print(_HEADER)
    results = measure(
        ((x - mean) / deviation, data.y[order]),
        ((x_test - mean) / deviation, data.y_test),
        arguments.depths,
        arguments.width,
        arguments.epochs,
        arguments.batch_size,
        arguments.lr,
        arguments.seed,
        lambda one: print(_line(one), flush=True),
    )
    print("\n".join(verdict(results)))
    write_table(out / "errors.csv", results)
    write_gradients(out / "gradients.csv", results)
    written = ["errors.csv", "gradients.csv"]
    try:
        title = f"width {arguments.width}, {len(order)} images of {data.name}"
        from ._depth_figures import error_figure, gradient_figure

        error_figure(results, title).savefig(out / "errors.png")
        gradient_figure(results, "before the first step").savefig(out / "gradients.png")
        written += ["errors.png", "gradients.png"]
    except ImportError as error:
        print(f"no pictures: {error}")
    print(f"written to {out}/: {', '.join(written)}")
    return 0
