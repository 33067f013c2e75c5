"""Model files: safetensors, with the architecture as JSON in the metadata.

Nothing in a file is run: it holds arrays and JSON, and classes are looked up among cnnfast's own
and those the caller hands over. Files appear whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cnnfast import _names, _trace
from cnnfast.layers import _context, deserialize, serialize

if TYPE_CHECKING:
    from cnnfast.layers.layer import Layer
    from cnnfast.models.model import Model
    from cnnfast.models.network import Network

Array = npt.NDArray[Any]

_FORMAT = "cnnfast 1"
_OPTIMIZER = "optimizer/"
_RANDOM = "random/"
_REFUSED = (".keras", ".h5", ".hdf5")
# What a wrong configuration makes constructors raise.
_BROKEN = (TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError)


def checked_path(filepath: Any, call: str) -> str:
    """The path of a model file.

    Raises:
        TypeError: no path.
        ValueError: ``.keras`` or ``.h5``, with the line to write instead.
    """
    try:
        path = os.fsdecode(filepath)
    except TypeError:
        raise TypeError(f"{call}: expected a path, got {filepath!r}") from None
    for suffix in _REFUSED:
        if path.lower().endswith(suffix):
            better = path[: -len(suffix)] + ".safetensors"
            line = call.replace("...", f'"{better}"')
            raise ValueError(
                f"{suffix} files are not supported, models are safetensors files; write {line}"
            )
    return path


# ---- names of arrays -----------------------------------------------------------------------------


def named_weights(layer: Layer) -> dict[str, _trace.Variable]:
    """All weights by a path that does not depend on the process: ``conv2d_1/kernel``."""
    return _named(layer, lambda one: one._weights)


def random_states(layer: Layer) -> dict[str, _trace.Variable]:
    """Seeds and steps of dropout, by path: with them a resumed training draws the same masks."""
    return _named(layer, lambda one: getattr(one, "random_states", []))


def _named(
    layer: Layer, variables: Callable[[Layer], list[_trace.Variable]]
) -> dict[str, _trace.Variable]:
    # Layers count within what holds them, so the same architecture gives the same names whatever
    # was made before it.
    found: dict[str, _trace.Variable] = {}
    seen: set[int] = set()

    def visit(one: Layer, path: str) -> None:
        for weight in variables(one):
            if id(weight) in seen:
                continue
            seen.add(id(weight))
            key, number = f"{path}{weight.name}", 0
            while key in found:
                number += 1
                key = f"{path}{weight.name}_{number}"
            found[key] = weight
        counts: Counter[str] = Counter()
        for inner in one.inner_layers():
            base = _names.snake_case(type(inner).__name__)
            name = base if not counts[base] else f"{base}_{counts[base]}"
            counts[base] += 1
            visit(inner, f"{path}{name}/")

    visit(layer, "")
    return found


# ---- writing -------------------------------------------------------------------------------------


def save_model(model: Network, filepath: Any, overwrite: bool = True, **kwargs: Any) -> None:
    """See ``Model.save``."""
    from cnnfast.models.model import Model

    include = kwargs.pop("include_optimizer", True)
    kwargs.pop("save_format", None)
    if kwargs:
        raise TypeError(f"{model.label}: save has no argument {sorted(kwargs)[0]!r}")
    path = checked_path(filepath, "model.save(...)")
    model._require_built("save()")
    arrays = {key: weight.numpy() for key, weight in named_weights(model).items()}
    assert model.input_ports is not None
    described = {**serialize(model), "build_shape": model.input_ports.shapes}
    about = {"format": _FORMAT, "model": _json(model, described)}
    if isinstance(model, Model) and model._compiled is not None:
        about["compile"] = _json(model, model._compiled.get_config())
        if include:
            state = model._compiled.optimizer.state(model.trainable_weights)
            arrays.update({_OPTIMIZER + key: v.numpy() for key, v in state.items()})
            arrays.update({_RANDOM + key: v.numpy() for key, v in random_states(model).items()})
    write(path, arrays, about, overwrite)


def save_weights(model: Network, filepath: Any, overwrite: bool = True) -> None:
    """See ``Model.save_weights``."""
    path = checked_path(filepath, "model.save_weights(...)")
    model._require_built("save_weights()")
    arrays = {key: weight.numpy() for key, weight in named_weights(model).items()}
    write(path, arrays, {"format": _FORMAT}, overwrite)


def _json(model: Network, config: Any) -> str:
    try:
        return json.dumps(config)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{model.label}: the architecture cannot be written as JSON: {error}; get_config of "
            "your own layers must return numbers, strings, lists and dicts"
        ) from error


def write(
    path: str, arrays: Mapping[str, Array], about: dict[str, str], overwrite: bool = True
) -> None:
    """A safetensors file, which appears whole or not at all."""
    from safetensors.numpy import save_file

    if not overwrite and os.path.exists(path):
        raise FileExistsError(f"{path} is there already; pass overwrite=True to replace it")
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder}; make it first")
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    try:
        # Copies: views of weights are read-only, and safetensors asks for C order.
        save_file({key: np.array(a, order="C") for key, a in arrays.items()}, temporary, about)
        _sync(temporary)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    with contextlib.suppress(OSError):  # some systems cannot open folders
        _sync(folder)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def training_arrays(model: Model) -> dict[str, Array]:
    """Everything that training changes: weights, state of the optimizer, seeds of dropout."""
    arrays = {key: weight.numpy() for key, weight in named_weights(model).items()}
    state = model.compiled.optimizer.state(model.trainable_weights)
    arrays.update({_OPTIMIZER + key: v.numpy() for key, v in state.items()})
    arrays.update({_RANDOM + key: v.numpy() for key, v in random_states(model).items()})
    return arrays


def restore_training_arrays(model: Model, arrays: Mapping[str, Array], path: str) -> None:
    """Writes back what :func:`training_arrays` took; ValueError where it does not fit."""
    optimizer = model.compiled.optimizer
    optimizer.build(model.trainable_weights)
    targets = dict(named_weights(model))
    state = optimizer.state(model.trainable_weights)
    targets.update({_OPTIMIZER + key: v for key, v in state.items()})
    targets.update({_RANDOM + key: v for key, v in random_states(model).items()})
    ours = {key: a for key, a in arrays.items() if not key.startswith("backup/")}
    _assign(path, model.label, targets, ours)


# ---- reading -------------------------------------------------------------------------------------


def read(path: str) -> tuple[dict[str, Array], dict[str, str]]:
    """Arrays and metadata of a safetensors file; ValueError for anything else."""
    from safetensors import SafetensorError, safe_open

    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="np") as file:
            about = dict(file.metadata() or {})
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, TypeError, AttributeError, OSError) as error:
        raise ValueError(
            f"{path} is no sound safetensors file ({error}); it may be cut short or of another kind"
        ) from error
    return arrays, about


def load_weights(model: Network, filepath: Any) -> None:
    """See ``Model.load_weights``."""
    path = checked_path(filepath, "model.load_weights(...)")
    model._require_built("load_weights()")
    arrays, _ = read(path)
    _assign(path, model.label, named_weights(model), _weights_of(arrays))


def _weights_of(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {k: a for k, a in arrays.items() if not k.startswith((_OPTIMIZER, _RANDOM))}


def _part(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {k[len(prefix) :]: a for k, a in arrays.items() if k.startswith(prefix)}


def _assign(
    path: str, label: str, variables: Mapping[str, _trace.Variable], arrays: Mapping[str, Array]
) -> None:
    """Writes all arrays, or raises ValueError and writes none."""
    missing = sorted(set(variables) - set(arrays))
    extra = sorted(set(arrays) - set(variables))
    if missing or extra:
        parts = [
            f"{what} {', '.join(repr(key) for key in keys[:5])}" + (" ..." if len(keys) > 5 else "")
            for what, keys in (("lacks", missing), ("holds besides", extra))
            if keys
        ]
        raise ValueError(
            f"{label}: {path} does not fit the model: it {' and '.join(parts)}; "
            "load it into the architecture that it was saved from"
        )
    for key, variable in variables.items():
        array = arrays[key]
        if array.shape != tuple(variable.shape):
            raise ValueError(
                f"{label}: {path}: {key!r} has shape {array.shape}, the model expects "
                f"{tuple(variable.shape)}"
            )
        wanted = np.dtype(str(variable.dtype))
        if array.dtype.kind != wanted.kind:
            raise ValueError(
                f"{label}: {path}: {key!r} is of dtype {array.dtype}, the model expects {wanted}"
            )
    for key, variable in variables.items():
        variable.assign(arrays[key])


def load_model(filepath: Any, custom_objects: dict[str, Any] | None, compiled: bool) -> Model:
    """See ``cnnfast.models.load_model``."""
    path = checked_path(filepath, "keras.models.load_model(...)")
    arrays, about = read(path)
    text = about.get("model")
    if about.get("format") != _FORMAT or text is None:
        raise ValueError(f"{path} holds no cnnfast model; for weights alone use model.load_weights")
    weights = _weights_of(arrays)
    # Some room above what the file holds, so that a missing array is told by its name.
    most = sum(a.size for a in weights.values()) + (1 << 20)
    with _described(path), _context.weights_from_file(most):
        model = _made(_parsed(text), custom_objects)
    _assign(path, model.label, named_weights(model), weights)
    if compiled and "compile" in about:
        with _described(path):
            _compile(path, model, _parsed(about["compile"]), arrays, custom_objects)
    return model


def model_from_json(text: str, custom_objects: dict[str, Any] | None) -> Model:
    """See ``cnnfast.models.model_from_json``."""
    with _described("the JSON"):
        return _made(_parsed(text), custom_objects)


@contextlib.contextmanager
def _described(path: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise ValueError(
            f"{path} describes no model that can be made: {type(error).__name__}: {error}"
        ) from error
    except ValueError as error:
        if str(error).startswith(path):
            raise
        raise ValueError(f"{path}: {error}") from error


def _parsed(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("expected a JSON object")
    return found


def _made(config: dict[str, Any], custom_objects: dict[str, Any] | None) -> Model:
    from cnnfast.models.model import Model

    made = deserialize(config, custom_objects)
    if not isinstance(made, Model):
        raise ValueError(f"{config.get('class_name')!r} is no model")
    if not made.built and config.get("build_shape") is not None:
        made._build_once(config["build_shape"])
    if not made.built:
        raise ValueError(
            f"{config.get('class_name')!r} is not built by its configuration; make it yourself and "
            "use load_weights"
        )
    return made


def _compile(
    path: str,
    model: Model,
    config: dict[str, Any],
    arrays: Mapping[str, Array],
    custom_objects: dict[str, Any] | None,
) -> None:
    from cnnfast.models.compiled import Compiled

    try:
        made = Compiled(
            model.label,
            config.get("optimizer"),
            config.get("loss"),
            config.get("loss_weights"),
            config.get("metrics"),
            config.get("weighted_metrics"),
            custom_objects,
        )
    except ValueError as error:
        raise ValueError(f"{error}; pass it in custom_objects, or compile=False") from error
    state = _part(arrays, _OPTIMIZER)
    if state:
        if any("/" in key for key in state):
            made.optimizer.build(model.trainable_weights)
        _assign(path, f"{model.label}: optimizer", made.optimizer.state(), state)
    masks = _part(arrays, _RANDOM)
    if masks:
        _assign(path, f"{model.label}: random states", random_states(model), masks)
    model._compiled = made
    model._forget_programs()
