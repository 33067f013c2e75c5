"""Sides in processes of their own that take turns, so that nobody's threads spin beside another's
work."""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.sides import SIDES

ROOT = Path(__file__).resolve().parent.parent
PAUSE = 0.5  # seconds between two sides' blocks: idle threads go to sleep


@dataclass
class Process:
    """A worker and what it measured."""

    name: str
    handle: subprocess.Popen[str]
    times: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)

    def ask(self, **command: object) -> dict[str, Any]:
        assert self.handle.stdin and self.handle.stdout
        self.handle.stdin.write(json.dumps(command) + "\n")
        self.handle.stdin.flush()
        line = self.handle.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended without an answer; its message stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self.handle.stdin
        self.handle.stdin.close()
        self.handle.wait()

    def forget(self) -> None:
        self.times, self.medians = [], []

    @property
    def milliseconds(self) -> float:
        return 1e3 * statistics.median(self.times)

    @property
    def spread(self) -> float:
        """Of the medians of blocks, relative."""
        return (max(self.medians) - min(self.medians)) / statistics.median(self.medians)


def start(side: str, threads: int, *arguments: object) -> Process:
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = str(threads)
    command = [sys.executable, "-m", "benchmarks.worker", side, str(threads)]
    handle = subprocess.Popen(
        [*command, *(str(one) for one in arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    return Process(side, handle)


def take_turns(processes: list[Process], blocks: int, seconds: float) -> None:
    for process in processes:
        process.forget()
    for _ in range(blocks):
        for process in processes:
            if len(processes) > 1:
                time.sleep(PAUSE)
            times = process.ask(do="block", seconds=seconds)["times"]
            process.times += times
            process.medians.append(statistics.median(times))


def installed(wanted: list[str]) -> list[str]:
    """Those of the wanted sides whose library is there; ours always is."""
    return [s for s in wanted if importlib.util.find_spec(SIDES[s][2]) is not None]
