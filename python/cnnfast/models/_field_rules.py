"""How each op of the graph hands on what its inputs see of the network's input.

A value's :data:`Fields` say for each axis of the network's input either which axis of the value
runs along it, and what each place there sees (:class:`Along`), or ``None``: every place sees all of
it. Rules are by op name; an op without one is an error, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cnnfast import _core
from cnnfast.models._spans import IDENTITY, Along, Span

_SAME_PLACE = "relu leaky_relu elu tanh sigmoid silu softplus exp log sqrt square abs negative "
_SAME_PLACE += "reciprocal sign add subtract multiply divide maximum minimum power equal not_equal "
_SAME_PLACE += "greater greater_equal less less_equal select identity stop_gradient cast dropout "
_SAME_PLACE += "clip rsqrt prelu batch_norm erf selu gelu gelu_tanh mish softsign log_sigmoid "
_SAME_PLACE += "hard_sigmoid hard_silu"
SAME_PLACE: Final = frozenset(_SAME_PLACE.split())
REDUCTIONS: Final = frozenset({"sum", "mean", "max", "min"})

#: By axis of the network's input.
Fields = dict[int, Along | None]


class Graph:
    """A traced graph, the input in question, and what is known of its values so far."""

    def __init__(self, core: _core.Graph, source: int) -> None:
        self.core = core
        self.known: dict[int, Fields | None] = {
            source: {
                axis: Along(axis, IDENTITY) for axis in range(1, len(self.shape(core, source)))
            }
        }
        self.windowed: set[int] = set()  # axes of the input that windows slide over

    @staticmethod
    def shape(core: _core.Graph, value: int) -> tuple[int, ...]:
        return core.type_of(value)[0]

    def joined(self, a: Fields, b: Fields) -> Fields:
        """The union of two values of one shape."""
        found: Fields = {}
        for axis in a:
            one, two = a[axis], b[axis]
            if one is None or two is None or one.axis != two.axis:
                found[axis] = None
            else:
                found[axis] = Along(one.axis, one.span.joined(two.span))
        return found


@dataclass(frozen=True)
class Step:
    """One node of the graph, its inputs known."""

    graph: Graph
    op: str
    value: int
    inputs: list[int]
    attributes: dict[str, Any]

    def fields(self, i: int = 0) -> Fields | None:
        return self.graph.known[self.inputs[i]]

    def shape(self, i: int = 0) -> tuple[int, ...]:
        return Graph.shape(self.graph.core, self.inputs[i])

    @property
    def output_shape(self) -> tuple[int, ...]:
        return Graph.shape(self.graph.core, self.value)


def fields_of(graph: Graph, value: int) -> Fields | None:
    """What a value sees of the input; None: nothing.

    Raises:
        ValueError: an op without a rule.
    """
    waiting = [value]
    while waiting:
        one = waiting[-1]
        if one in graph.known:
            waiting.pop()
            continue
        made = graph.core.producer(one)
        if made is None:  # a weight, a constant, another input
            graph.known[one] = None
            continue
        op, inputs, attributes = made
        missing = [v for v in inputs if v not in graph.known]
        if missing:
            waiting.extend(missing)
            continue
        graph.known[one] = _apply(Step(graph, op, one, list(inputs), dict(attributes)))
    return graph.known[value]


def _apply(step: Step) -> Fields | None:
    if all(step.graph.known[v] is None for v in step.inputs):
        return None
    if step.op in SAME_PLACE:
        return _same_place(step)
    if step.op in REDUCTIONS:
        return _reduction(step)
    rule = RULES.get(step.op)
    if rule is None:
        raise ValueError(f"receptive_field: it is not known what a place of {step.op!r} sees")
    return rule(step)


def moved(fields: Fields, axes: dict[int, int]) -> Fields:
    """Axis a of the value is now ``axes[a]``; axes that are missing are seen whole."""
    found: Fields = {}
    for source, field in fields.items():
        kept = field is not None and field.axis in axes
        found[source] = Along(axes[field.axis], field.span) if field and kept else None
    return found


def _same_place(step: Step) -> Fields | None:
    found: Fields | None = None
    shape = step.output_shape
    for i, value in enumerate(step.inputs):
        fields = step.graph.known[value]
        if fields is None:
            continue
        own = step.shape(i)
        ahead = len(shape) - len(own)
        # A size of 1 that is spread over several places is the same everywhere.
        axes = {a: a + ahead for a, size in enumerate(own) if size == shape[a + ahead] or size != 1}
        fields = moved(fields, axes)
        found = fields if found is None else step.graph.joined(found, fields)
    return found


def _axes_whole(step: Step, axes: Sequence[int]) -> Fields | None:
    """The same places, but along ``axes`` of the first input everything is mixed."""
    fields = step.fields()
    if fields is None:  # only through an operand that is used everywhere
        return _everything(step)
    rank = len(step.shape())
    mixed = {axis % rank for axis in axes}
    return moved(fields, {a: a for a in range(rank) if a not in mixed})


def _everything(step: Step) -> Fields:
    seen = next(f for f in (step.graph.known[v] for v in step.inputs) if f is not None)
    return dict.fromkeys(seen, None)


def _reduction(step: Step) -> Fields | None:
    fields = step.fields()
    assert fields is not None
    rank = len(step.shape())
    gone = {axis % rank for axis in step.attributes.get("axes", range(rank))}
    left = [axis for axis in range(rank) if axis not in gone]
    if step.attributes.get("keepdims", False):
        return moved(fields, {axis: axis for axis in left})
    return moved(fields, {axis: place for place, axis in enumerate(left)})


def _argmax(step: Step) -> Fields | None:
    fields = step.fields()
    assert fields is not None
    gone = step.attributes["axis"]
    left = [axis for axis in range(len(step.shape())) if axis != gone]
    return moved(fields, {axis: place for place, axis in enumerate(left)})


def _window_of(step: Step, which: int) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilation and padding in front of a window, as ops/window.cpp reads them."""
    taps = _taps(step)
    strides = list(step.attributes.get("strides", step.attributes.get("pool_size", (1, 1))))
    dilation = list(step.attributes.get("dilation", (1, 1)))
    mode = step.attributes.get("padding", "valid")
    before = [0, 0]
    if mode == "explicit":
        pads = step.attributes["pads"]
        before = [pads[0], pads[2]]
    elif mode == "same":
        sizes = step.shape()[1:3] if which == 0 else step.output_shape[1:3]
        for i, size in enumerate(sizes):
            extent = (taps[i] - 1) * dilation[i] + 1
            if size < 0:
                if strides[i] != 1:
                    raise ValueError(
                        f"receptive_field: padding 'same' of {step.op} with stride {strides[i]} "
                        "depends on the input's size; build the model with a known size"
                    )
                size = extent
            needed = (-(-size // strides[i]) - 1) * strides[i] + extent - size
            before[i] = max(0, needed) // 2
    return strides, dilation, before


def _taps(step: Step) -> list[int]:
    if "pool_size" in step.attributes:
        return list(step.attributes["pool_size"])
    return list(step.shape(1)[:2])


def _windowed(step: Step, slide: Callable[[Span, int], Span]) -> Fields | None:
    fields = step.fields()
    if fields is None:
        return _everything(step)
    found: Fields = {}
    for source, field in fields.items():
        if field is None or field.axis in (1, 2):
            if field is not None:
                step.graph.windowed.add(source)
                field = Along(field.axis, slide(field.span, field.axis - 1))
            found[source] = field
        elif field.axis == 3:
            channelwise = "pool_size" in step.attributes
            found[source] = field if channelwise else None
        else:
            found[source] = field
    return found


def _convolution(step: Step) -> Fields | None:
    taps = _taps(step)
    strides, dilation, before = _window_of(step, 0)
    return _windowed(step, lambda s, i: s.window(taps[i], strides[i], dilation[i], before[i]))


def _backward_input(step: Step) -> Fields | None:
    taps = _taps(step)
    strides, dilation, before = _window_of(step, 1)
    return _windowed(step, lambda s, i: s.painted(taps[i], strides[i], dilation[i], before[i]))


def _transposed(step: Step) -> Fields | None:
    taps = _taps(step)
    strides = list(step.attributes.get("strides", (1, 1)))
    dilation = list(step.attributes.get("dilation", (1, 1)))
    extra = step.attributes.get("output_padding", ())
    mode = step.attributes.get("padding", "valid")
    before = [0, 0]
    if mode == "explicit":
        before = [step.attributes["pads"][0], step.attributes["pads"][2]]
    elif mode == "same":
        for i in range(2):
            extent = (taps[i] - 1) * dilation[i] + 1
            cropped = 2 * (extent // 2) - extra[i] if extra else extent - strides[i]
            before[i] = max(0, cropped) // 2
    return _windowed(step, lambda s, i: s.painted(taps[i], strides[i], dilation[i], before[i]))


def _transpose(step: Step) -> Fields | None:
    fields = step.fields()
    assert fields is not None
    return moved(fields, {a: place for place, a in enumerate(step.attributes["permutation"])})


def _reshape(step: Step) -> Fields | None:
    fields = step.fields()
    assert fields is not None
    return moved(fields, kept_axes(step.shape(), step.output_shape))


def kept_axes(before: Sequence[int], after: Sequence[int]) -> dict[int, int]:
    """Axes of a reshape that stay what they were; -1 is a size that is not known."""
    old = [(axis, size) for axis, size in enumerate(before) if size != 1]
    new = [(axis, size) for axis, size in enumerate(after) if size != 1]
    if [size for _, size in old] == [size for _, size in new]:
        return {a: b for (a, _), (b, _) in zip(old, new, strict=True)}
    kept: dict[int, int] = {}
    # From both ends as far as the sizes agree: between them axes were merged or split.
    while old and new and old[0][1] == new[0][1]:
        kept[old.pop(0)[0]] = new.pop(0)[0]
    while old and new and old[-1][1] == new[-1][1] and old[-1][1] != -1:
        kept[old.pop()[0]] = new.pop()[0]
    return kept


def _mixes_last(step: Step) -> Fields | None:
    return _axes_whole(step, [-1])


def _whole_sample(step: Step) -> Fields | None:
    """Statistics or a map of the whole image: every place sees all of it."""
    return _everything(step)


def _moved_along(step: Step, moves: dict[int, Callable[[Span], Span]]) -> Fields | None:
    """The same, but along axes of the first input places were moved."""
    fields = step.fields()
    if fields is None:
        return _everything(step)
    return {
        source: Along(field.axis, moves[field.axis](field.span))
        if field is not None and field.axis in moves
        else field
        for source, field in fields.items()
    }


def _shifted(begin: int, jump: int = 1) -> Callable[[Span], Span]:
    """Place o is what begin + jump o was."""
    return lambda span: span.window(1, jump, 1, -begin)


def _slice(step: Step) -> Fields | None:
    begin, jump = step.attributes["begin"], step.attributes["step"]
    moves = {a: _shifted(b, j) for a, (b, j) in enumerate(zip(begin, jump, strict=True))}
    return _moved_along(step, moves)


def _pad(step: Step) -> Fields | None:
    return _moved_along(step, {a: _shifted(-b) for a, b in enumerate(step.attributes["before"])})


def _take(step: Step) -> Fields | None:
    axis, indices = step.attributes["axis"], list(step.attributes["indices"])
    times = max(1, len(indices) // (max(indices) + 1)) if indices else 1
    jump = indices[1] - indices[0] if len(indices) > 1 else 1
    if indices == [o // times for o in range(len(indices))]:
        return _moved_along(step, {axis: lambda s: s.repeated(times)})
    if jump > 0 and indices == [indices[0] + jump * o for o in range(len(indices))]:
        return _moved_along(step, {axis: _shifted(indices[0], jump)})
    if jump == -1 and indices == [indices[0] - o for o in range(len(indices))]:
        return _moved_along(step, {axis: lambda s: s.reversed(indices[0] + 1)})
    fields = step.fields()
    if fields is not None and any(f is not None and f.axis == axis for f in fields.values()):
        raise ValueError(
            "receptive_field: rows that were picked in no regular order have no stride"
        )
    return fields


def _interpolate(step: Step) -> Fields | None:
    axis, size = step.attributes["axis"], step.attributes["size"]
    length = step.shape()[axis]
    if length < 1:
        raise ValueError(
            "receptive_field: interpolation depends on the input's size; build the model with a "
            "known size"
        )
    return _moved_along(step, {axis: lambda s: s.interpolated(length, size)})


def _concatenate(step: Step) -> Fields | None:
    axis = step.attributes["axis"] % len(step.output_shape)
    found: Fields | None = None
    for value in step.inputs:
        fields = step.graph.known[value]
        if fields is None:
            continue
        kept = {a: a for a in range(len(step.output_shape)) if a != axis}
        fields = moved(fields, kept)
        found = fields if found is None else step.graph.joined(found, fields)
    return found


def _same_rows(step: Step) -> Fields | None:
    """gather along the batch."""
    return _axes_whole(step, [])


RULES: dict[str, Callable[[Step], Fields | None]] = {
    "conv2d": _convolution,
    "conv2d_backward_input": _backward_input,
    "conv2d_transpose": _transposed,
    "max_pool2d": _convolution,
    "avg_pool2d": _convolution,
    "dense": _mixes_last,
    "softmax": _mixes_last,
    "log_softmax": _mixes_last,
    "argmax": _argmax,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast_to": _same_place,
    "gather": _same_rows,
    "slice": _slice,
    "pad": _pad,
    "take": _take,
    "interpolate": _interpolate,
    "concatenate": _concatenate,
    "layer_norm": _mixes_last,
    "local_response_norm": _mixes_last,
    "group_norm": _whole_sample,
    "affine_transform": _whole_sample,
    "batch_norm_training": _whole_sample,
}
