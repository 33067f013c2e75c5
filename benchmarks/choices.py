"""Is the implementation that a convolution picks the fastest one that could run it?

    python -m benchmarks.choices [--threads 1] [--isa avx2] [--only TEXT]

Every pass of every convolution of the list is timed with each implementation forced
(``CNNFAST_CONV=force:NAME``), several rounds in turn. A pick is wrong when another one is faster by
more than the rounds differ among themselves; then the command ends with 1.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from typing import Any

import cnnfast
from benchmarks.convolutions import CONVOLUTIONS, Convolution
from cnnfast import _core, _trace, ops

NAMES = ("winograd", "sparse", "planar", "overlap", "doubling", "depthwise", "direct")


def plan(size: Convolution, direction: str) -> tuple[Any, list[Any]]:
    """A plan of one pass, as the environment wants it, and its arrays."""
    x, kernel, dy = size.operands()
    how = size.options
    trace = _trace.Trace()

    def tensors(*arrays: Any) -> list[Any]:
        return [trace.input(a.shape, "float32", f"input {i}") for i, a in enumerate(arrays)]

    if direction == "forward":
        arrays = [x, kernel]
        y = ops.conv2d(*tensors(*arrays), **how)
    elif direction == "backward input":
        arrays = [dy, kernel]
        y = ops.conv2d_backward_input(*tensors(*arrays), size.x, **how)
    else:
        arrays = [x, dy]
        y = ops.conv2d_backward_kernel(*tensors(*arrays), size.kernel, **how)
    return trace.plan([y]), arrays


def seconds(made: Any, arrays: list[Any], repeats: int) -> float:
    return sum(step["seconds"] for step in made.profile(arrays, repeats))


def compare(size: Convolution, direction: str, rounds: int, repeats: int) -> tuple[str, bool]:
    """A line on one pass, and whether its pick is right."""
    os.environ.pop("CNNFAST_CONV", None)
    picked, arrays = plan(size, direction)
    pick = next(s["implementation"] for s in picked.steps() if s["op"].startswith("conv2d"))
    plans = {pick: picked}
    for name in NAMES:
        if name == pick:
            continue
        os.environ["CNNFAST_CONV"] = f"force:{name}"
        try:
            plans[name] = plan(size, direction)[0]
        except ValueError:
            continue  # it says why it cannot
    os.environ.pop("CNNFAST_CONV", None)
    times: dict[str, list[float]] = {name: [] for name in plans}
    for _ in range(rounds):
        for name, made in plans.items():
            times[name].append(seconds(made, arrays, repeats))
    medians = {name: statistics.median(t) for name, t in times.items()}
    best = min(medians, key=lambda name: medians[name])
    spread = max(max(times[name]) - min(times[name]) for name in {pick, best})
    right = medians[pick] - medians[best] <= spread
    rates = ", ".join(f"{name} {size.flops / t / 1e9:.0f}" for name, t in medians.items())
    return f"{size} {direction}: {rates} GFLOP/s" + ("" if right else "  <- wrong"), right


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.choices")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--isa", choices=_core.supported_isas(), help="default: the best one here")
    parser.add_argument("--only", help="passes whose name contains this")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    cnnfast.runtime.set_num_threads(arguments.threads)
    if arguments.isa:
        _core.set_isa(arguments.isa)
    wrong = 0
    print(f"{_core.isa()}, {arguments.threads} threads; the pick stands first")
    for size in CONVOLUTIONS:
        for direction in size.directions:
            if arguments.only and arguments.only not in f"{size} {direction}":
                continue
            line, right = compare(size, direction, arguments.rounds, arguments.repeats)
            wrong += not right
            print(line, flush=True)
    print(f"{wrong} wrong picks" if wrong else "every pick is the fastest, as far as it shows")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
