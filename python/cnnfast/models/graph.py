"""The graph between a model's inputs and outputs, as ``Model(inputs, outputs)`` finds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import _nest
from cnnfast._recording import Node, OpCall, Recorded
from cnnfast.layers.input_layer import InputLayer
from cnnfast.layers.layer import Layer
from cnnfast.models.ports import Port, Ports


class LayerGraph:
    """Calls in an order in which each finds its inputs made, and the layers called.

    Args:
        label: of the model, for messages.
        inputs, outputs: what ``Input`` and layers gave; one, or a list, tuple or dict of them.

    Attributes:
        inputs, outputs: flat.
        nodes: the calls, in order.
        layers: in Keras' order: those furthest from the outputs first.
        input_ports, output_ports: names and shapes.

    Raises:
        TypeError: something else among inputs or outputs.
        ValueError: outputs that need an Input that is not among the inputs; inputs that nothing
            uses; an input twice; two layers of one name.
    """

    def __init__(self, label: str, inputs: Any, outputs: Any) -> None:
        self.label = label
        self.inputs = _checked(label, "inputs", inputs)
        self.outputs = _checked(label, "outputs", outputs)
        for place, x in enumerate(self.inputs):
            if any(x is other for other in self.inputs[:place]):
                raise ValueError(f"{label}: {_shown(x)} stands twice among the inputs; once is due")
        self._input_ids = {id(x) for x in self.inputs}
        self._first: dict[int, int] = {}  # operations by their id: the order they were met in
        self.nodes = self._ordered()
        self.layers = self._layers()
        self._check_names()
        self.input_ports = Ports(
            inputs,
            [Port(x.name or f"input_{i}", x.shape, x.dtype) for i, x in enumerate(self.inputs)],
        )
        self.output_ports = Ports(
            outputs,
            [
                Port(name, x.shape, x.dtype)
                for name, x in zip(self._output_names(outputs), self.outputs, strict=True)
            ],
        )

    def run(self, values: Sequence[Any]) -> list[Any]:
        """The outputs for these values of the inputs: every call again, in order."""
        known = {id(x): value for x, value in zip(self.inputs, values, strict=True)}

        def replace(leaf: Any) -> Any:
            return known[id(leaf)] if isinstance(leaf, Recorded) else leaf

        for node in self.nodes:
            made = node.replay(replace)
            for x, value in zip(node.outputs, made, strict=True):
                # An input of the model may be the output of a call that other outputs need.
                known.setdefault(id(x), value)
        return [known[id(x)] for x in self.outputs]

    def _ordered(self) -> list[Node]:
        # Depth first from the outputs, without recursion: networks have hundreds of layers.
        ordered: list[Node] = []
        done: set[int] = set()
        used: set[int] = set()
        for output in self.outputs:
            waiting: list[tuple[Recorded, bool]] = [(output, False)]
            while waiting:
                x, ready = waiting.pop()
                if id(x) in self._input_ids:
                    used.add(id(x))
                    continue
                node = x.node
                if id(node) in done:
                    continue
                if ready:
                    done.add(id(node))
                    ordered.append(node)
                    continue
                if isinstance(node.operation, InputLayer):
                    raise self._disconnected(output, x)
                self._first.setdefault(id(node.operation), len(self._first))
                waiting.append((x, True))
                waiting.extend((one, False) for one in reversed(node.inputs))
        for x in self.inputs:
            if id(x) not in used:
                raise ValueError(
                    f"{self.label}: no output uses {_shown(x)}; leave it out of the inputs, "
                    "or use it"
                )
        return ordered

    def _disconnected(self, output: Recorded, x: Recorded) -> ValueError:
        known = ", ".join(_shown(one) for one in self.inputs)
        return ValueError(
            f"{self.label}: disconnected graph: {_shown(output)} needs {_shown(x)}, which is not "
            f"among the inputs ({known}); add it to the inputs, or call the layers on those"
        )

    def _layers(self) -> list[Layer]:
        """Layers by their depth, the number of calls to the furthest output, as Keras sorts them."""
        depth: dict[int, int] = {}
        of_layer: dict[int, int] = {}
        layers: dict[int, Layer] = {}
        for node in reversed(self.nodes):
            operation = node.operation
            here = max(depth.get(id(node), 0), of_layer.get(id(operation), 0))
            depth[id(node)] = of_layer[id(operation)] = here
            if isinstance(operation, Layer):
                layers[id(operation)] = operation
            for x in node.inputs:
                if id(x) not in self._input_ids:
                    depth[id(x.node)] = max(depth.get(id(x.node), 0), here + 1)
                elif isinstance(x.node.operation, InputLayer):
                    inner = x.node.operation
                    of_layer[id(inner)] = max(of_layer.get(id(inner), 0), here + 1)
        inputs = [x.node.operation for x in self.inputs]
        for place, layer in enumerate(inputs):
            if isinstance(layer, InputLayer):
                layers[id(layer)] = layer
                of_layer.setdefault(id(layer), 0)
                self._first[id(layer)] = place - len(inputs)
        return sorted(layers.values(), key=lambda one: (-of_layer[id(one)], self._first[id(one)]))

    def _check_names(self) -> None:
        names: dict[str, Layer] = {}
        for layer in self.layers:
            other = names.setdefault(layer.name, layer)
            if other is not layer:
                raise ValueError(
                    f"{self.label}: two layers are named {layer.name!r} ({other.label} and "
                    f"{layer.label}); give one of them another name"
                )

    def _output_names(self, outputs: Any) -> list[str]:
        if isinstance(outputs, dict) and len(outputs) == len(self.outputs):
            return [str(key) for key in outputs]
        names: list[str] = []
        for x in self.outputs:
            base = x.name or (x.node.operation.op if isinstance(x.node.operation, OpCall) else "y")
            name, number = base, 0
            while name in names:
                number += 1
                name = f"{base}_{number}"
            names.append(name)
        return names


def _checked(label: str, what: str, nest: Any) -> list[Recorded]:
    found = _nest.leaves(nest)
    if not found:
        raise ValueError(f"{label}: {what} is empty; give at least one Tensor")
    for one in found:
        if isinstance(one, Recorded):
            continue
        got = one.label if isinstance(one, Layer) else type(one).__name__
        advice = (
            "hand over layer.output, or what calling it gave"
            if isinstance(one, Layer)
            else "inputs come from keras.Input(shape=...), outputs from layers called on them"
        )
        raise TypeError(f"{label}: {what} must be Tensors, got {got}; {advice}")
    return found


def _shown(x: Recorded) -> str:
    operation = x.node.operation
    if isinstance(operation, InputLayer):
        return f"Input {operation.name!r} {x.shape}"
    return x.label
