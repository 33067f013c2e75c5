"""How large the loss' gradients are, weight by weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnfast import _trace
from cnnfast.layers import _context

if TYPE_CHECKING:
    from cnnfast.layers.layer import Layer
    from cnnfast.models.model import Model


def gradient_norms(model: Model, x: Any, y: Any) -> dict[str, float]:
    """See ``cnnfast.utils.gradient_norms``."""
    from cnnfast.models.model import Model

    if not isinstance(model, Model):
        raise TypeError(f"gradient_norms: expected a model, got {model!r}")
    loss = model.compiled.loss
    if loss is None:
        raise ValueError(
            f"{model.label}: gradient_norms needs a loss; compile(optimizer, loss=...)"
        )
    images, targets = np.asarray(x), np.asarray(y)
    expected = tuple(model.input_shape)[1:]
    fits = len(expected) == images.ndim - 1 and all(
        size is None or size == got for size, got in zip(expected, images.shape[1:], strict=True)
    )
    if not fits or len(images) != len(targets) or not len(images):
        raise ValueError(
            f"{model.label}: gradient_norms expected x (N, {', '.join(map(str, expected))}) and as "
            f"many targets, at least one; got x {images.shape} and y {targets.shape}"
        )
    images = np.ascontiguousarray(images, model.dtype)
    targets = np.ascontiguousarray(targets, "int64" if targets.dtype.kind in "iub" else model.dtype)
    weights = model.trainable_weights
    trace = _trace.Trace()
    with trace.active(), _context.entered(True):
        tensors = [trace.input(array.shape, str(array.dtype)) for array in (images, targets)]
        value = loss(tensors[1], model(tensors[0], training=True))
        gradients = trace.gradients(value, weights)
    kept = [(one, np.array(one.numpy())) for one in model.non_trainable_weights]
    try:
        found = trace.plan(gradients).run(images, targets)
    finally:
        for one, before in kept:  # moving statistics
            one.assign(before)
    names = _names(model)
    return {
        names[id(weight)]: float(np.linalg.norm(gradient.astype(np.float64)))
        for weight, gradient in zip(weights, found, strict=True)
    }


def _names(model: Layer) -> dict[int, str]:
    return {
        id(weight): f"{layer.name}/{weight.name}"
        for layer in model.flatten_layers()
        for weight in layer._weights
    }
