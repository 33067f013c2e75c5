"""Layers that change the shape and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import ops
from cnnfast.layers._arguments import image_format, whole
from cnnfast.layers.layer import Layer


class Flatten(Layer):
    """(N, ...) to (N, everything else in one axis); a view, without a copy.

    With ``data_format="channels_first"`` the channels are moved last before, as Keras does, so
    that weights of a network do not depend on the format it was fed in.

    >>> import numpy as np
    >>> from cnnfast.layers import Flatten
    >>> Flatten()(np.zeros((2, 3, 4), "float32")).shape
    (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = image_format(self.label, data_format)

    def call(self, x: Any) -> Any:
        rank = len(x.shape)
        if self.data_format == "channels_first" and rank > 2:
            x = ops.transpose(x, [0, *range(2, rank), 1])
        if rank == 1:
            return ops.reshape(x, (-1, 1))
        return ops.flatten(x)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class Reshape(Layer):
    """(N, ...) to (N, *target_shape).

    Args:
        target_shape: of one sample; one size may be -1 and follows from the others.

    Raises:
        ValueError: sizes that do not hold as many values as the input.

    >>> import numpy as np
    >>> from cnnfast.layers import Reshape
    >>> Reshape((2, -1))(np.zeros((5, 6), "float32")).shape
    (5, 2, 3)
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(target_shape, (tuple, list)):
            raise TypeError(f"{self.label}: target_shape must be a tuple, got {target_shape!r}")
        self.target_shape = tuple(
            whole(self.label, "target_shape", size, -1) for size in target_shape
        )
        if self.target_shape.count(-1) > 1:
            raise ValueError(
                f"{self.label}: only one size of target_shape may be -1, got {self.target_shape}"
            )

    def call(self, x: Any) -> Any:
        held, rest, unknown = 1, 1, False
        for size in x.shape[1:]:
            unknown = unknown or size is None
            held *= 1 if size is None else size
        for size in self.target_shape:
            rest *= 1 if size == -1 else size
        fits = held % rest == 0 if -1 in self.target_shape and rest else held == rest
        if not unknown and not fits:
            raise ValueError(
                f"{self.label}: a sample of shape {tuple(x.shape[1:])} holds {held} values, "
                f"target_shape {self.target_shape} does not"
            )
        target = list(self.target_shape)
        if -1 in target and not unknown and rest:
            target[target.index(-1)] = held // rest
        return ops.reshape(x, (-1 if x.shape[0] is None else x.shape[0], *target))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": list(self.target_shape)}


class Permute(Layer):
    """Reorders the axes of a sample; they count from 1, the batch stays first.

    Args:
        dims: e.g. ``(2, 1)`` swaps the two axes after the batch.

    Raises:
        ValueError: dims that are no permutation of 1..n; an input of another rank.

    >>> import numpy as np
    >>> from cnnfast.layers import Permute
    >>> Permute((2, 1))(np.zeros((4, 3, 5), "float32")).shape
    (4, 5, 3)
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(dims, (tuple, list)):
            raise TypeError(f"{self.label}: dims must be a tuple, got {dims!r}")
        self.dims = tuple(whole(self.label, "dims", dim) for dim in dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                f"{self.label}: dims must be a permutation of 1..{len(self.dims)}, got {self.dims}"
            )

    def call(self, x: Any) -> Any:
        if len(x.shape) != len(self.dims) + 1:
            raise ValueError(
                f"{self.label}: dims {self.dims} expect {len(self.dims) + 1} axes, "
                f"got shape {tuple(x.shape)}"
            )
        return ops.transpose(x, [0, *self.dims])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": list(self.dims)}
