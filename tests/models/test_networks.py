"""Sequential and Model: shapes, parameters, calls, summaries, plans."""

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers


def lenet5(**first):
    return keras.Sequential(
        [
            layers.Conv2D(6, 5, activation="tanh", padding="same", **first),
            layers.AveragePooling2D(),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def tutorial_cnn():
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def test_lenet5_has_61706_parameters():
    model = lenet5(input_shape=(28, 28, 1))
    assert model.count_params() == 61_706
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)


def test_tutorial_cnn_has_34826_parameters():
    model = tutorial_cnn()
    assert model.count_params() == 34_826
    assert [w.shape for w in model.weights] == [
        (3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (1600, 10), (10,)
    ]  # fmt: skip


def test_summary_shows_shapes_parameters_and_flops():
    lines = []
    tutorial_cnn().summary(print_fn=lines.append)
    text = "\n".join(lines)
    assert "(None, 26, 26, 32)" in text and "18,496" in text
    assert "Total params: 34,826" in text
    # conv2d_1: 11 * 11 * 64 outputs of 3 * 3 * 32 multiply-adds, bias and ReLU.
    convolution = next(line for line in lines if "18,496" in line)
    flops = int(convolution.split()[-1].replace(",", ""))
    assert abs(flops - 2 * 11 * 11 * 64 * 288) < 0.01 * flops


def test_weights_wait_for_the_first_data():
    model = lenet5()
    assert not model.built
    with pytest.raises(ValueError, match="is not known before the model is built"):
        model.count_params()
    with pytest.raises(ValueError, match="is not known before the model is built"):
        model.summary()
    assert model(np.zeros((2, 28, 28, 1), "float32")).shape == (2, 10)
    assert model.count_params() == 61_706
    other = lenet5()
    other.build((None, 28, 28, 1))
    assert other.count_params() == 61_706


def test_plan_and_layer_by_layer_agree(rng):
    model = tutorial_cnn()
    x = rng.standard_normal((3, 28, 28, 1)).astype("float32")
    y = x
    for layer in model.layers:
        y = layer(y)
    np.testing.assert_allclose(model(x), y, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(model.predict_on_batch(x), model(x))
    np.testing.assert_allclose(model(x).sum(1), 1, rtol=1e-5)


def test_predict_with_a_partial_last_batch(rng):
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    x = rng.standard_normal((11, 6)).astype("float32")
    kernel, bias = model.get_weights()
    for size in (1, 4, 11, 32):
        y = model.predict(x, batch_size=size, verbose=0)
        np.testing.assert_allclose(y, x @ kernel + bias, rtol=1e-5, atol=1e-6)
    assert model.predict(x, 4, verbose=0, steps=2).shape == (8, 3)


def test_inputs_of_other_dtypes_are_cast_without_scaling(rng):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    x = rng.integers(0, 255, (5, 4))
    expected = model.predict(x.astype("float32"), verbose=0)
    for dtype in ("uint8", "int16", "int32", "int64", "uint16", "float64", "float16", ">f4"):
        given = x.astype(dtype)
        np.testing.assert_array_equal(
            model.predict(given, verbose=0), expected, err_msg=f"dtype {dtype}"
        )
    np.testing.assert_array_equal(model.predict(x.tolist(), verbose=0), expected)
    np.testing.assert_array_equal(model.predict(np.asfortranarray(x), verbose=0), expected)


def test_missing_channel_axis_is_added_as_in_keras(rng):
    model = tutorial_cnn()
    x = rng.random((2, 28, 28)).astype("float32")
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), model.predict(x[..., None], verbose=0)
    )


def test_add_pop_and_names():
    model = keras.Sequential(name="net")
    model.add(layers.Dense(4, input_shape=(3,), name="a"))
    model.add(layers.Dense(5, name="b"))
    assert model.output_shape == (None, 5) and model.count_params() == 16 + 25
    with pytest.raises(ValueError, match="a layer named 'a' is there already"):
        model.add(layers.Dense(1, name="a"))
    with pytest.raises(TypeError, match="write Flatten"):
        model.add(layers.Flatten)
    with pytest.raises(ValueError, match=r"Conv2D 'c': expected an input"):
        model.add(layers.Conv2D(1, 1, name="c"))
    assert [layer.name for layer in model.layers] == ["a", "b"]
    assert model.pop().name == "b"
    assert model.output_shape == (None, 4)
    assert model.get_layer("a") is model.layers[0] is model.get_layer(index=0)
    with pytest.raises(ValueError, match="no layer named 'b'; it has a"):
        model.get_layer("b")


def test_models_nest(rng):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, activation="relu")])
    model = keras.Sequential([inner, layers.Dense(2)])
    assert model.input_shape == (None, 4) and model.count_params() == 15 + 8
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(rng.random((8, 4), dtype="float32"), np.ones((8, 2), "float32"))
    assert any(not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_a_model_of_ones_own(rng):
    class Residual(keras.Model):
        def __init__(self):
            super().__init__()
            self.a = layers.Dense(4, activation="relu")
            self.b = layers.Dense(4)
            self.drop = layers.Dropout(0.5)

        def call(self, x, training=False):
            return self.drop(self.b(self.a(x)), training=training) + x

    model = Residual()
    x = rng.standard_normal((6, 4)).astype("float32")
    assert model(x).shape == (6, 4)
    assert model.count_params() == 40
    model.compile("adam", "mse")
    history = model.fit(x, x, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert not np.array_equal(model(x, training=True), model(x))


def test_frozen_layers_do_not_change(rng):
    model = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(2)])
    model.compile("sgd", "mse")
    x, y = rng.random((8, 4), dtype="float32"), rng.random((8, 2), dtype="float32")
    model.train_on_batch(x, y)
    model.layers[0].trainable = False
    before = model.get_weights()
    model.train_on_batch(x, y)
    after = model.get_weights()
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])
    assert len(model.trainable_weights) == 2


