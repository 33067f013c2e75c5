"""Ops that put parts of tensors elsewhere: joining, cutting, repeating, mirroring, bordering."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnfast._trace import Tensor, Variable, apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops import shape as shapes
from cnnfast.ops._arguments import Axis, Node, Result, Value

# Rows that may be listed one by one: plans keep the list.
_MOST_ROWS = 1 << 24
_PAD_MODES = ("constant", "reflect", "symmetric", "edge", "wrap")


# ---- joining and cutting ---------------------------------------------------------------------


def concatenate(xs: Sequence[Value], axis: int = 0) -> Result:
    """Tensors one behind the other along an existing axis.

    Args:
        xs: of one dtype, of one shape but for the size of ``axis``.

    Raises:
        ValueError: shapes that do not fit; the message names them.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.concatenate([np.float32([[1, 2]]), np.float32([[3]])], axis=1)
    array([[1., 2., 3.]], dtype=float32)
    """
    op = "concatenate"
    nodes = _several(op, "xs", xs)
    place = arguments.axis(op, axis, arguments.rank(nodes[0]))
    return apply(op, nodes, {"axis": place})[0]


def stack(x: Sequence[Value], axis: int = 0) -> Result:
    """Tensors of one shape one behind the other along a new axis.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.stack([np.float32([1, 2]), np.float32([3, 4])], axis=1)
    array([[1., 3.],
           [2., 4.]], dtype=float32)
    """
    op = "stack"
    nodes = _several(op, "x", x)
    place = arguments.axis(op, axis, arguments.rank(nodes[0]) + 1)
    for node in nodes:
        if arguments.rank(node) != arguments.rank(nodes[0]):
            raise ValueError(
                f"{op}: x must be of one shape, got {arguments.shown_shape(nodes[0])} "
                f"and {arguments.shown_shape(node)}"
            )
    with arguments.named(op):
        return concatenate([shapes.expand_dims(node, place) for node in nodes], place)


def split(x: Value, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Result]:
    """The parts of x along an axis, as a list.

    Args:
        indices_or_sections: a number of equal parts, or the places to cut at.

    Raises:
        ValueError: parts that are not equal, an axis of unknown size.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> [part.tolist() for part in ops.split(np.arange(4), 2)]
    [[0, 1], [2, 3]]
    >>> [part.tolist() for part in ops.split(np.arange(4), [1, 3])]
    [[0], [1, 2], [3]]
    """
    op = "split"
    node = arguments.value(op, "x", x)
    place = arguments.axis(op, axis, arguments.rank(node))
    size = _known_size(op, node, place)
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)):
        cuts = [arguments.integer(op, "indices_or_sections", i) for i in indices_or_sections]
        cuts = [min(max(cut + size if cut < 0 else cut, 0), size) for cut in cuts]
    else:
        parts = arguments.integer(op, "indices_or_sections", indices_or_sections, 1)
        if size % parts:
            raise ValueError(
                f"{op}: {parts} equal parts of axis {place} of shape "
                f"{arguments.shown_shape(node)} do not exist; give the places to cut at"
            )
        cuts = [i * (size // parts) for i in range(1, parts)]
    edges = [0, *cuts, size]
    return [
        _cut(node, place, first, max(last - first, 0)) for first, last in itertools.pairwise(edges)
    ]


def unstack(x: Value, num: int | None = None, axis: int = 0) -> list[Result]:
    """The slices of x along an axis, without it, as a list; ``num`` is how many there are.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> [row.tolist() for row in ops.unstack(np.arange(4).reshape(2, 2))]
    [[0, 1], [2, 3]]
    """
    op = "unstack"
    node = arguments.value(op, "x", x)
    place = arguments.axis(op, axis, arguments.rank(node))
    size = _known_size(op, node, place)
    if num is not None and arguments.integer(op, "num", num, 0) != size:
        raise ValueError(f"{op}: num is {num}, axis {place} has {size} slices")
    return [shapes.squeeze(_cut(node, place, i, 1), place) for i in range(size)]


def slice(  # noqa: A001 - Keras' name
    inputs: Value, start_indices: Sequence[int], shape: Sequence[int | None]
) -> Result:
    """The block of x that begins at ``start_indices``; a size of -1 or None takes all that follow.

    Raises:
        ValueError: a block that reaches beyond x.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.slice(np.arange(6).reshape(2, 3), (0, 1), (2, 2))
    array([[1, 2],
           [4, 5]])
    """
    op = "slice"
    node = arguments.value(op, "inputs", inputs)
    begin = arguments.sizes(op, "start_indices", start_indices)
    size = arguments.sizes(op, "shape", shape, unknown=True)
    if not len(begin) == len(size) == arguments.rank(node):
        raise ValueError(
            f"{op}: start_indices and shape must have one number for each axis of "
            f"{arguments.shown_shape(node)}, got {begin} and {size}"
        )
    return apply(op, [node], {"begin": begin, "size": size, "step": [1] * len(begin)})[0]


def flip(x: Value, axis: Axis = None) -> Result:
    """x with the order turned around along an axis, several, or all (None).

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.flip(np.float32([[1, 2], [3, 4]]), axis=1)
    array([[2., 1.],
           [4., 3.]], dtype=float32)
    """
    op = "flip"
    node = arguments.value(op, "x", x)
    rank = arguments.rank(node)
    turned = arguments.axes(op, axis, rank)
    step = [-1 if i in turned else 1 for i in range(rank)]
    return apply("slice", [node], {"begin": [0] * rank, "size": [-1] * rank, "step": step})[0]


# ---- rows chosen by number -------------------------------------------------------------------


def take(x: Value, indices: Any, axis: int | None = None) -> Result:
    """The rows of x along an axis that ``indices`` name; None takes from x as one long axis.

    Args:
        indices: integers, of any shape, which takes the axis' place; negative ones count from the
            end. They must be known when the op is traced.

    Raises:
        ValueError: an index out of range.
        TypeError: indices that are a Tensor or no integers.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.take(np.float32([[1, 2, 3], [4, 5, 6]]), [2, 0, 0], axis=1)
    array([[3., 1., 1.],
           [6., 4., 4.]], dtype=float32)
    """
    op = "take"
    node = arguments.value(op, "x", x)
    if axis is None:
        node, axis = shapes.ravel(node), 0
    place = arguments.axis(op, axis, arguments.rank(node))
    if isinstance(indices, (Tensor, Variable)):
        raise TypeError(f"{op}: indices must be known when the op is traced, got {indices!r}")
    chosen = np.asarray(indices)
    if chosen.size == 0 and chosen.dtype.kind == "f":
        chosen = chosen.astype(np.int64)  # an empty list
    if chosen.dtype.kind not in "iu":
        raise TypeError(f"{op}: indices must be integers, got {chosen.dtype}")
    size = _known_size(op, node, place)
    if chosen.size and not (-size <= chosen.min() and chosen.max() < size):
        raise ValueError(
            f"{op}: indices must be from {-size} to {size - 1} on axis {place} of shape "
            f"{arguments.shown_shape(node)}, got {chosen.min()} to {chosen.max()}"
        )
    flat = [int(i) % size for i in chosen.ravel()]
    y = _take(op, node, place, flat)
    shape = [*node.shape[:place], *chosen.shape, *node.shape[place + 1 :]]
    return y if chosen.ndim == 1 else shapes.reshape(y, shape)


def repeat(x: Value, repeats: int | Sequence[int], axis: int | None = None) -> Result:
    """Each row along an axis several times; None repeats the values of x as one long axis.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.repeat(np.float32([[1, 2]]), 2, axis=1)
    array([[1., 1., 2., 2.]], dtype=float32)
    """
    op = "repeat"
    node = arguments.value(op, "x", x)
    if axis is None:
        node, axis = shapes.ravel(node), 0
    place = arguments.axis(op, axis, arguments.rank(node))
    size = _known_size(op, node, place)
    if isinstance(repeats, (list, tuple, np.ndarray)):
        times = [arguments.integer(op, f"repeats[{i}]", t, 0) for i, t in enumerate(repeats)]
        if len(times) == 1:
            times *= size
        if len(times) != size:
            raise ValueError(
                f"{op}: repeats must be one number or {size}, one for each row of axis {place} of "
                f"shape {arguments.shown_shape(node)}, got {len(times)}"
            )
    else:
        times = [arguments.integer(op, "repeats", repeats, 0)] * size
    _check_rows(op, sum(times))
    return _take(op, node, place, np.repeat(np.arange(size), times).tolist())


def tile(x: Value, repeats: int | Sequence[int]) -> Result:
    """x several times beside itself along each axis, as NumPy's ``tile``.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.tile(np.float32([1, 2]), (2, 2))
    array([[1., 2., 1., 2.],
           [1., 2., 1., 2.]], dtype=float32)
    """
    op = "tile"
    node = arguments.value(op, "x", x)
    several = repeats if isinstance(repeats, (list, tuple, np.ndarray)) else (repeats,)
    times = [arguments.integer(op, "repeats", one, 0) for one in several]
    rank = arguments.rank(node)
    if len(times) > rank:
        node = shapes.reshape(node, [1] * (len(times) - rank) + list(node.shape))
    times = [1] * (arguments.rank(node) - len(times)) + times
    for place, count in enumerate(times):
        if count != 1:
            size = _known_size(op, node, place)
            _check_rows(op, size * count)
            node = _take(op, node, place, list(range(size)) * count)
    return node if isinstance(node, (np.ndarray, Tensor)) else apply("identity", [node])[0]


def roll(x: Value, shift: int | Sequence[int], axis: Axis = None) -> Result:
    """x shifted along axes; what leaves at one end comes back at the other.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.roll(np.float32([1, 2, 3]), 1)
    array([3., 1., 2.], dtype=float32)
    """
    op = "roll"
    node = arguments.value(op, "x", x)
    if axis is None:
        return shapes.reshape(roll(shapes.ravel(node), shift, 0), node.shape)
    several = axis if isinstance(axis, (list, tuple)) else (axis,)
    shifts = list(shift) if isinstance(shift, (list, tuple)) else [shift] * len(several)
    if len(shifts) != len(several):
        raise ValueError(f"{op}: {len(shifts)} shifts do not go with {len(several)} axes")
    for one, by in zip(several, shifts, strict=True):
        place = arguments.axis(op, one, arguments.rank(node))
        size = _known_size(op, node, place)
        _check_rows(op, size)
        back = arguments.integer(op, "shift", by)
        if size:
            node = _take(op, node, place, [(i - back) % size for i in range(size)])
    return node


# ---- borders ---------------------------------------------------------------------------------


def pad(
    x: Value,
    pad_width: int | Sequence[int] | Sequence[Sequence[int]],
    mode: str = "constant",
    constant_values: float | int | None = None,
) -> Result:
    """x with a border along each axis.

    Args:
        pad_width: one number, (before, after) for all axes, or a pair for each axis.
        mode: "constant", "reflect" (mirrored without the edge), "symmetric" (with it), "edge" (the
            outermost values again) or "wrap"; as NumPy has them.
        constant_values: what a constant border holds; None is 0.

    Raises:
        ValueError: an unknown mode, negative widths, more pairs than axes.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> ops.pad(np.float32([[1, 2]]), ((0, 0), (1, 2)))
    array([[0., 1., 2., 0., 0.]], dtype=float32)
    >>> ops.pad(np.float32([1, 2, 3]), 2, mode="reflect")
    array([3., 2., 1., 2., 3., 2., 1.], dtype=float32)
    """
    op = "pad"
    node = arguments.value(op, "x", x)
    widths = _pad_widths(op, pad_width, arguments.rank(node))
    if mode not in _PAD_MODES:
        raise ValueError(f"{op}: mode must be one of {', '.join(_PAD_MODES)}; got {mode!r}")
    if mode == "constant":
        number = 0.0 if constant_values is None else constant_values
        if not isinstance(number, (bool, np.bool_, int, float, np.number)):
            raise TypeError(f"{op}: constant_values must be one number, got {number!r}")
        before, after = [b for b, _ in widths], [a for _, a in widths]
        held = _fits(op, float(number), arguments.dtype_of(node))
        return apply(op, [node], {"before": before, "after": after, "value": held})[0]
    if constant_values is not None:
        raise ValueError(f"{op}: constant_values goes with mode='constant', not {mode!r}")
    for place, (before_one, after_one) in enumerate(widths):
        if before_one or after_one:
            size = _known_size(op, node, place)
            _check_rows(op, size + before_one + after_one)
            if size == 0:
                raise ValueError(
                    f"{op}: axis {place} of shape {arguments.shown_shape(node)} is empty, "
                    f"{mode!r} has nothing to repeat"
                )
            kind: Any = mode
            rows = np.pad(np.arange(size), (before_one, after_one), mode=kind)
            node = _take(op, node, place, rows.tolist())
    return node


def _pad_widths(op: str, value: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(value, (list, tuple, np.ndarray)):
        pairs = list(value)
        if pairs and not isinstance(pairs[0], (list, tuple, np.ndarray)):
            if len(pairs) == 1:
                pairs = pairs * 2
            if len(pairs) != 2:
                raise ValueError(
                    f"{op}: pad_width must be one number, (before, after) or a pair for each "
                    f"axis, got {value!r}"
                )
            pairs = [pairs] * rank
        if len(pairs) == 1:
            pairs = pairs * rank
        if len(pairs) != rank:
            raise ValueError(f"{op}: pad_width has {len(pairs)} pairs, x has {rank} axes")
        return [arguments.pair(op, f"pad_width[{i}]", one, 0) for i, one in enumerate(pairs)]
    return [arguments.pair(op, "pad_width", value, 0)] * rank


def _fits(op: str, number: float, kind: str) -> float:
    """The number, if an integer dtype holds it."""
    if kind in ("int32", "int64", "uint8"):
        limits = np.iinfo(kind)
        if number != math.floor(number) or not limits.min <= number <= limits.max:
            raise ValueError(f"{op}: constant_values {number} is no {kind}")
    return number


# ---- indexing --------------------------------------------------------------------------------


def indexed(x: Node, key: Any) -> Result:
    """``x[key]`` for integers, slices, ``...`` and ``None``: what ``Tensor[...]`` calls.

    Raises:
        IndexError: an index out of range, more indices than axes.
        TypeError: anything else: masks and lists of indices (use ``ops.take``).
        ValueError: an axis of unknown size (the batch) counted from its end.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    rank = arguments.rank(x)
    for one in keys:
        if isinstance(one, (bool, np.bool_)) or not (
            one is None or one is Ellipsis or isinstance(one, (int, np.integer, _SLICE))
        ):
            raise TypeError(
                f"index {one!r}: a Tensor takes integers, slices, ... and None; "
                "use ops.take for several indices, ops.where for a condition"
            )
    dots = sum(one is Ellipsis for one in keys)
    used = sum(one is not None and one is not Ellipsis for one in keys)
    if dots > 1 or used > rank:
        raise IndexError(f"too many indices for {rank} axes: {key!r}")
    if not dots:
        keys.append(Ellipsis)
    at = next(i for i, one in enumerate(keys) if one is Ellipsis)
    keys[at : at + 1] = [_SLICE(None)] * (rank - used)

    begin, size, step, shape = [], [], [], []
    axis = 0
    for one in keys:
        if one is None:
            shape.append(1)
            continue
        whole = x.shape[axis]
        if isinstance(one, _SLICE):
            first, count, by = _slice_of(one, whole, axis)
            shape.append(count)
        else:
            first, count, by = _index_of(int(one), whole, axis), 1, 1
        begin.append(first)
        size.append(count)
        step.append(by)
        axis += 1
    y = x
    if any(begin) or any(by != 1 for by in step) or size != _minus_one(x.shape):
        y = apply("slice", [x], {"begin": begin, "size": size, "step": step})[0]
    if shape != size:
        if shape.count(-1) > 1:
            raise ValueError(f"index {key!r}: only one axis of {x!r} may be of unknown size")
        y = apply("reshape", [y], {"shape": shape})[0]
    return y


