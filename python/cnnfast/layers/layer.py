"""What every layer is: weights made in ``build``, arithmetic written with ``ops`` in ``call``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _names, _nest, _recording, _trace, ops, regularizers
from cnnfast.layers import _context
from cnnfast.layers._arguments import layer_dtype, layer_shape
from cnnfast.layers.holder import Holder

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]


class Layer(Holder):
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
        activity_regularizer: a penalty on the layer's outputs, added to the loss: its value over
            the batch divided by the number of samples. Name, instance or function, as for weights.

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

    _call_training: tuple[bool, Any]
    # The first call on what Input gave: `input` and `output`.
    _node: _recording.Node | None = None

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
        activity_regularizer: Any = None,
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
        self.activity_regularizer = regularizers.get(activity_regularizer)
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
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
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
            training: whether dropout and the like act; None takes the surrounding layer's, and
                where nothing surrounds it the default of ``call``: dropout rests, augmentations act.

        Raises:
            ValueError, TypeError: the message starts with the layer's class and name.
        """
        self._check_started()
        if _recording.draws(inputs, args, kwargs):
            return self._record(inputs, args, kwargs, training)
        with _context.labelled(self.label):
            inputs = self._convert(inputs)
            args = tuple(
                self._convert(x) if isinstance(x, (np.ndarray, _trace.Tensor)) else x for x in args
            )
            if not self.built:
                self._build_once(shape_of(inputs))
            with _context.entered(training) as mode, _trace.scope(self.label):
                takes, default = self._training_argument()
                if takes:
                    kwargs["training"] = default if mode is None else mode
                outputs = self.call(inputs, *args, **kwargs)
            _check_outputs(outputs, _symbolic(inputs))
            if self.activity_regularizer is not None:
                self._penalise(outputs)
            return _context.observed(self, outputs)

    def _penalise(self, outputs: Any) -> None:
        for y in _nest.leaves(outputs):
            if isinstance(y, _trace.Tensor):
                # The number of samples, which the graph does not know: ones, added up.
                first = ops.sum(y, axis=tuple(range(1, len(y.shape)))) if len(y.shape) > 1 else y
                samples = ops.sum(ops.cast(ops.equal(first, first), y.dtype))
                self.add_loss(ops.divide(self.activity_regularizer(y), samples))

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
    def _training_argument(cls) -> tuple[bool, Any]:
        """Whether ``call`` takes ``training``, and what it is where nobody says."""
        known = cls.__dict__.get("_call_training")
        if known is None:
            parameter = inspect.signature(cls.call).parameters.get("training")
            if parameter is None or cls.call is Layer.call:
                known = False, None
            else:
                default = parameter.default
                known = True, False if default is inspect.Parameter.empty else default
            cls._call_training = known
        return known

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
