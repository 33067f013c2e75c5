"""A penalty on what flows through a network."""

from __future__ import annotations

from typing import Any

from cnnfast import ops
from cnnfast.layers.layer import Layer


class ActivityRegularization(Layer):
    """Passes its input on and adds ``l1 * sum(abs(x)) + l2 * sum(x ** 2)`` to the training loss.

    The sums go over the values of a sample; of a batch their mean is taken, as in Keras, so that
    the penalty does not grow with the batch.

    Args:
        l1, l2: weights of the two sums, at least 0.

    Raises:
        ValueError: a negative weight.

    >>> import numpy as np
    >>> from cnnfast.layers import ActivityRegularization
    >>> ActivityRegularization(l2=0.1)(np.ones((1, 2), "float32"))
    array([[1., 1.]], dtype=float32)
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("l1", l1), ("l2", l2)):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise TypeError(f"{self.label}: {name} must be a number, got {value!r}")
            if not 0 <= value < float("inf"):
                raise ValueError(f"{self.label}: {name} must be at least 0, got {value!r}")
        self.l1, self.l2 = float(l1), float(l2)

    def call(self, x: Any) -> Any:
        if self.l1:
            self.add_loss(ops.multiply(_of_a_sample(ops.abs(x)), self.l1))
        if self.l2:
            self.add_loss(ops.multiply(_of_a_sample(ops.square(x)), self.l2))
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}


def _of_a_sample(x: Any) -> Any:
    """The mean over samples of the sums over all other axes."""
    axes = tuple(range(1, len(x.shape)))
    return ops.mean(ops.sum(x, axis=axes) if axes else x)
