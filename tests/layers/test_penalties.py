"""Layers that change training only: a penalty on activity, dropout for selu."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers


def test_activity_regularization_adds_to_the_loss(rng):
    x = rng.standard_normal((6, 4)).astype("float32")
    layer = layers.ActivityRegularization(l1=0.1, l2=0.01)
    model = cnnfast.Sequential([cnnfast.Input((4,)), layer])
    model.compile(cnnfast.optimizers.SGD(0.0), "mse")
    penalty = (0.1 * np.abs(x).sum() + 0.01 * np.square(x).sum()) / 6  # of a sample, as in Keras
    assert model.train_on_batch(x, x) == pytest.approx(penalty, rel=1e-5)
    assert np.array_equal(model(x), x)
    assert layers.serialize(layers.deserialize(layers.serialize(layer))) == layers.serialize(layer)
    with pytest.raises(ValueError, match="l1 must be at least 0"):
        layers.ActivityRegularization(-1)


def test_alpha_dropout_keeps_mean_and_variance(rng):
    x = rng.standard_normal((400, 500)).astype("float32")
    layer = layers.AlphaDropout(0.2, seed=1)
    assert np.array_equal(layer(x), x)
    y = layer(x, training=True)
    assert abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02
    lowest = -1.0507009873554805 * 1.6732632423543772
    dropped = lowest * 0.8 / np.sqrt(0.8 * (1 + 0.2 * lowest**2))
    assert abs(np.isclose(y, dropped, rtol=1e-5).mean() - 0.2) < 0.01
    assert not np.array_equal(layer(x, training=True), y)
    with pytest.raises(ValueError, match="rate must be below 1"):
        layers.AlphaDropout(1.0)
