"""What part of the input a place of a layer's output can see, worked out from the traced graph.

Araujo, Norris and Sim, Computing Receptive Fields of Convolutional Neural Networks (Distill 2019)
give the recurrences for chains of layers; here every value of the graph carries, for each axis of
the input, which input places each of its own places depends on. Branches are joined by union.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from cnnfast import _nest, _trace
from cnnfast.layers import _context
from cnnfast.models._field_rules import Fields, Graph, fields_of
from cnnfast.models._spans import WHOLE, Along, Span

if TYPE_CHECKING:
    from cnnfast.layers.layer import Layer
    from cnnfast.models.network import Network


@dataclass(frozen=True)
class ReceptiveField:
    """What one place of an output sees, in input pixels, an entry for each spatial axis.

    Output place ``o`` sees the input from ``o stride - padding`` on, ``size`` pixels; what lies
    outside the input is padding. Behind Flatten or global pooling it sees everything: ``size`` is
    the input's, ``stride`` and ``padding`` are 0.

    Attributes:
        layer: name of the layer, or of the model for its output.
        size: how many pixels, holes of dilated kernels included; None: all of an unknown size.
        stride: how far the field moves from one output place to the next; a fraction behind
            transposed convolutions and upsampling.
        padding: how far the field of the first place reaches out of the input.
        input_size: the input's own sizes, None where unknown.
    """

    layer: str
    size: tuple[int | None, ...]
    stride: tuple[int | float, ...]
    padding: tuple[int | float, ...]
    input_size: tuple[int | None, ...]
    _spans: tuple[Span | None, ...] = ()

    def region(self, *place: int) -> tuple[slice, ...]:
        """The input pixels that the output's ``place`` sees, cut off where the input ends.

        At the border of a map, padding between layers can hide a few of them.

        Args:
            place: row and column (one index for each spatial axis).

        Returns:
            A slice for each spatial axis, for ``x[0][region]``.

        Raises:
            ValueError: another number of indices.
        """
        if len(place) != len(self._spans):
            raise ValueError(
                f"region: expected {len(self._spans)} indices, one for each spatial axis, "
                f"got {len(place)}"
            )
        return tuple(
            _clipped(span, int(index), size)
            for span, index, size in zip(self._spans, place, self.input_size, strict=True)
        )


def _clipped(span: Span | None, index: int, size: int | None) -> slice:
    seen = (0, size - 1 if size is not None else None) if span is None else span.at(index)
    if seen is None:
        return slice(0, 0)
    first, last = seen
    end = None if last is None else max(0, last + 1)
    if size is not None:
        end = size if end is None else min(size, end)
    return slice(max(0, first), end)


def receptive_field(
    model: Network, layer: Any = None, input: int | str = 0
) -> ReceptiveField | list[ReceptiveField]:
    """See ``Network.receptive_field``."""
    if isinstance(layer, (list, tuple)):
        graph = _Traced(model, input)
        return [graph.field(_find(model, one)) for one in layer]
    return _Traced(model, input).field(_find(model, layer))


def _find(model: Network, layer: Layer | str | int | None) -> Layer:
    if layer is None:
        return model
    if isinstance(layer, str):
        for one in model.flatten_layers():
            if one.name == layer:
                return one
        return model.get_layer(layer)  # the error that lists the names
    if isinstance(layer, int) and not isinstance(layer, bool):
        return model.get_layer(index=layer)
    for one in model.flatten_layers():
        if one is layer:
            return one
    raise ValueError(
        f"{model.label}: receptive_field takes a layer of the model, its name, its index or a list "
        f"of those, got {layer!r}"
    )


class _Traced:
    """The graph of a model, and what each of its layers returned."""

    def __init__(self, model: Network, which: int | str) -> None:
        model._require_built("receptive_field()")
        ports = model.input_ports
        assert ports is not None
        self._model = model
        place = ports.names.index(which) if which in ports.names else which
        if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(ports):
            raise ValueError(
                f"{model.label}: input must be one of {', '.join(map(repr, ports.names))} or its "
                f"place, got {which!r}"
            )
        self._shape = ports[place].shape
        self._trace = _trace.Trace()
        self._results: dict[int, list[_trace.Tensor]] = {}
        with (
            self._trace.active(),
            _context.labelled(model.label),
            _context.entered(False),
            _context.collected_losses(),
            _context.observed_by(self._note),
        ):
            inputs = [
                self._trace.input((None, *port.shape[1:]), model.input_dtype(i), port.name)
                for i, port in enumerate(ports)
            ]
            output = model(ports.pack(inputs))
        self._results[id(model)] = _tensors(output)
        self._graph = Graph(self._trace.graph, inputs[place].value)
        for results in self._results.values():  # which axes of the input windows slide over
            for tensor in results:
                fields_of(self._graph, tensor.value)

    def _note(self, layer: Layer, output: Any) -> None:
        self._results.setdefault(id(layer), []).extend(_tensors(output))

    def field(self, layer: Layer) -> ReceptiveField:
        found: Fields | None = None
        for tensor in self._results.get(id(layer), []):
            fields = fields_of(self._graph, tensor.value)
            if fields is not None:
                found = fields if found is None else self._graph.joined(found, fields)
        label = layer.label
        if found is None:
            raise ValueError(
                f"{self._model.label}: the output of {label} does not depend on this input; "
                "name another input, or a layer that the model calls"
            )
        axes = sorted(self._graph.windowed) or list(range(1, max(2, len(self._shape) - 1)))
        return _described(
            layer.name, [found[axis] for axis in axes], [self._shape[a] for a in axes]
        )


def _described(
    name: str, fields: Sequence[Along | None], sizes: Sequence[int | None]
) -> ReceptiveField:
    spans = tuple(WHOLE if field is None else field.span for field in fields)
    size: list[int | None] = []
    stride: list[int | float] = []
    padding: list[int | float] = []
    for span, whole in zip(spans, sizes, strict=True):
        if span is None:
            size.append(whole)
            stride.append(0)
            padding.append(0)
            continue
        step = Fraction(span.advance, span.period)
        seen = [(o, place) for o, place in enumerate(span.places) if place is not None]
        size.append(max((last - first + 1 for _, (first, last) in seen), default=0))
        stride.append(_plain(step))
        padding.append(
            _plain(max((o * step - first for o, (first, _) in seen), default=Fraction()))
        )
    return ReceptiveField(name, tuple(size), tuple(stride), tuple(padding), tuple(sizes), spans)


def _plain(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _tensors(output: Any) -> list[_trace.Tensor]:
    return [one for one in _nest.leaves(output) if isinstance(one, _trace.Tensor)]
