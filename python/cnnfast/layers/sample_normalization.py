"""Layer, group and local response normalisation: each sample by itself, no moving averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnfast import ops
from cnnfast.layers._arguments import ANOTHER_LAYER, whole
from cnnfast.layers._scaling import ScalingLayer, axis_size, number
from cnnfast.layers.layer import Layer


class LayerNormalization(ScalingLayer):
    """Mean 0 and variance 1 over ``axis`` of every sample, then gamma and beta.

    Output: the input's shape. Weights gamma and beta have the sizes of ``axis``. Ba, Kiros and
    Hinton, "Layer Normalization", 2016.

    Args:
        axis: one axis or several, not the batch.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: see ``cnnfast.initializers``.
        beta_regularizer, gamma_regularizer: see ``cnnfast.regularizers``.
        **kwargs: those of :class:`Layer`.

    Raises:
        ValueError, TypeError: an axis that the input does not have, whose size is unknown or
            another than at the first call.

    >>> import numpy as np
    >>> from cnnfast.layers import LayerNormalization
    >>> LayerNormalization(epsilon=0.0)(np.array([[1.0, 3.0], [2.0, 8.0]], "float32"))
    array([[-1.,  1.],
           [-1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        several = list(axis) if isinstance(axis, (list, tuple)) else [axis]
        self.axis = [whole(self.label, "axis", one, -(2**62)) for one in several]
        if not self.axis:
            raise ValueError(f"{self.label}: axis names no axis")
        self._sizes: tuple[int, ...] = ()

    def build(self, input_shape: Any) -> None:
        self._sizes = self._sizes_of(input_shape)
        self.add_scaling(self._sizes)

    def call(self, x: Any) -> Any:
        sizes = self._sizes_of(x.shape)
        if sizes != self._sizes:
            raise ValueError(
                f"{self.label}: axes {self.axis} of the input have sizes {sizes}, the layer was "
                f"built for {self._sizes}; got x {tuple(x.shape)}; {ANOTHER_LAYER}"
            )
        return ops.layer_norm(x, self.gamma, self.beta, self.axis, self.epsilon)

    def _sizes_of(self, shape: Any) -> tuple[int, ...]:
        found = {axis % len(shape): axis_size(self.label, shape, axis) for axis in self.axis}
        if len(found) != len(self.axis):
            raise ValueError(f"{self.label}: axis {self.axis} names an axis twice")
        return tuple(found[axis] for axis in sorted(found))

    def get_config(self) -> dict[str, Any]:
        axis = self.axis[0] if len(self.axis) == 1 else self.axis
        return {**super().get_config(), "axis": axis}


class GroupNormalization(ScalingLayer):
    """Mean 0 and variance 1 for every sample and group of channels, then gamma and beta.

    Statistics of a group are over all its positions and its C / groups neighbouring channels.
    Output: the input's shape. Weights gamma and beta, (C,). Wu and He, "Group Normalization",
    ECCV 2018.

    Args:
        groups: a divisor of the channels; -1: as many as channels (instance normalisation).
        axis: that of the channels; 1 for channels first.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer: see ``cnnfast.initializers``.
        beta_regularizer, gamma_regularizer: see ``cnnfast.regularizers``.
        **kwargs: those of :class:`Layer`.

    Raises:
        ValueError, TypeError: groups that do not divide the channels, an axis that the input does
            not have, other channels than at the first call.

    >>> import numpy as np
    >>> from cnnfast.layers import GroupNormalization
    >>> GroupNormalization(2, epsilon=0.0)(np.array([[1.0, 3.0, 10.0, 30.0]], "float32"))
    array([[-1.,  1., -1.,  1.]], dtype=float32)
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        self.groups = whole(self.label, "groups", groups, -1)
        if self.groups == 0:
            raise ValueError(f"{self.label}: groups must be at least 1, or -1, got {groups!r}")
        self.axis = whole(self.label, "axis", axis, -(2**62))
        self._channels = 0

    def build(self, input_shape: Any) -> None:
        self._channels = axis_size(self.label, input_shape, self.axis)
        groups = self._channels if self.groups == -1 else self.groups
        if groups > self._channels or self._channels % groups:
            raise ValueError(
                f"{self.label}: {groups} groups do not divide the {self._channels} channels of "
                f"axis {self.axis}, input {tuple(input_shape)}; choose a divisor, or -1 for a "
                "group of each channel"
            )
        self.add_scaling((self._channels,))

    def call(self, x: Any) -> Any:
        found = axis_size(self.label, x.shape, self.axis)
        if found != self._channels:
            raise ValueError(
                f"{self.label}: input has {found} channel{'' if found == 1 else 's'}, the layer "
                f"was built for {self._channels}; got x {tuple(x.shape)}, axis {self.axis}; "
                f"{ANOTHER_LAYER}"
            )
        groups = self._channels if self.groups == -1 else self.groups
        return ops.group_norm(x, groups, self.gamma, self.beta, self.axis, self.epsilon)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups, "axis": self.axis}


class LocalResponseNormalization(Layer):
    """Each value divided by a power of the mean square of its neighbours across channels.

    ``y[c] = x[c] / (k + alpha / size * sum of x^2 over size channels around c)^beta``; AlexNet's
    normalisation (Krizhevsky, Sutskever and Hinton, 2012, section 3.3). Names, defaults and the
    division of alpha by size are those of ``torch.nn.LocalResponseNorm``; the paper does not
    divide, so that its k = 2, n = 5, alpha = 1e-4, beta = 0.75 is
    ``LocalResponseNormalization(5, 5e-4, 0.75, 2.0)``. No weights.

    Args:
        size: how many neighbouring channels.
        alpha, beta, k: see above; alpha at least 0, k above 0.
        axis: that of the channels; 1 for channels first.
        **kwargs: those of :class:`Layer`.

    Raises:
        ValueError, TypeError: arguments outside of their bounds, an axis that the input does not
            have.

    >>> import numpy as np
    >>> from cnnfast.layers import LocalResponseNormalization
    >>> LocalResponseNormalization(3, 3.0, 0.5, 11.0)(np.array([[3.0, 4.0]], "float32"))
    array([[0.5      , 0.6666667]], dtype=float32)
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        axis: int = -1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.size = whole(self.label, "size", size)
        self.alpha = number(self.label, "alpha", alpha, 0.0)
        self.beta = number(self.label, "beta", beta, -float("inf"))
        self.k = number(self.label, "k", k, 0.0)
        if self.k == 0.0:
            raise ValueError(f"{self.label}: k must be above 0, got {k!r}")
        self.axis = whole(self.label, "axis", axis, -(2**62))

    def call(self, x: Any) -> Any:
        axis_size(self.label, x.shape, self.axis)
        return ops.local_response_normalization(
            x, self.size, self.alpha, self.beta, self.k, self.axis
        )

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "k": self.k,
            "axis": self.axis,
        }
