"""``Sequential``: layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast.layers import InputLayer, deserialize, serialize
from cnnfast.layers.layer import Layer
from cnnfast.models.model import Model


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
        layers: Sequence[Layer] | None = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._chained: list[Layer] = []
        if isinstance(layers, Layer):
            layers = [layers]
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Layer, rebuild: bool = True) -> None:
        """Puts a layer at the end.

        Raises:
            TypeError: something that is no layer.
            ValueError: a name that is taken, shapes that do not fit; the message names the layer.
        """
        if isinstance(layer, type):
            raise TypeError(
                f"{self.label}: add takes a layer, not its class; write {layer.__name__}(...)"
            )
        if not isinstance(layer, Layer):
            raise TypeError(f"{self.label}: add takes a Layer, got {layer!r}")
        if isinstance(layer, InputLayer):
            if self._chained or self._declared_shape is not None:
                raise ValueError(f"{self.label}: an Input must stand first, and only once")
            self._declared_shape = layer.batch_shape
            self._input_shape = self._output_shape = layer.batch_shape
            self._input_name = layer.name
            return
        if any(layer.name == known.name for known in self._chained):
            raise ValueError(
                f"{self.label}: a layer named {layer.name!r} is there already; give it another name"
            )
        if not self._chained:
            self.dtype = layer.dtype
            if self._input_shape is None and layer._declared_shape is not None:
                self._declared_shape = layer._declared_shape
                self._input_shape = self._output_shape = layer._declared_shape
        if self._output_shape is not None:
            # The layer makes its weights here; an error leaves the model as it was.
            self._output_shape = tuple(layer.compute_output_shape(self._output_shape))
            self.built = True
        self._chained.append(layer)
        self._layers.append(layer)
        self._forget_programs()

    def pop(self, rebuild: bool = True) -> Layer | None:
        """Takes the last layer off and returns it.

        Raises:
            ValueError: there is none.
        """
        if not self._chained:
            raise ValueError(f"{self.label}: there is no layer to pop")
        layer = self._chained.pop()
        self._layers.remove(layer)
        self._forget_programs()
        if self._input_shape is not None:
            shape: Any = self._input_shape
            for known in self._chained:
                shape = known.compute_output_shape(shape)
            self._output_shape = tuple(shape)
        self.built = bool(self._chained) and self._input_shape is not None
        return layer

    def call(self, x: Any, training: bool = False) -> Any:
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
        if self._input_shape is not None:
            # The shape the model was built with, so that a file needs no data to be loaded.
            layers.append(
                {"class_name": "InputLayer", "config": {"batch_shape": list(self._input_shape)}}
            )
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
            model.add(deserialize(one, {"Sequential": Sequential, **(custom_objects or {})}))
        # The flag of the model, not of its layers, which have their own.
        model._trainable = bool(config.get("trainable", True))
        return model
