"""Arrays a model is fed: checked and made into what a plan takes, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnfast import _core, _nest
from cnnfast.layers.layer import shape_of

if TYPE_CHECKING:
    from cnnfast.models.compiled import Compiled
    from cnnfast.models.heads import Head
    from cnnfast.models.model import Model
    from cnnfast.models.network import Network
    from cnnfast.models.ports import Ports
    from cnnfast.models.programs import Spec, Specs

Array = npt.NDArray[Any]

_TAKEN = frozenset({"float32", "float64", "int32", "int64", "uint8", "bool"})


@dataclass
class Feed:
    """Inputs, targets and weights of one length, C-contiguous, of dtypes the core takes.

    Attributes:
        xs: one array for each input.
        ys, weights: one for each output; None where there is none.
    """

    xs: tuple[Array, ...]
    ys: tuple[Array | None, ...] = ()
    weights: tuple[Array | None, ...] = ()

    def __len__(self) -> int:
        return len(self.xs[0])

    def arrays(self) -> list[Array]:
        """Those that are there, in the order of a plan's inputs."""
        return [a for a in (*self.xs, *self.ys, *self.weights) if a is not None]

    def specs(self) -> tuple[Specs, Specs, Specs]:
        """(shape of one sample, dtype) of xs, ys and weights."""
        return (
            tuple(spec(x) for x in self.xs),
            tuple(spec_or_none(y) for y in self.ys),
            tuple(spec_or_none(w) for w in self.weights),
        )

    @property
    def weighted(self) -> tuple[bool, ...]:
        """Which outputs have sample weights."""
        return tuple(w is not None for w in self.weights)

    def taken(self, order: Array) -> Feed:
        """A copy with the samples of these indices."""
        return self._each(lambda array: array[order])

    def rows(self, start: int, stop: int) -> Feed:
        """A part of it, without a copy."""
        return self._each(lambda array: array[start:stop])

    def _each(self, part: Callable[[Array], Array]) -> Feed:
        return Feed(
            tuple(part(x) for x in self.xs),
            tuple(None if y is None else part(y) for y in self.ys),
            tuple(None if w is None else part(w) for w in self.weights),
        )


def spec(array: Array) -> Spec:
    """(shape of one sample, dtype)."""
    return array.shape[1:], array.dtype.name


def spec_or_none(array: Array | None) -> Spec | None:
    """The same, None for nothing."""
    return None if array is None else spec(array)


def numbers(label: str, name: str, value: Any) -> Array:
    """An array of a dtype the core takes, C-contiguous; others are converted by NumPy.

    Raises:
        TypeError: no array, or one that does not hold numbers.
        ValueError: ragged lists.
    """
    if value is None:
        raise TypeError(f"{label}: {name} is missing (None); pass an array")
    if isinstance(value, (str, bytes, dict, set)) or callable(value):
        raise TypeError(f"{label}: {name} must be an array, got {type(value).__name__}")
    if isinstance(value, (list, tuple)) and len(value) == 1 and isinstance(value[0], np.ndarray):
        value = value[0]
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(
            f"{label}: {name} cannot be made into an array: {error}; "
            "all samples must have one shape"
        ) from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{label}: {name} must hold numbers, got dtype {array.dtype}; "
            f"convert it first, e.g. {name}.astype('float32')"
        )
    if array.ndim == 0:
        raise ValueError(f"{label}: {name} must have a batch axis, got a single number")
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype.name not in _TAKEN:
        array = _converted(label, name, array)
    return np.ascontiguousarray(array)


def _converted(label: str, name: str, array: Array) -> Array:
    if array.dtype.kind == "f":
        return array.astype(np.float32)
    if array.dtype.name == "uint64" and array.size and int(array.max()) >= 2**63:
        raise ValueError(f"{label}: {name} holds {int(array.max())}, beyond 64-bit integers")
    return array.astype(np.int64 if array.dtype.itemsize >= 4 else np.int32)


def model_inputs(
    model: Network, value: Any, *, empty: bool = False, name: str = "x"
) -> list[Array]:
    """The arrays a model's plan takes; builds the model from them if it has no shape yet.

    Args:
        value: an array; for several inputs a list in their order or a dict by name.

    Raises:
        ValueError: another rank, shape or number of samples than the model's inputs ask for.
        TypeError: no numbers.
    """
    if not model.built:
        several = isinstance(value, (list, tuple)) and len(value) > 1
        if isinstance(value, dict) or (several and all(isinstance(x, np.ndarray) for x in value)):
            found = _nest.mapped(lambda x: numbers(model.label, name, x), value)
            model._build_once(shape_of(found))
        else:
            model._build_once((None, *numbers(model.label, name, value).shape[1:]))
    ports = model.input_ports
    if ports is None:
        return [numbers(model.label, name, value)]
    arrays = []
    values = ports.spread(model.label, name, value)
    for port, one in zip(ports, values, strict=True):
        called = name if len(ports) == 1 else f"{name} for {port.name!r}"
        arrays.append(_fitting(model.label, called, port.shape, one))
    count = len(arrays[0])
    for port, array in zip(ports, arrays, strict=True):
        if len(array) != count:
            raise ValueError(
                f"{model.label}: {name} has {count} samples for {ports[0].name!r} and {len(array)} "
                f"for {port.name!r}; they must be as many"
            )
    if count == 0 and not empty:
        raise ValueError(f"{model.label}: {name} has no samples, got shape {arrays[0].shape}")
    return arrays


