"""Whole networks against the peers that are installed: torch, keras, jax, onnxruntime.

    python -m benchmarks.compare [--threads 2] [--blocks 5] [--seconds 1] [--out docs/performance.md]

Each side runs in a process of its own. First all sides compute ten training steps (or
predictions) from equal weights on equal batches, which must agree; then they take turns in blocks
with pauses between them, so that nobody's idle threads spin beside another's work. What counts is
the median of all calls of all blocks; of torch's two layouts the better one.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.sides import SIDES

ROOT = Path(__file__).resolve().parent.parent
WORK = [
    *(("tutorial CNN", batch, "training") for batch in (1, 10, 128)),
    *(("LeNet-5", batch, "training") for batch in (1, 128)),
    ("big MNIST CNN", 128, "training"),
    *(("tutorial CNN", batch, "inference") for batch in (1, 128)),
    *(("LeNet-5", batch, "inference") for batch in (1, 128)),
    ("big MNIST CNN", 128, "inference"),
]
OURS = "cnnfast"
BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"
# Adam divides by the square root of tiny second moments: rounding grows from step to step, to
# half a percent after four steps of the big network at batch 4, between torch and jax too.
RTOL, RTOL_LATER, ATOL = 1e-3, 3e-2, 2e-4
PAUSE = 0.5


@dataclass
class Process:
    """A worker and what it measured."""

    name: str
    handle: subprocess.Popen[str]
    times: list[float] = field(default_factory=list)
    medians: list[float] = field(default_factory=list)

    def ask(self, **command: object) -> dict:
        assert self.handle.stdin and self.handle.stdout
        self.handle.stdin.write(json.dumps(command) + "\n")
        self.handle.stdin.flush()
        line = self.handle.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended without an answer; its message stands above")
        return json.loads(line)

    def close(self) -> None:
        assert self.handle.stdin
        self.handle.stdin.close()
        self.handle.wait()

    @property
    def milliseconds(self) -> float:
        return 1e3 * statistics.median(self.times)


def start(side: str, network: str, batch: int, mode: str, threads: int) -> Process:
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = str(threads)
    command = [sys.executable, "-m", "benchmarks.worker", side, network, str(batch), mode]
    handle = subprocess.Popen(
        [*command, str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    return Process(side, handle)


def check_equal(ours: list[float], theirs: list[float], what: str, growing: bool) -> None:
    if len(ours) != len(theirs):
        raise SystemExit(f"{what}: {len(ours)} values against {len(theirs)}")
    for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        rtol = RTOL_LATER if growing and index >= 3 else RTOL
        if not abs(a - b) <= ATOL + rtol * abs(b):
            raise SystemExit(f"{what}: value {index} is {a:.6g}, expected {b:.6g}; not timed")


@dataclass
class Row:
    network: str
    batch: int
    mode: str
    milliseconds: dict[str, float]
    spread: float  # of our block medians, relative

    @property
    def ours(self) -> float:
        return self.milliseconds[OURS]

    def ratio(self, prefix: str = "") -> float | None:
        """Best peer's time / ours."""
        peers = [
            v for name, v in self.milliseconds.items() if name != OURS and name.startswith(prefix)
        ]
        return min(peers) / self.ours if peers else None


