"""Arguments that several layers share, checked once with the layer's label in the message."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

#: How messages end about an input that the weights of a layer do not fit.
ANOTHER_LAYER = "its weights were made for the input it saw first: make another layer for this one"


def layer_dtype(label: str, dtype: Any) -> str:
    """ "float32" or "float64"."""
    if dtype is None:
        return "float32"
    name = str(getattr(dtype, "name", getattr(dtype, "__name__", dtype)))
    if name not in ("float32", "float64"):
        raise ValueError(f"{label}: dtype must be 'float32' or 'float64', got {dtype!r}")
    return name


def layer_shape(label: str, name: str, shape: Any) -> tuple[int | None, ...]:
    """A tuple of sizes >= 0 and None."""
    if not isinstance(shape, (tuple, list)):
        raise TypeError(f"{label}: {name} must be a tuple of integers, got {shape!r}")
    sizes: list[int | None] = []
    for size in shape:
        if size is None:
            sizes.append(None)
            continue
        sizes.append(whole(label, name, size, 0))
    return tuple(sizes)


def whole(label: str, name: str, value: Any, least: int = 1) -> int:
    """An integer of 64 bits, at least ``least``."""
    if isinstance(value, bool):
        raise TypeError(f"{label}: {name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{label}: {name} must be an integer, got {value!r} ({type(value).__name__})"
        ) from None
    if not least <= number < 2**63:
        bound = f"at least {least}" if number < least else "below 2**63"
        raise ValueError(f"{label}: {name} must be {bound}, got {value!r}")
    return number


def signed(label: str, name: str, value: Any) -> int:
    """An integer of 64 bits."""
    return whole(label, name, value, -(2**63))


def pair(label: str, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """(vertical, horizontal) from one integer or two."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{label}: {name} must be one integer or two, got {value!r}")
        return whole(label, name, value[0], least), whole(label, name, value[1], least)
    number = whole(label, name, value, least)
    return number, number


def several(label: str, name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    """``count`` integers from one, or from a sequence of that many."""
    if isinstance(value, (tuple, list)):
        if len(value) != count:
            wanted = {1: "one integer", 2: "one integer or two"}.get(count, f"{count} integers")
            raise ValueError(f"{label}: {name} must be {wanted}, got {value!r}")
        return tuple(whole(label, name, each, least) for each in value)
    return (whole(label, name, value, least),) * count


def window_padding(label: str, value: Any, modes: tuple[str, ...] = ("valid", "same")) -> Any:
    """One of ``modes`` in lower case, or explicit padding as ``ops`` takes it."""
    listed = f"{', '.join(map(repr, modes[:-1]))} or {modes[-1]!r}"
    if isinstance(value, str):
        mode = value.lower()
        if mode not in modes:
            raise ValueError(f"{label}: padding must be {listed}, got {value!r}")
        return mode
    if isinstance(value, bool) or not isinstance(value, (int, tuple, list)):
        raise TypeError(f"{label}: padding must be {listed}, got {value!r}")
    return value


def image_format(label: str, value: Any) -> str:
    """ "channels_last" or "channels_first"; None is the former."""
    if value is None:
        return "channels_last"
    if value not in ("channels_last", "channels_first"):
        raise ValueError(
            f"{label}: data_format must be 'channels_last' or 'channels_first', got {value!r}"
        )
    return str(value)


def image_input(label: str, input_shape: Sequence[int | None], data_format: str) -> int:
    """The number of channels of a (batch, height, width, channels) input shape.

    Raises:
        ValueError: another rank, an unknown number of channels.
    """
    return window_input(label, input_shape, data_format, 2)


def window_input(label: str, input_shape: Sequence[int | None], data_format: str, axes: int) -> int:
    """The number of channels of an input with ``axes`` axes between batch and channels.

    Raises:
        ValueError: another rank, an unknown number of channels.
    """
    last = data_format == "channels_last"
    places = "height, width" if axes == 2 else "steps"
    expected = f"(batch, {places}, channels)" if last else f"(batch, channels, {places})"
    if len(input_shape) != axes + 2:
        example = "x[..., None] for grey images" if axes == 2 else "x[..., None] for one channel"
        raise ValueError(
            f"{label}: expected an input {expected}, got shape {tuple(input_shape)}; "
            f"add the axes that are missing, e.g. {example}"
        )
    channels = input_shape[-1] if last else input_shape[1]
    if channels is None:
        raise ValueError(f"{label}: the number of channels must be known, got {tuple(input_shape)}")
    return channels
