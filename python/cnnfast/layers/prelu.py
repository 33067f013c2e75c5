"""A rectifier that learns its slope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import initializers, ops, regularizers
from cnnfast.layers._arguments import ANOTHER_LAYER, whole
from cnnfast.layers.layer import Layer


class PReLU(Layer):
    """x where positive, else ``alpha * x`` with a learned alpha (He et al., 2015, arXiv:1502.01852).

    Args:
        alpha_initializer: what alpha begins with; zeros: a ReLU.
        alpha_regularizer: a penalty on alpha.
        alpha_constraint: not supported.
        shared_axes: axes, the first behind the batch is 1, along which one alpha serves:
            ``[1, 2]`` gives images one for each channel. None: one for each value of a sample.

    Raises:
        ValueError: axes that the input has not, sizes that are not known and not shared.

    >>> import numpy as np
    >>> from cnnfast.layers import PReLU
    >>> layer = PReLU("ones", shared_axes=[1, 2])
    >>> layer(np.full((1, 4, 4, 3), -2, "float32"))[0, 0, 0], layer.count_params()
    (array([-2., -2., -2.], dtype=float32), 3)
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if alpha_constraint is not None:
            raise ValueError(f"{self.label}: alpha_constraint is not supported; leave it out")
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        if shared_axes is None:
            self.shared_axes: list[int] | None = None
        else:
            several = shared_axes if isinstance(shared_axes, (list, tuple)) else [shared_axes]
            self.shared_axes = [whole(self.label, "shared_axes", axis) for axis in several]

    def build(self, input_shape: Any) -> None:
        shape = list(input_shape[1:])
        for axis in self.shared_axes or ():
            if axis > len(shape):
                raise ValueError(
                    f"{self.label}: shared_axes {self.shared_axes} must be axes of the input, "
                    f"which has shape {tuple(input_shape)}"
                )
            shape[axis - 1] = 1
        if None in shape:
            raise ValueError(
                f"{self.label}: every axis of {tuple(input_shape)} but the batch must be known "
                "or named in shared_axes"
            )
        self.alpha = self.add_weight(
            shape, self.alpha_initializer, regularizer=self.alpha_regularizer, name="alpha"
        )

    def call(self, x: Any) -> Any:
        sizes = zip(self.alpha.shape, x.shape[1:], strict=False)
        if len(x.shape) != len(self.alpha.shape) + 1 or any(a not in (1, b) for a, b in sizes):
            raise ValueError(
                f"{self.label}: slopes {tuple(self.alpha.shape)} do not fit x {tuple(x.shape)}; "
                f"{ANOTHER_LAYER}"
            )
        return ops.prelu(x, self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "shared_axes": self.shared_axes,
        }
