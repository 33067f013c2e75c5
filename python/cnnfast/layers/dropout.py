"""Dropout, of single values and of whole channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnfast import ops
from cnnfast.layers._arguments import image_format, image_input
from cnnfast.layers.random_layer import RandomLayer


class _Dropout(RandomLayer):
    """What both have: a rate, and nothing to do where it is 0 or the network does not train."""

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(seed=seed, **kwargs)
        if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)):
            raise TypeError(f"{self.label}: rate must be a number, got {rate!r}")
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"{self.label}: rate must be between 0 and 1, got {rate!r}")
        self.rate = float(rate)

    @property
    def random_states(self) -> list[Any]:
        """States to raise after a training step."""
        return super().random_states if 0.0 < self.rate < 1.0 else []

    def call(self, x: Any, training: bool = False) -> Any:
        if not training or self.rate == 0.0:
            return x
        if self.rate == 1.0:
            return ops.multiply(x, 0.0)
        y = self._drop(x)
        self._move_on(x)
        return y

    def _drop(self, x: Any) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}


class Dropout(_Dropout):
    """In training sets a share of the values to 0 and divides the others by ``1 - rate``.

    The mask comes from a counter (Philox4x32-10; Salmon et al., 2011): nothing is stored for the
    backward pass, and the same seed gives the same masks whatever the number of threads.

    Args:
        rate: the share, 0 <= rate <= 1.
        noise_shape: not supported.
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: a rate outside of [0, 1].

    >>> import numpy as np
    >>> from cnnfast.layers import Dropout
    >>> Dropout(0.5)(np.ones((1, 3), "float32"))        # not training: nothing happens
    array([[1., 1., 1.]], dtype=float32)
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        if noise_shape is not None:
            raise ValueError(f"{self.label}: noise_shape is not supported; leave it out")

    def _drop(self, x: Any) -> Any:
        return ops.dropout(x, self.rate, self._state)


class SpatialDropout2D(_Dropout):
    """In training sets a share of the channels to 0 and divides the others by ``1 - rate``.

    Neighbouring pixels of a feature map say nearly the same: dropping single ones leaves what they
    say, dropping the whole map does not (Tompson et al., 2015, arXiv:1411.4280).

    Args:
        rate: the share, 0 <= rate <= 1.
        data_format: "channels_last" (also None) or "channels_first".
        seed: None takes one from the process' generator (``cnnfast.set_random_seed``).

    Raises:
        ValueError: a rate outside of [0, 1], an input of another rank.

    >>> import numpy as np
    >>> from cnnfast.layers import SpatialDropout2D
    >>> y = SpatialDropout2D(0.5, seed=1)(np.ones((1, 4, 4, 8), "float32"), training=True)
    >>> bool((y == y[:, :1, :1]).all())
    True
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = image_format(self.label, data_format)

    def call(self, x: Any, training: bool = False) -> Any:
        image_input(self.label, x.shape, self.data_format)
        return super().call(x, training)

    def _drop(self, x: Any) -> Any:
        channels = image_input(self.label, x.shape, self.data_format)
        drawn = ops.random_uniform(x, self._state, channels)
        factor = ops.multiply(
            ops.cast(ops.greater_equal(drawn, self.rate), self.dtype), 1.0 / (1.0 - self.rate)
        )
        last = self.data_format == "channels_last"
        return ops.multiply(
            x, ops.reshape(factor, (-1, 1, 1, channels) if last else (-1, channels, 1, 1))
        )

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}
