"""Optimizers against their formulas in float64."""

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers, optimizers


def trained(optimizer, steps=5):
    """Weights of a linear model after some steps, and the gradients it met."""
    keras.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, use_bias=False)])
    model.compile(optimizer, "mse")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((6, 3)).astype("float32")
    y = rng.standard_normal((6, 2)).astype("float32")
    start = model.get_weights()[0].astype(np.float64)
    for _ in range(steps):
        model.train_on_batch(x, y)
    return start, lambda w: 2 * x.T @ (x @ w - y) / y.size, model.get_weights()[0]


@pytest.mark.parametrize(
    ("momentum", "nesterov", "decay"), [(0, False, None), (0.9, False, 0.1), (0.8, True, None)]
)
def test_sgd(momentum, nesterov, decay):
    rate = 0.05
    w, gradient, got = trained(optimizers.SGD(rate, momentum, nesterov, decay))
    m = 0.0
    for _ in range(5):
        g = gradient(w)
        w = w - w * (decay or 0.0) * rate
        m = momentum * m - rate * g
        w = w + (momentum * m - rate * g if nesterov else m)
    np.testing.assert_allclose(got, w, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [optimizers.Adam, optimizers.AdamW])
def test_adam(make):
    optimizer = make(0.02)
    decay = optimizer.weight_decay or 0.0
    w, gradient, got = trained(optimizer)
    m = v = 0.0
    for t in range(1, 6):
        g = gradient(w)
        w = w - w * decay * 0.02
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        w = w - 0.02 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    np.testing.assert_allclose(got, w, rtol=1e-4, atol=1e-6)
    assert int(optimizer.iterations.numpy()) == 5


@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_rmsprop(momentum):
    w, gradient, got = trained(optimizers.RMSprop(0.01, momentum=momentum))
    v = s = 0.0
    for _ in range(5):
        g = gradient(w)
        v = 0.9 * v + 0.1 * g * g
        s = momentum * s + 0.01 * g / np.sqrt(v + 1e-7)
        w = w - s
    np.testing.assert_allclose(got, w, rtol=1e-4, atol=1e-6)


def test_configurations_come_back():
    for made in (
        optimizers.SGD(0.3, 0.9, True, 0.01),
        optimizers.Adam(0.002, 0.8, 0.99, 1e-6),
        optimizers.AdamW(),
        optimizers.RMSprop(),
    ):
        again = optimizers.get(optimizers.serialize(made))
        assert type(again) is type(made) and again.get_config() == made.get_config()
    assert isinstance(optimizers.get("SGD"), optimizers.SGD)


def test_defaults_are_keras():
    assert optimizers.SGD().learning_rate == 0.01
    config = optimizers.Adam().get_config()
    assert {
        key: config[key] for key in ("name", "learning_rate", "beta_1", "beta_2", "epsilon")
    } == {
        "name": "adam",
        "learning_rate": 0.001,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-7,
    }
    assert not config["amsgrad"] and config["weight_decay"] is None and config["clipnorm"] is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.SGD(-1.0), ValueError, "learning_rate must be at least 0"),
        (lambda: optimizers.SGD(float("nan")), ValueError, "learning_rate"),
        (lambda: optimizers.SGD("fast"), TypeError, "learning_rate must be a number"),
        (lambda: optimizers.SGD(momentum=2), ValueError, "momentum must be between"),
        (lambda: optimizers.Adam(beta_1=1.0), ValueError, "beta_1 must be between"),
        (lambda: optimizers.Adam(clipnorm=-1.0), ValueError, "clipnorm must be at least 0"),
        (lambda: optimizers.Adam(speed=1.0), TypeError, "unknown argument 'speed'"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_learning_rate_is_checked_when_set():
    optimizer = optimizers.Adam()
    optimizer.learning_rate = 0.5
    assert optimizer.learning_rate == 0.5
    with pytest.raises(ValueError, match="learning_rate must be"):
        optimizer.learning_rate = -1
    assert optimizer.learning_rate == 0.5
