"""The BatchNormalization layer: modes, weights, training, files, against Keras and torch."""

import inspect
import os

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import layers, optimizers
from cnnfast.models import load_model


def _network(trainable=True, axis=-1):
    cnnfast.set_random_seed(3)
    data_format = "channels_last" if axis == -1 else "channels_first"
    shape = (8, 9, 2) if axis == -1 else (2, 8, 9)
    return cnnfast.Sequential(
        [
            cnnfast.Input(shape),
            layers.Conv2D(5, 3, use_bias=False, data_format=data_format),
            layers.BatchNormalization(axis, momentum=0.9, trainable=trainable, name="norm"),
            layers.Activation("relu"),
            layers.Flatten(data_format=data_format),
            layers.Dense(3),
            layers.BatchNormalization(scale=False, momentum=0.8),
            layers.Softmax(),
        ]
    )


def _data(rng, n=24):
    return rng.standard_normal((n, 8, 9, 2)).astype("float32"), rng.integers(0, 3, n)


def test_weights_and_configuration():
    layer = layers.BatchNormalization()
    assert (layer.axis, layer.momentum, layer.epsilon) == (-1, 0.99, 1e-3)
    layer.build((None, 4, 4, 6))
    assert [w.name for w in layer.weights] == ["gamma", "beta", "moving_mean", "moving_variance"]
    assert [w.name for w in layer.trainable_weights] == ["gamma", "beta"]
    assert [w.name for w in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]
    for value, first in zip(layer.get_weights(), (1, 0, 0, 1), strict=True):
        assert_close(value, np.full(6, first), 0, 0)
    assert layer.count_params() == 24
    bare = layers.BatchNormalization(center=False, scale=False)
    bare.build((None, 6))
    assert [w.name for w in bare.weights] == ["moving_mean", "moving_variance"]
    assert bare.trainable_weights == []
    config = layers.BatchNormalization(
        1, 0.5, 1e-2, False, gamma_initializer="zeros", gamma_regularizer="l2"
    ).get_config()
    again = layers.BatchNormalization.from_config(config)
    assert again.get_config() == config
    assert (again.axis, again.momentum, again.epsilon, again.center) == (1, 0.5, 1e-2, False)


