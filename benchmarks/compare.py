"""Networks and convolutions against the peers that are installed.

    python -m benchmarks.compare [networks|convolutions|variants] [--threads 2] [--blocks 5] [--seconds 1]
        [--only TEXT] [--out docs/performance.md]

Each side runs in a process of its own. First all sides compute ten training steps (or
predictions, or one convolution) from equal weights on equal data, which must agree; then they take
turns in blocks with pauses between them, so that nobody's idle threads spin beside another's work.
What counts is the median of all calls of all blocks, three times as many of a single image; of
torch's two layouts the better one.
"""

from __future__ import annotations

import argparse
import math
import shlex
from pathlib import Path

import cnnfast
from benchmarks import report
from benchmarks.convolutions import CONVOLUTIONS, VARIANTS, Convolution
from benchmarks.processes import Process, installed, start, take_turns
from benchmarks.report import OURS
from benchmarks.sides import SIDES

SHORT_TURNS = 3  # of a single image, for one of a batch

WORK = [
    *(("tutorial CNN", batch, "training") for batch in (1, 10, 128)),
    *(("LeNet-5", batch, "training") for batch in (1, 128)),
    ("big MNIST CNN", 128, "training"),
    ("AlexNet", 16, "training"),
    ("VGG-16", 8, "training"),
    *(("tutorial CNN", batch, "inference") for batch in (1, 128)),
    *(("LeNet-5", batch, "inference") for batch in (1, 128)),
    ("big MNIST CNN", 128, "inference"),
    ("AlexNet", 1, "inference"),
    ("VGG-16", 1, "inference"),
]
# Adam divides by the square root of tiny second moments: rounding grows from step to step, to
# half a percent after four steps of the big network at batch 4, between torch and jax too.
RTOL, RTOL_LATER, ATOL = 1e-3, 3e-2, 2e-4
# Relative L2 of a convolution: two float32 sums of up to 9 x 512 products, Winograd among them.
CONVOLUTION_ERROR = 1e-5
# Convolutions: the layout that both sides have; their variants: the better one, as "torch".
CONVOLUTION_PEER, TORCH = "torch NHWC", "torch"


def check_equal(ours: list[float], theirs: list[float], what: str, growing: bool) -> None:
    if len(ours) != len(theirs):
        raise SystemExit(f"{what}: {len(ours)} values against {len(theirs)}")
    for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        rtol = RTOL_LATER if growing and index >= 3 else RTOL
        if not abs(a - b) <= ATOL + rtol * abs(b):
            raise SystemExit(f"{what}: value {index} is {a:.6g}, expected {b:.6g}; not timed")


def check_close(ours: list[float], theirs: list[float], what: str) -> None:
    difference = math.dist(ours, theirs) / math.hypot(*theirs)
    if not difference <= CONVOLUTION_ERROR:
        raise SystemExit(f"{what}: results differ by {difference:.2g} relative; not timed")


def measure_network(
    work: tuple[str, int, str],
    sides: list[str],
    arguments: argparse.Namespace,
    versions: dict[str, str],
) -> report.NetworkRow:
    network, batch, mode = work
    processes: list[Process] = []
    try:
        ours: list[float] = []
        for side in sides:
            process = start(side, arguments.threads, "network", network, batch, mode)
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
        # A neighbour on a shared machine is busy for longer than some blocks of short calls last.
        turns = arguments.blocks * (SHORT_TURNS if batch == 1 else 1)
        take_turns(processes, turns, arguments.seconds)
    finally:
        for process in processes:
            process.close()
    milliseconds = {p.name: p.milliseconds for p in processes}
    return report.NetworkRow(network, batch, mode, milliseconds, processes[0].spread)


def compare_networks(
    sides: list[str], arguments: argparse.Namespace, versions: dict[str, str]
) -> list[str]:
    rows = []
    for work in WORK:
        label = f"{work[0]} b{work[1]} {work[2]}"
        if arguments.only and arguments.only not in label:
            continue
        row = measure_network(work, sides, arguments, versions)
        rows.append(row)
        values = ", ".join(f"{name} {ms:.3g}" for name, ms in row.milliseconds.items())
        ratio = row.ratio()
        print(
            f"{label}: {values} ms" + (f"; best peer / ours {ratio:.2f}" if ratio else ""),
            flush=True,
        )
    return report.network_tables(rows, sides) if rows else []


