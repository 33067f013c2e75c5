"""Normalisations within one sample: by layer, by groups of channels, by neighbouring channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops import _channels as channels
from cnnfast.ops._arguments import Node, Result, Value


def layer_norm(
    x: Value,
    gamma: Value | None = None,
    beta: Value | None = None,
    axis: int | Sequence[int] = -1,
    epsilon: float = 1e-3,
) -> Result:
    """x made mean 0 and variance 1 over ``axis``, then scaled and shifted.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta``; mean and biased variance are taken
    over the axes named and no other (Ba, Kiros and Hinton, "Layer Normalization", 2016).

    Args:
        x: float32 or float64.
        gamma, beta: the sizes of ``axis``, in x's order; None: ones, zeros.
        axis: one axis or several.
        epsilon: added to the variance.

    Returns:
        y of x's shape.

    Raises:
        ValueError: axes of unknown size or without values, another shape of gamma or beta.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.layer_norm(np.array([[1.0, 3.0], [2.0, 8.0]], "float32"), epsilon=0.0)
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """
    op = "layer_norm"
    node = arguments.floating(op, "x", x)
    rank = arguments.rank(node)
    axes = arguments.axes(op, axis, rank)
    if not axes:
        raise ValueError(f"{op}: axis names no axis of x {arguments.shown_shape(node)}")
    kept = [i for i in range(rank) if i not in axes]
    turned = [*kept, *axes]
    if turned != list(range(rank)):
        node = apply("transpose", [node], {"permutation": turned})[0]
    sizes = tuple(node.shape[len(kept) :])
    if None in sizes:
        raise ValueError(f"{op}: the sizes of axes {axes} must be known, got {sizes}")
    known = [int(size) for size in sizes if size is not None]
    scale = _flat(op, "gamma", gamma, known)
    shift = _flat(op, "beta", beta, known)
    shape = [-1 if size is None else int(size) for size in node.shape]
    several = len(axes) > 1
    if several:
        count = int(np.prod(known, dtype=np.int64))
        node = _reshape(node, [*shape[: len(kept)], count])
    scale_node, shift_node = channels.scale_and_shift(op, node, scale, shift)
    with arguments.named(op):
        y = apply(op, [node, scale_node, shift_node], {"epsilon": channels.epsilon(op, epsilon)})[0]
    if several:
        y = _reshape(y, shape)
    if turned != list(range(rank)):
        y = apply("transpose", [y], {"permutation": [turned.index(i) for i in range(rank)]})[0]
    return y


def group_norm(
    x: Value,
    groups: int,
    gamma: Value | None = None,
    beta: Value | None = None,
    axis: int = -1,
    epsilon: float = 1e-3,
) -> Result:
    """Every sample made mean 0 and variance 1 in groups of neighbouring channels.

    Statistics of a group are those of all its positions and channels (Wu and He, "Group
    Normalization", 2018); one group is layer normalisation over the sample, as many as there are
    channels instance normalisation.

    Args:
        x: (N, ..., C), at least two axes, float32 or float64.
        groups: a divisor of C.
        gamma, beta: (C,); None: ones, zeros.
        axis: that of the channels; 1 for channels first.
        epsilon: added to the variance.

    Returns:
        y of x's shape.

    Raises:
        ValueError: groups that do not divide C, another length of gamma or beta.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]], "float32")
    >>> ops.group_norm(x, 2, epsilon=0.0)
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """
    op = "group_norm"
    node, place = channels.channels_last(op, x, axis)
    if place == 0:
        raise ValueError(f"{op}: axis {axis} is the batch; name the axis of the channels")
    scale, shift = channels.scale_and_shift(op, node, gamma, beta)
    count = arguments.integer(op, "groups", groups, 1)
    with arguments.named(op):
        y = apply(
            op,
            [node, scale, shift],
            {"groups": count, "epsilon": channels.epsilon(op, epsilon)},
        )[0]
    return channels.move(y, -1, place)


def local_response_normalization(
    x: Value,
    size: int = 5,
    alpha: float = 1e-4,
    beta: float = 0.75,
    k: float = 1.0,
    axis: int = -1,
) -> Result:
    """Each value divided by a power of the mean square of its neighbours across channels.

    ``y[c] = x[c] / (k + alpha / size * sum of x^2)^beta``, the sum over ``size`` channels from
    ``c - size // 2`` on, those outside of x counting as 0. This is torch's convention, where alpha
    is divided by size. Krizhevsky, Sutskever and Hinton (2012, section 3.3) and TensorFlow do not
    divide: their n = 5, k = 2, alpha = 1e-4, beta = 0.75 is
    ``local_response_normalization(x, 5, 5e-4, 0.75, 2.0)`` here.

    Args:
        x: at least two axes, float32 or float64.
        size: how many neighbouring channels, c among them.
        alpha: at least 0.
        k: above 0.
        axis: that of the channels; 1 for channels first.

    Returns:
        y of x's shape.

    Raises:
        ValueError: a size below 1, a negative alpha, a k that is not positive.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.local_response_normalization(np.array([[3.0, 4.0]], "float32"), 3, 3.0, 0.5, 11.0)
    array([[0.5      , 0.6666667]], dtype=float32)
    """
    op = "local_response_normalization"
    node, place = channels.channels_last(op, x, axis)
    window = arguments.integer(op, "size", size, 1)
    share = arguments.real(op, "alpha", alpha) / window
    with arguments.named(op):
        y = apply(
            "local_response_norm",
            [node],
            {
                "size": window,
                "alpha": share,
                "beta": arguments.real(op, "beta", beta),
                "k": arguments.real(op, "k", k),
            },
        )[0]
    return channels.move(y, -1, place)


def _flat(op: str, name: str, value: Value | None, sizes: list[int]) -> Node | None:
    if value is None:
        return None
    node = arguments.floating(op, name, value)
    if tuple(node.shape) != tuple(sizes):
        raise ValueError(
            f"{op}: {name} must have shape {tuple(sizes)}, that of the axes normalised, "
            f"got {arguments.shown_shape(node)}"
        )
    if len(sizes) == 1:
        return node
    return _reshape(node, [int(np.prod(sizes, dtype=np.int64))])


def _reshape(x: Node, shape: list[int]) -> Node:
    turned: Node = apply("reshape", [x], {"shape": shape})[0]
    return turned
