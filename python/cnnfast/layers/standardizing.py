"""Inputs brought to mean 0 and variance 1 with numbers found in the data before training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import ops
from cnnfast._trace import is_symbolic
from cnnfast.layers._arguments import ANOTHER_LAYER, signed
from cnnfast.layers.layer import Layer


class Normalization(Layer):
    """``(x - mean) / sqrt(variance)``, of each position along ``axis`` (of each channel).

    The numbers are given, or found by ``adapt(data)``; training does not change them.

    Args:
        axis: the axis or axes that have numbers of their own; None: one mean and variance for all.
        mean, variance: the numbers, of a shape that broadcasts to the kept axes; both or neither.
        invert: undo it: ``x * sqrt(variance) + mean``.

    Raises:
        ValueError: one of mean and variance without the other, a negative variance, a call before
            ``adapt``, an axis of unknown size.

    >>> import numpy as np
    >>> from cnnfast.layers import Normalization
    >>> layer = Normalization()
    >>> layer.adapt(np.float32([[0, 10], [2, 30]]))
    >>> layer(np.float32([[2, 10]]))
    array([[ 1., -1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if axis is None:
            self.axis: tuple[int, ...] | None = None
        else:
            several = axis if isinstance(axis, (list, tuple)) else (axis,)
            self.axis = tuple(signed(self.label, "axis", one) for one in several)
        self.invert = bool(invert)
        if (mean is None) != (variance is None):
            raise ValueError(f"{self.label}: give both mean and variance, or neither and adapt")
        self._given: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None
        if mean is not None:
            self._given = (_numbers(self.label, "mean", mean), _variance(self.label, variance))

    def build(self, input_shape: Any) -> None:
        rank = len(input_shape)
        kept = self._kept(rank)
        if 0 in kept:
            raise ValueError(f"{self.label}: axis must not be the batch, 0; got {self.axis}")
        sizes = [input_shape[i] for i in kept]
        if None in sizes:
            raise ValueError(
                f"{self.label}: the sizes of axis {self.axis} must be known, got "
                f"{tuple(input_shape)}"
            )
        # Weights, so that they are saved with the model; the count is what Keras keeps too.
        self.mean = self.add_weight(sizes, "zeros", trainable=False, name="mean")
        self.variance = self.add_weight(sizes, "ones", trainable=False, name="variance")
        self.count = self.add_weight((), "zeros", trainable=False, name="count")
        if self._given is not None:
            for weight, given in zip((self.mean, self.variance), self._given, strict=True):
                try:
                    weight.assign(np.broadcast_to(given, weight.shape).astype(self.dtype))
                except ValueError:
                    raise ValueError(
                        f"{self.label}: {weight.name} of shape {given.shape} does not go with "
                        f"axis {self.axis} of an input of shape {tuple(input_shape)}"
                    ) from None
            self.count.assign(np.ones(()))

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Finds mean and variance of an array, or of an iterable of batches.

        Args:
            data: (N, ...), or batches of it; of tuples the first part.
            batch_size: accepted as Keras does; arrays are read as a whole.
            steps: at most so many batches.

        Raises:
            ValueError: no data, mean and variance were given.
        """
        if self._given is not None:
            raise ValueError(f"{self.label}: mean and variance were given; leave them out to adapt")
        count, mean, square = 0, np.zeros(()), np.zeros(())
        for batch in _batches(self.label, data, steps):
            if not self.built:
                self._build_once((None, *batch.shape[1:]))
            kept = self._kept(batch.ndim)
            others = tuple(i for i in range(batch.ndim) if i not in kept)
            x = batch.astype(np.float64)
            here = int(np.prod([batch.shape[i] for i in others]))
            if not here:
                continue
            # Sums of squares around means combine exactly (Chan et al., 1979).
            here_mean = x.mean(axis=others)
            here_square = x.var(axis=others) * here
            difference = here_mean - mean
            total = count + here
            square = square + here_square + difference**2 * (count * here / total)
            mean = mean + difference * (here / total)
            count = total
        if not count:
            raise ValueError(f"{self.label}: adapt needs at least one value, got no data")
        self.mean.assign(mean.astype(self.dtype))
        self.variance.assign((square / count).astype(self.dtype))
        self.count.assign(np.asarray(count, self.dtype))

    def call(self, x: Any) -> Any:
        # A model may be made, or read from a file, before the numbers are there.
        if not is_symbolic(x) and not float(self.count.numpy()):
            raise ValueError(f"{self.label}: call adapt(data) first, or give mean and variance")
        rank = len(x.shape)
        kept = self._kept(rank)
        shape = [int(x.shape[i] or 1) if i in kept else 1 for i in range(rank)]
        if math.prod(shape) != math.prod(self.mean.shape):
            raise ValueError(
                f"{self.label}: axes {kept} of the input have sizes "
                f"{tuple(x.shape[i] for i in kept)}, mean and variance have "
                f"{tuple(self.mean.shape)}; got x {tuple(x.shape)}; {ANOTHER_LAYER}"
            )
        mean = ops.reshape(self.mean, shape)
        # Keras divides by no less than its epsilon.
        deviation = ops.reshape(ops.maximum(ops.sqrt(self.variance), 1e-7), shape)
        if self.invert:
            return ops.add(ops.multiply(x, deviation), mean)
        return ops.divide(ops.subtract(x, mean), deviation)

    def _kept(self, rank: int) -> list[int]:
        kept = [axis + rank if axis < 0 else axis for axis in self.axis or ()]
        if any(not 0 <= axis < rank for axis in kept):
            raise ValueError(f"{self.label}: axis {self.axis} is out of range for {rank} axes")
        return sorted(set(kept))

    def get_config(self) -> dict[str, Any]:
        mean, variance = self._given or (None, None)
        return {
            **super().get_config(),
            "axis": None if self.axis is None else list(self.axis),
            "mean": None if mean is None else mean.tolist(),
            "variance": None if variance is None else variance.tolist(),
            "invert": self.invert,
        }


def _numbers(label: str, name: str, value: Any) -> npt.NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{label}: {name} must be a number or an array of them, got {value!r}")
    if not np.isfinite(array).all():
        raise ValueError(f"{label}: {name} must be finite, got {value!r}")
    return array.astype(np.float64)


def _variance(label: str, value: Any) -> npt.NDArray[Any]:
    array = _numbers(label, "variance", value)
    if (array < 0).any():
        raise ValueError(f"{label}: variance must not be negative, got {value!r}")
    return array


def _batches(label: str, data: Any, steps: int | None) -> Iterable[npt.NDArray[Any]]:
    if isinstance(data, np.ndarray) or not isinstance(data, Iterable) or isinstance(data, list):
        data = [np.asarray(data)]
    for i, batch in enumerate(data):
        if steps is not None and i >= steps:
            return
        array = np.asarray(batch[0] if isinstance(batch, tuple) else batch)
        if array.dtype.kind not in "fiub" or array.ndim == 0:
            raise TypeError(f"{label}: adapt expects arrays of numbers, got {array.dtype}")
        yield array[:, None] if array.ndim == 1 else array
