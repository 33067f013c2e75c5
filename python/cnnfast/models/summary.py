"""The table that ``model.summary()`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cnnfast import _trace
from cnnfast.layers import _context

if TYPE_CHECKING:
    from cnnfast.models.network import Network

Row = tuple[str, ...]


def summary_lines(
    model: Network, line_length: int | None = None, show_trainable: bool = False
) -> Iterator[str]:
    """The lines of the table: layers, output shapes, parameters, FLOPs of one sample."""
    costs = layer_costs(model)
    header: Row = ("Layer (type)", "Output Shape", "Param #", "FLOPs")
    rows: list[Row] = []
    for layer in model.layers:
        shape, flops = costs.get(id(layer), ("?", None))
        row: Row = (
            f"{layer.name} ({type(layer).__name__})",
            str(shape),
            f"{layer.count_params():,}",
            "?" if flops is None else f"{flops:,.0f}",
        )
        rows.append((*row, "Y" if layer.trainable else "N") if show_trainable else row)
    if show_trainable:
        header = (*header, "Trainable")
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
    known = [cost for _, cost in costs.values() if cost is not None]
    if known and len(known) == len(costs):
        yield f" FLOPs per sample, forward: {sum(known):,.0f}"
    yield "_" * width


def layer_costs(model: Network) -> dict[int, tuple[Any, float | None]]:
    """Output shape and FLOPs for one sample of the layers of a ``Sequential``, by id.

    Shapes that are not known in full give None for the FLOPs.
    """
    from cnnfast.models.sequential import Sequential

    if not isinstance(model, Sequential):
        return {}
    found: dict[int, tuple[Any, float | None]] = {}
    if model.input_ports is None:
        return {}
    sample = model.input_shape[1:]
    batch = None if None in sample else 1
    trace = _trace.Trace()
    with trace.active(), _context.entered(False):
        x = trace.input((batch, *sample), model.dtype)
        for layer in model.layers:
            y = layer(x, training=False)
            flops = None if batch is None else _flops_between(trace, x, y)
            found[id(layer)] = ((None, *y.shape[1:]), flops)
            x = y
    return found


def _flops_between(trace: _trace.Trace, x: Any, y: Any) -> float:
    total = 0.0
    seen = {x.value}
    waiting = [y.value]
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
