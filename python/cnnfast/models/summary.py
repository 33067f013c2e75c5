"""The table that ``model.summary()`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cnnfast import _nest, _trace
from cnnfast._recording import OpCall
from cnnfast.layers import _context
from cnnfast.layers.input_layer import InputLayer
from cnnfast.layers.layer import Layer

if TYPE_CHECKING:
    from cnnfast.models.graph import LayerGraph
    from cnnfast.models.network import Network

Row = tuple[str, ...]


@dataclass
class Cost:
    """What one layer gave and took: shapes of its first call, FLOPs of all its calls."""

    shape: Any = None
    flops: float | None = None


def summary_lines(
    model: Network,
    line_length: int | None = None,
    show_trainable: bool = False,
    expand_nested: bool = False,
) -> Iterator[str]:
    """The lines of the table: layers, output shapes, parameters, FLOPs of one sample."""
    costs, total_flops = layer_costs(model)
    links = _links(model)
    header: Row = ("Layer (type)", "Output Shape", "Param #", "FLOPs")
    if show_trainable:
        header = (*header, "Trainable")
    if links.shown:
        header = (*header, "Connected to")
    rows: list[Row] = []

    def add(layer: Layer, depth: int) -> None:
        cost = costs.get(id(layer), Cost())
        if isinstance(layer, InputLayer):
            cost = Cost(layer.batch_shape, 0.0 if costs else None)
        row: Row = (
            f"{'> ' * depth}{layer.name} ({type(layer).__name__})",
            "?" if cost.shape is None else str(cost.shape),
            f"{_parameters(layer):,}",
            "?" if cost.flops is None else f"{cost.flops:,.0f}",
        )
        if show_trainable:
            row = (*row, "Y" if layer.trainable else "N")
        if links.shown:
            row = (*row, links.of.get(id(layer), "-") if depth == 0 else "")
        rows.append(row)
        if expand_nested:
            for inner in layer.inner_layers():
                add(inner, depth + 1)

    for one in links.order or model.layers:
        if isinstance(one, Layer):
            add(one, 0)
        else:
            name, shape, connected = one
            blank: Row = ("",) if show_trainable else ()
            rows.append((f"{name} (op)", str(shape), "0", "", *blank, connected))
    widths = [max(len(row[i]) for row in [header, *rows]) + 2 for i in range(len(header))]
    if line_length is not None:
        widths[0] += max(0, line_length - sum(widths))
    width = sum(widths)

    def line(row: Row) -> str:
        return "".join(f" {cell:<{w - 1}}" for cell, w in zip(row, widths, strict=True)).rstrip()

    yield f'Model: "{model.name}"'
    yield "_" * width
    yield line(header)
    yield "=" * width
    for row in rows:
        yield line(row)
    yield "=" * width
    total = model.count_params()
    changed = sum(_size(weight) for weight in model.trainable_weights)
    yield f" Total params: {total:,} ({_bytes(4 * total)})"
    yield f" Trainable params: {changed:,} ({_bytes(4 * changed)})"
    yield f" Non-trainable params: {total - changed:,} ({_bytes(4 * (total - changed))})"
    if total_flops is not None:
        yield f" FLOPs per sample, forward: {total_flops:,.0f}"
    yield "_" * width


def layer_costs(model: Network) -> tuple[dict[int, Cost], float | None]:
    """Output shapes and FLOPs for one sample of all layers, nested ones too, by id; the total.

    The model is traced once. An op that stands between layers counts to the layer called next.
    Shapes that are not known in full give None for the FLOPs.
    """
    ports = model.input_ports
    if ports is None:
        return {}, None
    batch = None if any(None in port.shape[1:] for port in ports) else 1
    costs: dict[int, Cost] = {}
    trace = _trace.Trace()
    seen: set[int] = set()

    def observe(layer: Any, output: Any) -> None:
        tensors = [
            t for t in _nest.leaves(output) if isinstance(t, _trace.Tensor) and t.trace is trace
        ]
        if not tensors:
            return
        cost = costs.setdefault(id(layer), Cost())
        if cost.shape is None:
            shapes = [(None, *t.shape[1:]) for t in tensors]
            cost.shape = shapes[0] if len(shapes) == 1 else shapes
        if batch is not None:
            cost.flops = (cost.flops or 0.0) + sum(
                _new_flops(trace, t.value, seen) for t in tensors
            )

    with trace.active(), _context.entered(False), _context.observed_by(observe):
        xs = [
            trace.input((batch, *port.shape[1:]), model.input_dtype(place))
            for place, port in enumerate(ports)
        ]
        seen.update(x.value for x in xs)
        model(ports.pack(xs), training=False)
    if batch is None:
        return costs, None
    total = sum(cost.flops or 0.0 for cost in costs.values())
    for layer in model.layers:
        _add_inner(layer, costs)
    return costs, total


def _add_inner(layer: Layer, costs: dict[int, Cost]) -> float:
    """A layer's own FLOPs and those of the layers inside."""
    cost = costs.get(id(layer), Cost())
    inside = sum(_add_inner(inner, costs) for inner in layer.inner_layers())
    cost.flops = (cost.flops or 0.0) + inside
    return cost.flops


def _new_flops(trace: _trace.Trace, value: int, seen: set[int]) -> float:
    """FLOPs of what leads to a value and was not counted yet."""
    total = 0.0
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if value in seen:
            continue
        seen.add(value)
        made = trace.graph.producer(value)
        if made is not None:
            total += trace.graph.flops(value)
            waiting.extend(made[1])
    return total


@dataclass
class Links:
    """Where the inputs of layers and ops come from.

    Attributes:
        order: layers, and (name, shape, connected) of ops, as they are called.
    """

    shown: bool = False
    of: dict[int, str] = field(default_factory=dict)
    order: list[Layer | tuple[str, Any, str]] = field(default_factory=list)


def _links(model: Network) -> Links:
    """Connections of a graph; not shown where the layers simply follow each other."""
    graph: LayerGraph | None = model.graph
    if graph is None:
        return Links()
    links = Links(order=[one for one in graph.layers if isinstance(one, InputLayer)])
    names: dict[int, str] = {}
    calls: Counter[str] = Counter()
    for x in graph.inputs:
        names[id(x)] = x.name or x.node.operation.label
    before = graph.inputs[0]
    for node in graph.nodes:
        operation = node.operation
        base = operation.op if isinstance(operation, OpCall) else operation.name
        connected = ", ".join(names[id(x)] for x in node.inputs)
        if isinstance(operation, OpCall):
            name = f"{base}_{calls[base]}" if calls[base] else base
            links.order.append((name, node.outputs[0].shape, connected))
        else:
            name = f"{base}[{calls[base]}]" if calls[base] else base
            known = links.of.get(id(operation))
            if known is None:
                links.order.append(operation)
            links.of[id(operation)] = f"{known}; {connected}" if known else connected
        calls[base] += 1
        for index, x in enumerate(node.outputs):
            names.setdefault(id(x), f"{name}:{index}" if index else name)
        links.shown = links.shown or node.inputs != [before]
        before = node.outputs[0]
    links.shown = links.shown or len(graph.outputs) > 1
    # A layer of a subclass that is in no call.
    links.order += [one for one in model.layers if all(one is not known for known in links.order)]
    return links


def _parameters(layer: Layer) -> int:
    return sum(_size(weight) for weight in layer.weights)


def _size(weight: _trace.Variable) -> int:
    size = 1
    for one in weight.shape:
        size *= one
    return size


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} GB"
