"""How time grows with batch, side, channels and threads; a figure and a table.

    python -m benchmarks.scaling [--threads 2] [--out docs/images/scaling.png]

Each curve is time over work, relative to its largest size: flat where time grows as the work does,
above 1 where small sizes cost more.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import cnnfast
from benchmarks import networks
from benchmarks.convolutions import Convolution
from benchmarks.sides import cnnfast_side

Curve = tuple[str, list[int], list[float], list[float]]  # name, sizes, seconds, work


def seconds(call: Callable[[], Any], least: float = 0.1) -> float:
    """The median of calls over at least that time."""
    call()
    times: list[float] = []
    end = time.perf_counter() + least
    while len(times) < 5 or time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def by_batch(name: str, threads: int) -> Curve:
    cnnfast.runtime.set_num_threads(threads)
    network = networks.NETWORKS[name]
    weights = networks.make_weights(network)
    sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256]
    times = []
    for batch in sizes:
        trainer = cnnfast_side.Trainer(network, weights, batch, threads, "", False)
        data = networks.make_batches(network, batch, 1)[0]
        times.append(seconds(lambda t=trainer, d=data: t.step(d)))
    return f"{name}, training, {threads} threads", sizes, times, [float(s) for s in sizes]


def convolution(size: Convolution, direction: str, threads: int) -> float:
    call, _ = cnnfast_side.convolution(size, direction, threads, "")
    return seconds(call)


def by_side(direction: str, threads: int) -> Curve:
    sizes = [4, 7, 8, 14, 28, 56, 112]
    layers = [Convolution(8, 64, side, 64, 3, 1, 1) for side in sizes]
    times = [convolution(layer, direction, threads) for layer in layers]
    return f"3x3, 64 to 64, {direction}", sizes, times, [layer.flops for layer in layers]


def by_channels(direction: str, threads: int) -> Curve:
    sizes = [4, 8, 16, 32, 64, 128, 256, 512]
    layers = [Convolution(8, c, 28, c, 3, 1, 1) for c in sizes]
    times = [convolution(layer, direction, threads) for layer in layers]
    return f"3x3 at 28x28, {direction}", sizes, times, [layer.flops for layer in layers]


def draw(panels: list[tuple[str, list[Curve]]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4))
    for axis, (title, curves) in zip(axes, panels, strict=True):
        for name, sizes, times, work in curves:
            rate = np.array(times) / np.array(work)
            axis.plot(sizes, rate / rate[-1], marker="o", markersize=3, label=name)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log", base=2)
        axis.set_xticks(curves[0][1], [str(s) for s in curves[0][1]])
        axis.set_xlabel(title)
        axis.set_ylabel("time over work, relative to the largest")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--threads", type=int, default=min(2, cnnfast.runtime.get_num_threads()))
    parser.add_argument("--out", type=Path, default=Path("docs/images/scaling.png"))
    arguments = parser.parse_args()
    directions = ("forward", "backward input", "backward kernel")
    counts = sorted({1, arguments.threads})
    panels = [
        ("batch", [by_batch(n, t) for n in ("tutorial CNN", "LeNet-5") for t in counts]),
        ("side", [by_side(d, arguments.threads) for d in directions]),
        ("channels", [by_channels(d, arguments.threads) for d in directions]),
    ]
    for title, curves in panels:
        for name, sizes, times, work in curves:
            print(f"\n{name}, by {title}")
            for size, t, w in zip(sizes, times, work, strict=True):
                print(f"{size:6} {1e3 * t:10.3f} ms {1e9 * t / w:12.4g} ns a unit of work")
    draw(panels, arguments.out)
    print(f"\nwrote {arguments.out}")


if __name__ == "__main__":
    main()
