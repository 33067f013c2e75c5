"""Normally distributed random numbers, made of uniform ones."""

from __future__ import annotations

from typing import Any

from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Result, Value
from cnnfast.ops.affine import random_uniform
from cnnfast.ops.arithmetic import add, log, multiply, sqrt, square, subtract
from cnnfast.ops.rearrange import concatenate, slice

# sin(pi v) / v and cos(pi v) as polynomials of v^2, |v| <= 1/2: interpolation at Chebyshev's
# points, off by less than 6e-11 and 3e-10, far below float32's rounding.
_SINE = (
    3.14159265354, -5.16771276462, 2.55016331895, -0.599252197819, 0.0820504017858,
    -0.00702838636935,
)  # fmt: skip
_COSINE = (
    0.99999999978, -4.93480213708, 4.05870915956, -1.33521200304, 0.234937313784,
    -0.0243963242974,
)  # fmt: skip
# Half of a step of the uniform numbers: their logarithm stays finite.
_LEAST = 2.0**-33


def random_normal(
    x: Value, seed: int | Value, count: int = 1, mean: float = 0.0, stddev: float = 1.0
) -> Result:
    """(N, count) normally distributed numbers, drawn anew for each row of x (N, ...).

    Pairs of the numbers of :func:`random_uniform` on a circle (Box and Muller, 1958): the same
    seed gives the same numbers whatever the number of threads. None is further from the mean than
    6.8 standard deviations.

    Args:
        x: only its number of rows and its dtype count.
        seed: an integer, or an int64 array or Variable of two: seed and step.
        count: numbers for each row.
        mean: what they scatter around.
        stddev: by how much, at least 0.

    Raises:
        ValueError: a negative stddev, a count below 1.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> z = ops.random_normal(np.zeros((4, 7), "float32"), seed=1, count=1000)
    >>> z.shape, bool(abs(z.mean()) < 0.1 and abs(z.std() - 1) < 0.1)
    ((4, 1000), True)
    """
    op = "random_normal"
    node = arguments.floating(op, "x", x)
    count = arguments.integer(op, "count", count, 1)
    mean, stddev = arguments.real(op, "mean", mean), arguments.real(op, "stddev", stddev)
    if stddev < 0:
        raise ValueError(f"{op}: stddev must be at least 0, got {stddev}")
    half = (count + 1) // 2
    with arguments.named(op):
        drawn = random_uniform(node, seed, 2 * half)
        u = slice(drawn, (0, 0), (-1, half))
        v = subtract(slice(drawn, (0, half), (-1, half)), 0.5)
        radius = multiply(sqrt(multiply(log(add(u, _LEAST)), -2.0)), stddev)
        s = square(v)
        sine = multiply(_polynomial(_SINE, s), v)
        # The angle is 2 pi v.
        across = multiply(multiply(sine, _polynomial(_COSINE, s)), 2.0)
        along = subtract(1.0, multiply(square(sine), 2.0))
        z = concatenate([multiply(radius, across), multiply(radius, along)], 1)
        if count % 2:
            z = slice(z, (0, 0), (-1, count))
        return add(z, mean) if mean else z


def _polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    total: Any = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = add(multiply(total, x), coefficient)
    return total
