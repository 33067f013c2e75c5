"""Dropout (Srivastava et al., 2014): values set to 0 at random, the rest scaled up."""

from __future__ import annotations

import numpy as np

from cnnfast._trace import Tensor, Variable, apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Node, Result, Value


def dropout(x: Value, rate: float, seed: int | Value, *, stream: int = 0) -> Result:
    """Each value is 0 with probability ``rate``, else divided by ``1 - rate``.

    The random numbers come from a counter (Philox4x32-10; Salmon et al., 2011): they depend on the
    seed, the stream and the place of the value, not on threads or the instruction set.

    Args:
        x: any shape, float32 or float64.
        rate: 0 <= rate < 1.
        seed: an integer, or an int64 array or Variable of two: seed and step. A Variable whose step
            is raised after each batch gives each batch a mask of its own.
        stream: tells several dropouts under one seed apart.

    Raises:
        ValueError: a rate outside [0, 1), a state that is not int64 of shape (2,).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> y = ops.dropout(np.ones(1000, "float32"), 0.5, seed=1)
    >>> sorted({float(v) for v in y})
    [0.0, 2.0]
    """
    op = "dropout"
    node = arguments.floating(op, "x", x)
    return apply(op, [node, _state(op, seed)], _attributes(op, rate, stream))[0]


def dropout_backward(dy: Value, rate: float, seed: int | Value, *, stream: int = 0) -> Result:
    """The gradient of :func:`dropout`: the same mask and scale on dy.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x = np.ones(100, "float32")
    >>> bool(np.all(ops.dropout(x, 0.3, 7) == ops.dropout_backward(x, 0.3, 7)))
    True
    """
    op = "dropout_backward"
    node = arguments.floating(op, "dy", dy)
    return apply(op, [node, _state(op, seed)], _attributes(op, rate, stream))[0]


def _attributes(op: str, rate: float, stream: int) -> dict[str, bool | int | float | str]:
    share = arguments.real(op, "rate", rate)
    if not 0.0 <= share < 1.0:
        raise ValueError(f"{op}: rate must be at least 0 and below 1, got {share}")
    return {"rate": share, "stream": arguments.integer(op, "stream", stream, 0)}


def _state(op: str, seed: int | Value) -> Node:
    if seed is None:
        raise TypeError(f"{op}: seed is missing (None); pass an integer or an int64 state (2,)")
    if not isinstance(seed, (Tensor, Variable)) and np.ndim(seed) == 0:
        return np.array([arguments.integer(op, "seed", seed), 0], np.int64)
    state = arguments.value(op, "seed", seed)
    if arguments.dtype_of(state) != "int64" or tuple(state.shape) != (2,):
        raise ValueError(
            f"{op}: seed must be an integer or an int64 state of shape (2,), "
            f"got {arguments.dtype_of(state)} of shape {arguments.shown_shape(state)}"
        )
    return state
