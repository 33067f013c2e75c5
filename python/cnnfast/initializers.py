"""How weights begin: the initialisers of Keras, with its names, arguments and fans.

>>> from cnnfast import initializers
>>> initializers.get("he_normal")((3, 3, 1, 8)).shape
(3, 3, 1, 8)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _random, _resolve

Array = npt.NDArray[Any]

# The standard deviation of a standard normal distribution cut at two: what VarianceScaling divides
# by so that the cut values keep the wanted variance (Keras, keras/src/initializers).
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """Makes arrays: ``initializer(shape, dtype)``. Subclass with ``__call__`` and ``get_config``."""

    def __call__(self, shape: Sequence[int], dtype: str = "float32") -> Array:
        """An array of ``shape`` and ``dtype``."""
        raise NotImplementedError(f"{type(self).__name__} needs a __call__(shape, dtype)")

    def get_config(self) -> dict[str, Any]:
        """The arguments that make it again."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Initializer:
        """The initialiser that ``get_config`` described."""
        return cls(**config)


class Zeros(Initializer):
    """All zero."""

    def __call__(self, shape: Sequence[int], dtype: str = "float32") -> Array:
        return np.zeros(shape, dtype)


class Ones(Initializer):
    """All one."""

    def __call__(self, shape: Sequence[int], dtype: str = "float32") -> Array:
        return np.ones(shape, dtype)


class Constant(Initializer):
    """One value, or an array that broadcasts to the shape."""

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: str = "float32") -> Array:
        filled: Array = np.broadcast_to(np.asarray(self.value, dtype), tuple(shape)).copy()
        return filled

    def get_config(self) -> dict[str, Any]:
        value = self.value
        return {"value": value.tolist() if isinstance(value, np.ndarray) else value}


class _Random(Initializer):
    """With a seed every call gives the same values; without, the process' generator goes on."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed

    def generator(self) -> np.random.Generator:
        return _random.generator() if self.seed is None else np.random.default_rng(self.seed)


class RandomNormal(_Random):
    """Normally distributed."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: str = "float32") -> Array:
        values = _normal(self.generator(), shape, dtype)
        return _scaled(values, self.stddev, self.mean)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class TruncatedNormal(RandomNormal):
    """Normally distributed; values beyond two standard deviations are drawn again."""

    def __call__(self, shape: Sequence[int], dtype: str = "float32") -> Array:
        values = _truncated_normal(self.generator(), shape, dtype)
        return _scaled(values, self.stddev, self.mean)


