"""Layer: names, weights, building, training flags, errors, layers of one's own."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers, ops, utils


@pytest.fixture(autouse=True)
def _names_from_the_start():
    utils.clear_session()


def test_automatic_names_count_as_in_keras():
    assert [layers.Conv2D(1, 1).name for _ in range(3)] == ["conv2d", "conv2d_1", "conv2d_2"]
    assert layers.MaxPooling2D().name == "max_pooling2d"
    assert layers.GlobalAveragePooling2D().name == "global_average_pooling2d"
    assert layers.ReLU().name == "re_lu"
    assert layers.Dense(1, name="head").name == "head"


def test_build_makes_weights_once():
    layer = layers.Dense(3)
    assert not layer.built and layer.weights == []
    x = np.ones((2, 4), "float32")
    first = layer(x)
    weights = layer.get_weights()
    assert [w.shape for w in weights] == [(4, 3), (3,)]
    assert layer.count_params() == 15
    np.testing.assert_array_equal(layer(x), first)
    np.testing.assert_allclose(first, x @ weights[0] + weights[1], rtol=1e-5, atol=1e-6)


def test_set_weights_checks_before_it_writes():
    layer = layers.Dense(3)
    layer.build((None, 4))
    before = layer.get_weights()
    with pytest.raises(ValueError, match=r"Dense 'dense': set_weights expected 2 arrays, got 1"):
        layer.set_weights([np.zeros((4, 3))])
    with pytest.raises(ValueError, match=r"expected shape \(3,\) for 'bias', got \(4,\)"):
        layer.set_weights([np.zeros((4, 3)), np.zeros(4)])
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    layer.set_weights([np.full((4, 3), 2.0), np.ones(3)])
    np.testing.assert_array_equal(layer(np.ones((1, 4), "float32")), [[9.0, 9.0, 9.0]])


class Scaled(layers.Layer):
    """A layer with a weight, a layer inside and a training flag."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = [layers.Dense(units), layers.Dropout(0.5)]

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")
        self.count = self.add_weight((), "zeros", trainable=False, name="count")

    def call(self, x, training=False):
        y = self.inner[0](ops.multiply(x, self.scale))
        y = self.inner[1](y)
        return ops.multiply(y, 2.0) if training else y

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def test_own_layer_tracks_what_is_inside():
    layer = Scaled(5)
    y = layer(np.ones((2, 3), "float32"))
    assert y.shape == (2, 5)
    assert [w.name for w in layer.weights] == ["scale", "count", "kernel", "bias"]
    assert [w.name for w in layer.trainable_weights] == ["scale", "kernel", "bias"]
    assert [w.name for w in layer.non_trainable_weights] == ["count"]
    assert layer.compute_output_shape((None, 3)) == (None, 5)
    again = Scaled.from_config(layer.get_config())
    assert again.units == 5 and again.name == layer.name
    layer.trainable = False
    assert layer.trainable_weights == [] and not layer.inner[0].trainable


def test_training_flag_reaches_layers_inside():
    layer = Scaled(200)
    x = np.ones((1, 3), "float32")
    assert np.count_nonzero(layer(x)) == 200
    dropped = np.count_nonzero(layer(x, training=True))
    assert 50 < dropped < 150


