"""One side in a process of its own: reads commands from standard input, answers in JSON lines.

python -m benchmarks.worker SIDE THREADS network NAME BATCH training|inference
python -m benchmarks.worker SIDE THREADS convolutions
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import networks
from benchmarks.convolutions import CONVOLUTIONS, VARIANTS
from benchmarks.sides import SIDES

STEPS = 10  # that are verified
SAMPLES = 4096  # values of a convolution's result that are verified
HEAVY = ("AlexNet", "VGG-16")  # three steps of these are checked, a batch in turn is timed


def _pin(threads: int) -> None:
    """The same CPUs for every side; JAX and others also take their thread count from this."""
    cpus = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, cpus)


def _timed(call: Callable[[int], Any], seconds: float, least: int) -> list[float]:
    """Seconds of each call, over at least that many calls."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < least or time.perf_counter() < end:
        begin = time.perf_counter()
        call(len(times))
        times.append(time.perf_counter() - begin)
    return times


class NetworkWorker:
    """Training steps or predictions of one network at one batch size."""

    def __init__(
        self, side: Any, variant: str, threads: int, name: str, batch: str, mode: str
    ) -> None:
        self.side, self.variant, self.threads = side, variant, threads
        self.network = networks.NETWORKS[name]
        self.training = mode == "training"
        self.batch = int(batch)
        self.heavy = name in HEAVY
        self.weights = networks.make_weights(self.network)
        self.batches = networks.make_batches(self.network, self.batch, 3 if self.heavy else STEPS)
        self.runner: Any = None

    def _make(self, dropout: bool) -> Any:
        common = (self.network, self.weights, self.batch, self.threads, self.variant)
        if self.training:
            return self.side.Trainer(*common, dropout)
        return self.side.Predictor(*common)

    def _prepare(self, runner: Any, x: Any, y: Any) -> Any:
        return runner.prepare(x, y) if self.training else runner.prepare(x)

    def _call(self, runner: Any, prepared: Any) -> Any:
        return runner.step(prepared) if self.training else runner.infer(prepared)

    def verify(self) -> dict[str, Any]:
        """Losses of ten steps without dropout, from the common weights; or probabilities."""
        runner = self._make(dropout=False)
        out: list[float] = []
        for x, y in self.batches:
            result = self._call(runner, self._prepare(runner, x, y))
            out += [result] if self.training else [float(v) for v in result[:4].ravel()]
        return {"values": out}

    def block(self, seconds: float) -> dict[str, Any]:
        if self.runner is None:
            self.runner = self._make(dropout=True)
            self.prepared = [self._prepare(self.runner, x, y) for x, y in self.batches]
        for prepared in self.prepared[: 1 if self.heavy else 3]:
            self._call(self.runner, prepared)
        count = len(self.prepared)
        least = 2 if self.heavy else 10
        return {
            "times": _timed(
                lambda i: self._call(self.runner, self.prepared[i % count]), seconds, least
            )
        }


class ConvolutionWorker:
    """All passes of all convolutions of the list, one after the other."""

    def __init__(self, side: Any, variant: str, threads: int) -> None:
        if not hasattr(side, "convolution"):
            raise NotImplementedError("this side has no convolutions of its own")
        self.side, self.variant, self.threads = side, variant, threads
        self.call: Callable[[], Any] = lambda: None

    def prepare(self, index: int, direction: str) -> dict[str, Any]:
        """Sets one up; answers with values of its result at the same random places for all."""
        size = [*CONVOLUTIONS, *VARIANTS][index]
        self.call, to_array = self.side.convolution(size, direction, self.threads, self.variant)
        result = to_array(self.call()).ravel()
        places = np.random.default_rng(1).integers(0, result.size, SAMPLES)
        return {"values": [float(v) for v in result[places]]}

    def block(self, seconds: float) -> dict[str, Any]:
        self.call()
        return {"times": _timed(lambda _: self.call(), seconds, 3)}


def main() -> None:
    name, threads, kind, *rest = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    _pin(int(threads))
    worker: Any = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if worker is None:
                module, variant, _ = SIDES[name]
                side = importlib.import_module(f"benchmarks.sides.{module}")
                make = NetworkWorker if kind == "network" else ConvolutionWorker
                worker = make(side, variant, int(threads), *rest)
            answer = getattr(worker, command.pop("do"))(**command)
            answer["version"] = worker.side.version()
        except NotImplementedError as error:
            answer = {"declines": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