class RandomUniform(_Random):
    """Uniform in [minval, maxval)."""

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Sequence[int], dtype: str = "float32") -> Array:
        values = _uniform(self.generator(), shape, dtype)
        return _scaled(values, self.maxval - self.minval, self.minval)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class VarianceScaling(_Random):
    """Variance ``scale / n``, n being fan_in, fan_out or their mean.

    Args:
        scale: positive.
        mode: "fan_in", "fan_out" or "fan_avg".
        distribution: "truncated_normal", "untruncated_normal" or "uniform".
        seed: None takes the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: another mode or distribution, a scale that is not positive.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if not scale > 0.0:
            raise ValueError(f"VarianceScaling: scale must be positive, got {scale!r}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(
                f"VarianceScaling: mode must be 'fan_in', 'fan_out' or 'fan_avg', got {mode!r}"
            )
        distribution = "truncated_normal" if distribution == "normal" else distribution
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                "VarianceScaling: distribution must be 'truncated_normal', 'untruncated_normal' "
                f"or 'uniform', got {distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution

    def __call__(self, shape: Sequence[int], dtype: str = "float32") -> Array:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, fan)
        generator = self.generator()
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return _scaled(_uniform(generator, shape, dtype), 2.0 * limit, -limit)
        stddev = math.sqrt(variance)
        if self.distribution == "untruncated_normal":
            return _scaled(_normal(generator, shape, dtype), stddev, 0.0)
        values = _truncated_normal(generator, shape, dtype)
        return _scaled(values, stddev / _TRUNCATED_STDDEV, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "seed": self.seed,
        }


class _Named(VarianceScaling):
    """A VarianceScaling that takes only a seed."""

    _arguments: tuple[float, str, str] = (1.0, "fan_in", "truncated_normal")

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self._arguments, seed=seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


class GlorotUniform(_Named):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""

    _arguments = (1.0, "fan_avg", "uniform")


class GlorotNormal(_Named):
    """Truncated normal, variance 2 / (fan_in + fan_out) (Glorot and Bengio, 2010)."""

    _arguments = (1.0, "fan_avg", "truncated_normal")


class HeUniform(_Named):
    """Uniform in +-sqrt(6 / fan_in) (He et al., 2015)."""

    _arguments = (2.0, "fan_in", "uniform")


class HeNormal(_Named):
    """Truncated normal, variance 2 / fan_in (He et al., 2015)."""

    _arguments = (2.0, "fan_in", "truncated_normal")


class LecunUniform(_Named):
    """Uniform in +-sqrt(3 / fan_in) (LeCun et al., 1998)."""

    _arguments = (1.0, "fan_in", "uniform")


class LecunNormal(_Named):
    """Truncated normal, variance 1 / fan_in (LeCun et al., 1998)."""

    _arguments = (1.0, "fan_in", "truncated_normal")


def fans(shape: Sequence[int]) -> tuple[float, float]:
    """(fan_in, fan_out) as Keras counts them: the last two axes are in and out, others a window.

    >>> fans((3, 3, 16, 32))
    (144.0, 288.0)
    """
    sizes = [int(size) for size in shape]
    if not sizes:
        return 1.0, 1.0
    if len(sizes) == 1:
        return float(sizes[0]), float(sizes[0])
    window = math.prod(sizes[:-2])
    return float(window * sizes[-2]), float(window * sizes[-1])


def _draw_dtype(dtype: str) -> Any:
    return np.float64 if dtype == "float64" else np.float32


def _uniform(generator: np.random.Generator, shape: Sequence[int], dtype: str) -> Array:
    return generator.random(tuple(shape), _draw_dtype(dtype)).astype(dtype, copy=False)


def _normal(generator: np.random.Generator, shape: Sequence[int], dtype: str) -> Array:
    values: Array = generator.standard_normal(tuple(shape), _draw_dtype(dtype))
    return values.astype(dtype, copy=False)


def _truncated_normal(generator: np.random.Generator, shape: Sequence[int], dtype: str) -> Array:
    values = _normal(generator, shape, dtype).reshape(-1)
    beyond = np.flatnonzero(np.abs(values) > 2.0)
    while beyond.size:
        values[beyond] = _normal(generator, (beyond.size,), dtype)
        beyond = beyond[np.abs(values[beyond]) > 2.0]
    return values.reshape(tuple(shape))


def _scaled(values: Array, factor: float, offset: float) -> Array:
    values *= values.dtype.type(factor)
    if offset:
        values += values.dtype.type(offset)
    return values


# Keras' lower-case names.
zeros = Zeros
ones = Ones
constant = Constant
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
glorot_uniform = GlorotUniform
glorot_normal = GlorotNormal
he_uniform = HeUniform
he_normal = HeNormal
lecun_uniform = LecunUniform
lecun_normal = LecunNormal

_TABLE: dict[str, type[Initializer]] = {
    "zeros": Zeros,
    "zero": Zeros,
    "ones": Ones,
    "one": Ones,
    "constant": Constant,
    "random_normal": RandomNormal,
    "normal": RandomNormal,
    "random_uniform": RandomUniform,
    "uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "xavier_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "xavier_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
}
_TABLE.update({found.__name__: found for found in list(_TABLE.values())})


def get(identifier: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The initialiser of a name, class, instance, function or configuration.

    Raises:
        ValueError: an unknown name.
        TypeError: something that makes no arrays.
    """
    return _resolve.resolve("initializer", identifier, _TABLE, Initializer, custom_objects)


serialize = _resolve.serialize
deserialize = get
