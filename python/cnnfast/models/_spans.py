"""What places along one axis see of the network's input, as arithmetic on intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Interval = tuple[int, int]  # first and last place, both included

#: The span of a value every place of which sees the whole axis.
WHOLE: Final = None


@dataclass(frozen=True)
class Span:
    """What places along one axis see along one axis of the input.

    Place ``o`` sees ``places[o % period]``, moved on by ``advance`` for each whole period; None is
    nothing (the holes between paintings of a transposed convolution).
    """

    period: int
    advance: int
    places: tuple[Interval | None, ...]

    def at(self, place: int) -> Interval | None:
        turns, phase = divmod(place, self.period)
        seen = self.places[phase]
        if seen is None:
            return None
        return seen[0] + turns * self.advance, seen[1] + turns * self.advance

    def hull(self, places: Sequence[int]) -> Interval | None:
        seen = [one for one in map(self.at, places) if one is not None]
        return (min(f for f, _ in seen), max(last for _, last in seen)) if seen else None

    def reduced(self) -> Span:
        """The same with the shortest period."""
        common = math.gcd(self.period, self.advance)
        for parts in range(common, 1, -1):
            if common % parts:
                continue
            period, advance = self.period // parts, self.advance // parts
            shorter = Span(period, advance, self.places[:period])
            if all(shorter.at(o) == self.places[o] for o in range(self.period)):
                return shorter
        return self

    def window(self, taps: int, stride: int, dilation: int, before: int) -> Span:
        """Behind a window: place o reads o stride - before + t dilation, t < taps."""
        period = self.period // math.gcd(self.period, stride)
        advance = self.advance * (stride * period // self.period)
        places = tuple(
            self.hull([o * stride - before + t * dilation for t in range(taps)])
            for o in range(period)
        )
        return Span(period, advance, places).reduced()

    def painted(self, taps: int, stride: int, dilation: int, before: int) -> Span:
        """Behind a transposed window: what reads place o is at (o + before - t dilation) / stride."""
        period = self.period * stride
        places = tuple(
            self.hull(
                [
                    (o + before - t * dilation) // stride
                    for t in range(taps)
                    if (o + before - t * dilation) % stride == 0
                ]
            )
            for o in range(period)
        )
        return Span(period, self.advance, places).reduced()

    def repeated(self, times: int) -> Span:
        """Every place several times in a row."""
        period = self.period * times
        places = tuple(self.at(o // times) for o in range(period))
        return Span(period, self.advance, places).reduced()

    def interpolated(self, length: int, size: int) -> Span:
        """Between two places: place o is at (o + 1/2) length / size - 1/2 of what it was."""
        common = math.gcd(length, size)
        period, advance = size // common * self.period, length // common * self.period
        places = []
        for o in range(period):
            first, rest = divmod((2 * o + 1) * length - size, 2 * size)
            places.append(self.hull([first, first + 1] if rest else [first]))
        return Span(period, advance // self.period * self.advance, tuple(places)).reduced()

    def reversed(self, size: int) -> Span:
        """Place o is what size - 1 - o was."""
        places = tuple(self.at(size - 1 - o) for o in range(self.period))
        return Span(self.period, -self.advance, places)

    def joined(self, other: Span) -> Span:
        """What either sees.

        Raises:
            ValueError: they move at different speeds, so that no stride describes both.
        """
        period = math.lcm(self.period, other.period)
        advance = self.advance * (period // self.period)
        if advance != other.advance * (period // other.period):
            raise ValueError(
                "receptive_field: branches that move over the input with strides "
                f"{self.advance}/{self.period} and {other.advance}/{other.period} meet; ask for "
                "the layers before they do"
            )
        places: list[Interval | None] = []
        for o in range(period):
            seen = [one for one in (self.at(o), other.at(o)) if one is not None]
            places.append(
                (min(f for f, _ in seen), max(last for _, last in seen)) if seen else None
            )
        return Span(period, advance, tuple(places)).reduced()


IDENTITY: Final = Span(1, 1, ((0, 0),))


@dataclass(frozen=True)
class Along:
    """Axis ``axis`` of a value runs along an axis of the input, as ``span`` says."""

    axis: int
    span: Span
