"""Random layers: what they draw, that they rest outside of training, seeds, files."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers, ops, runtime
from ops.levels import levels

MADE = {
    "RandomFlip": lambda **k: layers.RandomFlip(**k),
    "RandomTranslation": lambda **k: layers.RandomTranslation(0.2, (-0.1, 0.3), **k),
    "RandomRotation": lambda **k: layers.RandomRotation(0.1, "constant", fill_value=0.5, **k),
    "RandomZoom": lambda **k: layers.RandomZoom(0.3, (0.0, 0.2), "wrap", **k),
    "RandomCrop": lambda **k: layers.RandomCrop(5, 6, **k),
    "RandomContrast": lambda **k: layers.RandomContrast(0.5, (-9, 9), **k),
    "RandomBrightness": lambda **k: layers.RandomBrightness(0.2, (-9, 9), **k),
    "SpatialDropout2D": lambda **k: layers.SpatialDropout2D(0.3, **k),
}


@pytest.mark.parametrize("name", MADE)
def test_every_random_layer(name, rng, tmp_path):
    make = MADE[name]
    x = rng.standard_normal((8, 9, 8, 3)).astype("float32")
    layer = make(seed=5)
    resting = layer(x, training=False)
    if name != "RandomCrop":
        assert np.array_equal(resting, x)
    first, second = layer(x, training=True), layer(x, training=True)
    assert first.shape == resting.shape
    assert not np.array_equal(first, second), "each step draws anew"
    assert not all(np.array_equal(first[0], one) for one in first[1:])
    assert np.array_equal(make(seed=5)(x, training=True), first), "the same seed, the same draws"
    assert not np.array_equal(make(seed=6)(x, training=True), first)
    for level in levels():
        close = make(seed=5)(x, training=True)
        np.testing.assert_allclose(close, first, rtol=1e-4, atol=1e-4, err_msg=level)
    double = make(seed=5, dtype="float64")(x.astype("float64"), training=True)
    assert double.dtype == np.float64
    np.testing.assert_allclose(first, double, rtol=1e-4, atol=1e-4)
    if name not in ("RandomContrast", "RandomBrightness", "RandomFlip"):
        turned = make(seed=5, data_format="channels_first")
        y = turned(np.ascontiguousarray(x.transpose(0, 3, 1, 2)), training=True)
        np.testing.assert_allclose(y.transpose(0, 2, 3, 1), first, rtol=1e-5, atol=1e-5)
    config = layers.serialize(layer)
    again = layers.deserialize(config)
    assert layers.serialize(again) == config
    assert np.array_equal(again(x, training=True), first)


def _acting(library, make, x):
    """Whether a layer changes images: called alone, in a model, in a function on what Input gave,
    in a model that predicts, or that is told to rest."""
    alone, chain = make(library), library.Sequential([library.Input(x.shape[1:]), make(library)])
    inputs = library.Input(x.shape[1:])
    drawn = library.Model(inputs, make(library)(inputs))
    results = [
        alone(x),
        alone(x, training=False),
        chain(x),
        chain(x, training=False),
        chain.predict(x, verbose=0),
        drawn(x),
        drawn(x, training=False),
        drawn.predict(x, verbose=0),
        library.Sequential([chain])(x),
    ]
    return [not np.allclose(np.asarray(y), x, atol=1e-6) for y in results]


def test_augmentations_act_unasked(rng):
    """Pictures of what a network will train on are made by calling the layers: as in Keras they
    act unless they are told to rest, while dropout and noise rest unless they are told to act."""
    x = rng.uniform(0, 1, (8, 6, 6, 1)).astype("float32")
    acts = [True, False, True, False, False, True, False, False, True]
    kinds = {
        "RandomFlip": (lambda library: library.layers.RandomFlip(seed=1), acts),
        "RandomRotation": (lambda library: library.layers.RandomRotation(0.2, seed=1), acts),
        "Dropout": (lambda library: library.layers.Dropout(0.5, seed=1), [False] * 9),
        "GaussianNoise": (lambda library: library.layers.GaussianNoise(1.0, seed=1), [False] * 9),
    }
    for name, (make, expected) in kinds.items():
        assert _acting(cnnfast, make, x) == expected, name
    keras = pytest.importorskip("keras")
    for name, (make, expected) in kinds.items():
        assert _acting(keras, make, x) == expected, name


def test_a_model_that_gets_an_augmentation_acts_from_then_on(rng):
    x = rng.uniform(0, 1, (4, 6, 6, 1)).astype("float32")
    model = cnnfast.Sequential([cnnfast.Input((6, 6, 1)), layers.Activation("linear")])
    assert np.array_equal(model(x), x)
    model.add(layers.RandomTranslation(0.3, 0.3, seed=1))
    assert not np.array_equal(model(x), x)
    assert np.array_equal(model.predict_on_batch(x), x)

    class Own(layers.Layer):
        def __init__(self):
            super().__init__()
            self.inner = layers.RandomTranslation(0.3, 0.3, seed=1)

        def call(self, x, training=None):
            return self.inner(x, training=training)

    own = Own()
    assert not np.array_equal(own(x), x)
    assert np.array_equal(own(x, training=False), x)


def test_images_are_drawn_one_by_one(rng):
    """Every image of a batch is the same: what comes out differs, and is one of the four."""
    image = rng.standard_normal((1, 4, 5, 2)).astype("float32")
    y = layers.RandomFlip(seed=1)(np.repeat(image, 4000, 0), training=True)
    kinds = [image[0], image[0, ::-1], image[0, :, ::-1], image[0, ::-1, ::-1]]
    found = np.array([(y == kind).all((1, 2, 3)) for kind in kinds])
    assert (found.sum(0) == 1).all()
    # Five standard deviations of a binomial.
    assert (np.abs(found.mean(1) - 0.25) < 5 * np.sqrt(0.25 * 0.75 / 4000)).all()
    y = layers.RandomFlip("horizontal", seed=1)(np.repeat(image, 4000, 0), training=True)
    assert abs((y == image).all((1, 2, 3)).mean() - 0.5) < 5 * np.sqrt(0.25 / 4000)
    assert ((y == image).all((1, 2, 3)) | (y == image[:, :, ::-1]).all((1, 2, 3))).all()


def test_translations_fill_their_range():
    x = np.zeros((2000, 1, 101, 1), "float32")
    x[..., 0] = np.arange(101)
    layer = layers.RandomTranslation(0.0, (-0.1, 0.2), "nearest", seed=3)
    shift = 50 - layer(x, training=True)[:, 0, 50, 0]
    assert shift.min() > -10.11 and shift.max() < 20.21
    assert shift.min() < -9.9 and shift.max() > 20.0
    assert abs(shift.mean() - 5.05) < 5 * (30.3 / np.sqrt(12 * 2000))
    assert np.array_equal(np.histogram(shift, 3, (-10.1, 20.2))[0] > 560, [True] * 3)


def test_crops_reach_every_place():
    x = np.arange(36, dtype="float32").reshape(1, 6, 6, 1).repeat(2000, 0)
    y = layers.RandomCrop(4, 5, seed=1)(x, training=True)
    corner = y[:, 0, 0, 0].astype(int)
    assert set(corner) == {0, 1, 6, 7, 12, 13}
    assert np.array_equal(y - y[:, :1, :1], np.broadcast_to(x[:, :4, :5], y.shape))
    assert np.bincount(corner)[[0, 1, 6, 7, 12, 13]].min() > 250
    middle = layers.RandomCrop(3, 3)(x[:1], training=False)
    np.testing.assert_allclose(middle, ops.resize(x[:1], (3, 3)))
    middle = layers.RandomCrop(6, 3)(x[:1], training=False)
    np.testing.assert_allclose(middle, ops.resize(x[:1, :, 1:4], (6, 3)))
    assert layers.RandomCrop(8, 8)(x, training=True).shape == (2000, 8, 8, 1)


def test_against_keras(rng):
    """A range of one number leaves nothing to chance."""
    keras = pytest.importorskip("keras")
    x = rng.uniform(0, 1, (2, 7, 9, 3)).astype("float32")
    for name, arguments in [
        ("RandomTranslation", {"height_factor": (0.2, 0.2), "width_factor": (-0.37, -0.37)}),
        ("RandomRotation", {"factor": (0.07, 0.07)}),
        ("RandomZoom", {"height_factor": (0.3, 0.3), "width_factor": (-0.2, -0.2)}),
        ("RandomZoom", {"height_factor": (0.25, 0.25)}),
        ("RandomBrightness", {"factor": (0.1, 0.1), "value_range": (0, 1)}),
    ]:
        modes = ("reflect", "constant", "nearest", "wrap")
        for mode in modes if "Bright" not in name else (None,):
            more = {} if mode is None else {"fill_mode": mode, "fill_value": 0.3}
            other = getattr(keras.layers, name)(**arguments, **more)
            expected = np.asarray(other(x, training=True).detach())
            y = getattr(layers, name)(**arguments, **more)(x, training=True)
            np.testing.assert_allclose(y, expected, atol=2e-5, err_msg=f"{name} {arguments} {mode}")


def test_contrast_keeps_the_mean(rng):
    x = rng.uniform(0.3, 0.7, (500, 4, 4, 2)).astype("float32")
    y = layers.RandomContrast((0.5, 0.25), (0, 1), seed=1)(x, training=True)
    np.testing.assert_allclose(y.mean((1, 2)), x.mean((1, 2)), rtol=1e-5)
    factor = y.std((1, 2)) / x.std((1, 2))
    np.testing.assert_allclose(factor[:, 0], factor[:, 1], rtol=1e-4)
    assert factor.min() > 0.499 and factor.max() < 1.251
    assert factor.min() < 0.52 and factor.max() > 1.23


def test_spatial_dropout_drops_channels():
    x = np.ones((200, 3, 4, 50), "float32")
    y = layers.SpatialDropout2D(0.3, seed=2)(x, training=True)
    assert (y == y[:, :1, :1]).all()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.7)}
    assert abs((y[:, 0, 0] == 0).mean() - 0.3) < 5 * np.sqrt(0.21 / 10000)


def test_training_runs_them_in_the_plan(rng):
    x = rng.integers(0, 256, (40, 12, 12, 1)).astype("uint8")
    y = rng.integers(0, 3, 40)

    def trained(threads):
        runtime.set_num_threads(threads)
        cnnfast.set_random_seed(4)
        model = cnnfast.Sequential(
            [
                cnnfast.Input((12, 12, 1)),
                layers.Rescaling(1 / 255),
                layers.RandomFlip("horizontal", seed=1),
                layers.RandomTranslation(0.1, 0.1, seed=2),
                layers.RandomRotation(0.05, seed=3),
                layers.RandomCrop(10, 10, seed=4),
                layers.Conv2D(4, 3, activation="relu"),
                layers.SpatialDropout2D(0.2, seed=5),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ]
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
        history = model.fit(x, y, batch_size=20, epochs=2, verbose=0)
        return model, history.history["loss"]

    model, losses = trained(1)
    np.testing.assert_allclose(trained(2)[1], losses, rtol=1e-4)
    steps = [layer.random_states[0].numpy()[1] for layer in model.layers if hasattr(layer, "seed")]
    assert steps == [4, 4, 4, 4, 4]
    assert np.array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))
    steps_in_plan = model.plan(20).explain()
    assert "draw_affine" not in steps_in_plan


def test_single_images_and_bad_arguments(rng):
    image = rng.standard_normal((5, 6, 3)).astype("float32")
    assert layers.RandomRotation(0.1, seed=1)(image, training=True).shape == image.shape
    for make, message in [
        (lambda: layers.RandomFlip("both"), "RandomFlip.*mode must be"),
        (lambda: layers.RandomTranslation(1.5, 0.1), "height_factor must be between -1 and 1"),
        (
            lambda: layers.RandomTranslation(0.1, (0, 1, 2)),
            "width_factor must be one number or two",
        ),
        (lambda: layers.RandomRotation("a"), "factor must be a number"),
        (lambda: layers.RandomRotation(0.1, fill_mode="mirror"), "fill_mode must be one of"),
        (lambda: layers.RandomRotation(0.1, interpolation="cubic"), "interpolation must be one of"),
        (lambda: layers.RandomRotation(0.1, fill_value=float("nan")), "fill_value must be finite"),
        (lambda: layers.RandomCrop(0, 3), "height must be at least 1"),
        (lambda: layers.RandomContrast(-0.1), "factor must be between 0 and 1"),
        (lambda: layers.RandomBrightness(0.1, 255), "value_range must be two numbers"),
        (lambda: layers.RandomFlip(seed=-1), "seed must be at least 0"),
        (lambda: layers.SpatialDropout2D(0.5)(np.ones((2, 3), "float32")), "SpatialDropout2D"),
        (
            lambda: layers.RandomFlip()(np.ones((2, 3), "float32"), training=True),
            "RandomFlip.*images",
        ),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            make()
