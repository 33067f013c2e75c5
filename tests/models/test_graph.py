"""Model(inputs, outputs): layers and ops called on Inputs, sub-models, nested and shared layers."""

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers, ops


def branches():
    x = keras.Input((8, 8, 3), name="picture")
    h = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(x)
    h = ops.relu(layers.Conv2D(4, 3, padding="same", name="second")(h) + h)
    y = layers.Dense(2, name="head")(layers.Flatten()(h))
    return keras.Model(inputs=x, outputs=y)


def test_a_graph_computes_what_its_layers_compute(rng):
    model = branches()
    x = rng.standard_normal((3, 8, 8, 3)).astype("float32")
    h = model.get_layer("first")(x)
    h = np.maximum(model.get_layer("second")(h) + h, 0)
    y = model.get_layer("head")(h.reshape(3, -1))
    np.testing.assert_allclose(model(x), y, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.predict(x, batch_size=2, verbose=0), model(x))
    assert model.input_shape == (None, 8, 8, 3) and model.output_shape == (None, 2)
    assert model.output_names == ["head"] and model.input_names == ["picture"]


@pytest.mark.parametrize("kind", ["graph", "sequential"])
def test_sub_models_share_weights(kind, rng):
    if kind == "graph":
        model = branches()
    else:
        model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="first"),
                                  layers.Flatten(), layers.Dense(2, name="head")])  # fmt: skip
    x = rng.standard_normal((2, 8, 8, 3)).astype("float32")
    look = keras.Model(model.inputs, [model.get_layer("first").output, model.output])
    model.compile("sgd", "mse")
    model.train_on_batch(x, np.ones((2, 2), "float32"))
    maps, y = look(x)
    np.testing.assert_allclose(maps, model.get_layer("first")(x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(y, model(x), rtol=1e-4, atol=1e-5)
    # From between the layers to the end.
    rest = keras.Model(model.get_layer("first").output, model.output)
    np.testing.assert_allclose(rest(maps), y, rtol=1e-4, atol=1e-5)
    assert model.layers[-1].input.shape == model.layers[-2].output.shape
