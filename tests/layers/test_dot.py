"""Dot products of two inputs: Keras' numbers and gradients, siamese networks, bad input."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers, ops

CASES = [
    ((6, 5), (6, 5), 1),
    ((6, 5), (6, 5), -1),
    ((4, 3, 5), (4, 5, 2), (2, 1)),
    ((4, 3, 5), (4, 2, 3), (1, 2)),
    ((4, 3, 5), (4, 7, 5), -1),
    ((4, 5), (4, 5, 3), 1),
    ((4, 3, 5), (4, 5), (2, 1)),
    ((2, 3, 4, 5), (2, 6, 4), (2, 2)),
    ((2, 4, 5), (2, 3, 5, 2), (-1, -2)),
]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("first", "second", "axes"), CASES, ids=str)
def test_numbers_and_gradients_are_keras(first, second, axes, normalize, rng):
    keras = pytest.importorskip("keras")
    import torch

    a, b = (rng.standard_normal(shape).astype("float32") for shape in (first, second))
    tensors = [torch.from_numpy(x).requires_grad_() for x in (a, b)]
    expected = keras.layers.Dot(axes, normalize)(tensors)
    layer = layers.Dot(axes, normalize)
    y = layer([a, b])
    assert y.shape == tuple(expected.shape)
    np.testing.assert_allclose(y, expected.detach().numpy(), rtol=1e-5, atol=1e-5)
    weight = rng.standard_normal(y.shape).astype("float32")
    (expected * torch.from_numpy(weight)).sum().backward()
    found = cnnfast.grad(lambda a, b: ops.sum(layer([a, b]) * weight), argnums=(0, 1))(a, b)
    for mine, theirs in zip(found, tensors, strict=True):
        np.testing.assert_allclose(mine, theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_a_siamese_network_as_in_keras(rng, tmp_path):
    """One encoder for both inputs, compared by the cosine; saved and loaded."""
    keras = pytest.importorskip("keras")

    def network(k):
        a, b = k.Input((6,), name="a"), k.Input((6,), name="b")
        encoder = k.Sequential([k.Input((6,)), k.layers.Dense(4, activation="tanh")])
        return k.Model([a, b], k.layers.dot([encoder(a), encoder(b)], 1, normalize=True))

    theirs, ours = network(keras), network(cnnfast)
    ours.set_weights(theirs.get_weights())
    x = [rng.standard_normal((8, 6)).astype("float32") for _ in "ab"]
    y = rng.random((8, 1)).astype("float32")
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), 1e-4, 1e-5)
    for module, model in ((keras, theirs), (cnnfast, ours)):
        model.compile(module.optimizers.SGD(0.1), "mse")
        model.train_on_batch(x, y)
    for mine, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-4, atol=1e-6)
    ours.save(tmp_path / "m.safetensors")
    again = cnnfast.models.load_model(tmp_path / "m.safetensors")
    assert np.array_equal(again.predict(x, verbose=0), ours.predict(x, verbose=0))


def test_a_vector_of_zeros_stays_finite():
    zeros, ones = np.zeros((2, 3), "float32"), np.ones((2, 3), "float32")
    layer = layers.Dot(1, normalize=True)
    value, gradient = cnnfast.value_and_grad(lambda a: ops.sum(layer([a, ones])))(zeros)
    assert value == 0 and np.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda a: layers.Dot("x"), TypeError, "Dot.*axes must be an integer"),
        (lambda a: layers.Dot((1, 2, 3)), ValueError, "Dot.*axes must be one integer or two"),
        (lambda a: layers.Dot(0)([a, a]), ValueError, "Dot.*an axis behind the batch, got 0"),
        (lambda a: layers.Dot(3)([a, a]), ValueError, r"Dot.*got 3 for an input \(2, 3, 4\)"),
        (lambda a: layers.Dot(-3)([a, a]), ValueError, "Dot.*an axis behind the batch, got -3"),
        (lambda a: layers.Dot(1)(a), ValueError, "Dot.*exactly two inputs.*got one tensor"),
        (lambda a: layers.Dot(1)([a, a, a]), ValueError, "Dot.*exactly two inputs.*got 3"),
        (lambda a: layers.Dot((1, 2), name="d")([a, a]), ValueError,
         r"Dot 'd': .*one size along axes 1 and 2, got shapes \(2, 3, 4\) and \(2, 3, 4\)"),
        (lambda a: layers.Dot(1)([a, a[:1]]), ValueError, "Dot.*the same number of samples"),
        (lambda a: layers.Dot(1)([cnnfast.Input((3, None)), cnnfast.Input((3, 4))]), ValueError,
         "Dot.*all sizes behind the batch must be known"),
    ],
)  # fmt: skip
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make(np.ones((2, 3, 4), "float32"))
