"""How people write the ten digits: pen strokes as control points, several ways for each digit.

A way of writing is a list of points (x to the right, y down, in a unit box) and the strokes that
run through them by index. Strokes that share a point stay joined when the points are moved;
a stroke that ends where another begins makes a corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

# digit -> ways of writing it: (share of writers, points, strokes)
_WAYS: dict[int, list[tuple[float, str, list[list[int]]]]] = {
    0: [
        (
            3,
            ".55,.02 .28,.12 .12,.45 .18,.8 .45,.99 .74,.86 .88,.5 .8,.15 .52,.01",
            [[0, 1, 2, 3, 4, 5, 6, 7, 8]],
        ),
        (
            2,
            ".68,.08 .4,.06 .16,.35 .14,.72 .38,.98 .68,.84 .84,.45 .72,.12 .48,.1",
            [[0, 1, 2, 3, 4, 5, 6, 7, 8]],
        ),
        (
            1,
            ".5,.0 .22,.2 .2,.78 .5,1. .8,.8 .8,.22 .58,.04 .38,.14",
            [[0, 1, 2, 3, 4, 5, 6, 7]],
        ),
    ],
    1: [
        (4, ".52,.0 .5,.5 .48,1.", [[0, 1, 2]]),
        (2, ".28,.26 .55,.0 .53,.5 .52,1.", [[0, 1], [1, 2, 3]]),
        (1, ".28,.26 .52,.0 .52,.5 .52,.97 .25,.98 .8,.98", [[0, 1], [1, 2, 3], [4, 3, 5]]),
        (1, ".36,.14 .54,.02 .5,.5 .46,1.", [[0, 1, 2, 3]]),
    ],
    2: [
        (
            3,
            ".15,.26 .3,.06 .6,.02 .82,.2 .74,.46 .45,.74 .1,.97 .5,.95 .92,.94",
            [[0, 1, 2, 3, 4, 5, 6], [6, 7, 8]],
        ),
        (
            3,
            ".16,.2 .42,.02 .74,.14 .74,.42 .48,.72 .2,.94 .08,.86 .22,.74 .5,.86 .94,.94",
            [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]],
        ),
        (1, ".12,.08 .5,.02 .82,.1 .48,.52 .1,.96 .5,.92 .9,.97", [[0, 1, 2, 3, 4], [4, 5, 6]]),
    ],
    3: [
        (
            3,
            ".15,.14 .45,.0 .78,.13 .7,.36 .38,.47 .76,.56 .86,.79 .55,.99 .1,.88",
            [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]],
        ),
        (1, ".14,.05 .82,.04 .44,.4 .8,.52 .84,.8 .5,1. .1,.88", [[0, 1], [1, 2], [2, 3, 4, 5, 6]]),
        (
            2,
            ".18,.1 .5,.01 .76,.16 .62,.38 .42,.46 .4,.52 .5,.48 .76,.6 .8,.82 .46,1. .12,.9",
            [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
        ),
    ],
    4: [
        (
            3,
            ".2,.03 .16,.3 .14,.54 .5,.56 .86,.52 .76,.04 .73,.5 .7,1.",
            [[0, 1, 2], [2, 3, 4], [5, 6, 7]],
        ),
        (
            2,
            ".62,.0 .34,.34 .08,.64 .5,.64 .94,.62 .62,.5 .61,1.",
            [[0, 1, 2], [2, 3, 4], [0, 5, 6]],
        ),
        (
            2,
            ".22,.06 .14,.36 .3,.54 .56,.5 .78,.36 .84,.02 .76,.5 .68,1.",
            [[0, 1, 2, 3, 4], [5, 4, 6, 7]],
        ),
    ],
    5: [
        (
            3,
            ".82,.03 .54,.04 .26,.06 .23,.25 .2,.46 .55,.38 .86,.6 .72,.9 .38,1. .1,.88",
            [[0, 1, 2], [2, 3, 4], [4, 5, 6, 7, 8, 9]],
        ),
        (
            2,
            ".84,.04 .5,.03 .26,.16 .28,.4 .6,.49 .8,.7 .6,.96 .14,.92",
            [[0, 1, 2, 3, 4, 5, 6, 7]],
        ),
        (
            1,
            ".3,.08 .26,.28 .24,.48 .58,.42 .8,.66 .62,.94 .12,.93 .28,.1 .9,.02",
            [[0, 1, 2], [2, 3, 4, 5, 6], [7, 8]],
        ),
    ],
    6: [
        (
            3,
            ".72,.02 .36,.25 .15,.66 .3,.96 .64,.95 .78,.72 .56,.53 .2,.7",
            [[0, 1, 2, 3, 4, 5, 6, 7]],
        ),
        (
            2,
            ".42,.0 .22,.4 .18,.8 .45,1. .74,.84 .64,.6 .34,.64 .2,.82",
            [[0, 1, 2, 3, 4, 5, 6, 7]],
        ),
        (
            1,
            ".84,.1 .54,.04 .24,.36 .2,.78 .5,.99 .8,.8 .66,.56 .3,.62 .22,.74",
            [[0, 1, 2, 3, 4, 5, 6, 7, 8]],
        ),
    ],
    7: [
        (3, ".1,.08 .5,.06 .87,.05 .6,.48 .36,1.", [[0, 1, 2], [2, 3, 4]]),
        (
            1,
            ".1,.08 .5,.06 .87,.05 .58,.48 .38,1. .26,.52 .8,.48",
            [[0, 1, 2], [2, 3, 4], [5, 6]],
        ),
        (2, ".1,.24 .14,.07 .48,.09 .88,.04 .62,.42 .5,1.", [[0, 1, 2, 3], [3, 4, 5]]),
        (1, ".12,.1 .5,.03 .8,.12 .74,.36 .52,.68 .42,1.", [[0, 1, 2, 3, 4, 5]]),
    ],
    8: [
        (
            3,
            ".74,.16 .48,.01 .2,.16 .36,.42 .7,.62 .78,.86 .46,1. .16,.86 .32,.58 .68,.36 .72,.14",
            [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
        ),
        (
            1,
            ".5,.46 .24,.26 .46,.02 .76,.2 .52,.46 .22,.7 .46,.99 .8,.76 .5,.47",
            [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8]],
        ),
        (
            1,
            ".82,.06 .46,.04 .24,.2 .44,.44 .72,.66 .66,.92 .36,.97 .22,.76 .5,.5 .8,.22 .84,.04",
            [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
        ),
    ],
    9: [
        (
            3,
            ".76,.2 .5,.02 .2,.15 .2,.4 .48,.5 .76,.3 .78,.08 .74,.5 .66,1.",
            [[0, 1, 2, 3, 4, 5], [6, 5, 7, 8]],
        ),
        (
            2,
            ".74,.14 .44,.02 .18,.24 .34,.48 .64,.4 .78,.16 .8,.6 .6,.97 .2,.92",
            [[0, 1, 2, 3, 4, 5, 6, 7, 8]],
        ),
        (
            2,
            ".72,.1 .42,.03 .22,.22 .36,.42 .66,.3 .74,.08 .66,.5 .5,1.",
            [[0, 1, 2, 3, 4, 5, 6, 7]],
        ),
    ],
}


@dataclass(frozen=True)
class Way:
    """One way of writing a digit."""

    share: float
    controls: Floats  # (controls, 2)
    basis: Floats  # (samples, controls): samples of the pen's path = basis @ controls
    starts: npt.NDArray[np.bool_]  # (samples,): True where a stroke begins


def _catmull_rom(count: int, at: Floats) -> Floats:
    """Weights of ``count`` control points for curve parameters ``at`` in [0, count - 1].

    Catmull & Rom 1974, uniform, end points doubled: the curve runs through every point.
    """
    left = np.minimum(at.astype(np.int64), count - 2)
    t = at - left
    weights = np.stack(
        [
            -0.5 * t**3 + t**2 - 0.5 * t,
            1.5 * t**3 - 2.5 * t**2 + 1,
            -1.5 * t**3 + 2 * t**2 + 0.5 * t,
            0.5 * t**3 - 0.5 * t**2,
        ],
        axis=1,
    )
    out = np.zeros((len(at), count), np.float32)
    rows = np.arange(len(at))
    for k in range(4):
        np.add.at(out, (rows, np.clip(left + k - 1, 0, count - 1)), weights[:, k])
    return out


def _compile(share: float, text: str, strokes: list[list[int]], samples: int) -> Way:
    """Spread the samples over the strokes by length, evenly along each."""
    controls = np.array([p.split(",") for p in text.split()], dtype=np.float32)
    dense = [np.linspace(0, len(s) - 1, 200, dtype=np.float32) for s in strokes]
    curves = [_catmull_rom(len(s), at) @ controls[s] for s, at in zip(strokes, dense, strict=True)]
    along = [
        np.concatenate([[0], np.cumsum(np.hypot(*np.diff(c, axis=0).T))]).astype(np.float32)
        for c in curves
    ]
    lengths = np.array([a[-1] for a in along])
    counts = np.maximum(4, np.floor(samples * lengths / lengths.sum()).astype(int))
    counts[np.argmax(counts)] += samples - counts.sum()
    basis = np.zeros((samples, len(controls)), np.float32)
    starts = np.zeros(samples, np.bool_)
    row = 0
    for stroke, at, length, count in zip(strokes, dense, along, counts, strict=True):
        even = np.interp(np.linspace(0, length[-1], count), length, at).astype(np.float32)
        weights = _catmull_rom(len(stroke), even)
        for column, control in enumerate(stroke):
            basis[row : row + count, control] += weights[:, column]
        starts[row] = True
        row += count
    return Way(share, controls, basis, starts)


def ways(samples: int) -> list[list[Way]]:
    """For each digit its ways of writing, the pen's path as ``samples`` points."""
    return [[_compile(*way, samples) for way in _WAYS[digit]] for digit in range(10)]