def test_training_uses_the_batch_and_inference_the_averages(rng):
    x = (rng.standard_normal((16, 3, 4, 5)) * 3 + 7).astype("float32")
    layer = layers.BatchNormalization(momentum=0.9)
    y = layer(x, training=True)
    assert_close(y.mean((0, 1, 2)), np.zeros(5), 0, 1e-5)
    assert_close(y.var((0, 1, 2)), np.ones(5), 1e-3)
    mean, variance = x.astype("float64").mean((0, 1, 2)), x.astype("float64").var((0, 1, 2))
    assert_close(layer.moving_mean.numpy(), 0.1 * mean, 1e-5)
    assert_close(layer.moving_variance.numpy(), 0.9 + 0.1 * variance, 1e-5)
    before = layer.get_weights()
    y = layer(x)
    moving_mean, moving_variance = before[2:]
    assert_close(y, (x - moving_mean) / np.sqrt(moving_variance + 1e-3), 1e-5, 1e-5)
    for a, b in zip(before, layer.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_not_trainable_means_inference(rng):
    x = (rng.standard_normal((6, 5)) + 3).astype("float32")
    layer = layers.BatchNormalization(trainable=False)
    assert np.array_equal(layer(x, training=True), layer(x))
    assert_close(layer.moving_mean.numpy(), np.zeros(5), 0, 0)
    layer.trainable = True
    layer(x, training=True)
    assert (layer.moving_mean.numpy() != 0).all()

    model = _network(trainable=False)
    model.compile("sgd", "sparse_categorical_crossentropy")
    frozen, others = model.get_layer("norm").get_weights(), model.layers[0].get_weights()
    images, labels = _data(rng)
    model.fit(images, labels, epochs=2, batch_size=8, verbose=0)
    for a, b in zip(frozen, model.get_layer("norm").get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(others[0], model.layers[0].get_weights()[0])
    # Thawed between two fits: the training graph is traced again.
    model.get_layer("norm").trainable = True
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=1, batch_size=8, verbose=0)
    for a, b in zip(frozen, model.get_layer("norm").get_weights(), strict=True):
        assert not np.array_equal(a, b)


def test_averages_follow_in_fit_and_not_in_evaluate(rng):
    images, labels = _data(rng)
    model = cnnfast.Sequential(
        [cnnfast.Input((8, 9, 2)), layers.BatchNormalization(momentum=0.7), layers.Flatten(),
         layers.Dense(3, "softmax")]
    )  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=2, batch_size=8, shuffle=False, verbose=0)
    mean, variance = np.zeros(2), np.ones(2)
    for _ in range(2):
        for begin in range(0, 24, 8):
            batch = images[begin : begin + 8].astype("float64")
            mean = 0.7 * mean + 0.3 * batch.mean((0, 1, 2))
            variance = 0.7 * variance + 0.3 * batch.var((0, 1, 2))
    assert_close(model.layers[0].moving_mean.numpy(), mean, 1e-5, 1e-6)
    assert_close(model.layers[0].moving_variance.numpy(), variance, 1e-5)
    before = model.get_weights()
    model.evaluate(images, labels, verbose=0)
    model.predict(images, verbose=0)
    model.test_on_batch(images, labels)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_a_shared_layer_follows_every_call(rng):
    x = rng.standard_normal((6, 4)).astype("float32")

    class Twice(cnnfast.Model):
        def __init__(self):
            super().__init__()
            self.norm = layers.BatchNormalization(momentum=0.5)

        def call(self, x, training=False):
            return self.norm(self.norm(x, training=training) * 2.0 + 1.0, training=training)

    model = Twice()
    model.compile("sgd", "mse")
    model.build((None, 4))
    model.train_on_batch(x, x)
    first = x.astype("float64")
    mean, y = 0.5 * first.mean(0), first - first.mean(0)
    y = y / np.sqrt(first.var(0) + 1e-3) * 2 + 1
    assert_close(model.norm.moving_mean.numpy(), 0.5 * mean + 0.5 * y.mean(0), 1e-5, 1e-6)


def test_channels_first_is_channels_last_transposed(rng):
    images, labels = _data(rng)
    last, first = _network(), _network(axis=1)
    first.set_weights(last.get_weights())
    turned = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    for model in (last, first):
        model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    for _ in range(3):
        a = last.train_on_batch(images, labels)
        b = first.train_on_batch(turned, labels)
        assert_close(a, b, 1e-5)
    for a, b in zip(last.get_weights(), first.get_weights(), strict=True):
        assert_close(a, b, 1e-4, 1e-5)
    assert_close(last.predict(images, verbose=0), first.predict(turned, verbose=0), 1e-4, 1e-5)


def test_model_files(tmp_path, rng):
    images, labels = _data(rng)
    model = _network()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, epochs=2, batch_size=8, verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(model.predict(images, verbose=0), again.predict(images, verbose=0))
    assert np.array_equal(
        model.train_on_batch(images, labels), again.train_on_batch(images, labels)
    )
    assert len(again.non_trainable_weights) == 4


def test_it_learns(rng):
    images, labels = _data(rng, 60)
    images[np.arange(60), 0, 0, 0] += 5.0 * labels
    model = _network()
    model.compile(optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(images, labels, epochs=15, batch_size=20, verbose=0).history
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] > 0.9


def test_regularisers_reach_the_loss(rng):
    x = rng.standard_normal((6, 4)).astype("float32")
    losses = []
    for regularizer in (None, "l2"):
        model = cnnfast.Sequential(
            [cnnfast.Input((4,)), layers.BatchNormalization(gamma_regularizer=regularizer)]
        )
        model.compile("sgd", "mse")
        losses.append(float(np.ravel(model.train_on_batch(x, x))[0]))
    assert_close(losses[1] - losses[0], 0.01 * 4, 1e-4)


def _keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="keras is not installed")


