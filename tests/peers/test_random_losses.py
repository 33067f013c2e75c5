"""Losses of randomly drawn arguments against Keras and torch: values and gradients."""

import numpy as np
import pytest

import cnnfast
from cnnfast import losses
from peers.sides import (
    KERAS_TOLERANCE,
    agree,
    draws,
    keras_module,
    leaf,
    normal,
    pick,
    torch_module,
)

torch = torch_module()


def shape(rng):
    return pick(rng, (7, 5), (1, 3), (4, 6, 3), (2, 3, 4, 5))


def positive(rng, size):
    return np.abs(normal(rng, size)) + 0.05


def distribution(rng, size):
    values = positive(rng, size)
    return values / values.sum(-1, keepdims=True)


def one_hot(rng, size):
    return np.eye(size[-1])[rng.integers(0, size[-1], size[:-1])]


def crossentropy(rng, targets):
    size, logits = shape(rng), bool(rng.integers(2))
    y_pred = normal(rng, size, 3) if logits else distribution(rng, size)
    return {"from_logits": logits}, targets(rng, size), y_pred


def CategoricalCrossentropy(rng):
    arguments, *arrays = crossentropy(rng, pick(rng, one_hot, distribution))
    return {**arguments, "label_smoothing": pick(rng, 0.0, 0.1, 0.3)}, *arrays


def SparseCategoricalCrossentropy(rng):
    return crossentropy(rng, lambda rng, size: rng.integers(0, size[-1], size[:-1]))


def BinaryCrossentropy(rng):
    size, logits = shape(rng), bool(rng.integers(2))
    y_pred = normal(rng, size, 3) if logits else rng.uniform(0.02, 0.98, size)
    arguments = {"from_logits": logits, "label_smoothing": pick(rng, 0.0, 0.2)}
    return arguments, rng.integers(0, 2, size).astype("float64"), y_pred


def MeanSquaredError(rng):
    size = shape(rng)
    return {}, normal(rng, size), normal(rng, size)


MeanAbsoluteError = MeanSquaredError


def Huber(rng):
    _, y_true, y_pred = MeanSquaredError(rng)
    return {"delta": pick(rng, 0.3, 1.0, 2.0)}, y_true, y_pred


NAMES = [
    "CategoricalCrossentropy",
    "SparseCategoricalCrossentropy",
    "BinaryCrossentropy",
    "MeanSquaredError",
    "MeanAbsoluteError",
    "Huber",
]


@pytest.mark.parametrize("name", NAMES)
def test_loss_and_gradient_equal_keras(name):
    keras = keras_module()
    for number, rng in enumerate(draws(20 + NAMES.index(name), 8)):
        arguments, y_true, y_pred = globals()[name](rng)
        arguments["reduction"] = pick(rng, "sum_over_batch_size", "sum")
        weights = pick(rng, None, positive(rng, y_pred.shape[:-1]))
        what = f"{name} draw {number}: {arguments}, {y_pred.shape}, {weights is not None}"

        tensor = leaf(y_pred)
        theirs = getattr(keras.losses, name)(**arguments, dtype="float64")
        # As rows: torch refuses some gradients over Keras' permuted axes. The sum is the same.
        rows = tensor.reshape(-1, y_pred.shape[-1])
        targets = torch.tensor(y_true.reshape(-1) if y_true.dtype.kind == "i" else y_true)
        targets = targets if targets.ndim == 1 else targets.reshape(rows.shape)
        value = theirs(targets, rows, None if weights is None else weights.reshape(-1))
        value.backward()
        loss = getattr(losses, name)(**arguments)
        for dtype in ("float32", "float64"):
            targets = y_true if y_true.dtype.kind == "i" else y_true.astype(dtype)
            given = None if weights is None else weights.astype(dtype)

            def ours(p, loss=loss, targets=targets, given=given):
                return loss(targets, p, given)

            found = cnnfast.value_and_grad(ours)(y_pred.astype(dtype))
            right = [value.item(), tensor.grad.numpy()]
            agree(found, right, dtype, what, KERAS_TOLERANCE)


@pytest.mark.parametrize("rng", draws(40, 6), ids=range(6))
def test_crossentropy_equals_torch(rng):
    """In float64 to 1e-10, with logits far from zero too."""
    n, classes = int(rng.integers(1, 9)), int(rng.integers(2, 12))
    logits, labels = normal(rng, (n, classes), pick(rng, 1, 20)), rng.integers(0, classes, n)
    smoothing = pick(rng, 0.0, 0.1)
    tensor = leaf(logits)
    value = torch.nn.functional.cross_entropy(
        tensor, torch.tensor(labels), label_smoothing=smoothing
    )
    value.backward()
    right = [value.item(), tensor.grad.numpy()]
    for dtype in ("float32", "float64"):
        targets = np.eye(classes, dtype=dtype)[labels]
        loss = losses.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing)
        found = cnnfast.value_and_grad(lambda p, t=targets, f=loss: f(t, p))(logits.astype(dtype))
        agree(found, right, dtype, f"{n} x {classes}, smoothing {smoothing}")
        if not smoothing:
            loss = losses.SparseCategoricalCrossentropy(from_logits=True)
            found = cnnfast.value_and_grad(lambda p, f=loss: f(labels, p))(logits.astype(dtype))
            agree(found, right, dtype, f"sparse, {n} x {classes}")


@pytest.mark.parametrize("rng", draws(41, 4), ids=range(4))
def test_regression_losses_equal_torch(rng):
    size = shape(rng)
    y_true, y_pred, delta = normal(rng, size), normal(rng, size), pick(rng, 0.5, 1.0)
    for loss, function in (
        (losses.MeanSquaredError(), torch.nn.functional.mse_loss),
        (losses.MeanAbsoluteError(), torch.nn.functional.l1_loss),
        (losses.Huber(delta), lambda p, t: torch.nn.functional.huber_loss(p, t, delta=delta)),
    ):
        tensor = leaf(y_pred)
        value = function(tensor, torch.tensor(y_true))
        value.backward()
        for dtype in ("float32", "float64"):
            targets = y_true.astype(dtype)
            found = cnnfast.value_and_grad(lambda p, t=targets, f=loss: f(t, p))(
                y_pred.astype(dtype)
            )
            agree(found, [value.item(), tensor.grad.numpy()], dtype, f"{loss.name} {size}")
