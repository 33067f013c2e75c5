"""Borders, cropping, upsampling and layers with several inputs, against NumPy and Keras."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers


def test_padding_and_cropping(rng):
    x = rng.standard_normal((2, 5, 6, 3)).astype("float32")
    for padding, sides in [
        (2, (2, 2, 2, 2)),
        ((1, 3), (1, 1, 3, 3)),
        (((1, 2), (0, 3)), (1, 2, 0, 3)),
    ]:
        top, bottom, left, right = sides
        y = layers.ZeroPadding2D(padding)(x)
        assert np.array_equal(y, np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0))))
    y = layers.Cropping2D(((1, 2), (0, 3)))(x)
    assert np.array_equal(y, x[:, 1:3, :3])
    assert np.array_equal(layers.Cropping2D(2)(x), x[:, 2:3, 2:4])
    assert np.array_equal(layers.Cropping2D((1, 2))(layers.ZeroPadding2D((1, 2))(x)), x)
    first = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    y = layers.Cropping2D(1, data_format="channels_first")(first)
    assert np.array_equal(y, first[:, :, 1:-1, 1:-1])
    y = layers.ZeroPadding2D(1, data_format="channels_first")(first)
    assert np.array_equal(y, np.pad(first, ((0, 0), (0, 0), (1, 1), (1, 1))))


def test_upsampling(rng):
    x = rng.standard_normal((2, 3, 4, 5)).astype("float32")
    assert np.array_equal(layers.UpSampling2D()(x), x.repeat(2, 1).repeat(2, 2))
    assert np.array_equal(layers.UpSampling2D((1, 3))(x), x.repeat(3, 2))
    first = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    y = layers.UpSampling2D(2, data_format="channels_first")(first)
    assert np.array_equal(y, first.repeat(2, 2).repeat(2, 3))
    y = layers.UpSampling2D(2, interpolation="bilinear")(np.float32([0, 1]).reshape(1, 1, 2, 1))
    np.testing.assert_allclose(y[0, 0, :, 0], [0, 0.25, 0.75, 1])


def test_against_keras(rng):
    keras = pytest.importorskip("keras")
    x = rng.standard_normal((2, 5, 6, 3)).astype("float32")
    small = rng.standard_normal((2, 5, 6, 1)).astype("float32")
    flat = rng.standard_normal((2, 3)).astype("float32")
    for name, arguments, inputs in [
        ("ZeroPadding2D", {"padding": ((1, 2), (0, 3))}, x),
        ("Cropping2D", {"cropping": ((1, 2), (0, 3))}, x),
        ("UpSampling2D", {"size": (2, 3)}, x),
        ("UpSampling2D", {"size": (3, 2), "interpolation": "bilinear"}, x),
        ("Add", {}, [x, x, small]),
        ("Add", {}, [x, flat]),
        ("Subtract", {}, [x, small]),
        ("Multiply", {}, [x, small, x]),
        ("Average", {}, [x, x * 2, small]),
        ("Maximum", {}, [x, small, -x]),
        ("Minimum", {}, [x, small, -x]),
        ("Concatenate", {}, [x, small, x]),
        ("Concatenate", {"axis": 1}, [x, x]),
        ("PReLU", {"alpha_initializer": "ones", "shared_axes": [1, 2]}, x),
        ("Permute", {"dims": (3, 1, 2)}, x),
        ("Softmax", {"axis": 1}, x),
    ]:
        expected = np.asarray(getattr(keras.layers, name)(**arguments)(inputs).detach())
        y = getattr(layers, name)(**arguments)(inputs)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5, err_msg=f"{name} {arguments}")


def test_errors_name_the_layer_and_the_shapes():
    def ones(*shape):
        return np.ones(shape, "float32")

    for call, message in [
        (lambda: layers.Add(name="sum")([ones(2, 3), ones(2, 4)]), r"'sum'.*\(2, 3\) and \(2, 4\)"),
        (lambda: layers.Add()(ones(2, 3)), "Add.*list of at least one"),
        (lambda: layers.Subtract()([ones(2), ones(2), ones(2)]), "Subtract.*exactly two"),
        (lambda: layers.Subtract()([ones(2)]), "Subtract.*two inputs"),
        (
            lambda: layers.Concatenate(name="join")([ones(2, 3, 4), ones(2, 2, 4)]),
            r"'join'.*\(2, 3, 4\) and \(2, 2, 4\)",
        ),
        (lambda: layers.Concatenate(3)([ones(2, 3), ones(2, 3)]), "Concatenate.*axis 3"),
        (
            lambda: layers.Cropping2D(2)(ones(1, 4, 4, 1)),
            r"Cropping2D.*leaves nothing.*\(1, 4, 4, 1\)",
        ),
        (lambda: layers.Cropping2D(-1), "Cropping2D.*cropping must be at least 0"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "ZeroPadding2D.*padding must be"),
        (lambda: layers.ZeroPadding2D(1)(ones(4, 4)), r"ZeroPadding2D.*\(4, 4\)"),
        (lambda: layers.UpSampling2D(0), "UpSampling2D.*size must be at least 1"),
        (lambda: layers.UpSampling2D(2, interpolation="cubic"), "UpSampling2D.*interpolation"),
        (lambda: layers.PReLU(shared_axes=[3])(ones(2, 3)), r"PReLU.*shared_axes.*\(None, 3\)"),
        (lambda: layers.PReLU(alpha_constraint="x"), "PReLU.*alpha_constraint"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            call()


def test_prelu_learns_its_slope(rng):
    x = rng.standard_normal((64, 4, 4, 3)).astype("float32")
    y = np.where(x > 0, x, x * np.float32([0.1, 0.5, -0.3]))
    model = cnnfast.Sequential([cnnfast.Input((4, 4, 3)), layers.PReLU(shared_axes=[1, 2])])
    model.compile(cnnfast.optimizers.Adam(0.02), "mse")
    model.fit(x, y, batch_size=16, epochs=40, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0].ravel(), [0.1, 0.5, -0.3], atol=0.01)


def test_files(tmp_path, rng):
    model = cnnfast.Sequential(
        [
            cnnfast.Input((6, 6, 2)),
            layers.ZeroPadding2D(((1, 0), (2, 1))),
            layers.UpSampling2D((2, 1), interpolation="bilinear"),
            layers.Cropping2D(((0, 1), (1, 1))),
            layers.PReLU("he_normal", shared_axes=[1]),
        ]
    )
    model.save(tmp_path / "model.safetensors")
    again = cnnfast.models.load_model(tmp_path / "model.safetensors")
    x = rng.standard_normal((3, 6, 6, 2)).astype("float32")
    assert model.output_shape == (None, 13, 7, 2)
    assert np.array_equal(again(x), model(x))
    for layer in [*model.layers, layers.Concatenate(1), layers.Minimum(), layers.Add()]:
        config = layers.serialize(layer)
        assert layers.serialize(layers.deserialize(config)) == config