def _fitting(label: str, name: str, expected: tuple[int | None, ...], value: Any) -> Array:
    """The array of one input.

    A missing or superfluous axis of size 1 at the end is added or taken away, as in Keras.
    """
    array = numbers(label, name, value)
    want = expected[1:]
    if array.ndim == len(want) and want and want[-1] == 1:
        array = array.reshape((*array.shape, 1))
    elif array.ndim == len(want) + 2 and array.shape[-1] == 1:
        array = array.reshape(array.shape[:-1])
    got = array.shape[1:]
    if len(got) != len(want) or any(w not in (None, g) for w, g in zip(want, got, strict=True)):
        raise ValueError(
            f"{label}: expected {name} of shape {expected}, got {np.shape(value)}; "
            + _shape_advice(want, got)
        )
    return array


def _shape_advice(want: tuple[int | None, ...], got: tuple[int, ...]) -> str:
    if len(got) == len(want) - 1 and tuple(want[: len(got)]) != got and tuple(want) == got:
        return "add the batch axis with x[None]"
    if len(got) + 1 == len(want) or (len(got) and len(got) < len(want)):
        return "an axis is missing: x[None] adds the batch, x[..., None] the channels"
    if len(got) == len(want) == 3 and (got[2], got[0], got[1]) == tuple(want):
        return "move the channels first with x.transpose(0, 3, 1, 2)"
    if len(got) == len(want) == 3 and (got[1], got[2], got[0]) == tuple(want):
        return "move the channels last with x.transpose(0, 2, 3, 1)"
    return "reshape x, or give the model another input_shape"


def training_feed(
    model: Network,
    compiled: Compiled,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    class_weight: Any = None,
    names: tuple[str, str] = ("x", "y"),
) -> Feed:
    """Checked x, y and weights for training or evaluation.

    Raises:
        ValueError, TypeError: see ``model_inputs``; labels out of range, other lengths.
    """
    xs = model_inputs(model, x, name=names[0])
    ports = model.output_ports
    assert ports is not None
    compiled.bind(ports.names)
    given = [None] * len(ports) if y is None else ports.spread(model.label, names[1], y, True)
    weights = _spread_weights(model.label, ports, sample_weight)
    ys: list[Array | None] = []
    ws: list[Array | None] = []
    for head, port, one, weight in zip(compiled.heads, ports, given, weights, strict=True):
        name = names[1] if len(ports) == 1 else f"{names[1]} for {port.name!r}"
        if not head.wants_targets:
            one = None if len(ports) > 1 else one
        elif one is None:
            raise TypeError(f"{model.label}: {name} is missing (None); pass the targets")
        if one is None:
            ys.append(None)
            ws.append(None)
            continue
        target = numbers(model.label, name, one)
        if len(target) != len(xs[0]):
            raise ValueError(
                f"{model.label}: {names[0]} has {len(xs[0])} samples, {name} has {len(target)}; "
                "they must be as many"
            )
        target = _target(model.label, head, port.shape, target, name)
        ys.append(target)
        ws.append(None if weight is None else _sample_weights(model.label, weight, target))
    return with_class_weights(model, Feed(tuple(xs), tuple(ys), tuple(ws)), class_weight)


def _spread_weights(label: str, ports: Ports, sample_weight: Any) -> list[Any]:
    """Sample weights for each output; one array serves them all."""
    if sample_weight is None:
        return [None] * len(ports)
    if len(ports) > 1 and not isinstance(sample_weight, (list, tuple, dict)):
        return [sample_weight] * len(ports)
    return ports.spread(label, "sample_weight", sample_weight, True)


def with_class_weights(model: Network, feed: Feed, class_weight: Any) -> Feed:
    """The feed with its weights multiplied by those of the classes.

    Raises:
        TypeError, ValueError: no ``{class: weight}``, classes that the model has not, several
            outputs.
    """
    if class_weight is None or not any(y is not None for y in feed.ys):
        return feed
    ports = model.output_ports
    assert ports is not None
    if len(ports) > 1:
        raise ValueError(
            f"{model.label}: class_weight is for one output, the model has {len(ports)}; pass "
            "sample_weight as a dict by output name"
        )
    y, weights = feed.ys[0], feed.weights[0]
    assert y is not None
    found = _class_weights(model.label, class_weight, y, ports[0].shape[-1])
    if weights is not None:
        found = weights * found
    return Feed(feed.xs, feed.ys, (np.ascontiguousarray(found),))


def gives_batches(x: Any, y: Any) -> bool:
    """Whether x is an iterable of batches and no array: a generator, or a sequence of them."""
    if y is not None or hasattr(x, "shape") or isinstance(x, (list, tuple, str, bytes, dict)):
        return False
    return any(hasattr(x, name) for name in ("__iter__", "__next__", "__getitem__"))


