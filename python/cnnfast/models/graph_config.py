"""A graph of layers as JSON can hold it, and back.

``{"layers": [...], "inputs": ..., "nodes": [...], "outputs": ...}``: layers are written once however
often they are called; a node says what was called on what. A Tensor is ``{"tensor": [node, output]}``
or ``{"input": number}``; tuples, dicts and arrays among arguments are ``{"tuple": ...}`` and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from cnnfast import _nest, _recording, _trace
from cnnfast._recording import OpCall, Recorded
from cnnfast.layers import Input, InputLayer, deserialize, serialize
from cnnfast.layers.layer import Layer
from cnnfast.models.graph import LayerGraph

_PLAIN = (str, bool, int, float, type(None))


def graph_config(graph: LayerGraph) -> dict[str, Any]:
    """What :func:`graph_from_config` takes back.

    Raises:
        ValueError: an argument of a call that JSON cannot hold.
    """
    places: dict[int, dict[str, Any]] = {}
    layers = {id(layer): place for place, layer in enumerate(graph.layers)}
    inputs: list[dict[str, Any]] = []
    for number, x in enumerate(graph.inputs):
        places[id(x)] = {"input": number}
        operation = x.node.operation
        if isinstance(operation, InputLayer):
            inputs.append({"layer": layers[id(operation)]})
        else:  # a Tensor between layers: the loaded model begins with an Input there
            name = graph.input_ports[number].name
            inputs.append({"batch_shape": list(x.shape), "dtype": x.dtype, "name": name})
    nodes: list[dict[str, Any]] = []
    for number, node in enumerate(graph.nodes):
        operation = node.operation
        called: dict[str, Any]
        if isinstance(operation, OpCall):
            called = {"op": operation.op, "attributes": _plain_attributes(operation)}
        else:
            called = {"layer": layers[id(operation)]}
        label = f"{graph.label}: {operation.label}"
        called["args"] = [_written(label, one, places) for one in node.args]
        called["kwargs"] = {k: _written(label, one, places) for k, one in node.kwargs.items()}
        nodes.append(called)
        for index, x in enumerate(node.outputs):
            places.setdefault(id(x), {"tensor": [number, index]})
    return {
        "layers": [serialize(layer) for layer in graph.layers],
        "inputs": inputs,
        "input_nest": _written(graph.label, graph.input_ports.pack(graph.inputs), places),
        "nodes": nodes,
        "outputs": _written(graph.label, graph.output_ports.pack(graph.outputs), places),
    }


def graph_from_config(config: dict[str, Any]) -> tuple[Any, Any]:
    """New layers, called as the configuration says.

    Returns:
        inputs, outputs: for ``Model(inputs, outputs)``.

    Raises:
        ValueError: unknown classes or ops, shapes that do not fit.
    """
    layers = [deserialize(one) for one in config["layers"]]
    inputs = [
        layers[one["layer"]].output
        if "layer" in one
        else Input(batch_shape=one["batch_shape"], dtype=one["dtype"], name=one["name"])
        for one in config["inputs"]
    ]
    made: list[list[Any]] = []

    def tensor(reference: dict[str, Any]) -> Any:
        if "input" in reference:
            return inputs[reference["input"]]
        node, index = reference["tensor"]
        return made[node][index]

    for one in config["nodes"]:
        args = [_read(argument, tensor) for argument in one["args"]]
        kwargs = {key: _read(argument, tensor) for key, argument in one["kwargs"].items()}
        if not _recording.draws(args, kwargs):
            raise ValueError("a call of the graph is on no Tensor")
        operation = _op(one) if "op" in one else layers[one["layer"]]
        made.append(_nest.leaves(operation(*args, **kwargs)))
    return _read(config["input_nest"], tensor), _read(config["outputs"], tensor)


def _op(config: dict[str, Any]) -> Callable[..., Any]:
    if not _trace.is_pure(config["op"]):
        raise ValueError(f"op {config['op']!r} has no place in a graph of layers")
    return OpCall(config["op"], config["attributes"])


def _plain_attributes(call: OpCall) -> dict[str, Any]:
    return {
        name: [int(one) for one in value] if isinstance(value, (list, tuple)) else value
        for name, value in call.attributes.items()
    }


def _written(label: str, value: Any, places: dict[int, dict[str, Any]]) -> Any:
    if isinstance(value, Recorded):
        return places[id(value)]
    if isinstance(value, np.generic):
        return {"array": value.item(), "dtype": value.dtype.name}
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, list):
        return [_written(label, one, places) for one in value]
    if isinstance(value, tuple):
        return {"tuple": [_written(label, one, places) for one in value]}
    if isinstance(value, dict):
        return {"dict": {str(key): _written(label, one, places) for key, one in value.items()}}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": value.dtype.name}
    what = value.label if isinstance(value, Layer) else type(value).__name__
    raise ValueError(
        f"{label}: its argument {what} cannot be written into a file; calls in a graph take "
        "Tensors, arrays, numbers, strings, lists and dicts: put weights into a Layer"
    )


def _read(value: Any, tensor: Callable[[dict[str, Any]], Any]) -> Any:
    if isinstance(value, list):
        return [_read(one, tensor) for one in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_read(one, tensor) for one in value["tuple"])
    if "dict" in value:
        return {key: _read(one, tensor) for key, one in value["dict"].items()}
    if "array" in value:
        return np.array(value["array"], dtype=value["dtype"])
    return tensor(value)
