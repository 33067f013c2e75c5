"""What every model is before it is trained: layers, shapes, calls, files, a summary."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _trace
from cnnfast.layers import _context
from cnnfast.layers import layer as layer_room
from cnnfast.layers._arguments import layer_shape
from cnnfast.layers.layer import Layer
from cnnfast.models.feeding import model_input
from cnnfast.models.programs import Programs, Signature

Array = npt.NDArray[Any]
Shape = tuple[int | None, ...]

# Shapes of single batches whose checks and plans are remembered.
MOST_QUICK = 32


class Network(Layer):
    """A layer made of layers that knows its input; ``Model`` adds training."""

    _programs: Programs

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or "inputs" in kwargs or "outputs" in kwargs:
            raise TypeError(
                f"{type(self).__name__}: Model(inputs, outputs) is not supported yet; "
                "use Sequential, or subclass Model with layers and call"
            )
        super().__init__(**kwargs)
        self._input_shape: Shape | None = None
        self._output_shape: Shape | None = None
        # Shapes and dtypes met before: what to run.
        self._quick_predict: dict[Any, Any] = {}

    # ---- layers and shapes --------------------------------------------------------------------

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside."""
        return list(self._layers)

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

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights for an input shape (batch first, None).

        Raises:
            ValueError: a shape that the layers cannot take; the message names the layer.
        """
        if input_shape is None:
            input_shape = self._declared_shape
        if input_shape is None:
            raise ValueError(f"{self.label}: build needs an input_shape, e.g. (None, 28, 28, 1)")
        shape = (None, *layer_shape(self.label, "input_shape", input_shape)[1:])
        trace = _trace.Trace()
        with (
            trace.active(),
            _context.labelled(self.label),
            _context.entered(False),
            _trace.scope(self.label),
        ):
            # Layers build themselves as the call reaches them.
            x = trace.input(shape, self.dtype, "x")
            output = self.call(x, training=False) if self._takes_training() else self.call(x)
        self._input_shape = shape
        if isinstance(output, (list, tuple)):
            output = output[0]
        self._output_shape = tuple(output.shape)
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
    def known_input_shape(self) -> Shape | None:
        """``input_shape``, None before the model is built."""
        return self._input_shape

    @property
    def known_output_shape(self) -> Shape | None:
        """``output_shape``, None before the model is built."""
        return self._output_shape

    @property
    def output_classes(self) -> int | None:
        """The size of the output's last axis."""
        return None if self._output_shape is None else self._output_shape[-1]

    @property
    def input_shape(self) -> Shape:
        """(None, ...sample).

        Raises:
            ValueError: the model is not built yet.
        """
        self._require_built("input_shape")
        assert self._input_shape is not None
        return self._input_shape

    @property
    def output_shape(self) -> Shape:
        """(None, ...).

        Raises:
            ValueError: the model is not built yet.
        """
        self._require_built("output_shape")
        assert self._output_shape is not None
        return self._output_shape

    def _require_built(self, what: str) -> None:
        if not self.built or self._input_shape is None:
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
            inputs: (N, ...sample).
            training: True applies dropout.
        """
        if (
            not args
            and not kwargs
            and not training
            and not _context.inside()
            and not isinstance(inputs, (_trace.Tensor, _trace.Variable))
            and not (isinstance(inputs, (list, tuple)) and _any_symbolic(inputs))
        ):
            return self._compute(inputs, empty=True)
        return super().__call__(inputs, *args, training=training, **kwargs)

    def _compute(self, inputs: Any, empty: bool = False) -> Array:
        """The outputs for an array, by one plan."""
        key: Any = None
        if type(inputs) is np.ndarray:
            # Checks and the search for a plan take longer than a small network: those that depend
            # on shape and dtype alone are done once for each.
            key = (
                inputs.shape,
                inputs.dtype,
                layer_room.structure_version,
                _trace.plan_environment(),
            )
            known = self._quick_predict.get(key)
            if known is not None and inputs.flags.c_contiguous and (empty or inputs.shape[0]):
                run, shape = known
                outputs: Array = run(inputs if shape is None else inputs.reshape(shape))[0]
                return outputs
        self._check_started()
        x = model_input(self, inputs, empty=empty)
        plan = self._predict_plan(x)
        if key is not None and x.dtype == inputs.dtype:
            if len(self._quick_predict) >= MOST_QUICK:
                self._quick_predict.clear()
            shape = None if x.shape == inputs.shape else x.shape
            self._quick_predict[key] = (plan.run, shape)
        outputs = plan.run(x)[0]
        return outputs

    def _predict_plan(self, x: Array) -> Any:
        return self._programs.plan(Signature("predict", (x.shape[1:], x.dtype.name)), len(x))

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
            show_trainable: adds a column that says whether training changes a layer.

        Raises:
            ValueError: the model is not built yet.
        """
        from cnnfast.models.summary import summary_lines

        self._require_built("summary()")
        show = print if print_fn is None else print_fn
        for line in summary_lines(self, line_length, show_trainable):
            show(line)

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
    return any(isinstance(x, (_trace.Tensor, np.ndarray)) for x in inputs)
