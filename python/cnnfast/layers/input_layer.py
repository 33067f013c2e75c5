"""``Input``: the shape of what a network is fed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import _recording, _trace
from cnnfast.layers._arguments import layer_shape
from cnnfast.layers.layer import Layer


class InputLayer(Layer):
    """What an ``Input`` belongs to: it says the input's shape and does nothing.

    Args:
        shape: of one sample, e.g. ``(28, 28, 1)``. ``input_shape=`` means the same.
        batch_size: accepted as Keras has it; any batch size can be fed all the same.
        dtype: what ``Model(inputs, outputs)`` converts its data to, without scaling; a
            ``Sequential`` converts to the dtype of its layers.
        batch_shape: the shape with the batch in front.
        name: None: ``input_layer``, ``input_layer_1`` ...
    """

    autocast = False

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        sparse: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        given = kwargs.pop("input_shape", None)
        declared = kwargs.pop("batch_input_shape", None)
        super().__init__(name=name, **kwargs)
        if sparse:
            raise ValueError(f"{self.label}: sparse inputs are not supported; pass dense arrays")
        shape = given if shape is None else shape
        batch_shape = declared if batch_shape is None else batch_shape
        if batch_shape is not None:
            shape = tuple(batch_shape)[1:]
        if shape is None:
            raise ValueError(f"{self.label}: give the shape of one sample, e.g. shape=(28, 28, 1)")
        self.input_dtype = str(dtype or "float32")
        if self.input_dtype not in _trace.DTYPES:
            raise ValueError(
                f"{self.label}: dtype must be one of {', '.join(_trace.DTYPES)}, got {dtype!r}"
            )
        self._declared_shape = (None, *layer_shape(self.label, "shape", shape))
        self.built = True
        tensor = _recording.new_input(self, self._declared_shape, self.input_dtype, self.name)
        self._node = tensor.node

    @property
    def batch_shape(self) -> tuple[int | None, ...]:
        """(None, ...sample)."""
        assert self._declared_shape is not None
        return self._declared_shape

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The same as ``batch_shape``, as Keras' symbolic inputs call it."""
        return self.batch_shape

    def call(self, x: Any) -> Any:
        return x

    @property
    def input(self) -> Any:
        """The same as ``output``."""
        return self.output

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": self.input_dtype,
            "name": self.name,
        }


def Input(  # noqa: N802 - Keras' name
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    sparse: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
) -> _trace.Tensor:
    """A symbolic input: call layers on it, then make ``Model(inputs, outputs)``.

    It may stand first in a ``Sequential`` too. Arguments and errors are those of
    :class:`InputLayer`.

    Returns:
        A Tensor of shape (None, *shape) without contents.

    >>> import cnnfast as keras
    >>> x = keras.Input((28, 28, 1))
    >>> y = keras.layers.Flatten()(x)
    >>> keras.Model(x, y).output_shape
    (None, 784)
    """
    layer = InputLayer(shape, batch_size, dtype, sparse, batch_shape, name)
    tensor: _trace.Tensor = layer.output
    return tensor
