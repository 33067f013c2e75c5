"""From pen strokes to pictures: every writer bends, slants, sizes and presses differently.

All arrays lead with the writer (one image): the work is vectorised over some thousand at a time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ._strokes import Floats, Way, ways

SIZE = 28
_SAMPLES = 96  # the longest path is some 70 pixels: samples lie less than a pixel apart
_TAPS = 3  # the widest blur is 1.25 pixels: 98 % of it lies within 3


def _uniform(rng: np.random.Generator, low: float, high: float, *shape: int) -> Floats:
    out: Floats = rng.random(shape, dtype=np.float32) * np.float32(high - low) + np.float32(low)
    return out


def _normal(rng: np.random.Generator, scale: float, *shape: int) -> Floats:
    out: Floats = rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)
    return out


def _write(rng: np.random.Generator, way: Way, count: int) -> Floats:
    """Paths (count, samples, 2) in the unit box: control points moved, then a wave bends all."""
    moved = way.controls + _normal(rng, 0.035, count, *way.controls.shape)
    path: Floats = np.einsum("sc,ncd->nsd", way.basis, moved)
    for amplitude, low, high in ((0.035, 0.5, 1.0), (0.018, 1.0, 2.0)):
        frequency = _uniform(rng, low, high, count, 1, 2) * np.float32(2 * np.pi)
        phase = _uniform(rng, 0, 2 * np.pi, count, 1, 2)
        push = _normal(rng, amplitude, count, 1, 2)
        path = path + push * np.sin(frequency * path[:, :, ::-1] + phase)
    return path


def _place(rng: np.random.Generator, path: Floats) -> Floats:
    """Slant, rotate, size and shift: unit box -> pixel coordinates."""
    count = len(path)
    low, high = path.min(axis=1, keepdims=True), path.max(axis=1, keepdims=True)
    path = path - (low + high) / 2
    height = _uniform(rng, 15.0, 21.5, count)
    width = height * _uniform(rng, 0.58, 1.0, count)
    slant = np.float32(0.12) + _normal(rng, 0.22, count)
    angle = _normal(rng, 0.11, count)
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = path[:, :, 0] * width[:, None], path[:, :, 1] * height[:, None]
    x = x - slant[:, None] * y
    placed = np.stack(
        [x * cos[:, None] - y * sin[:, None], x * sin[:, None] + y * cos[:, None]], axis=2
    )
    # Into the picture: what would stick out of a 2-pixel margin is shrunk, then shifted at random.
    reach = np.abs(placed).max(axis=(1, 2))
    placed *= np.minimum(1, (SIZE / 2 - 2.5) / reach)[:, None, None]
    room = np.maximum(SIZE / 2 - 1.5 - np.abs(placed).max(axis=1), 0)
    shift = np.clip(_normal(rng, 1.2, count, 2), -room, room)
    out: Floats = placed + shift[:, None, :] + np.float32(SIZE / 2 - 0.5)
    return out


def _ink(rng: np.random.Generator, path: Floats, starts: npt.NDArray[np.bool_]) -> Floats:
    """Ink (count, 28, 28): each sample drops what its piece of path is long, on four pixels."""
    count, samples, _ = path.shape
    piece = np.zeros((count, samples), np.float32)
    piece[:, 1:] = np.hypot(path[:, 1:, 0] - path[:, :-1, 0], path[:, 1:, 1] - path[:, :-1, 1])
    piece[:, starts] = 0
    along = np.arange(samples, dtype=np.float32) / samples
    pressure = 1 + np.float32(0.3) * np.sin(
        _uniform(rng, 2, 12, count, 1) * along + _uniform(rng, 0, 6.28, count, 1)
    )
    drop = piece * pressure
    corner = np.clip(np.floor(path), 0, SIZE - 2)
    fraction = np.clip(path - corner, 0, 1)
    corner = corner.astype(np.int64)
    fx, fy = fraction[:, :, 0], fraction[:, :, 1]
    first = (np.arange(count)[:, None] * SIZE + corner[:, :, 1]) * SIZE + corner[:, :, 0]
    places = np.stack([first, first + 1, first + SIZE, first + SIZE + 1])
    shares = np.stack(
        [drop * (1 - fx) * (1 - fy), drop * fx * (1 - fy), drop * (1 - fx) * fy, drop * fx * fy]
    )
    ink = np.bincount(places.ravel(), shares.ravel(), count * SIZE * SIZE)
    return ink.reshape(count, SIZE, SIZE).astype(np.float32)


def _spread(ink: Floats, width: Floats) -> Floats:
    """Blur each image by its own Gaussian, first along y, then along x."""
    offsets = np.arange(-_TAPS, _TAPS + 1, dtype=np.float32)
    taps = np.exp(-0.5 * (offsets / width[:, None]) ** 2)
    taps /= taps.sum(axis=1, keepdims=True)
    for axis in (1, 2):
        out = np.zeros_like(ink)
        for k, offset in enumerate(range(-_TAPS, _TAPS + 1)):
            source = [slice(None), slice(None), slice(None)]
            target = [slice(None), slice(None), slice(None)]
            source[axis] = slice(max(0, offset), SIZE + min(0, offset))
            target[axis] = slice(max(0, -offset), SIZE + min(0, -offset))
            out[tuple(target)] += taps[:, k, None, None] * ink[tuple(source)]
        ink = out
    return ink


def _develop(rng: np.random.Generator, ink: Floats) -> npt.NDArray[np.uint8]:
    """Ink saturates into black; paper and scanner add a little noise."""
    count = len(ink)
    width = _uniform(rng, 0.62, 1.25, count)
    blurred = _spread(ink, width)
    # A straight stroke's profile peaks at 1 / (width sqrt(2 pi)): levels are relative to that.
    level = blurred * (width * np.float32(np.sqrt(2 * np.pi)))[:, None, None]
    level -= np.float32(0.18)
    level *= _uniform(rng, 1.5, 2.6, count)[:, None, None]
    level *= 1 + _normal(rng, 0.10, count, SIZE, SIZE)
    level += _normal(rng, 0.02, count, SIZE, SIZE) * (level > -0.2)
    np.clip(level, 0, 1, out=level)
    out: npt.NDArray[np.uint8] = np.rint(
        level * _uniform(rng, 235, 255, count)[:, None, None]
    ).astype(np.uint8)
    return out


class Pen:
    """Draws digits; the same generator state draws the same pictures."""

    def __init__(self) -> None:
        self._ways = ways(_SAMPLES)

    def draw(
        self, rng: np.random.Generator, labels: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint8]:
        """Images (n, 28, 28) of the digits ``labels`` (n,)."""
        images = np.empty((len(labels), SIZE, SIZE), np.uint8)
        for digit, digit_ways in enumerate(self._ways):
            mine = np.flatnonzero(labels == digit)
            shares = np.array([way.share for way in digit_ways])
            chosen = rng.choice(len(digit_ways), size=len(mine), p=shares / shares.sum())
            for index, way in enumerate(digit_ways):
                rows = mine[chosen == index]
                path = _place(rng, _write(rng, way, len(rows)))
                images[rows] = _develop(rng, _ink(rng, path, way.starts))
        return images
