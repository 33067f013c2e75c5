"""What every model is before it is trained: layers, shapes, calls, files, a summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _names, _nest, _recording, _trace, ops
from cnnfast.layers import _context, holder
from cnnfast.layers import layer as layer_room
from cnnfast.layers._arguments import layer_shape
from cnnfast.layers.layer import Layer
from cnnfast.models.feeding import model_inputs, spec
from cnnfast.models.graph import LayerGraph
from cnnfast.models.ports import Port, Ports
from cnnfast.models.programs import Programs, Signature

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]

# Shapes of single batches whose checks and plans are remembered.
MOST_QUICK = 32


class Network(Layer):
    """A layer made of layers that knows its input; ``Model`` adds training."""

    _programs: Programs
    # What Input gave and what became of it, as the model was made with them.
    _drawn_inputs: Any = None
    _drawn_outputs: Any = None

    def __init__(self, inputs: Any = None, outputs: Any = None, **kwargs: Any) -> None:
        drawn = inputs is not None or outputs is not None
        if drawn and kwargs.get("name") is None and type(self).__name__ == "Model":
            kwargs["name"] = _names.automatic_name("Functional")  # as Keras calls them
        super().__init__(**kwargs)
        # How the inputs and outputs are named, shaped and nested; None before the model is built.
        self._in: Ports | None = None
        self._out: Ports | None = None
        self._graph: LayerGraph | None = None
        # Shapes and dtypes met before: what to run.
        self._quick_predict: dict[Any, Any] = {}
        self._acts: bool | None = None
        if drawn:
            self._draw(inputs, outputs)

    def _draw(self, inputs: Any, outputs: Any) -> None:
        if inputs is None or outputs is None:
            missing = "inputs" if inputs is None else "outputs"
            raise TypeError(f"{self.label}: Model(inputs, outputs) needs both, {missing} is None")
        graph = LayerGraph(self.label, inputs, outputs)
        self._set_drawn(inputs, outputs, graph.input_ports, graph.output_ports)
        self._graph = graph
        if any(port.dtype == "float64" for port in graph.output_ports):
            self.dtype = "float64"
        for layer in graph.layers:
            if all(layer is not known for known in self._layers):
                self._layers.append(layer)
        self.built = True

    def _set_drawn(self, inputs: Any, outputs: Any, ins: Ports, outs: Ports) -> None:
        self._drawn_inputs, self._drawn_outputs = inputs, outputs
        self._in, self._out = ins, outs

    # ---- layers and shapes --------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside."""
        return list(self.inner_layers())

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by name or position.

        Raises:
            ValueError: there is none.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"{self.label}: no layer {index}, it has {len(self.layers)}")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise ValueError(f"{self.label}: no layer named {name!r}; it has {known}")

    @property
    def input(self) -> Any:
        """The symbolic input, or all of them nested as the model takes them.

        Raises:
            AttributeError: a subclassed model, or one that is not built.
        """
        return self._drawn_part("input", self._drawn_inputs)

    @property
    def output(self) -> Any:
        """The symbolic output, or all of them nested as the model returns them.

        Raises:
            AttributeError: a subclassed model, or one that is not built.
        """
        return self._drawn_part("output", self._drawn_outputs)

    @property
    def inputs(self) -> list[_trace.Tensor]:
        """The symbolic inputs, flat: ``Model(model.inputs, layer.output)`` looks inside."""
        return _nest.leaves(self._drawn_part("inputs", self._drawn_inputs))

    @property
    def outputs(self) -> list[_trace.Tensor]:
        """The symbolic outputs, flat."""
        return _nest.leaves(self._drawn_part("outputs", self._drawn_outputs))

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs: the keys of a dict of arrays."""
        self._require_built("input_names")
        assert self._in is not None
        return self._in.names

    @property
    def output_names(self) -> list[str]:
        """Names of the outputs: the keys of dicts of targets, losses and metrics."""
        self._require_built("output_names")
        assert self._out is not None
        return self._out.names

    def _drawn_part(self, what: str, found: Any) -> Any:
        if found is None:
            raise AttributeError(
                f"{self.label}: {what} is known of Model(inputs, outputs) and of a Sequential with "
                "an Input; give it one, or build it"
            )
        return found

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Every call of the graph again, on these inputs."""
        if self._graph is None or self._in is None or self._out is None:
            raise NotImplementedError(
                f"{self.label}: make it with Model(inputs, outputs), or define call(self, x)"
            )
        values = self._in.spread(self.label, "the input", inputs)
        for port, value in zip(self._in, values, strict=True):
            _check_fits(self._in, port, value)
        return self._out.pack(self._graph.run(values))

    def _convert(self, inputs: Any) -> Any:
        if self._graph is None or self._in is None:
            return super()._convert(inputs)
        values = []
        for port, one in zip(
            self._in, self._in.spread(self.label, "the input", inputs), strict=True
        ):
            if not isinstance(one, (np.ndarray, _trace.Tensor, _trace.Variable)):
                one = np.asarray(one)
            if isinstance(one, np.ndarray) and one.dtype.kind not in "fiub":
                raise TypeError(f"expected numbers, got an input of dtype {one.dtype}")
            values.append(one if str(one.dtype) == port.dtype else ops.cast(one, port.dtype))
        return self._in.pack(values)

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights for an input shape (batch first, None), or a list or dict of them.

        Raises:
            ValueError: a shape that the layers cannot take; the message names the layer.
        """
        if self._graph is not None:
            return
        if input_shape is None:
            input_shape = self._declared_shape
        if input_shape is None:
            raise ValueError(f"{self.label}: build needs an input_shape, e.g. (None, 28, 28, 1)")
        trace = _trace.Trace()

        def new_input(shape: Shape) -> _trace.Tensor:
            sizes = (None, *layer_shape(self.label, "input_shape", shape)[1:])
            return trace.input(sizes, self.dtype, "x")

        with (
            trace.active(),
            _context.labelled(self.label),
            _context.entered(False),
            _context.collected_losses(),
            _trace.scope(self.label),
        ):
            # Layers build themselves as the call reaches them.
            x = layer_room.over_shapes(new_input, input_shape)
            takes, _ = self._training_argument()
            output = self.call(x, training=False) if takes else self.call(x)
            for one in _nest.leaves(output):
                if not isinstance(one, _trace.Tensor):
                    raise _recording.not_a_tensor(one)
        self._in = Ports.of(x, "input")
        self._out = Ports.of(output, "output")
        self.built = True

    def _build_once(self, input_shape: Any) -> None:
        if type(self).build is Network.build:
            self.build(input_shape)
        else:
            # A model of the user's may make weights in build; shapes are then found by tracing.
            with _context.labelled(self.label):
                type(self).build(self, input_shape)
            Network.build(self, input_shape)

    @property
    def graph(self) -> LayerGraph | None:
        """The calls of ``Model(inputs, outputs)``; None for other models."""
        return self._graph

    @property
    def input_ports(self) -> Ports | None:
        """The inputs' names and shapes, None before the model is built."""
        return self._in

    @property
    def output_ports(self) -> Ports | None:
        """The outputs' names and shapes, None before the model is built."""
        return self._out

    def input_dtype(self, place: int) -> str:
        """What an input is converted to."""
        if self._graph is None or self._in is None:
            return self.dtype
        return self._in[place].dtype

    @property
    def input_shape(self) -> Any:
        """(None, ...sample); for several inputs a list (or dict) of shapes.

        Raises:
            ValueError: the model is not built yet.
        """
        self._require_built("input_shape")
        assert self._in is not None
        return self._in.shapes

    @property
    def output_shape(self) -> Any:
        """(None, ...); for several outputs a list (or dict) of shapes.

        Raises:
            ValueError: the model is not built yet.
        """
        self._require_built("output_shape")
        assert self._out is not None
        return self._out.shapes

    def _require_built(self, what: str) -> None:
        if not self.built or self._in is None:
            raise ValueError(
                f"{self.label}: {what} is not known before the model is built; give it an Input, "
                "call build((None, ...)) or feed it data"
            )

    def count_params(self) -> int:
        """The number of values in all weights.

        Raises:
            ValueError: the model is not built yet.
        """
        self._require_built("count_params()")
        return super().count_params()

    # ---- calling ------------------------------------------------------------------------------

    def __call__(self, inputs: Any, *args: Any, training: bool | None = None, **kwargs: Any) -> Any:
        """On arrays, one plan computes the whole network; on Tensors, it is traced.

        Args:
            inputs: (N, ...sample); for several inputs a list in their order, or a dict by name.
            training: True applies dropout. None is False, but for augmentations, which then act, as
                they do in Keras.
        """
        if (
            not args
            and not kwargs
            and not training
            and (training is False or not self._acts_unasked())
            and not _context.inside()
            and not isinstance(inputs, (_trace.Tensor, _trace.Variable))
            and not (isinstance(inputs, (list, tuple, dict)) and _any_symbolic(inputs))
        ):
            return self._compute(inputs, empty=True)
        return super().__call__(inputs, *args, training=training, **kwargs)

    def _acts_unasked(self) -> bool:
        """Is there a layer inside that acts as in training where nobody says?"""
        acts = self._acts
        if acts is None:
            acts = any(layer._training_argument()[1] is True for layer in self.flatten_layers())
            if self.built:
                self._acts = acts
        return acts

    def _compute(self, inputs: Any, empty: bool = False) -> Any:
        """The outputs for arrays, by one plan."""
        key: Any = None
        if type(inputs) is np.ndarray:
            # Checks and the search for a plan take longer than a small network: those that depend
            # on shape and dtype alone are done once for each.
            key = (
                inputs.shape,
                inputs.dtype,
                holder.structure_version,
                _trace.plan_environment(),
            )
            known = self._quick_predict.get(key)
            if known is not None and inputs.flags.c_contiguous and (empty or inputs.shape[0]):
                run, shape, single = known
                outputs: Any = run(inputs if shape is None else inputs.reshape(shape))
                return outputs[0] if single else self.packed_outputs(outputs)
        self._check_started()
        xs = model_inputs(self, inputs, empty=empty)
        plan = self._predict_plan(xs)
        if key is not None and xs[0].dtype == inputs.dtype:
            if len(self._quick_predict) >= MOST_QUICK:
                self._quick_predict.clear()
            shape = None if xs[0].shape == inputs.shape else xs[0].shape
            single = self._out is not None and self._out.single
            self._quick_predict[key] = (plan.run, shape, single)
        return self.packed_outputs(plan.run(*xs))

    def packed_outputs(self, outputs: Any) -> Any:
        """What a plan gave, nested as the model's outputs are."""
        assert self._out is not None
        return self._out.pack(outputs)

    def _predict_plan(self, xs: list[Array]) -> Any:
        return self._programs.plan(Signature("predict", tuple(spec(x) for x in xs)), len(xs[0]))

    # ---- looking ------------------------------------------------------------------------------

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Prints layers, output shapes, parameters and FLOPs of one sample.

        Args:
            line_length: width of the table; None: what the names need.
            print_fn: called with every line instead of ``print``.
            expand_nested: also shows the layers inside of layers and models.
            show_trainable: adds a column that says whether training changes a layer.

        Raises:
            ValueError: the model is not built yet.
        """
        from cnnfast.models.summary import summary_lines

        self._require_built("summary()")
        show = print if print_fn is None else print_fn
        for line in summary_lines(self, line_length, show_trainable, expand_nested):
            show(line)

    def receptive_field(self, layer: Any = None, input: int | str = 0) -> Any:
        """What one place of the output, or of layers' outputs, sees of the input.

        Worked out from the traced graph, so it holds for any model: chains, branches (their
        union), pooling, dilated and transposed convolutions.

        Args:
            layer: None: the model's output; a layer, its name or its index; or a list of those.
            input: place or name of an input, for models with several.

        Returns:
            A :class:`~cnnfast.models.receptive_field.ReceptiveField` with ``size``, ``stride``, ``padding`` (an
            entry for each spatial axis, in input pixels) and ``region(row, column)``; a list of
            them for a list of layers.

        Raises:
            ValueError: the model is not built; an unknown layer; branches that move over the
                input with different strides meet.

        >>> import cnnfast
        >>> from cnnfast.layers import Conv2D, MaxPooling2D
        >>> stack = [cnnfast.Input((28, 28, 1)), Conv2D(8, 3), MaxPooling2D(2), Conv2D(8, 3)]
        >>> field = cnnfast.Sequential(stack).receptive_field()
        >>> field.size, field.stride, field.region(2, 3)
        ((8, 8), (2, 2), (slice(4, 12, None), slice(6, 14, None)))
        """
        from cnnfast.models.receptive_field import receptive_field

        return receptive_field(self, layer, input)

    # ---- files --------------------------------------------------------------------------------

    def save(self, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
        """Writes architecture, weights, optimizer state and compile arguments (safetensors).

        The file appears whole or not at all. See :func:`cnnfast.models.load_model`.

        Raises:
            ValueError: ``.keras`` or ``.h5``; a model that is not built.
            FileExistsError: ``overwrite=False`` and the file is there.
        """
        from cnnfast.models.saving import save_model

        save_model(self, filepath, overwrite, **kwargs)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Writes the weights alone (safetensors)."""
        from cnnfast.models.saving import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any) -> None:
        """Reads the weights of a file that ``save_weights`` or ``save`` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: missing, extra or differently shaped arrays, a damaged file; the model is
                left as it was.
        """
        from cnnfast.models.saving import load_weights

        load_weights(self, filepath)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON; keywords go to ``json.dumps``."""
        import json

        from cnnfast.layers import serialize

        return json.dumps(serialize(self), **kwargs)


def _any_symbolic(inputs: Any) -> bool:
    return any(isinstance(x, _trace.Tensor) for x in _nest.leaves(inputs))


def _check_fits(ports: Ports, port: Port, x: Any) -> None:
    """Raises ValueError for a value whose shape is not the port's."""
    shape = tuple(x.shape)
    fits = len(shape) == len(port.shape) and all(
        want is None or got is None or want == got
        for want, got in zip(port.shape[1:], shape[1:], strict=True)
    )
    if not fits:
        which = "input" if ports.single else f"input {port.name!r}"
        raise ValueError(
            f"expected {which} of shape {port.shape}, got {shape}; give it such an input, or make "
            "the model with another Input"
        )
