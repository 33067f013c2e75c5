"""Labels and pictures in the forms that people have them in."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def labels_of(values: Any, name: str) -> npt.NDArray[np.int64]:
    """Class numbers (n,) from class numbers (n,) or (n, 1), one-hot rows or probabilities."""
    array = np.asarray(values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2:
        best: npt.NDArray[np.int64] = array.argmax(axis=1).astype(np.int64)
        return best
    if array.ndim != 1:
        raise ValueError(
            f"{name} must be class numbers (n,) or one row of scores for each image "
            f"(n, classes), got shape {array.shape}"
        )
    if array.dtype.kind not in "uib" and not np.array_equal(array, np.rint(array)):
        raise ValueError(f"{name} must be class numbers, got {array.dtype} with fractions")
    numbers = array.astype(np.int64)
    if numbers.size and numbers.min() < 0:
        raise ValueError(f"{name} must be class numbers >= 0, got {numbers.min()}")
    return numbers


def pictures_of(values: Any, name: str = "x") -> npt.NDArray[Any]:
    """Images (n, height, width) or (n, height, width, 3) from any usual layout."""
    array = np.asarray(values)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim == 3 or (array.ndim == 4 and array.shape[3] == 3):
        return array
    raise ValueError(
        f"{name} must be images (n, height, width), (n, height, width, 1) or "
        f"(n, height, width, 3), got shape {np.shape(values)}"
    )


def scaled(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Into [0, 1] by the image's own range, for imshow of any dtype."""
    image = np.asarray(image, dtype=np.float64)
    low, high = float(image.min(initial=np.inf)), float(image.max(initial=-np.inf))
    return (image - low) / (high - low) if high > low else np.zeros_like(image)


def same_length(**arrays: Any) -> None:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"expected one label for each image: {text}")


def class_name(label: int, names: Any) -> str:
    if names is None:
        return str(label)
    if label >= len(names):
        raise ValueError(f"class_names has {len(names)} names, label {label} needs {label + 1}")
    return str(names[label])
