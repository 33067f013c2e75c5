"""Normalization with numbers found in the data."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers


def test_adapt(rng):
    x = rng.normal(3, 2, (40, 5, 6, 3)).astype("float32")
    layer = layers.Normalization()
    layer.adapt(x)
    y = layer(x)
    np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 1, 2)), 1, rtol=1e-5)
    batches = layers.Normalization()
    batches.adapt((x[i : i + 7], None) for i in range(0, 40, 7))
    np.testing.assert_allclose(batches(x), y, rtol=1e-5, atol=1e-5)
    back = layers.Normalization(
        mean=layer.mean.numpy(), variance=layer.variance.numpy(), invert=True
    )
    np.testing.assert_allclose(back(y), x, rtol=1e-5, atol=1e-5)
    one = layers.Normalization(axis=None)
    one.adapt(x)
    np.testing.assert_allclose(one(x), (x - x.mean()) / x.std(), rtol=1e-4, atol=1e-5)
    rows = layers.Normalization(axis=(1, 3))
    rows.adapt(x)
    expected = (x - x.mean((0, 2), keepdims=True)) / x.std((0, 2), keepdims=True)
    np.testing.assert_allclose(rows(x), expected, rtol=1e-4, atol=1e-5)
    pictures = rng.integers(0, 256, (10, 4, 4, 1)).astype("uint8")
    plain = layers.Normalization(mean=128, variance=64**2)
    np.testing.assert_allclose(plain(pictures), (pictures - 128.0) / 64, rtol=1e-6)


def test_against_keras(rng):
    keras = pytest.importorskip("keras")
    x = rng.normal(3, 2, (40, 5, 3)).astype("float32")
    for axis in (-1, 1, None):
        mine, theirs = layers.Normalization(axis), keras.layers.Normalization(axis)
        mine.adapt(x)
        theirs.adapt(x)
        expected = np.asarray(theirs(x).detach())
        np.testing.assert_allclose(mine(x), expected, rtol=1e-4, atol=1e-5)


def test_in_a_model_and_its_file(tmp_path, rng):
    x = rng.normal(3, 2, (40, 6)).astype("float32")
    normalize = layers.Normalization()
    normalize.adapt(x)
    model = cnnfast.Sequential([cnnfast.Input((6,)), normalize, layers.Dense(2)])
    model.compile("sgd", "mse")
    before = normalize.get_weights()
    model.fit(x, np.zeros((40, 2), "float32"), verbose=0)
    for a, b in zip(before, normalize.get_weights(), strict=True):
        assert np.array_equal(a, b), "training leaves the numbers alone"
    model.save(tmp_path / "m.safetensors")
    again = cnnfast.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    given = layers.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0])
    config = layers.serialize(given)
    assert layers.serialize(layers.deserialize(config)) == config


def test_bad_arguments():
    x = np.ones((2, 3), "float32")
    for call, message in [
        (lambda: layers.Normalization()(x), r"Normalization.*adapt\(data\) first"),
        (lambda: layers.Normalization(mean=1.0), "both mean and variance"),
        (lambda: layers.Normalization(mean=0, variance=-1), "variance must not be negative"),
        (lambda: layers.Normalization(mean="a", variance=1), "mean must be a number"),
        (lambda: layers.Normalization(mean=[1, 2], variance=[1, 1])(x), "does not go with axis"),
        (lambda: layers.Normalization(axis=3)(x), "out of range"),
        (lambda: layers.Normalization(axis=0).adapt(x), "must not be the batch"),
        (lambda: layers.Normalization(mean=0, variance=1).adapt(x), "were given"),
        (lambda: layers.Normalization().adapt(x[:0]), "no data"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            call()