def compare_convolutions(
    sides: list[str], arguments: argparse.Namespace, versions: dict[str, str]
) -> list[str]:
    return _compare_sizes(CONVOLUTIONS, 0, [CONVOLUTION_PEER], sides, arguments, versions)


def compare_variants(
    sides: list[str], arguments: argparse.Namespace, versions: dict[str, str]
) -> list[str]:
    peers = [s for s in sides if s.startswith(TORCH)]
    return _compare_sizes(VARIANTS, len(CONVOLUTIONS), peers, sides, arguments, versions)


def _compare_sizes(
    sizes: list[Convolution],
    first: int,
    peers: list[str],
    sides: list[str],
    arguments: argparse.Namespace,
    versions: dict[str, str],
) -> list[str]:
    """`first`: the worker's number of the first size."""
    rows = []
    peer = peers[0] if len(peers) == 1 else TORCH
    names = [s for s in (OURS, *peers) if s in sides]
    processes = [start(side, arguments.threads, "convolutions") for side in names]
    try:
        for index, size in enumerate(sizes, first):
            if arguments.only and arguments.only not in str(size):
                continue
            for direction in size.directions:
                answers = [p.ask(do="prepare", index=index, direction=direction) for p in processes]
                for process, answer in zip(processes, answers, strict=True):
                    versions[process.name] = answer["version"]
                    what = f"{size} {direction}, {process.name}"
                    check_close(answers[0]["values"], answer["values"], what)
                take_turns(processes, arguments.blocks, arguments.seconds)
                milliseconds = {p.name: p.milliseconds for p in processes}
                if peer == TORCH and len(processes) > 1:
                    milliseconds[TORCH] = min(p.milliseconds for p in processes[1:])
                row = report.ConvolutionRow(size, direction, milliseconds, processes[0].spread)
                rows.append(row)
                values = ", ".join(f"{name} {ms:.3g}" for name, ms in milliseconds.items())
                ratio = row.ratio(peer)
                print(
                    f"{size} {direction}: {values} ms" + (f"; {ratio:.2f}" if ratio else ""),
                    flush=True,
                )
    finally:
        for process in processes:
            process.close()
    return report.convolution_tables(rows, peer) if rows else []


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare")
    parser.add_argument("what", nargs="*", help="networks, convolutions, variants; default: all")
    parser.add_argument("--threads", type=int, default=min(2, cnnfast.runtime.get_num_threads()))
    parser.add_argument("--blocks", type=int, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a block")
    parser.add_argument("--sides", nargs="+", choices=list(SIDES), help="default: all installed")
    parser.add_argument("--only", help="what contains this in its name")
    parser.add_argument("--out", type=Path, help="page to write the tables into")
    arguments = parser.parse_args()

    wanted = arguments.sides or list(SIDES)
    sides = [OURS, *(s for s in installed(wanted) if s != OURS)]
    absent = sorted({SIDES[s][2] for s in wanted} - {SIDES[s][2] for s in sides})
    if absent:
        print(f"not installed, left out: {', '.join(absent)}")
    done = False
    for what, compare in (
        ("networks", compare_networks),
        ("convolutions", compare_convolutions),
        ("variants", compare_variants),
    ):
        if arguments.what and what not in arguments.what:
            continue
        versions: dict[str, str] = {}
        tables = compare(sides, arguments, versions)
        if not tables:
            continue
        done = True
        command = (
            f"python -m benchmarks.compare {what} --threads {arguments.threads} "
            f"--blocks {arguments.blocks} --seconds {arguments.seconds:g}"
        )
        if arguments.sides:
            command += "".join(f" {shlex.quote(s)}" for s in ("--sides", *arguments.sides))
        lines = [*report.heading(command, arguments.threads, versions), *tables]
        print("\n" + "\n".join(lines) + "\n")
        if arguments.out:
            report.write(arguments.out, what, lines)
    if not done:
        raise SystemExit(f"nothing is called {arguments.only!r}")


if __name__ == "__main__":
    main()
