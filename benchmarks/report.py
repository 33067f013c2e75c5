"""What was measured, as tables of a Markdown page."""

from __future__ import annotations

import datetime
import math
import platform
from dataclasses import dataclass
from pathlib import Path

from benchmarks.convolutions import DIRECTIONS, Convolution

OURS = "cnnfast"
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"


@dataclass
class NetworkRow:
    network: str
    batch: int
    mode: str
    milliseconds: dict[str, float]
    spread: float  # of our block medians, relative

    def ratio(self, prefix: str = "") -> float | None:
        """Best peer's time / ours."""
        peers = [
            v for name, v in self.milliseconds.items() if name != OURS and name.startswith(prefix)
        ]
        return min(peers) / self.milliseconds[OURS] if peers else None


@dataclass
class ConvolutionRow:
    size: Convolution
    direction: str
    milliseconds: dict[str, float]
    spread: float

    def ratio(self, peer: str) -> float | None:
        theirs = self.milliseconds.get(peer)
        return theirs / self.milliseconds[OURS] if theirs else None


def processor() -> str:
    """The processor's name as the system gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def heading(command: str, threads: int, versions: dict[str, str]) -> list[str]:
    return [
        f"Measured {datetime.date.today()} on {processor()}, {threads} threads, with",
        "",
        f"    {command}",
        "",
        f"Python {platform.python_version()}; {'; '.join(dict.fromkeys(versions.values()))}.",
        "",
    ]


def network_tables(rows: list[NetworkRow], sides: list[str]) -> list[str]:
    lines = []
    for mode, title in (
        ("training", "Training step (forward, loss, backward, Adam), float32"),
        ("inference", "Inference from Python, float32"),
    ):
        some = [row for row in rows if row.mode == mode]
        if not some:
            continue
        shown = [s for s in sides if any(s in row.milliseconds for row in some)]
        lines += [
            f"**{title}**",
            "",
            "| network | batch | " + " | ".join(f"{side}, ms" for side in shown) + " | best peer / "
            "cnnfast | torch / cnnfast |",
            "|---|---|" + "---|" * (len(shown) + 2),
        ]
        for row in some:
            cells = [f"{row.milliseconds[s]:.3g}" if s in row.milliseconds else "–" for s in shown]
            ratios = [f"{r:.2f}" if r else "–" for r in (row.ratio(), row.ratio("torch"))]
            lines.append(f"| {row.network} | {row.batch} | " + " | ".join(cells + ratios) + " |")
        lines.append("")
    return [*lines, _spread([row.spread for row in rows])]


def convolution_tables(rows: list[ConvolutionRow], peer: str) -> list[str]:
    lines = [
        f"GFLOP/s as of direct convolution, cnnfast / {peer} = ratio",
        "",
        "| layer | " + " | ".join(DIRECTIONS) + " |",
        "|---|" + "---|" * len(DIRECTIONS),
    ]
    for size in dict.fromkeys(row.size for row in rows):
        cells = []
        for direction in DIRECTIONS:
            found = [r for r in rows if r.size == size and r.direction == direction]
            cells.append(_speeds(found[0], peer) if found else "–")
        lines.append(f"| {size} | " + " | ".join(cells) + " |")
    means = []
    for direction in DIRECTIONS:
        found = [r.ratio(peer) for r in rows if r.direction == direction]
        logs = [math.log(ratio) for ratio in found if ratio]
        means.append(f"**{math.exp(sum(logs) / len(logs)):.2f}**" if logs else "–")
    lines += ["| geometric mean of ratios | " + " | ".join(means) + " |", ""]
    return [*lines, _spread([row.spread for row in rows])]


def _speeds(row: ConvolutionRow, peer: str) -> str:
    ours = row.size.flops / row.milliseconds[OURS] / 1e6
    ratio = row.ratio(peer)
    if ratio is None:
        return f"{ours:.0f}"
    return f"{ours:.0f} / {ours / ratio:.0f} = {ratio:.2f}"


def _spread(spreads: list[float]) -> str:
    return (
        "Medians of all calls of all blocks; a ratio above 1 means that cnnfast is faster. Blocks "
        f"of cnnfast differed by {100 * sorted(spreads)[len(spreads) // 2]:.0f} % in the median, "
        f"{100 * max(spreads):.0f} % at most."
    )


def write(path: Path, part: str, lines: list[str]) -> None:
    """Between the part's markers on the page; a page without them gets them at its end."""
    begin, end = BEGIN.format(part), END.format(part)
    text = "\n".join([begin, *lines, end]) + "\n"
    page = path.read_text() if path.is_file() else "# Performance\n"
    if begin in page:
        head, rest = page.split(begin, 1)
        text = head + text.rstrip("\n") + rest.split(end, 1)[1]
    else:
        text = page.rstrip("\n") + "\n\n" + text
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
