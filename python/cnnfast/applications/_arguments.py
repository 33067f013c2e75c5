"""What the networks here share: arguments checked once, weights of a file."""

from __future__ import annotations

import os
from typing import Any

from cnnfast.layers import GlobalAveragePooling2D, GlobalMaxPooling2D, Input, Layer

# He et al., Delving deep into rectifiers, ICCV 2015: a variance of 2 / fan_in keeps the signal's
# size through any number of rectified layers; with Glorot's, a VGG-16 begins nearly silent.
RELU: dict[str, Any] = {"activation": "relu", "kernel_initializer": "he_uniform"}

ImageShape = tuple[int | None, int | None, int]


def image_shape(network: str, input_shape: Any, least: int, fixed: bool = True) -> ImageShape:
    """(height, width, channels) of the pictures that a network takes.

    Args:
        network: its name, for messages.
        input_shape: what the caller gave.
        least: the smallest height and width that leave something for the last pooling.
        fixed: whether height and width must be known, because a dense layer follows.

    Raises:
        TypeError: no tuple of integers.
        ValueError: another rank, pictures smaller than ``least``, sizes that must be known.
    """
    wanted = f"(height, width, channels), e.g. ({least}, {least}, 3)"
    if not isinstance(input_shape, (tuple, list)):
        raise TypeError(f"{network}: input_shape must be {wanted}; got {input_shape!r}")
    if len(input_shape) != 3:
        raise ValueError(
            f"{network}: input_shape must be {wanted}, without the batch; got {tuple(input_shape)}"
        )
    sizes: list[int | None] = []
    for size in input_shape:
        if size is not None and (isinstance(size, bool) or not hasattr(size, "__index__")):
            raise TypeError(f"{network}: input_shape must be {wanted}; got {tuple(input_shape)}")
        sizes.append(None if size is None else size.__index__())
    height, width, channels = sizes
    if channels is None or channels < 1:
        raise ValueError(
            f"{network}: the number of channels must be known and at least 1, got input_shape "
            f"{tuple(input_shape)}; grey pictures have 1, colour has 3"
        )
    if fixed and (height is None or width is None):
        raise ValueError(
            f"{network}: height and width must be known for the dense layers, got input_shape "
            f"{tuple(input_shape)}; give them, or leave the classifier out: include_top=False"
        )
    if any(size is not None and size < least for size in (height, width)):
        raise ValueError(
            f"{network}: pictures must be at least {least}x{least}, got input_shape "
            f"{tuple(input_shape)}; make them larger"
        )
    return height, width, channels


def entrance(
    network: str, input_tensor: Any, input_shape: Any, usual: Any, least: int, fixed: bool
) -> Any:
    """The Tensor that a network begins with.

    Args:
        input_tensor: the caller's, or None.
        input_shape: the caller's, or None.
        usual: the shape where neither is given.
        least, fixed: as for :func:`image_shape`.

    Raises:
        ValueError, TypeError: both are given and differ, or a shape that does not work.
    """
    if input_tensor is None:
        shape = image_shape(network, usual if input_shape is None else input_shape, least, fixed)
        return Input(shape=shape)
    if not hasattr(input_tensor, "shape"):
        raise TypeError(
            f"{network}: input_tensor must be what Input(shape) returned, got {input_tensor!r}"
        )
    shape = image_shape(network, tuple(input_tensor.shape)[1:], least, fixed)
    if input_shape is not None and tuple(input_shape) != shape:
        raise ValueError(
            f"{network}: input_tensor has shape {shape}, input_shape says {tuple(input_shape)}; "
            "give one of them"
        )
    return input_tensor


def fraction(network: str, name: str, value: Any) -> float:
    """A number in [0, 1): a dropout rate.

    Raises:
        TypeError: no number.
        ValueError: outside of the range.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{network}: {name} must be a number in [0, 1), got {value!r}")
    if not 0 <= value < 1:
        raise ValueError(f"{network}: {name} must be in [0, 1), got {value!r}")
    return float(value)


def has_top(network: str, include_top: Any) -> bool:
    """``include_top``; says what to write where a shape came in its place.

    Raises:
        TypeError: no bool.
    """
    if not isinstance(include_top, bool):
        raise TypeError(
            f"{network}: include_top must be True or False, got {include_top!r}; pass a shape as "
            "input_shape=(height, width, channels)"
        )
    return include_top


def pooled(network: str, pooling: Any) -> list[Layer]:
    """What stands at the end of a network without its classifier.

    Args:
        pooling: None: the maps themselves; "avg" or "max": one value for each map.

    Raises:
        ValueError: another word.
    """
    if pooling is None:
        return []
    if pooling == "avg":
        return [GlobalAveragePooling2D(name="avg_pool")]
    if pooling == "max":
        return [GlobalMaxPooling2D(name="max_pool")]
    raise ValueError(f"{network}: pooling must be None, 'avg' or 'max', got {pooling!r}")


def weights_file(network: str, weights: Any) -> str | None:
    """The path of a file of weights; None leaves them random.

    Raises:
        ValueError: a name such as "imagenet": no trained weights come with cnnfast.
        FileNotFoundError: a path where there is no file.
        TypeError: neither None nor a path.
    """
    if weights is None:
        return None
    if not isinstance(weights, (str, bytes, os.PathLike)):
        raise TypeError(f"{network}: weights must be None or the path of a file, got {weights!r}")
    path = os.fsdecode(weights)
    if os.path.exists(path):
        return path
    if not os.path.dirname(path) and not os.path.splitext(path)[1]:
        raise ValueError(
            f"{network}: cnnfast ships no trained weights, so weights={path!r} cannot be had; "
            "use weights=None, or the path of a file that model.save_weights wrote"
        )
    raise FileNotFoundError(f"{network}: there is no file {path} to read weights from")