_SLICE = type(np.s_[:])  # `slice` is the op here


def _index_of(index: int, size: int | None, axis: int) -> int:
    if size is None:
        if index < 0:
            raise ValueError(f"index {index}: the size of axis {axis} is not known yet")
        return index
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range for axis {axis} of size {size}")
    return index % size


def _slice_of(key: Any, size: int | None, axis: int) -> tuple[int, int, int]:
    """(elements left out in front, number or -1, step) of a Python slice."""
    if size is not None:
        first, last, step = key.indices(size)
        count = len(range(first, last, step))
        if not count:
            return 0, 0, 1
        return (first if step > 0 else size - 1 - first), count, step
    step = 1 if key.step is None else int(key.step)
    start = key.start or 0
    if step == 0 or key.stop is not None or start < 0 or (step < 0 and key.start is not None):
        raise ValueError(
            f"index {key!r}: the size of axis {axis} is not known yet, so that only [first:] and "
            "[::step] can be taken from it"
        )
    return int(start), -1, step


# ---- shared ----------------------------------------------------------------------------------


def _several(op: str, name: str, xs: Any) -> list[Node]:
    if not isinstance(xs, (list, tuple, np.ndarray)) or len(xs) == 0:
        raise TypeError(f"{op}: {name} must be a list of at least one tensor, got {xs!r:.80}")
    return arguments.together(op, **{f"{name}[{i}]": x for i, x in enumerate(xs)})


def _known_size(op: str, x: Node, axis: int) -> int:
    size = x.shape[axis]
    if size is None:
        raise ValueError(
            f"{op}: the size of axis {axis} of shape {arguments.shown_shape(x)} must be known"
        )
    return int(size)


def _check_rows(op: str, count: int) -> None:
    if count > _MOST_ROWS:
        raise ValueError(f"{op}: the result has {count} rows on one axis, at most 2^24 are allowed")


def _take(op: str, x: Node, axis: int, rows: list[int]) -> Node:
    _check_rows(op, len(rows))
    y: Node = apply("take", [x], {"axis": axis, "indices": rows})[0]
    return y


def _cut(x: Node, axis: int, first: int, count: int) -> Node:
    rank = arguments.rank(x)
    begin, size = [0] * rank, [-1] * rank
    begin[axis], size[axis] = first, count
    y: Node = apply("slice", [x], {"begin": begin, "size": size, "step": [1] * rank})[0]
    return y


def _minus_one(shape: Sequence[int | None]) -> list[int]:
    return [-1 if size is None else int(size) for size in shape]