def test_plan_explains_and_profiles_without_touching_weights():
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(4, 3), layers.Dropout(0.5),
                              layers.Flatten(), layers.Dense(2)])  # fmt: skip
    with pytest.raises(ValueError, match="compile it first"):
        model.plan(4, "train")
    model.compile("adam", "sparse_categorical_crossentropy")
    assert "conv2d" in model.plan(4).explain()
    before = model.get_weights()
    steps = model.plan(4, "train").profile(repeats=2)
    assert any(step["op"] == "adam_update" for step in steps)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations.numpy()) == 0
    with pytest.raises(ValueError, match="mode must be"):
        model.plan(4, "testing")


def test_plans_are_bounded_in_number(rng):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    for rows in range(1, 200):
        model.predict_on_batch(rng.random((rows, 3), dtype="float32"))
    assert len(model._programs) <= 24


def test_wrong_input_shapes_say_what_to_do(rng):
    model = tutorial_cnn()
    with pytest.raises(
        ValueError, match=r"expected x of shape \(None, 28, 28, 1\), got \(2, 28, 28, 3\)"
    ):
        model.predict(np.zeros((2, 28, 28, 3), "float32"))
    with pytest.raises(ValueError, match=r"transpose\(0, 2, 3, 1\)"):
        model.predict(np.zeros((2, 1, 28, 28), "float32"))
    with pytest.raises(ValueError, match="x has no samples"):
        model.predict(np.zeros((0, 28, 28, 1), "float32"))
    with pytest.raises(TypeError, match="x must be an array, got str"):
        model.predict("images")
    with pytest.raises(TypeError, match="x must hold numbers, got dtype complex64"):
        model.predict(np.zeros((2, 28, 28, 1), "complex64"))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        model.predict(np.zeros((2, 28, 28, 1), "float32"), batch_size=0)
