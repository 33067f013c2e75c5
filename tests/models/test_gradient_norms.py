"""``utils.gradient_norms``: the gradients of the loss that training uses, and nothing changes."""

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers
from cnnfast.utils import gradient_norms


def small(loss="mse", **dense):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="out", **dense)])
    model.compile("sgd", loss)
    return model


def test_a_gradient_worked_by_hand(rng):
    """mean((x W + b - y)²): dW = 2/(NK) xᵀ(x W + b - y), db its sum over the rows."""
    model = small()
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    w, b = model.get_weights()
    error = 2 / 10 * (x @ w + b - y)
    norms = gradient_norms(model, x, y)
    assert list(norms) == ["out/kernel", "out/bias"]
    assert norms["out/kernel"] == pytest.approx(np.linalg.norm(x.T @ error), rel=1e-5)
    assert norms["out/bias"] == pytest.approx(np.linalg.norm(error.sum(axis=0)), rel=1e-5)


def test_it_is_what_a_step_subtracts(rng):
    keras.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(4, 3, name="conv"),
            layers.BatchNormalization(name="bn"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", name="out"),
        ]
    )
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    x, y = rng.standard_normal((8, 6, 6, 1)).astype("float32"), rng.integers(0, 3, 8)
    before = model.get_weights()
    norms = gradient_norms(model, x, y)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)  # moving statistics too
    start = [np.array(w.numpy()) for w in model.trainable_weights]
    model.train_on_batch(x, y)
    steps = [s - w.numpy() for s, w in zip(start, model.trainable_weights, strict=True)]
    assert list(norms) == [
        "conv/kernel", "conv/bias", "bn/gamma", "bn/beta", "out/kernel", "out/bias",
    ]  # fmt: skip
    # Normalisation takes the convolution's bias away again: its gradient is rounding.
    assert norms.pop("conv/bias") < 1e-5
    del steps[1]
    for (name, norm), step in zip(norms.items(), steps, strict=True):
        assert norm == pytest.approx(np.linalg.norm(step), rel=1e-4), name


def test_what_is_refused(rng):
    x, y = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    with pytest.raises(TypeError, match="gradient_norms: expected a model"):
        gradient_norms("model", x, y)
    with pytest.raises(ValueError, match="needs a loss"):
        gradient_norms(small(loss=None), x, y)
    with pytest.raises(ValueError, match=r"expected x \(N, 3\)"):
        gradient_norms(small(), x[:, :2], y)
    with pytest.raises(ValueError, match="as many targets"):
        gradient_norms(small(), x, y[:4])
    with pytest.raises(ValueError, match="at least one"):
        gradient_norms(small(), x[:0], y[:0])
