"""Channels behind, one value of gamma and beta for each: what normalisations share."""

from __future__ import annotations

import numpy as np

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Node, Value


def channels_last(op: str, x: Value, axis: int, name: str = "x") -> tuple[Node, int]:
    """x with its channels behind, and where they were."""
    node = arguments.floating(op, name, x)
    if arguments.rank(node) < 2:
        raise ValueError(
            f"{op}: {name} must have at least two axes, a batch and channels, "
            f"got shape {arguments.shown_shape(node)}"
        )
    place = arguments.axis(op, axis, arguments.rank(node))
    if node.shape[place] is None:
        raise ValueError(
            f"{op}: the size of axis {axis} of {name} must be known, "
            f"got shape {arguments.shown_shape(node)}"
        )
    return move(node, place, -1), place


def move(x: Node, source: int, target: int) -> Node:
    """x with one axis elsewhere."""
    rank = arguments.rank(x)
    source, target = source % rank, target % rank
    if source == target:
        return x
    order = [axis for axis in range(rank) if axis != source]
    order.insert(target, source)
    moved: Node = apply("transpose", [x], {"permutation": order})[0]
    return moved


def scale_and_shift(
    op: str,
    x: Node,
    gamma: Value | None,
    beta: Value | None,
    names: tuple[str, str] = ("gamma", "beta"),
) -> tuple[Node, Node]:
    """gamma and beta for x's last axis, ones and zeros where they are None."""
    size, dtype = x.shape[-1], arguments.dtype_of(x)
    assert size is not None
    scale: Value = np.ones(size, dtype) if gamma is None else gamma
    shift: Value = np.zeros(size, dtype) if beta is None else beta
    return channel_values(op, names[0], scale, x), channel_values(op, names[1], shift, x)


def channel_values(op: str, name: str, value: Value, x: Node) -> Node:
    """A vector of one value for each place of x's last axis, of x's dtype."""
    node = arguments.floating(op, name, value)
    if arguments.dtype_of(node) != arguments.dtype_of(x):
        raise TypeError(
            f"{op}: operands must share one dtype, got x {arguments.dtype_of(x)}, "
            f"{name} {arguments.dtype_of(node)}; convert one with ops.cast"
        )
    if tuple(node.shape) != (x.shape[-1],):
        raise ValueError(
            f"{op}: {name} must have shape ({x.shape[-1]},), one value for each channel, "
            f"got {arguments.shown_shape(node)}"
        )
    return node


def epsilon(op: str, value: float) -> float:
    """A finite number, at least 0."""
    number = arguments.real(op, "epsilon", value)
    if number < 0:
        raise ValueError(f"{op}: epsilon must be at least 0, got {number}")
    return number
