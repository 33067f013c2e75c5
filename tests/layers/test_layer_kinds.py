"""What each layer computes, against NumPy and against the ops it stands for."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers, ops


def test_conv2d_positional_arguments_are_keras(rng):
    x = rng.standard_normal((2, 7, 6, 4)).astype("float32")
    layer = layers.Conv2D(6, (3, 2), (2, 1), "SAME", "channels_last", (1, 1), 2, "relu", True)
    y = layer(x)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 2, 2, 6) and bias.shape == (6,)
    expected = ops.relu(ops.conv2d(x, kernel, bias, strides=(2, 1), padding="same", groups=2))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda f: layers.Conv2D(5, 3, padding="same", data_format=f),
        lambda f: layers.MaxPooling2D(2, data_format=f),
        lambda f: layers.AveragePooling2D(2, padding="same", data_format=f),
        lambda f: layers.GlobalMaxPooling2D(data_format=f),
        lambda f: layers.GlobalAveragePooling2D(data_format=f, keepdims=True),
        lambda f: layers.ZeroPadding2D(((1, 2), (0, 3)), data_format=f),
        lambda f: layers.Flatten(data_format=f),
    ],
)
def test_channels_first_is_channels_last_transposed(make, rng):
    x = rng.standard_normal((2, 5, 6, 3)).astype("float32")
    last, first = make("channels_last"), make("channels_first")
    y = last(x)
    first_x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    first.build((None, *first_x.shape[1:]))
    first.built = True
    first.set_weights(last.get_weights())
    z = first(first_x)
    if z.ndim == 4:
        z = z.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(z, y, rtol=1e-5, atol=1e-6)


def test_pooling_positional_arguments_and_same_padding(rng):
    x = rng.standard_normal((1, 5, 5, 2)).astype("float32")
    y = layers.MaxPool2D(2, 2, "same")(x)
    padded = np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
    np.testing.assert_array_equal(y, padded.reshape(1, 3, 2, 3, 2, 2).max((2, 4)))
    assert layers.MaxPool2D is layers.MaxPooling2D
    assert layers.MaxPooling2D(3).strides == (3, 3)
    assert layers.AvgPool2D((2, 3), strides=1)(x).shape == (1, 4, 3, 2)


def test_other_names_of_the_same():
    assert layers.AvgPool2D is layers.AveragePooling2D
    assert layers.GlobalAvgPool2D is layers.GlobalAveragePooling2D
    assert layers.GlobalMaxPool2D is layers.GlobalMaxPooling2D
    assert layers.Convolution2D is layers.Conv2D
    assert cnnfast.losses.MSE is cnnfast.losses.mse is cnnfast.losses.mean_squared_error
    assert cnnfast.losses.MAE is cnnfast.losses.mae is cnnfast.losses.mean_absolute_error


def test_average_pooling_leaves_padding_out(rng):
    x = np.ones((1, 3, 3, 1), "float32")
    np.testing.assert_array_equal(
        layers.AveragePooling2D(2, padding="same")(x), np.ones((1, 2, 2, 1))
    )


def test_global_pooling(rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype("float32")
    np.testing.assert_allclose(
        layers.GlobalAveragePooling2D()(x), x.mean((1, 2)), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(layers.GlobalMaxPooling2D()(x), x.max((1, 2)))


def test_shape_layers(rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(layers.Flatten()(x), x.reshape(2, 60))
    np.testing.assert_array_equal(layers.Reshape((5, -1))(x), x.reshape(2, 5, 12))
    np.testing.assert_array_equal(layers.Permute((3, 1, 2))(x), x.transpose(0, 3, 1, 2))
    padded = np.pad(x, ((0, 0), (1, 2), (0, 3), (0, 0)))
    np.testing.assert_array_equal(layers.ZeroPadding2D(((1, 2), (0, 3)))(x), padded)
    assert layers.ZeroPadding2D(2)(x).shape == (2, 7, 8, 5)
    model = cnnfast.Sequential(
        [cnnfast.Input((3, 4, 5)), layers.ZeroPadding2D(3), layers.Conv2D(2, 3)]
    )
    model.compile("sgd", "mse")
    y = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)))
    kernel, bias = model.get_weights()
    expected = ops.conv2d(y, kernel, bias)
    np.testing.assert_allclose(model(x), expected, rtol=1e-5, atol=1e-5)
    loss = model.train_on_batch(x, np.zeros(expected.shape))
    assert loss == pytest.approx((expected**2).mean(), rel=1e-4)
    with pytest.raises(ValueError, match=r"holds 60 values, target_shape \(7, -1\) does not"):
        layers.Reshape((7, -1))(x)
    assert layers.Flatten()(np.zeros(3, "float32")).shape == (3, 1)
    assert layers.Reshape((2, 5)).compute_output_shape((None, 10)) == (None, 2, 5)


def test_activations_as_layers(rng):
    x = rng.standard_normal((3, 4)).astype("float32")
    np.testing.assert_array_equal(layers.ReLU()(x), np.maximum(x, 0))
    np.testing.assert_allclose(
        layers.ReLU(0.5, 0.1)(x), np.minimum(np.where(x > 0, x, 0.1 * x), 0.5)
    )
    np.testing.assert_allclose(layers.ReLU(threshold=0.2)(x), np.where(x >= 0.2, x, 0.0))
    np.testing.assert_allclose(layers.LeakyReLU()(x), np.where(x > 0, x, 0.3 * x), rtol=1e-6)
    np.testing.assert_allclose(
        layers.LeakyReLU(alpha=0.1)(x), np.where(x > 0, x, 0.1 * x), rtol=1e-6
    )
    np.testing.assert_allclose(
        layers.ELU()(x), np.where(x > 0, x, np.expm1(x)), rtol=1e-5, atol=1e-6
    )
    e = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(layers.Softmax()(x), e / e.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_array_equal(layers.Activation("tanh")(x), ops.tanh(x))


def test_merging_layers(rng):
    a, b = rng.standard_normal((2, 3, 4)).astype("float32")
    np.testing.assert_array_equal(layers.Add()([a, b]), a + b)
    np.testing.assert_array_equal(layers.Subtract()([a, b]), a - b)
    np.testing.assert_array_equal(layers.Multiply()([a, b]), a * b)
    np.testing.assert_array_equal(layers.Maximum()([a, b]), np.maximum(a, b))
    np.testing.assert_allclose(layers.Average()([a, b]), (a + b) / 2, rtol=1e-6)
    with pytest.raises(ValueError, match="list of at least one"):
        layers.Add()(a)


def test_rescaling_takes_uint8():
    x = np.arange(6, dtype="uint8").reshape(1, 6)
    np.testing.assert_allclose(layers.Rescaling(1 / 255)(x), x / np.float32(255), rtol=1e-6)
    per_channel = layers.Rescaling([1.0, 2.0], offset=[0.0, -1.0])
    np.testing.assert_array_equal(
        per_channel(np.ones((1, 2, 2, 2), "float32"))[0, 0, 0], [1.0, 1.0]
    )


def test_dropout_scales_and_moves_on():
    layer = layers.Dropout(0.25, seed=3)
    x = np.ones((100, 100), "float32")
    np.testing.assert_array_equal(layer(x), x)
    first, second = layer(x, training=True), layer(x, training=True)
    assert set(np.unique(first)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert abs((first == 0).mean() - 0.25) < 0.02
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(layers.Dropout(0.25, seed=3)(x, training=True), first)
    np.testing.assert_array_equal(layers.Dropout(1.0)(x, training=True), 0 * x)
    np.testing.assert_array_equal(layers.Dropout(0.0)(x, training=True), x)


def test_every_layer_comes_back_from_its_configuration():
    made = [
        layers.Conv2D(4, 3, padding="same", activation="relu", kernel_regularizer="l2"),
        layers.Dense(3, kernel_initializer=cnnfast.initializers.HeNormal(seed=1), use_bias=False),
        layers.Flatten(),
        layers.Reshape((2, -1)),
        layers.Permute((2, 1)),
        layers.ZeroPadding2D(1),
        layers.Dropout(0.3, seed=5),
        layers.MaxPooling2D(3, 2, "same"),
        layers.AveragePooling2D(),
        layers.GlobalAveragePooling2D(keepdims=True),
        layers.GlobalMaxPooling2D(),
        layers.Activation("tanh"),
        layers.ReLU(6.0),
        layers.LeakyReLU(0.1),
        layers.ELU(0.5),
        layers.Softmax(),
        layers.Rescaling([0.5, 1.0]),
        layers.Add(),
        layers.InputLayer((3, 3, 1)),
    ]
    for layer in made:
        again = layers.deserialize(layers.serialize(layer))
        assert type(again) is type(layer)
        assert again.get_config() == layer.get_config()
    with pytest.raises(ValueError, match="unknown layer 'Convolve'"):
        layers.deserialize({"class_name": "Convolve", "config": {}})
