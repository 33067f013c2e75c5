"""Batch normalisation (Ioffe and Szegedy, 2015)."""

from __future__ import annotations

from typing import Any

from cnnfast import _trace, initializers, ops
from cnnfast.layers._arguments import ANOTHER_LAYER, whole
from cnnfast.layers._scaling import ScalingLayer, axis_size, number
from cnnfast.layers.base_conv import refuse_unsupported


class BatchNormalization(ScalingLayer):
    """Each channel brought to mean 0 and variance 1, then scaled by gamma and shifted by beta.

    In training the mean and the biased variance are those of the batch, over all axes but
    ``axis``, and the moving averages follow them:
    ``moving = moving * momentum + batch * (1 - momentum)``. Otherwise, and always where
    ``trainable`` is False, the moving averages are used and stay as they are.

    Output: the input's shape. Weights, each (channels,): gamma, beta, and, not trainable,
    moving_mean and moving_variance. Ioffe and Szegedy, "Batch Normalization", ICML 2015.

    Args:
        axis: that of the channels; 1 for channels first.
        momentum: how much of the moving averages stays at each step.
        epsilon: added to the variance.
        center, scale: whether there is a beta, a gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer,
        moving_variance_initializer: see ``cnnfast.initializers``.
        beta_regularizer, gamma_regularizer: see ``cnnfast.regularizers``.
        renorm, synchronized: not supported; False.
        **kwargs: those of :class:`Layer`.

    Raises:
        ValueError, TypeError: an axis that the input does not have or whose size is unknown, an
            input of other channels than at the first call, momentum outside of [0, 1].

    >>> import numpy as np
    >>> from cnnfast.layers import BatchNormalization
    >>> layer = BatchNormalization(epsilon=0.0)
    >>> layer(np.array([[1.0], [3.0]], "float32"), training=True)
    array([[-1.],
           [ 1.]], dtype=float32)
    >>> layer.moving_mean.numpy().round(6)
    array([0.02], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
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
        if isinstance(axis, (list, tuple)) and len(axis) == 1:
            axis = axis[0]
        self.axis = whole(self.label, "axis", axis, -(2**62))
        self.momentum = number(self.label, "momentum", momentum, 0.0, 1.0)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        refuse_unsupported(
            self.label,
            renorm=renorm or None,
            renorm_clipping=renorm_clipping,
            synchronized=synchronized or None,
        )

    def build(self, input_shape: Any) -> None:
        size = (axis_size(self.label, input_shape, self.axis),)
        self.add_scaling(size)
        self.moving_mean = self.add_weight(
            size, self.moving_mean_initializer, trainable=False, name="moving_mean"
        )
        self.moving_variance = self.add_weight(
            size, self.moving_variance_initializer, trainable=False, name="moving_variance"
        )

    def call(self, x: Any, training: bool = False, mask: Any = None) -> Any:
        refuse_unsupported(self.label, mask=mask)
        expected = self.moving_mean.shape[0]
        if axis_size(self.label, x.shape, self.axis) != expected:
            found = x.shape[self.axis]
            raise ValueError(
                f"{self.label}: input has {found} channel{'' if found == 1 else 's'}, the layer "
                f"was built for {expected}; got x {tuple(x.shape)}, axis {self.axis}; "
                f"{ANOTHER_LAYER}"
            )
        if not (training and self.trainable):
            return ops.batch_normalization(
                x,
                self.moving_mean,
                self.moving_variance,
                self.axis,
                self.beta,
                self.gamma,
                self.epsilon,
            )
        y, mean, variance = ops.batch_norm(
            x, self.gamma, self.beta, axis=self.axis, epsilon=self.epsilon
        )
        for average, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            _trace.apply("moving_average", [average, batch], {"momentum": self.momentum})
        return y

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
        }