@pytest.mark.parametrize("axis", [-1, 1])
def test_against_keras(axis, rng):
    """Outputs, averages and weights over five steps of descent, then inference."""
    keras = _keras()
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours = layers.BatchNormalization(axis, momentum=0.8, epsilon=1e-2)
    theirs = keras.layers.BatchNormalization(axis, momentum=0.8, epsilon=1e-2)
    model = cnnfast.Sequential([cnnfast.Input((4, 5, 6)), ours])
    model.compile(optimizers.SGD(0.5), "mse")
    theirs.build((None, 4, 5, 6))
    for step in range(5):
        x = (rng.standard_normal((7, 4, 5, 6)) * (step + 1) + step).astype("float32")
        target = rng.standard_normal(x.shape).astype("float32")
        loss = model.train_on_batch(x, target)
        y = theirs(torch.from_numpy(x), training=True)
        their_loss = ((y - torch.from_numpy(target).to(y.device)) ** 2).mean()
        for weight in theirs.trainable_weights:
            weight.value.grad = None
        their_loss.backward()
        with torch.no_grad():
            for weight in theirs.trainable_weights:
                weight.assign(weight.value - 0.5 * weight.value.grad)
        assert_close(np.ravel(loss)[0], float(their_loss), 1e-5)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            assert_close(a, b, 1e-4, 1e-5)
    y = theirs(torch.from_numpy(x), training=False).detach().cpu().numpy()
    assert_close(model.predict(x, verbose=0), y, 1e-4, 1e-4)


def test_arguments_are_keras():
    theirs = inspect.signature(_keras().layers.BatchNormalization.__init__).parameters
    mine = inspect.signature(layers.BatchNormalization.__init__).parameters
    assert [(p.name, p.default) for p in theirs.values()] == [
        (p.name, p.default) for p in mine.values() if p.name in theirs
    ]


def test_training_against_torch(rng):
    """Ten steps of a network with two normalisations give torch's losses and moving means."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours = _network()
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 5, 3, bias=False),
        torch.nn.BatchNorm2d(5, 1e-3, 0.1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(210, 3),
        torch.nn.BatchNorm1d(3, 1e-3, 0.2),
    )
    w = ours.get_weights()
    dense = w[5].reshape(6, 7, 5, 3).transpose(2, 0, 1, 3).reshape(210, 3)
    with torch.no_grad():
        for parameter, value in zip(
            theirs.parameters(),
            (w[0].transpose(3, 2, 0, 1), w[1], w[2], dense.T, w[6], np.ones(3, "f"), w[7]),
            strict=True,
        ):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    theirs[5].weight.requires_grad = False
    images, labels = _data(rng)
    ours.compile(optimizers.SGD(0.05, 0.9), "sparse_categorical_crossentropy")
    optimizer = torch.optim.SGD(
        [p for p in theirs.parameters() if p.requires_grad], 0.05, momentum=0.9
    )
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    for _ in range(10):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(theirs(x), torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        assert_close(np.ravel(ours.train_on_batch(images, labels))[0], loss.item(), 2e-4)
    assert_close(
        ours.get_layer("norm").moving_mean.numpy(), theirs[1].running_mean.numpy(), 1e-3, 1e-4
    )


def test_bad_input(rng):
    for error, message, make in [
        (TypeError, "axis must be an integer", lambda: layers.BatchNormalization("last")),
        (ValueError, "momentum must be between", lambda: layers.BatchNormalization(momentum=2)),
        (ValueError, "epsilon must be at least", lambda: layers.BatchNormalization(epsilon=-1)),
        (ValueError, "not supported", lambda: layers.BatchNormalization(synchronized=True)),
        (ValueError, "renorm is not", lambda: layers.BatchNormalization(renorm=True)),
        (ValueError, "axis 4", lambda: layers.BatchNormalization(4)(np.ones((2, 3), "f"))),
        (ValueError, "axis 0", lambda: layers.BatchNormalization(0)(np.ones((2, 3), "f"))),
        (ValueError, "must be known", lambda: layers.BatchNormalization().build((None, None))),
    ]:
        with pytest.raises(error, match=message):
            make()
    layer = layers.BatchNormalization(name="norm")
    layer(np.ones((2, 3), "float32"))
    with pytest.raises(ValueError, match=r"BatchNormalization 'norm'.* 4 channels.* for 3"):
        layer(np.ones((2, 4), "float32"))
