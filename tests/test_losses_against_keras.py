"""Losses, reductions and their gradients, equal to Keras' and torch's on the same numbers."""

import numpy as np
import pytest

import cnnfast
from cnnfast import losses, ops

keras = pytest.importorskip("keras")

CASES = [
    ("CategoricalCrossentropy", {}),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.2}),
    ("CategoricalCrossentropy", {"axis": 1, "from_logits": True}),
    ("SparseCategoricalCrossentropy", {}),
    ("SparseCategoricalCrossentropy", {"from_logits": True}),
    ("BinaryCrossentropy", {}),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.3}),
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
    ("Huber", {}),
    ("Huber", {"delta": 0.3}),
]


def _operands(name, arguments, rng):
    """y_true, y_pred: (6, 5), or (6, 5, 4) with classes last or in the middle."""
    shape = (6, 5, 4)
    axis = arguments.get("axis", -1)
    z = rng.standard_normal(shape).astype("float32")
    if "Crossentropy" not in name:
        return rng.standard_normal(shape).astype("float32"), z
    if name.startswith("Binary"):
        y = rng.integers(0, 2, shape).astype("float32")
        return y, z if arguments.get("from_logits") else 1 / (1 + np.exp(-z))
    if not arguments.get("from_logits"):
        z = np.exp(z) / np.exp(z).sum(axis, keepdims=True)
    labels = rng.integers(0, shape[axis], np.delete(shape, axis))
    if name.startswith("Sparse"):
        return labels, z
    return np.moveaxis(np.eye(shape[axis], dtype="float32")[labels], -1, axis), z


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, (c[0], *c[1].items()))))
def test_values_gradients_reductions(case, rng):
    import torch

    name, arguments = case
    y, z = _operands(name, arguments, rng)
    places = getattr(losses, name)(reduction="none", **arguments)(y, z).shape
    assert places in ((6, 5), (6, 4))
    full, samples = rng.random(places).astype("float32"), rng.random(6).astype("float32")
    for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight", "none"):
        mine = getattr(losses, name)(reduction=reduction, **arguments)
        theirs = getattr(keras.losses, name)(reduction=reduction, **arguments)
        for weights in (None, full, samples):
            seen = weights
            if weights is samples:  # Keras broadcasts to the left; ours means one a sample
                seen = np.broadcast_to(samples[:, None], places)
            prediction = torch.tensor(z, requires_grad=True)
            expected = theirs(
                torch.tensor(y), prediction, None if seen is None else torch.tensor(seen.copy())
            )
            np.testing.assert_allclose(
                mine(y, z, weights), expected.detach().numpy(), rtol=2e-5, atol=1e-6
            )
            if reduction == "none":
                continue
            expected.backward()
            _, gradient = cnnfast.value_and_grad(lambda p: mine(y, p, weights))(z)  # noqa: B023
            np.testing.assert_allclose(gradient, prediction.grad.numpy(), rtol=1e-4, atol=2e-6)


def test_sigmoid_and_crossentropy_are_one_op():
    """Far from 0 too: the gradient of sigmoid then logarithm is sigmoid(z) - y."""
    import torch

    z = np.array([[-200.0, 200.0, 0.5], [30.0, -30.0, 12.0]], "float32")
    y = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], "float32")
    logits = torch.tensor(z, requires_grad=True)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.tensor(y), reduction="none"
    )
    expected.sum().backward()
    written = {
        "sigmoid, then loss": lambda v: ops.binary_crossentropy(y, ops.sigmoid(v)),
        "from logits": lambda v: ops.binary_crossentropy(y, v, from_logits=True),
    }
    for what, function in written.items():
        compiled = cnnfast.compile(function)
        np.testing.assert_allclose(
            compiled(z), expected.detach().numpy(), rtol=1e-5, atol=1e-7, err_msg=what
        )
        _, gradient = cnnfast.value_and_grad(lambda v: ops.sum(function(v)))(z)  # noqa: B023
        np.testing.assert_allclose(gradient, logits.grad.numpy(), rtol=1e-5, atol=1e-7)


def test_gradients_in_float64(rng):
    from check import numeric_gradient

    y = rng.random((3, 4))
    for logits in (True, False):
        p = rng.standard_normal((3, 4)) if logits else rng.uniform(0.05, 0.95, (3, 4))

        def of(p, y):
            return ops.sum(ops.square(ops.binary_crossentropy(y, p, logits, 0.2)))  # noqa: B023

        _, gradients = cnnfast.value_and_grad(of, argnums=(0, 1))(p, y)
        for index, gradient in enumerate(gradients):
            expected = numeric_gradient(of, [p, y], index)
            np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-7)
