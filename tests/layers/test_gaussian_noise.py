"""Noise in training: its distribution, seeds, plans, files."""

import math

import numpy as np
import pytest

import cnnfast
from cnnfast import layers, ops, runtime
from ops.levels import levels


def test_it_is_normally_distributed_and_rests_outside_of_training():
    x = np.full((50, 20, 10, 3), 2, "float32")
    layer = layers.GaussianNoise(0.3, seed=4)
    np.testing.assert_array_equal(layer(x), x)
    noise = (layer(x, training=True) - x).astype("float64")
    deviations = 0.3 / math.sqrt(noise.size)  # of the mean
    assert abs(noise.mean()) < 5 * deviations
    assert abs(noise.std() - 0.3) < 5 * deviations
    # Shares within one, two and three standard deviations, five deviations of a binomial wide.
    for k in (1, 2, 3):
        share = math.erf(k / math.sqrt(2))
        found = (np.abs(noise) < 0.3 * k).mean()
        assert abs(found - share) < 5 * math.sqrt(share * (1 - share) / noise.size), k
    # No sample, place or channel is like another.
    flat = noise.reshape(50, -1)
    between = np.corrcoef(flat)[~np.eye(50, dtype=bool)]
    assert np.abs(between).max() < 6 / math.sqrt(flat.shape[1])
    assert abs(np.corrcoef(flat[:, :-1].ravel(), flat[:, 1:].ravel())[0, 1]) < 5 * deviations / 0.3


def test_as_keras_spreads():
    keras = pytest.importorskip("keras")
    x = np.zeros((40, 500), "float32")
    theirs = np.sort(np.ravel(keras.layers.GaussianNoise(0.5, seed=1)(x, training=True)))
    ours = np.sort(np.ravel(layers.GaussianNoise(0.5, seed=1)(x, training=True)))
    # Quantiles of 20,000 draws: the middle 98 % lie close together.
    np.testing.assert_allclose(ours[200:-200], theirs[200:-200], atol=0.05)


def test_seeds_levels_and_dtypes(rng):
    x = rng.standard_normal((4, 3, 5)).astype("float32")  # an odd number of values a sample
    layer = layers.GaussianNoise(0.2, seed=7)
    first, second = layer(x, training=True), layer(x, training=True)
    assert not np.array_equal(first, second)
    assert np.array_equal(layers.GaussianNoise(0.2, seed=7)(x, training=True), first)
    assert not np.array_equal(layers.GaussianNoise(0.2, seed=8)(x, training=True), first)
    for level in levels():
        again = layers.GaussianNoise(0.2, seed=7)(x, training=True)
        np.testing.assert_allclose(again, first, rtol=1e-5, atol=1e-5, err_msg=level)
    double = layers.GaussianNoise(0.2, seed=7, dtype="float64")(x.astype("float64"), training=True)
    np.testing.assert_allclose(first, double, rtol=1e-5, atol=1e-5)
    config = layers.serialize(layer)
    assert layers.serialize(layers.deserialize(config)) == config
    assert layers.GaussianNoise(0.1, seed=1)(np.zeros(9, "float32"), training=True).shape == (9,)
    assert layers.GaussianNoise(0.1)(np.zeros((0, 3), "float32"), training=True).shape == (0, 3)


def test_in_a_training_plan(rng, tmp_path):
    x = rng.standard_normal((30, 6, 6, 1)).astype("float32")
    y = rng.integers(0, 3, 30)

    def trained(threads):
        runtime.set_num_threads(threads)
        cnnfast.set_random_seed(0)
        model = cnnfast.Sequential(
            [
                cnnfast.Input((6, 6, 1)),
                layers.GaussianNoise(0.5, seed=3),
                layers.Conv2D(4, 3, activation="relu"),
                layers.Flatten(),
                layers.Dense(3, "softmax"),
            ]
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model, model.fit(x, y, batch_size=10, epochs=2, verbose=0).history["loss"]

    model, losses = trained(1)
    np.testing.assert_allclose(trained(2)[1], losses, rtol=1e-4)
    assert model.layers[0].random_states[0].numpy()[1] == 6
    assert np.array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))
    assert "draw_uniform" not in model.plan(10).explain()
    model.save(tmp_path / "m.safetensors")
    again = cnnfast.models.load_model(tmp_path / "m.safetensors")
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


def test_the_gradient_passes_through(rng):
    x = rng.standard_normal((3, 4)).astype("float32")
    layer = layers.GaussianNoise(0.5, seed=1)
    gradient = cnnfast.grad(lambda x: ops.sum(layer(x, training=True) * x[0, 0]))(x)
    np.testing.assert_allclose(gradient.ravel()[1:], x[0, 0], rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.GaussianNoise(1.5), ValueError, "GaussianNoise.*between 0 and 1, got 1.5"),
        (lambda: layers.GaussianNoise(-0.1), ValueError, "GaussianNoise.*between 0 and 1"),
        (lambda: layers.GaussianNoise(float("nan")), ValueError, "GaussianNoise.*between 0 and 1"),
        (lambda: layers.GaussianNoise("much"), TypeError, "GaussianNoise.*must be a number"),
        (lambda: layers.GaussianNoise(0.1, seed=-1), ValueError, "seed must be at least 0"),
        (lambda: ops.random_normal(np.ones(3, "float32"), 1, stddev=-1), ValueError, "stddev"),
        (lambda: ops.random_normal(np.ones(3, "float32"), 1, count=0), ValueError, "count must"),
        (lambda: ops.random_normal(np.float32(3), 1), ValueError, "^random_normal.*batch axis"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
