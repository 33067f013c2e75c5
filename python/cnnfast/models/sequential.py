"""``Sequential``: layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import _trace
from cnnfast.layers import Input, InputLayer, _context, deserialize, serialize
from cnnfast.layers.layer import Layer
from cnnfast.models.model import Model
from cnnfast.models.ports import Port, Ports


class Sequential(Model):
    """A stack of layers, each fed with the output of the one before.

    With an ``Input`` first, or ``input_shape=`` on the first layer, weights are made as layers are
    added; otherwise with the first data.

    Args:
        layers: to begin with.
        trainable, name: as for :class:`Layer`.

    >>> import cnnfast as keras
    >>> model = keras.Sequential([
    ...     keras.Input((28, 28, 1)),
    ...     keras.layers.Conv2D(32, 3, activation="relu"),
    ...     keras.layers.MaxPooling2D(2),
    ...     keras.layers.Conv2D(64, 3, activation="relu"),
    ...     keras.layers.MaxPooling2D(2),
    ...     keras.layers.Flatten(),
    ...     keras.layers.Dense(10, activation="softmax"),
    ... ])
    >>> model.count_params()
    34826
    """

    def __init__(
        self,
        layers: Sequence[Any] | None = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._chained: list[Layer] = []
        # What Input gave, then what each layer made of it; empty before the input is known.
        self._tensors: list[Any] = []
        if isinstance(layers, Layer):
            layers = [layers]
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Puts a layer at the end.

        Raises:
            TypeError: something that is no layer.
            ValueError: a name that is taken, shapes that do not fit; the message names the layer.
        """
        if isinstance(layer, _trace.Tensor):
            layer = getattr(getattr(layer, "node", None), "operation", layer)  # what Input gave
        if isinstance(layer, type):
            raise TypeError(
                f"{self.label}: add takes a layer, not its class; write {layer.__name__}(...)"
            )
        if not isinstance(layer, Layer):
            raise TypeError(f"{self.label}: add takes a Layer, got {layer!r}")
        if isinstance(layer, InputLayer):
            if self._chained or self._tensors:
                raise ValueError(f"{self.label}: an Input must stand first, and only once")
            self._declared_shape = layer.batch_shape
            self._tensors = [layer.output]
            self._update()
            return
        if any(layer.name == known.name for known in self._chained):
            raise ValueError(
                f"{self.label}: a layer named {layer.name!r} is there already; give it another name"
            )
        if not self._chained:
            self.dtype = layer.dtype
            if not self._tensors and layer._declared_shape is not None:
                self._declared_shape = layer._declared_shape
                self._tensors = [Input(batch_shape=layer._declared_shape)]
        if self._tensors:
            # The layer makes its weights here; an error leaves the model as it was.
            self._tensors.append(self._called(layer, self._tensors[-1]))
        self._chained.append(layer)
        self._layers.append(layer)
        self._update()

    def pop(self, rebuild: bool = True) -> Layer | None:
        """Takes the last layer off and returns it.

        Raises:
            ValueError: there is none.
        """
        if not self._chained:
            raise ValueError(f"{self.label}: there is no layer to pop")
        layer = self._chained.pop()
        self._layers.remove(layer)
        if self._tensors:
            self._tensors.pop()
        self._update()
        return layer

    def build(self, input_shape: Any = None) -> None:
        """Makes all weights for an input shape (batch first, None).

        Raises:
            ValueError: a shape that the layers cannot take; the message names the layer.
        """
        if self._tensors:
            return
        shape = self._declared_shape if input_shape is None else input_shape
        if shape is None:
            raise ValueError(f"{self.label}: build needs an input_shape, e.g. (None, 28, 28, 1)")
        if not self._chained:
            raise ValueError(f"{self.label}: it has no layers; add some")
        with _context.labelled(self.label), _trace.scope(self.label):
            drawn = [Input(batch_shape=(None, *tuple(shape)[1:]))]
            for layer in self._chained:
                drawn.append(self._called(layer, drawn[-1]))
        self._tensors = drawn
        self._update()

    def _called(self, layer: Layer, x: Any) -> Any:
        y = layer(x)
        if not isinstance(y, _trace.Tensor):
            raise ValueError(
                f"{layer.label}: a Sequential needs layers with one output, it gave "
                f"{type(y).__name__}; use Model(inputs, outputs)"
            )
        return y

    def _update(self) -> None:
        """Inputs and outputs follow the layers."""
        self.built = bool(self._chained and self._tensors)
        if self._tensors:
            x, y = self._tensors[0], self._tensors[-1]
            dtype = self.dtype
            self._set_drawn(
                x,
                y,
                Ports(x, [Port(x.name, x.shape, dtype)]),
                Ports(y, [Port(y.name, y.shape, dtype)]),
            )
        self._forget_programs()

    def call(self, x: Any, training: bool | None = None) -> Any:
        """The layers one after the other."""
        if not self._chained:
            raise ValueError(f"{self.label}: it has no layers; add some")
        for layer in self._chained:
            x = layer(x, training=training)
        return x

    def __len__(self) -> int:
        return len(self._chained)

    def __bool__(self) -> bool:
        return True

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {"name": self.name, "trainable": self._trainable}
        layers: list[dict[str, Any]] = []
        if self._tensors:
            # The shape the model was built with, so that a file needs no data to be loaded.
            layers.append(serialize(self._tensors[0].node.operation))
        return {**config, "layers": layers + [serialize(layer) for layer in self._chained]}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Sequential:
        """A new model, with weights of its own, from what ``get_config`` gave."""
        described = config.get("layers")
        if not isinstance(described, (list, tuple)):
            raise ValueError("Sequential: the configuration has no list of 'layers'")
        model = cls(name=config.get("name"))
        for one in described:
            if not isinstance(one, dict):
                raise ValueError(f"Sequential: a layer's configuration is {one!r}")
            model.add(deserialize(one, custom_objects))
        # The flag of the model, not of its layers, which have their own.
        model._trainable = bool(config.get("trainable", True))
        return model
