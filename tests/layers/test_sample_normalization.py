"""LayerNormalization, GroupNormalization, LocalResponseNormalization against Keras and torch."""

import inspect
import os

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import layers, optimizers
from cnnfast.models import load_model


def _keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="keras is not installed")


def _with_weights(layer, rng):
    """Gamma and beta that are no ones and zeros."""
    layer.set_weights([rng.uniform(0.5, 2, w.shape).astype("float32") for w in layer.get_weights()])
    return layer


# Keras 3.15 on torch fails for axes that are not the last ones; tests/ops has those.
CASES = [
    ("LayerNormalization", dict()),
    ("LayerNormalization", dict(axis=[1, 2, 3], scale=False)),
    ("LayerNormalization", dict(axis=(2, 3), center=False)),
    ("GroupNormalization", dict(groups=4)),
    ("GroupNormalization", dict(groups=2, axis=1, epsilon=1e-2)),
    ("GroupNormalization", dict(groups=-1)),
    ("GroupNormalization", dict(groups=1, scale=False, center=False)),
]


@pytest.mark.parametrize("name, options", CASES)
def test_against_keras(name, options, rng):
    keras = _keras()
    x = (rng.standard_normal((3, 4, 5, 8)) * 2 + 1).astype("float32")
    ours, theirs = getattr(layers, name)(**options), getattr(keras.layers, name)(**options)
    for layer in (ours, theirs):
        layer.build((None, 4, 5, 8))
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert [tuple(w.shape) for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    _with_weights(ours, rng)
    theirs.set_weights(ours.get_weights())
    y = keras.ops.convert_to_numpy(theirs(x))
    assert_close(ours(x), y, 1e-5, 1e-5)
    assert np.array_equal(ours(x, training=True), ours(x))
    again = getattr(layers, name).from_config(ours.get_config())
    assert again.get_config() == ours.get_config()


@pytest.mark.parametrize("name", ["LayerNormalization", "GroupNormalization"])
def test_arguments_are_keras(name):
    theirs = inspect.signature(getattr(_keras().layers, name).__init__).parameters
    mine = inspect.signature(getattr(layers, name).__init__).parameters
    assert [(p.name, p.default) for p in theirs.values()] == [
        (p.name, p.default) for p in mine.values() if p.name in theirs
    ]


def test_local_response_is_torch(rng):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    theirs = inspect.signature(torch.nn.LocalResponseNorm.__init__).parameters
    mine = inspect.signature(layers.LocalResponseNormalization.__init__).parameters
    for name in ("alpha", "beta", "k"):
        assert mine[name].default == theirs[name].default
    x = rng.standard_normal((2, 6, 4, 5)).astype("float32")
    y = torch.nn.LocalResponseNorm(3, 0.5, 0.6, 2.0)(torch.from_numpy(x)).numpy()
    assert_close(layers.LocalResponseNormalization(3, 0.5, 0.6, 2.0, axis=1)(x), y, 1e-5, 1e-6)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    y = y.transpose(0, 2, 3, 1)
    assert_close(layers.LocalResponseNormalization(3, 0.5, 0.6, 2.0)(last), y, 1e-5, 1e-6)


def _network():
    cnnfast.set_random_seed(5)
    return cnnfast.Sequential(
        [
            cnnfast.Input((8, 8, 3)),
            layers.Conv2D(8, 3),
            layers.LocalResponseNormalization(3, 1.0),
            layers.GroupNormalization(4),
            layers.ReLU(),
            layers.Conv2D(6, 3),
            layers.LayerNormalization([1, 2, 3]),
            layers.Flatten(),
            layers.Dense(3),
            layers.LayerNormalization(),
            layers.Softmax(),
        ]
    )


def test_training_against_torch(rng):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    ours = _network()
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3),
        torch.nn.LocalResponseNorm(3, 1.0),
        torch.nn.GroupNorm(4, 8, 1e-3),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 6, 3),
        torch.nn.LayerNorm((6, 4, 4), 1e-3),
        torch.nn.Flatten(),
        torch.nn.Linear(96, 3),
        torch.nn.LayerNorm(3, 1e-3),
    )
    w = ours.get_weights()
    turned = [w[0].transpose(3, 2, 0, 1), w[1], w[2], w[3], w[4].transpose(3, 2, 0, 1), w[5],
              w[6].transpose(2, 0, 1), w[7].transpose(2, 0, 1),
              w[8].reshape(4, 4, 6, 3).transpose(2, 0, 1, 3).reshape(96, 3).T, w[9], w[10],
              w[11]]  # fmt: skip
    with torch.no_grad():
        for parameter, value in zip(theirs.parameters(), turned, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    images = rng.standard_normal((12, 8, 8, 3)).astype("float32")
    labels = rng.integers(0, 3, 12)
    ours.compile(optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    optimizer = torch.optim.SGD(theirs.parameters(), 0.05)
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    for _ in range(10):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(theirs(x), torch.from_numpy(labels))
        loss.backward()
        optimizer.step()
        assert_close(np.ravel(ours.train_on_batch(images, labels))[0], loss.item(), 1e-4)


def test_model_files(tmp_path, rng):
    images, labels = rng.standard_normal((12, 8, 8, 3)).astype("float32"), rng.integers(0, 3, 12)
    model = _network()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=6, epochs=2, verbose=0)
    model.save(tmp_path / "m.safetensors")
    again = load_model(tmp_path / "m.safetensors")
    assert np.array_equal(model.predict(images, verbose=0), again.predict(images, verbose=0))
    assert model.non_trainable_weights == []


def test_bad_input():
    x = np.ones((2, 4, 4, 6), "float32")
    norm, group = layers.LayerNormalization, layers.GroupNormalization
    respond = layers.LocalResponseNormalization
    for error, message, make in [
        (ValueError, "32 groups do not divide the 6 channels", lambda: group()(x)),
        (ValueError, "4 groups do not divide", lambda: group(4)(x)),
        (ValueError, "at least 1, or -1", lambda: group(0)),
        (ValueError, "at least -1", lambda: group(-2)),
        (ValueError, "axis 4", lambda: group(2, axis=4)(x)),
        (ValueError, "axis 0", lambda: norm(axis=0)(x)),
        (ValueError, "twice", lambda: norm(axis=(3, -1))(x)),
        (ValueError, "no axis", lambda: norm(axis=[])),
        (TypeError, "axis must be an integer", lambda: norm(axis="last")),
        (ValueError, "must be known", lambda: norm().build((None, None))),
        (ValueError, "not supported", lambda: norm(gamma_constraint="unit_norm")),
        (ValueError, "size must be at least 1", lambda: respond(0)),
        (ValueError, "k must be above 0", lambda: respond(k=0)),
        (ValueError, "alpha must be at least", lambda: respond(alpha=-1)),
        (TypeError, "beta must be a number", lambda: respond(beta=None)),
        (ValueError, "axis 2", lambda: respond(axis=2)(np.ones((2, 3), "float32"))),
    ]:
        with pytest.raises(error, match=message):
            make()
    for layer in (norm(name="norm"), group(2, name="norm")):
        layer(x)
        with pytest.raises(ValueError, match="'norm'.*built for"):
            layer(np.ones((2, 4, 4, 8), "float32"))
