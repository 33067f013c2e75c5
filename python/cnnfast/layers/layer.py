"""What every layer is: weights made in ``build``, arithmetic written with ``ops`` in ``call``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _names, _nest, _recording, _trace, initializers, ops, regularizers
from cnnfast.layers import _context
from cnnfast.layers._arguments import layer_dtype, layer_shape

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]

# Raised whenever a `trainable` changes anywhere: traced training graphs are looked up by it.
structure_version = 0


class Layer:
    """A step of a network: on arrays it computes, on Tensors it traces.

    Subclass it to write your own: make weights in ``build(input_shape)`` with ``add_weight``, write
    ``call(x)`` or ``call(x, training=False)`` with ``cnnfast.ops``. The gradient comes by itself
    and the layer runs inside the same plan as the built-in ones.

    Args:
        trainable: whether training changes its weights.
        dtype: of weights and arithmetic, "float32" or "float64" (slow: for checks). None: float32.
        name: None gives ``dense``, ``dense_1`` ... as Keras does.
        input_shape: shape of one sample, for the first layer of a ``Sequential``.
        batch_input_shape: the same with the batch in front.
        input_dim: the same as ``input_shape=(input_dim,)``.

    Raises:
        TypeError: an unknown argument.

    >>> import numpy as np
    >>> import cnnfast
    >>> class Scale(cnnfast.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")
    ...
    ...     def call(self, x):
    ...         return cnnfast.ops.multiply(x, self.factor)
    >>> Scale()(np.array([[1.0, 2.0]], "float32"))
    array([[1., 2.]], dtype=float32)
    """

    _layers: list[Layer]
    _nests: list[Any]
    _weights: list[_trace.Variable]
    _penalties: list[tuple[_trace.Variable, Callable[[Any], Any]]]
    _call_takes_training: bool
    _node: _recording.Node | None

    # Inputs are converted to the layer's dtype; a layer on integers (an embedding) says False.
    autocast = True

    def __init__(
        self,
        *,
        trainable: bool = True,
        dtype: str | None = None,
        name: str | None = None,
        input_shape: Sequence[int | None] | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
        input_dim: int | None = None,
        **unknown: Any,
    ) -> None:
        self._start()
        class_name = type(self).__name__
        if unknown:
            raise TypeError(f"{class_name}: unknown argument {sorted(unknown)[0]!r}")
        if name is not None and not (isinstance(name, str) and name and "/" not in name):
            raise ValueError(f"{class_name}: name must be a string without '/', got {name!r}")
        self.name = _names.automatic_name(class_name) if name is None else name
        self.dtype = layer_dtype(self.label, dtype)
        self._trainable = bool(trainable)
        self._declared_shape: Shape | None = None
        if batch_input_shape is not None:
            self._declared_shape = layer_shape(self.label, "batch_input_shape", batch_input_shape)
        elif input_shape is not None:
            if isinstance(input_shape, int):
                input_shape = (input_shape,)
            self._declared_shape = (None, *layer_shape(self.label, "input_shape", input_shape))
        elif input_dim is not None:
            self._declared_shape = (None, *layer_shape(self.label, "input_dim", (input_dim,)))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        build = cls.__dict__.get("build")
        if build is not None:
            # Whoever calls `layer.build(shape)` has built it: the first call must not do it again.
            @functools.wraps(build)
            def built(self: Layer, *args: Any, **kwargs: Any) -> None:
                build(self, *args, **kwargs)
                self.built = True

            cls.build = built  # type: ignore[method-assign]

    # ---- to override --------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        """Makes the weights. ``input_shape`` starts with the batch, which is None.

        Called once, before the first call; a list of shapes for a layer with several inputs.
        """

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The arithmetic, written with ``cnnfast.ops``."""
        raise NotImplementedError(
            f"{self.label}: define call(self, x) or call(self, x, training=False)"
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape for an input's shape, batch included. Builds the layer if need be."""
        trace = _trace.Trace()
        with trace.active():
            output = self(over_shapes(lambda shape: trace.input(shape, self.dtype), input_shape))
        shapes = _nest.mapped(lambda one: _Whole(one.shape), output)
        if isinstance(shapes, tuple):
            shapes = list(shapes)
        return _nest.mapped(lambda one: one.shape, shapes)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the layer again, as JSON can hold them. Subclasses add theirs."""
        config: dict[str, Any] = {"name": self.name, "trainable": self._trainable}
        if self.dtype != "float32":
            config["dtype"] = self.dtype
        if self._declared_shape is not None:
            config["batch_input_shape"] = list(self._declared_shape)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """A new layer, with weights of its own, from what ``get_config`` gave."""
        return cls(**config)

    # ---- calling ------------------------------------------------------------------------------

    def __call__(self, inputs: Any, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """Builds the layer if it is not, then calls it.

        Args:
            inputs: an array, a Tensor, or a list, tuple or dict of them for layers with several.
                On what ``Input`` gave, the call is recorded for ``Model(inputs, outputs)``.
            training: whether dropout and the like act; None takes the surrounding layer's.

        Raises:
            ValueError, TypeError: the message starts with the layer's class and name.
        """
        self._check_started()
        if _recording.draws(inputs, args, kwargs):
            return self._record(inputs, args, kwargs, training)
        with _context.labelled(self.label):
            inputs = self._convert(inputs)
            if not self.built:
                self._build_once(shape_of(inputs))
            with _context.entered(training) as mode, _trace.scope(self.label):
                if self._takes_training():
                    kwargs["training"] = mode
                outputs = self.call(inputs, *args, **kwargs)
            _check_outputs(outputs, _symbolic(inputs))
            return _context.observed(self, outputs)

    def _record(
        self, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool | None
    ) -> Any:
        if training is not None:
            kwargs = {**kwargs, "training": training}
        # The trial's losses are of no use: those of the replays count.
        with _context.labelled(self.label), _context.collected_losses():
            outputs = _recording.record(self, (inputs, *args), kwargs, self.name)
        if self._node is None:
            self._node = _nest.leaves(outputs)[0].node
        return outputs

    @property
    def input(self) -> Any:
        """The Tensor (or Tensors) that the layer was first called on, to make sub-models.

        Raises:
            AttributeError: it was never called on what ``Input`` gave.
        """
        node = self._drawn("input")
        return node.args[0] if node.args else node.outputs[0]

    @property
    def output(self) -> Any:
        """What that first call gave: ``Model(model.inputs, model.get_layer("conv2d").output)``.

        Raises:
            AttributeError: it was never called on what ``Input`` gave.
        """
        node = self._drawn("output")
        return _nest.packed(node.nest, node.outputs)

    def _drawn(self, what: str) -> _recording.Node:
        if self._node is None:
            raise AttributeError(
                f"{self.label}: {what} is not known before the layer is called on an Input; "
                "give the model an Input, or build it"
            )
        return self._node

    @property
    def label(self) -> str:
        """How messages call the layer: ``Conv2D 'conv2d_1'``."""
        return f"{type(self).__name__} {self.name!r}"

    def _convert(self, inputs: Any) -> Any:
        if isinstance(inputs, dict):
            return {key: self._convert(x) for key, x in inputs.items()}
        if isinstance(inputs, (list, tuple)) and inputs and not np.isscalar(inputs[0]):
            if any(isinstance(x, (np.ndarray, _trace.Tensor)) for x in _nest.leaves(inputs)):
                return [self._convert(x) for x in inputs]
        if not isinstance(inputs, (np.ndarray, _trace.Tensor, _trace.Variable)):
            inputs = np.asarray(inputs)
        if isinstance(inputs, np.ndarray) and inputs.dtype.kind not in "fiub":
            raise TypeError(f"expected numbers, got an input of dtype {inputs.dtype}")
        if self.autocast and str(inputs.dtype) != self.dtype:
            return ops.cast(inputs, self.dtype)
        return inputs

    def _build_once(self, input_shape: Any) -> None:
        with _context.labelled(self.label):
            self.build(input_shape)
        self.built = True

    @classmethod
    def _takes_training(cls) -> bool:
        known = cls.__dict__.get("_call_takes_training")
        if known is None:
            parameters = inspect.signature(cls.call).parameters
            known = "training" in parameters and cls.call is not Layer.call
            cls._call_takes_training = known
        return bool(known)

    # ---- weights ------------------------------------------------------------------------------

    def add_weight(
        self,
        shape: Sequence[int] | None = None,
        initializer: Any = None,
        dtype: str | None = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        name: str | None = None,
    ) -> _trace.Variable:
        """A new weight of the layer.

        Args:
            shape: () by default: a scalar.
            initializer: name, class, instance or function; None is glorot_uniform (zeros for
                integers).
            dtype: None: the layer's.
            trainable: whether the optimizer changes it.
            autocast, aggregation: for Keras scripts; they change nothing here.
            regularizer: a penalty on it that training adds to the loss.
            constraint: not supported.
            name: None: ``variable``, ``variable_1`` ...

        Raises:
            ValueError: a shape with unknown or negative sizes.
        """
        self._check_started()
        if isinstance(shape, str):
            raise TypeError(f"{self.label}: add_weight(shape, ...) got the string {shape!r} first")
        sizes = layer_shape(self.label, f"shape of weight {name!r}", shape or ())
        if None in sizes:
            raise ValueError(
                f"{self.label}: weight {name!r} needs a shape without None, got {sizes}; "
                "give the model's input_shape in full"
            )
        if constraint is not None:
            raise ValueError(
                f"{self.label}: weight {name!r}: constraints are not supported; leave it out and "
                "normalise the weight in call, or penalise it with regularizer="
            )
        known = tuple(int(size) for size in sizes if size is not None)
        kind = dtype or self.dtype
        if name is None:
            count = sum(weight.name.startswith("variable") for weight in self._weights)
            name = f"variable_{count}" if count else "variable"
        make = initializers.get(
            initializer or ("glorot_uniform" if kind.startswith("float") else "zeros")
        )
        value = _context.first_value(self.label, name, known, kind, make)
        if value.shape != known:
            raise ValueError(
                f"{self.label}: the initializer of {name!r} gave {value.shape}, expected {known}"
            )
        weight = _trace.Variable(value, name=name, trainable=trainable)
        self._weights.append(weight)
        penalty = regularizers.get(regularizer)
        if penalty is not None:
            self._penalties.append((weight, penalty))
        return weight

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it reaches all layers inside."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        global structure_version
        structure_version += 1
        for layer in self.flatten_layers():
            layer._trainable = bool(value)

    def flatten_layers(self) -> Iterator[Layer]:
        """The layer itself and every layer inside it, in the order they were made."""
        yield self
        for layer in self.inner_layers():
            yield from layer.flatten_layers()

    def inner_layers(self) -> list[Layer]:
        """The layers directly inside, those put into its lists and dicts by now among them."""
        for nest in self._nests:
            self._keep(nest)
        return self._layers

    @property
    def weights(self) -> list[_trace.Variable]:
        """All weights, those of the layers inside too, in the order they were made."""
        return _unique(w for layer in self.flatten_layers() for w in layer._weights)

    variables = weights

    @property
    def trainable_weights(self) -> list[_trace.Variable]:
        """The weights that training changes."""
        return _unique(
            w
            for layer in self.flatten_layers()
            if layer._trainable
            for w in layer._weights
            if w.trainable
        )

    @property
    def non_trainable_weights(self) -> list[_trace.Variable]:
        """The weights that training leaves alone."""
        changed = {id(w) for w in self.trainable_weights}
        return [w for w in self.weights if id(w) not in changed]

    trainable_variables = trainable_weights
    non_trainable_variables = non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of all weights."""
        return [np.array(weight.numpy()) for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Writes all weights, in the order of ``weights``.

        Raises:
            ValueError: another number of arrays, or other shapes; nothing is written then.
        """
        mine = self.weights
        if len(weights) != len(mine):
            raise ValueError(
                f"{self.label}: set_weights expected {len(mine)} arrays, got {len(weights)}; "
                "a model must be built before its weights can be set"
            )
        arrays = [np.asarray(weight) for weight in weights]
        for variable, array in zip(mine, arrays, strict=True):
            if tuple(variable.shape) != array.shape:
                raise ValueError(
                    f"{self.label}: set_weights expected shape {tuple(variable.shape)} for "
                    f"{variable.name!r}, got {array.shape}"
                )
        for variable, array in zip(mine, arrays, strict=True):
            variable.assign(array)

    def count_params(self) -> int:
        """The number of values in all weights."""
        return sum(int(np.prod(weight.shape, dtype=np.int64)) for weight in self.weights)

    # ---- losses -------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Adds a scalar to the loss of the training step that is being traced.

        To be called in ``call``; outside of training it does nothing.
        """
        _context.add_loss(loss)

    def penalties(self) -> list[tuple[_trace.Variable, Callable[[Any], Any]]]:
        """(weight, regulariser) of this layer and those inside."""
        return [found for layer in self.flatten_layers() for found in layer._penalties]

    @property
    def losses(self) -> list[Any]:
        """The present values of the weights' regularisers."""
        return [penalty(weight.numpy()) for weight, penalty in self.penalties()]

    # ---- attributes ---------------------------------------------------------------------------

    def _start(self) -> None:
        # Written past __setattr__, which needs them; harmless when a subclass sets an attribute
        # before it calls super().__init__().
        if "_layers" not in self.__dict__:
            object.__setattr__(self, "_layers", [])
            object.__setattr__(self, "_weights", [])
            object.__setattr__(self, "_penalties", [])
            # Lists and dicts that hold layers, or may come to.
            object.__setattr__(self, "_nests", [])
            object.__setattr__(self, "built", False)
            # The first call on what Input gave: `input` and `output`.
            object.__setattr__(self, "_node", None)

    def _check_started(self) -> None:
        if "name" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ must call super().__init__(**kwargs) first"
            )

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            self._start()
            before = self.__dict__.get(name)
            if self._keep(value) and isinstance(value, (list, dict)):
                self._nests.append(value)
            object.__setattr__(self, name, value)
            if isinstance(before, Layer) and before is not value:
                self._let_go(before)
            return
        object.__setattr__(self, name, value)

    def _let_go(self, layer: Layer) -> None:
        """Forgets a layer whose attribute got another value, unless it is held elsewhere."""
        held = [v for k, v in self.__dict__.items() if k not in ("_layers", "_chained")]
        if all(layer is not one for one in _nest.leaves(held)):
            self._layers.remove(layer)

    def _keep(self, value: Any) -> bool:
        """Takes the layers of a value among its own; whether it is one or may come to hold some."""
        if isinstance(value, Layer):
            if all(value is not known for known in self._layers):
                self._layers.append(value)
            return True
        if not isinstance(value, (list, tuple, dict)):
            return False
        inside = list(value.values() if isinstance(value, dict) else value)
        kept = [self._keep(one) for one in inside]
        return any(kept) or not kept

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


class _Whole:
    """A shape that is a leaf of a nest."""

    def __init__(self, shape: Shape) -> None:
        self.shape = tuple(shape)


def shape_of(inputs: Any) -> Any:
    """The shape handed to ``build``: the batch is None, other sizes as they are."""
    if isinstance(inputs, (list, tuple)):
        return [shape_of(x) for x in inputs]
    if isinstance(inputs, dict):
        return {key: shape_of(x) for key, x in inputs.items()}
    shape = tuple(inputs.shape)
    return (None, *shape[1:]) if shape else ()


def is_shape(value: Any) -> bool:
    """Is it the shape of one array, not a list of shapes?"""
    return isinstance(value, (list, tuple)) and all(
        size is None or isinstance(size, (int, np.integer)) for size in value
    )


def over_shapes(function: Callable[[Shape], Any], shapes: Any) -> Any:
    """``function(shape)`` for a shape, or for each in a list, tuple or dict of them."""
    if is_shape(shapes):
        return function(tuple(shapes))
    if isinstance(shapes, dict):
        return {key: over_shapes(function, one) for key, one in shapes.items()}
    if not isinstance(shapes, (list, tuple)):
        raise TypeError(f"expected a shape such as (None, 28, 28, 1), got {shapes!r}")
    return [over_shapes(function, one) for one in shapes]


def _symbolic(inputs: Any) -> bool:
    return any(isinstance(x, _trace.Tensor) for x in _nest.leaves(inputs))


def _check_outputs(outputs: Any, traced: bool) -> None:
    """Raises TypeError or ValueError for what no call should return."""
    for one in _nest.leaves(outputs):
        if isinstance(one, _recording.Recorded):
            raise ValueError(
                f"call uses {one.label}, made outside of it; hand it to the layer as an input"
            )
        if traced and not isinstance(one, _trace.Tensor):
            raise _recording.not_a_tensor(one)
    if outputs is None:
        raise _recording.not_a_tensor(None)


def _unique(weights: Iterator[_trace.Variable]) -> list[_trace.Variable]:
    return list({id(weight): weight for weight in weights}.values())
