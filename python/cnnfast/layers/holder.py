"""What a layer holds: weights, penalties on them, and other layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnfast import _nest, _trace, initializers, regularizers
from cnnfast.layers import _context
from cnnfast.layers._arguments import layer_shape

if TYPE_CHECKING:
    from cnnfast.layers.layer import Layer

Array = npt.NDArray[Any]

# Raised whenever a `trainable` changes anywhere: traced training graphs are looked up by it.
structure_version = 0


class Holder:
    """The part of :class:`~cnnfast.layers.Layer` that keeps weights and inner layers.

    Layers assigned to attributes, alone or in lists, tuples and dicts, are held; so are those that
    a list or dict gets later.
    """

    _layers: list[Layer]
    _nests: list[Any]
    _weights: list[_trace.Variable]
    _penalties: list[tuple[_trace.Variable, Callable[[Any], Any]]]
    _trainable: bool
    built: bool
    dtype: str

    @property
    def label(self) -> str:
        """How messages call it."""
        raise NotImplementedError

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
        yield self  # type: ignore[misc]  # whoever holds layers is one
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
            if isinstance(before, Holder) and before is not value:
                self._let_go(before)
            return
        object.__setattr__(self, name, value)

    def _let_go(self, layer: Any) -> None:
        """Forgets a layer whose attribute got another value, unless it is held elsewhere."""
        held = [v for k, v in self.__dict__.items() if k not in ("_layers", "_chained")]
        if all(layer is not one for one in _nest.leaves(held)):
            self._layers.remove(layer)

    def _keep(self, value: Any) -> bool:
        """Takes the layers of a value among its own; whether it is one or may come to hold some."""
        if isinstance(value, Holder):
            if all(value is not known for known in self._layers):
                self._layers.append(value)  # type: ignore[arg-type]
            return True
        if not isinstance(value, (list, tuple, dict)):
            return False
        inside = list(value.values() if isinstance(value, dict) else value)
        kept = [self._keep(one) for one in inside]
        return any(kept) or not kept


def _unique(weights: Iterator[_trace.Variable]) -> list[_trace.Variable]:
    return list({id(weight): weight for weight in weights}.values())
