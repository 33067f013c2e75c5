"""Places among the largest."""

from __future__ import annotations

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Result, Value
from cnnfast.ops.loss import integer_labels


def in_top_k(targets: Value, predictions: Value, k: int) -> Result:
    """Whether a target is among the ``k`` largest predictions of its row.

    Ties count: fewer than ``k`` values of the row stand above the target's.

    Args:
        targets: (...) integers; those outside of [0, classes) are never found.
        predictions: (..., classes), float32 or float64.
        k: at least 1.

    Returns:
        (...), bool.

    Raises:
        ValueError: k below 1, shapes that do not go together.
        TypeError: targets that are not integers.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> scores = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2]], "float32")
    >>> ops.in_top_k(np.array([2, 2]), scores, 2)
    array([ True, False])
    """
    op = "in_top_k"
    attributes = {"k": arguments.integer(op, "k", k)}
    scores = arguments.floating(op, "predictions", predictions)
    hits = apply(op, [scores, integer_labels(op, targets)], attributes)
    return apply("cast", hits, {"dtype": "bool"})[0]