def measure(
    work: tuple[str, int, str], sides: list[str], arguments: argparse.Namespace, versions: dict
) -> Row:
    network, batch, mode = work
    processes: list[Process] = []
    try:
        ours: list[float] = []
        for side in sides:
            process = start(side, network, batch, mode, arguments.threads)
            processes.append(process)
            answer = process.ask(do="verify")
            if "declines" in answer:
                processes.pop().close()
                continue
            versions[side] = answer["version"]
            if side == OURS:
                ours = answer["values"]
            else:
                what = f"{network} b{batch} {mode}, {side}"
                check_equal(ours, answer["values"], what, growing=mode == "training")
        for _ in range(arguments.blocks):
            for process in processes:
                time.sleep(PAUSE)
                times = process.ask(do="block", seconds=arguments.seconds)["times"]
                process.times += times
                process.medians.append(statistics.median(times))
    finally:
        for process in processes:
            process.close()
    mine = processes[0].medians
    return Row(
        network,
        batch,
        mode,
        {p.name: p.milliseconds for p in processes},
        (max(mine) - min(mine)) / statistics.median(mine),
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def table(rows: list[Row], sides: list[str]) -> list[str]:
    out = [
        "| network | batch | " + " | ".join(f"{side}, ms" for side in sides) + " | best peer / "
        "cnnfast | torch / cnnfast |",
        "|---|---|" + "---|" * (len(sides) + 2),
    ]
    for row in rows:
        cells = [f"{row.milliseconds[s]:.3g}" if s in row.milliseconds else "–" for s in sides]
        ratios = [f"{r:.2f}" if r else "–" for r in (row.ratio(), row.ratio("torch"))]
        out.append(f"| {row.network} | {row.batch} | " + " | ".join(cells + ratios) + " |")
    return out


def report(
    rows: list[Row], sides: list[str], versions: dict[str, str], arguments: argparse.Namespace
) -> str:
    lines = [
        BEGIN,
        f"Measured {datetime.date.today()} on {processor()}, {arguments.threads} threads, with",
        "",
        f"    python -m benchmarks.compare --threads {arguments.threads} "
        f"--blocks {arguments.blocks} --seconds {arguments.seconds:g}",
        "",
        f"Python {platform.python_version()}; {'; '.join(versions[s] for s in versions)}.",
        "",
    ]
    for mode, title in (
        ("training", "Training step (forward, loss, backward, Adam), float32"),
        ("inference", "Inference from Python, float32"),
    ):
        some = [row for row in rows if row.mode == mode]
        if some:
            shown = [s for s in sides if any(s in row.milliseconds for row in some)]
            lines += [f"**{title}**", "", *table(some, shown), ""]
    spread = max(row.spread for row in rows)
    lines += [
        "Medians of all calls of all blocks; a ratio above 1 means that cnnfast is faster. Blocks "
        f"of cnnfast differed by at most {100 * spread:.0f} %.",
        END,
    ]
    return "\n".join(lines) + "\n"


def write(path: Path, text: str) -> None:
    """Between the markers of the page; a page without them is begun."""
    if path.is_file() and BEGIN in (page := path.read_text()):
        head, rest = page.split(BEGIN, 1)
        text = head + text.rstrip("\n") + rest.split(END, 1)[1]
    elif path.is_file():
        text = path.read_text().rstrip("\n") + "\n\n" + text
    else:
        text = "# Performance\n\n" + text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--blocks", type=int, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a block")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), help="default: all installed")
    parser.add_argument("--only", help="networks whose name, batch and mode contain this")
    parser.add_argument("--out", type=Path, help="page to write the tables into")
    arguments = parser.parse_args()

    wanted = arguments.sides or list(SIDES)
    sides = [OURS] + [
        s for s in wanted if s != OURS and importlib.util.find_spec(SIDES[s][2]) is not None
    ]
    absent = sorted({SIDES[s][2] for s in wanted} - {SIDES[s][2] for s in sides})
    if absent:
        print(f"not installed, left out: {', '.join(absent)}")
    rows, versions = [], {}
    for work in WORK:
        label = f"{work[0]} b{work[1]} {work[2]}"
        if arguments.only and arguments.only not in label:
            continue
        row = measure(work, sides, arguments, versions)
        rows.append(row)
        values = ", ".join(f"{name} {ms:.3g}" for name, ms in row.milliseconds.items())
        ratio = row.ratio()
        print(f"{label}: {values} ms" + (f"; best peer / ours {ratio:.2f}" if ratio else ""))
    if not rows:
        raise SystemExit(f"nothing is called {arguments.only!r}")
    text = report(rows, sides, versions, arguments)
    print("\n" + text)
    if arguments.out:
        write(arguments.out, text)


if __name__ == "__main__":
    main()
