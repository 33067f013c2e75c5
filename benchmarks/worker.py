"""One side in a process of its own: reads commands from standard input, answers in JSON lines."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time

from benchmarks import networks
from benchmarks.sides import SIDES

STEPS = 10  # that are verified


def _pin(threads: int) -> None:
    """The same CPUs for every side; JAX and others also take their thread count from this."""
    cpus = sorted(os.sched_getaffinity(0))[:threads]
    os.sched_setaffinity(0, cpus)


class Worker:
    def __init__(self, side: str, network: str, batch: int, training: bool, threads: int) -> None:
        module, self.variant, _ = SIDES[side]
        self.side = importlib.import_module(f"benchmarks.sides.{module}")
        self.layers = networks.NETWORKS[network]
        self.weights = networks.make_weights(self.layers)
        self.batches = networks.make_batches(batch, STEPS)
        self.batch, self.training, self.threads = batch, training, threads
        self.runner = self._make(dropout=True)
        self.prepared = [self._prepare(self.runner, x, y) for x, y in self.batches]

    def _make(self, dropout: bool):
        if self.training:
            return self.side.Trainer(
                self.layers, self.weights, self.batch, self.threads, self.variant, dropout
            )
        return self.side.Predictor(
            self.layers, self.weights, self.batch, self.threads, self.variant
        )

    def _prepare(self, runner, x, y):
        return runner.prepare(x, y) if self.training else runner.prepare(x)

    def _call(self, runner, prepared):
        return runner.step(prepared) if self.training else runner.infer(prepared)

    def verify(self) -> list[float]:
        """Ten losses without dropout, from the common weights; or probabilities."""
        runner = self._make(dropout=False)
        out: list[float] = []
        for x, y in self.batches:
            result = self._call(runner, self._prepare(runner, x, y))
            out += [result] if self.training else [float(v) for v in result[:4].ravel()]
        return out

    def block(self, seconds: float) -> list[float]:
        """Seconds of each call, over at least ten calls."""
        for prepared in self.prepared[:3]:
            self._call(self.runner, prepared)
        times: list[float] = []
        end = time.perf_counter() + seconds
        while len(times) < 10 or time.perf_counter() < end:
            prepared = self.prepared[len(times) % STEPS]
            begin = time.perf_counter()
            self._call(self.runner, prepared)
            times.append(time.perf_counter() - begin)
        return times


def main() -> None:
    side, network, batch, mode, threads = sys.argv[1:]
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    _pin(int(threads))
    worker = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if worker is None:
                worker = Worker(side, network, int(batch), mode == "training", int(threads))
            if command["do"] == "verify":
                answer = {"values": worker.verify(), "version": worker.side.version()}
            else:
                answer = {"times": worker.block(command["seconds"])}
        except NotImplementedError as error:
            answer = {"declines": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
