"""Batch normalisation as functions: with a batch's own statistics, or with given ones."""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops import _channels as channels
from cnnfast.ops._arguments import Result, Value


def batch_norm(
    x: Value,
    gamma: Value | None = None,
    beta: Value | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> tuple[Result, Result, Result]:
    """x made mean 0 and variance 1 over all axes but ``axis``, then scaled and shifted.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with mean and biased variance of
    this x (Ioffe and Szegedy, ICML 2015, algorithm 1): what training does.
    :func:`batch_normalization` uses given statistics instead.

    Variances are sums of squared deviations, never differences of large numbers: x may have a mean
    of 10,000 and a deviation of 0.01.

    Args:
        x: at least two axes, float32 or float64; not empty.
        gamma, beta: (C,), one for each place of ``axis``; None: ones, zeros.
        axis: that of the channels; 1 for channels first.
        epsilon: added to the variance.

    Returns:
        y of x's shape, mean (C,), variance (C,).

    Raises:
        ValueError: another length of gamma or beta, an x without values, a negative epsilon.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> y, mean, variance = ops.batch_norm(np.array([[1.0], [3.0]], "float32"), epsilon=0.0)
    >>> y[:, 0], mean, variance
    (array([-1.,  1.], dtype=float32), array([2.], dtype=float32), array([1.], dtype=float32))
    """
    op = "batch_norm"
    node, channel_axis = channels.channels_last(op, x, axis)
    scale, shift = channels.scale_and_shift(op, node, gamma, beta)
    with arguments.named(op):
        y, mean, variance, _ = apply(
            "batch_norm_training", [node, scale, shift], {"epsilon": channels.epsilon(op, epsilon)}
        )
    return channels.move(y, -1, channel_axis), mean, variance


def batch_norm_backward(
    x: Value,
    dy: Value,
    gamma: Value | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> tuple[Result, Result, Result]:
    """The gradient of :func:`batch_norm` through its statistics; they are found again from x.

    Args:
        x, gamma, axis, epsilon: those of the forward call.
        dy: gradient of y, of x's shape and dtype.

    Returns:
        dx of x's shape, dgamma (C,), dbeta (C,).

    Raises:
        ValueError: as :func:`batch_norm`; a dy of another shape.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.array([[1.0], [2.0], [6.0]], "float32")
    >>> dx, dgamma, dbeta = ops.batch_norm_backward(x, np.ones_like(x))
    >>> dbeta
    array([3.], dtype=float32)
    """
    op = "batch_norm_backward"
    arguments.same_dtype(op, x=x, dy=dy)
    node, channel_axis = channels.channels_last(op, x, axis)
    gradient, _ = channels.channels_last(op, dy, axis, "dy")
    scale, shift = channels.scale_and_shift(op, node, gamma, None)
    attributes = {"epsilon": channels.epsilon(op, epsilon)}
    with arguments.named(op):
        _, mean, variance, low = apply("batch_norm_training", [node, scale, shift], attributes)
        dx, dgamma, dbeta = apply(
            "batch_norm_backward",
            [node, gradient, scale, shift, mean, variance, low],
            {**attributes, "training": True},
        )
    return channels.move(dx, -1, channel_axis), dgamma, dbeta


def batch_normalization(
    x: Value,
    mean: Value,
    variance: Value,
    axis: int = -1,
    offset: Value | None = None,
    scale: Value | None = None,
    epsilon: float = 1e-3,
) -> Result:
    """``scale * (x - mean) / sqrt(variance + epsilon) + offset`` with given statistics, as Keras.

    Args:
        x: at least two axes, float32 or float64.
        mean, variance: (C,), one for each place of ``axis``.
        axis: that of the channels; 1 for channels first.
        offset, scale: (C,); None: zeros, ones. They are beta and gamma elsewhere.
        epsilon: added to the variance.

    Returns:
        y of x's shape.

    Raises:
        ValueError: another length of mean, variance, offset or scale; a negative epsilon.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.array([[1.0, 2.0], [3.0, 8.0]], "float32")
    >>> mean, variance = np.array([1.0, 2.0], "float32"), np.array([1.0, 4.0], "float32")
    >>> ops.batch_normalization(x, mean, variance, epsilon=0.0)
    array([[0., 0.],
           [2., 3.]], dtype=float32)
    """
    op = "batch_normalization"
    node, channel_axis = channels.channels_last(op, x, axis)
    gamma, beta = channels.scale_and_shift(op, node, scale, offset, ("scale", "offset"))
    known = [
        channels.channel_values(op, name, value, node)
        for name, value in (("mean", mean), ("variance", variance))
    ]
    with arguments.named(op):
        y = apply(
            "batch_norm", [node, gamma, beta, *known], {"epsilon": channels.epsilon(op, epsilon)}
        )[0]
    return channels.move(y, -1, channel_axis)