def batch_feeds(model: Model, data: Any, class_weight: Any) -> Iterator[Feed]:
    """Checked batches of an iterable of ``(x, y)`` or ``(x, y, sample_weight)``.

    Raises:
        TypeError: batches of another kind.
    """
    items = iter(data) if hasattr(data, "__iter__") else (data[i] for i in range(len(data)))
    for batch in items:
        if not isinstance(batch, (tuple, list)) or not 2 <= len(batch) <= 3:
            raise TypeError(
                f"{model.label}: batches must be (x, y) or (x, y, sample_weight), "
                f"got {type(batch).__name__}"
            )
        weights = batch[2] if len(batch) == 3 else None
        yield training_feed(model, model.compiled, batch[0], batch[1], weights, class_weight)


def _target(label: str, head: Head, output: tuple[int | None, ...], y: Array, name: str) -> Array:
    if head.loss is None or head.sparse_targets is None:
        return y
    loss = head.loss.name
    if head.sparse_targets:
        return _labels(label, loss, y, output, name)
    want = output[1:]
    if y.shape[1:] != want and want and want[-1] == 1 and y.ndim == len(want):
        y = y.reshape((*y.shape, 1))
    elif y.ndim == len(want) + 2 and y.shape[-1] == 1:
        y = y.reshape(y.shape[:-1])
    got = y.shape[1:]
    fits = len(got) == len(want) and all(w in (None, g) for w, g in zip(want, got, strict=True))
    if not fits:
        advice = "give targets of the output's shape"
        if loss == "categorical_crossentropy" and (y.ndim == len(want) or got[-1:] == (1,)):
            advice = (
                "for integer labels use loss='sparse_categorical_crossentropy' "
                f"or utils.to_categorical({name}, {want[-1]})"
            )
        raise ValueError(
            f"{label}: {loss} expects {name} of shape {output}, got {y.shape}; {advice}"
        )
    return y


def _labels(label: str, loss: str, y: Array, output: tuple[int | None, ...], name: str) -> Array:
    classes = output[-1]
    if y.ndim == len(output) and y.shape[-1] == 1:
        y = y.reshape(y.shape[:-1])
    want = output[:-1]
    if y.ndim != len(want) or any(
        w not in (None, g) for w, g in zip(want[1:], y.shape[1:], strict=True)
    ):
        advice = "give one integer a sample"
        if y.ndim == len(output) and y.shape[-1] == classes:
            advice = "for one-hot targets use loss='categorical_crossentropy'"
        raise ValueError(
            f"{label}: {loss} expects integer labels {name} of shape {want}, "
            f"got {y.shape}; {advice}"
        )
    if y.dtype.kind == "f":
        whole = y.astype(np.int64)
        if not np.array_equal(whole, y):
            raise ValueError(f"{label}: {loss} expects whole numbers as labels, {name} has others")
        y = whole
    elif y.dtype == np.bool_:
        y = y.astype(np.uint8)
    least, most = _core.label_range(y)
    if classes is not None and (least < 0 or most >= classes):
        wrong = least if least < 0 else most
        raise ValueError(
            f"{label}: labels in {name} must be in 0..{classes - 1} for {classes} outputs, "
            f"got {wrong}; correct the labels or give the last layer more units"
        )
    return y


def _sample_weights(label: str, sample_weight: Any, y: Array) -> Array:
    weights = numbers(label, "sample_weight", sample_weight).astype(np.float32, copy=False)
    if len(weights) != len(y):
        raise ValueError(
            f"{label}: sample_weight has {len(weights)} values, y has {len(y)} samples; "
            "give one weight a sample"
        )
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights.reshape(-1)
    return weights


def _class_weights(label: str, class_weight: Any, y: Array, classes: int | None) -> Array:
    if not hasattr(class_weight, "items"):
        raise TypeError(f"{label}: class_weight must be {{class: weight}}, got {class_weight!r}")
    if y.ndim == 2 and y.shape[1] > 1:
        labels = y.argmax(axis=1)
    elif y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1):
        labels = y.reshape(-1).astype(np.int64)
    else:
        raise ValueError(
            f"{label}: class_weight needs one class a sample, y has shape {y.shape}; "
            "use sample_weight"
        )
    found = np.ones(len(labels), np.float32)
    for key, weight in class_weight.items():
        if isinstance(key, bool) or not isinstance(key, (int, np.integer)):
            raise TypeError(f"{label}: class_weight has the key {key!r}, expected class numbers")
        if key < 0 or (classes is not None and classes > 1 and key >= classes):
            raise ValueError(f"{label}: class_weight has class {key}, the model has {classes}")
        found[labels == key] = weight
    return found


def whole_number(label: str, name: str, value: Any, least: int = 1) -> int:
    """An integer argument of fit and the like.

    Raises:
        TypeError: no integer.
        ValueError: below ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{label}: {name} must be an integer, got {value!r}")
    if value < least:
        raise ValueError(f"{label}: {name} must be at least {least}, got {value}")
    return int(value)
