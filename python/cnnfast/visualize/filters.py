"""The kernels of a convolution as small pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._arrays import scaled
from ._figure import show, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_ROWS = 16  # channels
_MAX_COLUMNS = 32  # filters


def _as_array(value: Any) -> npt.NDArray[Any] | None:
    """A kernel (height, width, channels, filters), or None where the value is none."""
    if hasattr(value, "numpy"):
        value = value.numpy()
    array = np.asarray(value) if not hasattr(value, "get_weights") else None
    return array if array is not None and array.ndim == 4 and array.dtype.kind == "f" else None


def _kernel_of(source: Any, layer: str | int | None) -> tuple[npt.NDArray[Any], str]:
    """The kernel and the name of the layer it belongs to."""
    if hasattr(source, "layers"):
        candidates = list(source.layers)
        if isinstance(layer, int):
            candidates = [candidates[layer]]
        elif layer is not None:
            candidates = [one for one in candidates if one.name == layer]
            if not candidates:
                known = ", ".join(one.name for one in source.layers)
                raise ValueError(f"filters: no layer {layer!r}; the model has {known}")
        for one in candidates:
            for weight in one.get_weights():
                kernel = _as_array(weight)
                if kernel is not None:
                    return kernel, str(one.name)
        raise ValueError("filters: found no convolution with weights; build the model first")
    if hasattr(source, "get_weights"):
        for weight in source.get_weights():
            kernel = _as_array(weight)
            if kernel is not None:
                return kernel, str(source.name)
        raise ValueError(f"filters: layer {source.name!r} has no convolution kernel")
    kernel = _as_array(source)
    if kernel is None:
        raise ValueError(
            "filters: expected a model, a layer or a kernel (height, width, channels, filters), "
            f"got {type(source).__name__} of shape {np.shape(source)}"
        )
    return kernel, ""


def filters(source: Any, layer: str | int | None = None, columns: int = 8) -> Figure:
    """Draw the filters of a convolution: the first one of a model, unless ``layer`` says which.

    Kernels over 3 channels are drawn in colour, over 1 channel in red (positive) and blue
    (negative), all on one scale; over other numbers of channels as a table of channels (rows) by
    filters (columns), at most 16 by 32.

    Args:
        source: a model, a layer, or a kernel (height, width, channels, filters).
        layer: name or index of a layer of the model.
        columns: filters in a row.

    Raises:
        ValueError: there is no such layer, or nothing to draw.
        ImportError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> figure = filters(np.random.default_rng(0).standard_normal((5, 5, 1, 6)))
    """
    kernel, name = _kernel_of(source, layer)
    height, width, channels, count = kernel.shape
    title = f"{name}: " * bool(name) + f"{count} filters, {height}×{width}×{channels}"
    peak = float(np.abs(kernel).max()) or 1.0
    if channels in (1, 3):
        figure, panels = tiles(count, columns, 0.8, 0.8, title)
        for index, axes in enumerate(panels):
            if channels == 3:
                show(axes, scaled(kernel[..., index]))
            else:
                show(axes, kernel[:, :, 0, index], cmap="RdBu_r", vmin=-peak, vmax=peak)
        return figure
    rows, count = min(channels, _MAX_ROWS), min(count, _MAX_COLUMNS)
    if (rows, count) != (channels, kernel.shape[3]):
        title += f", the first {rows} channels of the first {count}"
    figure, panels = tiles(rows * count, count, 0.4, 0.4, title)
    for index, axes in enumerate(panels):
        row, column = divmod(index, count)
        show(axes, kernel[:, :, row, column], cmap="RdBu_r", vmin=-peak, vmax=peak)
    return figure
