"""Models like another one, layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cnnfast import _nest, _resolve, _trace
from cnnfast._recording import Recorded
from cnnfast.layers import Input, InputLayer
from cnnfast.layers.layer import Layer
from cnnfast.models.model import Model
from cnnfast.models.sequential import Sequential


def clone_model(
    model: Model,
    input_tensors: Any = None,
    clone_function: Callable[[Any], Any] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
) -> Model:
    """A new model of the same layers and names, with fresh weights, not compiled.

    Args:
        input_tensors: what the clone begins with, nested as ``model.input``; None: new Inputs.
        clone_function: takes a layer (no Input) and gives the one to stand for it: another, or the
            same one, whose weights are then shared. None: a layer of the same configuration.
        call_function: ``(layer, *args, **kwargs)`` calls a cloned layer and may put others behind
            it; not for a Sequential.
        recursive: models inside are cloned layer by layer too, instead of as one layer.

    Raises:
        ValueError: a class of one's own with one of these arguments: what it does with its layers
            is not known. A call_function for a Sequential. Inputs that do not fit.
        TypeError: a clone_function that gives no layer, inputs that are no Tensors.

    >>> import cnnfast as keras
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> keras.models.clone_model(model).count_params()
    10
    >>> def twice(layer):
    ...     return keras.layers.Dense(2 * layer.units, name=layer.name)
    >>> keras.models.clone_model(model, clone_function=twice).count_params()
    20
    """
    if not isinstance(model, Model):
        raise TypeError(f"clone_model: expected a Model, got {type(model).__name__}")
    classes = {type(layer).__name__: type(layer) for layer in model.flatten_layers()}
    with _resolve.custom_object_scope(classes):
        if input_tensors is None and clone_function is None and call_function is None:
            clone = type(model).from_config(model.get_config())
            if not clone.built and model.built:
                clone._build_once(model.input_shape)
            return clone
        return _Cloning(clone_function or _same, call_function, recursive).of(model, input_tensors)


def _same(layer: Layer) -> Layer:
    return type(layer).from_config(layer.get_config())


class _Cloning:
    """One call of ``clone_model``: a layer that is met again, here or in a model inside, is the
    same one again."""

    def __init__(
        self, clone: Callable[[Any], Any], call: Callable[..., Any] | None, recursive: bool
    ) -> None:
        self._clone = clone
        self._call = call
        self._recursive = recursive
        self._known: dict[int, Layer] = {}

    def of(self, model: Model, input_tensors: Any = None) -> Model:
        """The clone of a model."""
        if isinstance(model, Sequential):
            return self._sequential(model, input_tensors)
        if model._graph is None:
            raise ValueError(
                f"{model.label}: a model of one's own is cloned by its configuration alone; leave "
                "input_tensors, clone_function and call_function out"
            )
        return self._graph(model, input_tensors)

    def _layer(self, layer: Layer) -> Layer:
        if id(layer) in self._known:
            return self._known[id(layer)]
        inside = isinstance(layer, Model) and (
            isinstance(layer, Sequential) or layer._graph is not None
        )
        made: Any
        if self._recursive and inside:
            call = None if isinstance(layer, Sequential) else self._call
            inner = _Cloning(self._clone, call, True)
            inner._known = self._known
            made = inner.of(layer)  # type: ignore[arg-type]
        else:
            made = self._clone(layer)
        if not isinstance(made, Layer):
            raise TypeError(
                f"clone_model: clone_function must give a Layer for {layer.label}, got {made!r}"
            )
        self._known[id(layer)] = made
        return made

    def _sequential(self, model: Sequential, input_tensors: Any) -> Sequential:
        if self._call is not None:
            raise ValueError(
                f"{model.label}: call_function is for models of Model(inputs, outputs); put the "
                "layers that you want to add into a new Sequential"
            )
        first: list[Any] = []
        if input_tensors is not None:
            given = _nest.leaves(input_tensors)
            _check_inputs(model, given, 1)
            if not isinstance(given[0].node.operation, InputLayer):
                raise ValueError(
                    f"{model.label}: input_tensors must come from Input for a Sequential, got "
                    f"{given[0].label}"
                )
            first = given
        elif model._tensors:
            first = [_input_like(model._tensors[0])]
        layers = [self._layer(layer) for layer in model._chained]
        return Sequential([*first, *layers], trainable=model._trainable, name=model.name)

    def _graph(self, model: Model, input_tensors: Any) -> Model:
        graph = model._graph
        assert graph is not None
        if input_tensors is None:
            inputs = _nest.packed(model.input, [_input_like(x) for x in graph.inputs])
        else:
            given = _nest.leaves(input_tensors)
            _check_inputs(model, given, len(graph.inputs))
            inputs = _nest.packed(model.input, given)
        pairs = zip(graph.inputs, _nest.leaves(inputs), strict=True)
        known: dict[int, Any] = {id(x): value for x, value in pairs}

        def replace(leaf: Any) -> Any:
            return known[id(leaf)] if isinstance(leaf, Recorded) else leaf

        for node in graph.nodes:
            args, kwargs = _nest.mapped(replace, node.args), _nest.mapped(replace, node.kwargs)
            if not isinstance(node.operation, Layer):
                made = node.operation(*args, **kwargs)
            else:
                layer = self._layer(node.operation)
                call = self._call or _plain_call
                made = call(layer, *args, **kwargs)
            found = _nest.leaves(made)
            tensors = [one for one in found if isinstance(one, Recorded)]
            if len(found) != len(node.outputs) or len(tensors) != len(found):
                got = ", ".join(type(one).__name__ for one in found)
                raise ValueError(
                    f"clone_model: what is called in the place of {node.operation.label} must give "
                    f"as many Tensors, {len(node.outputs)}; got {got}"
                )
            for x, value in zip(node.outputs, found, strict=True):
                known.setdefault(id(x), value)
        outputs = _nest.mapped(replace, model.output)
        clone = Model(inputs, outputs, name=model.name)
        clone._trainable = model._trainable
        return clone


def _plain_call(layer: Layer, *args: Any, **kwargs: Any) -> Any:
    return layer(*args, **kwargs)


def _input_like(x: Any) -> _trace.Tensor:
    return Input(batch_shape=x.shape, dtype=x.dtype, name=x.name)


def _check_inputs(model: Model, given: list[Any], count: int) -> None:
    for one in given:
        if not isinstance(one, Recorded):
            raise TypeError(
                f"{model.label}: input_tensors must be Tensors that Input or layers gave, got "
                f"{type(one).__name__}"
            )
    if len(given) != count:
        raise ValueError(
            f"{model.label}: input_tensors must be {count}, as the model has inputs; "
            f"got {len(given)}"
        )
