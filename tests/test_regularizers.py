"""Penalties: values, gradients and a training step, as Keras has them; bad factors."""

import numpy as np
import pytest

import cnnfast
from cnnfast import regularizers

CASES = [("L1", (0.3,)), ("L2", (0.2,)), ("L1L2", (0.1, 0.4)), ("L1L2", ()), ("L1", ()), ("L2", ())]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_values_and_gradients_are_keras(name, arguments, dtype, rng):
    keras = pytest.importorskip("keras")
    import torch

    ours, theirs = (getattr(room, name)(*arguments) for room in (regularizers, keras.regularizers))
    x = rng.standard_normal((4, 3, 5)).astype(dtype)
    tensor = torch.from_numpy(x).requires_grad_()
    expected = theirs(tensor)
    value, gradient = cnnfast.value_and_grad(ours)(x)
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=1e-5)
    if expected.requires_grad:
        expected.backward()
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-5, atol=1e-7)
    again = regularizers.get(regularizers.serialize(ours))
    assert again.get_config() == ours.get_config()
    for key, factor in theirs.get_config().items():
        assert ours.get_config()[key] == pytest.approx(factor)  # Keras keeps float32


def network(k):
    x = k.Input((6, 6, 2))
    h = k.layers.Conv2D(
        3, 3, activation="tanh", kernel_regularizer="l2", bias_regularizer=k.regularizers.L1(0.05)
    )(x)
    h = k.layers.ActivityRegularization(0.001, 0.002)(h)
    h = k.layers.Flatten()(h)
    dense = k.layers.Dense(2, kernel_regularizer=k.regularizers.L1(0.01), activity_regularizer="l2")
    return k.Model(x, dense(h))


def test_a_training_step_is_keras(rng):
    keras = pytest.importorskip("keras")
    theirs, ours = network(keras), network(cnnfast)
    ours.set_weights([w + 0.1 for w in theirs.get_weights()])
    theirs.set_weights(ours.get_weights())
    x = rng.standard_normal((5, 6, 6, 2)).astype("float32")
    y = rng.standard_normal((5, 2)).astype("float32")
    losses = []
    for k, model in ((keras, theirs), (cnnfast, ours)):
        model.compile(k.optimizers.SGD(0.1), "mse")
        losses.append([float(np.ravel(model.train_on_batch(x, y))[0]) for _ in range(3)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for mine, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-4, atol=1e-6)


WITH_ACTIVITY = [
    ("Conv2D", (3, 2), {}, (5, 6, 2)),
    ("Conv2DTranspose", (3, 2), {}, (5, 6, 2)),
    ("DepthwiseConv2D", (2,), {"depth_multiplier": 2}, (5, 6, 2)),
    ("SeparableConv2D", (3, 2), {}, (5, 6, 2)),
    ("Conv1D", (3, 2), {}, (5, 2)),
    ("Dense", (3,), {"activation": "tanh"}, (4,)),
]


@pytest.mark.parametrize(("name", "arguments", "options", "shape"), WITH_ACTIVITY)
def test_penalties_on_what_a_layer_gives(name, arguments, options, shape, rng, tmp_path):
    """One layer called twice, trained and evaluated beside Keras, then saved."""
    keras = pytest.importorskip("keras")

    def make(k):
        a, b = k.Input(shape, name="a"), k.Input(shape, name="b")
        penalty = k.regularizers.L1L2(0.01, 0.02)
        layer = getattr(k.layers, name)(*arguments, **options, activity_regularizer=penalty)
        return k.Model([a, b], k.layers.Add()([layer(a), layer(b)]))

    theirs, ours = make(keras), make(cnnfast)
    ours.set_weights(theirs.get_weights())
    x = [rng.standard_normal((6, *shape)).astype("float32") for _ in "ab"]
    y = np.zeros((6, *ours.output_shape[1:]), "float32")
    found = []
    for k, model in ((keras, theirs), (cnnfast, ours)):
        model.compile(k.optimizers.SGD(0.05), "mse")
        found.append([float(np.ravel(model.train_on_batch(x, y))[0]) for _ in range(3)])
        found[-1].append(float(np.ravel(model.evaluate(x, y, verbose=0))[0]))
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)
    for mine, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-4, atol=1e-6)
    ours.save(tmp_path / "m.safetensors")
    again = cnnfast.models.load_model(tmp_path / "m.safetensors")
    assert again.evaluate(x, y, verbose=0) == ours.evaluate(x, y, verbose=0)
    plain = ours.predict(x, verbose=0)
    assert found[1][-1] != pytest.approx((plain**2).mean(), rel=1e-3)  # the penalty counts


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: regularizers.L2(-0.1), ValueError, "l2 must be finite and not negative"),
        (lambda: regularizers.L1(float("nan")), ValueError, "l1 must be finite"),
        (lambda: regularizers.L1L2(l2="x"), TypeError, "l2 must be a number"),
        (lambda: regularizers.get("l3"), ValueError, "unknown regularizer 'l3'"),
        (lambda: cnnfast.layers.Dense(2, activity_regularizer="l3"), ValueError, "unknown regular"),
        (lambda: regularizers.Regularizer()(np.ones(2)), NotImplementedError, "__call__"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