def test_own_layer_trains_in_a_model():
    cnnfast.set_random_seed(0)
    model = cnnfast.Sequential([cnnfast.Input((3,)), Scaled(4), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(np.ones((8, 3), "float32"), np.ones((8, 1), "float32"))
    names = [w.name for w in model.weights]
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert dict(zip(names[:2], moved[:2], strict=True)) == {"scale": True, "count": False}
    assert all(moved[2:])


class Squared(layers.Layer):
    """Its kernel is computed from weights alone: no input takes part in the square."""

    def build(self, input_shape):
        self.root = self.add_weight((input_shape[-1], 1), "ones", name="root")

    def call(self, x):
        return ops.dense(x, ops.square(self.root))


def test_gradient_reaches_weights_that_only_weights_use():
    model = cnnfast.Sequential([cnnfast.Input((2,)), Squared()])
    model.compile(cnnfast.optimizers.SGD(0.1), "mse")
    model.train_on_batch(np.array([[1.0, 0.0]], "float32"), np.zeros((1, 1), "float32"))
    # loss = (root^2)^2, d loss / d root = 4 root^3 = 4 at 1.
    np.testing.assert_allclose(model.get_weights()[0], [[0.6], [1.0]], rtol=1e-6)


def test_errors_name_the_layer():
    convolution = layers.Conv2D(16, 3)
    convolution(np.zeros((8, 28, 28, 3), "float32"))
    message = (
        r"Conv2D 'conv2d': input has 1 channel, kernel \(3, 3, 3, 16\) expects 3; "
        r"got x \(8, 28, 28, 1\)"
    )
    with pytest.raises(ValueError, match=message):
        convolution(np.zeros((8, 28, 28, 1), "float32"))
    with pytest.raises(ValueError, match=r"^Conv2D 'conv2d': expected an input \(batch, height"):
        convolution(np.zeros((8, 28, 28), "float32"))
    with pytest.raises(ValueError, match=r"^MaxPooling2D 'max_pooling2d'"):
        layers.MaxPooling2D(5)(np.zeros((1, 3, 3, 1), "float32"))
    with pytest.raises(TypeError, match=r"^Dense 'dense': expected numbers"):
        layers.Dense(2)(np.array([["a"]]))


def test_error_names_the_inner_layer_once():
    model = cnnfast.Sequential([layers.Dense(3, name="small"), layers.Conv2D(1, 1, name="conv")])
    with pytest.raises(ValueError) as caught:
        model(np.zeros((2, 4), "float32"))
    assert str(caught.value).startswith("Conv2D 'conv': expected an input")
    assert str(caught.value).count("'conv'") == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: layers.Conv2D(0, 3), ValueError, "filters must be at least 1, got 0"),
        (lambda: layers.Conv2D(8, 0), ValueError, "kernel_size must be at least 1"),
        (lambda: layers.Conv2D(8, 3, strides=0), ValueError, "strides must be at least 1"),
        (lambda: layers.Conv2D(8, 3, strides=-1), ValueError, "strides must be at least 1"),
        (lambda: layers.Conv2D(8, (3, 3, 3)), ValueError, "kernel_size must be one integer or two"),
        (lambda: layers.Conv2D(8.5, 3), TypeError, "filters must be an integer"),
        (lambda: layers.Conv2D(2**70, 3), ValueError, r"filters must be below 2\*\*63"),
        (lambda: layers.Conv2D(8, 3, padding="some"), ValueError, "padding must be"),
        (lambda: layers.Conv2D(8, 3, data_format="NHWC"), ValueError, "data_format must be"),
        (lambda: layers.Conv2D(8, 3, groups=3), ValueError, "multiple of groups"),
        (lambda: layers.Conv2D(8, 3, activation="rleu"), ValueError, "did you mean 'relu'"),
        (lambda: layers.Dense(True), TypeError, "units must be an integer"),
        (lambda: layers.Dense(3, unit=2), TypeError, "unknown argument 'unit'"),
        (lambda: layers.Dropout(1.5), ValueError, "rate must be between 0 and 1"),
        (lambda: layers.MaxPooling2D(0), ValueError, "pool_size must be at least 1"),
        (lambda: layers.Permute((1, 3)), ValueError, "permutation of 1..2"),
        (lambda: layers.Reshape((-1, -1)), ValueError, "only one size"),
        (lambda: layers.Dense(2, dtype="float16"), ValueError, "dtype must be"),
        (lambda: layers.Dense(2, kernel_initializer="glorot"), ValueError, "unknown initializer"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_forgotten_super_init_is_said():
    class Forgetful(layers.Layer):
        def __init__(self):
            self.units = 3

    with pytest.raises(RuntimeError, match=r"Forgetful.__init__ must call super\(\).__init__"):
        Forgetful()(np.zeros((1, 1), "float32"))


def test_float64_layers_compute_in_float64():
    layer = layers.Dense(2, dtype="float64")
    assert layer(np.ones((1, 3), "float32")).dtype == np.float64
    assert layer.get_weights()[0].dtype == np.float64
