"""Model(inputs, outputs): layers and ops called on Inputs, sub-models, nested and shared layers."""

import gc

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import Tensor, layers, ops


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


class Block(layers.Layer):
    """Layers in a list that grows and in a dict; a penalty on what it returns."""

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.depth = depth
        self.chain = []
        self.ends = {}
        for _ in range(depth):
            self.chain.append(layers.Dense(4, activation="relu"))
        self.ends["last"] = layers.Dense(4)

    def build(self, input_shape):
        self.scale = self.add_weight(
            shape=(input_shape[-1],), initializer="ones", trainable=True, name="scale"
        )
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x, training=None):
        h = x * self.scale
        for layer in self.chain:
            h = layer(h)
        h = self.ends["last"](h)
        self.add_loss(ops.mean(ops.square(h)) * 0.01)
        return h + 1.0 if training else h

    def get_config(self):
        return {**super().get_config(), "depth": self.depth}


def everything():
    """Several inputs and outputs, a shared layer, a composite layer, a nested model, constants."""
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(4, name="shared")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, activation="tanh")], name="inner")
    h = shared(a) * 2.0 + shared(b) / np.array([1, 2, 3, 4], "float32")
    h = inner(Block(2, name="block")(h))
    h = layers.Dropout(0.5, seed=3)(h)
    return keras.Model({"a": a, "b": b}, {"u": layers.Dense(1)(h), "v": ops.relu(h)})


def two_arrays(rng):
    x = {name: rng.standard_normal((6, 4)).astype("float32") for name in "ab"}
    y = {"u": rng.random((6, 1), dtype="float32"), "v": rng.random((6, 4), dtype="float32")}
    return x, y


def test_files_of_graphs_give_the_same_bits(rng, tmp_path):
    model = everything()
    x, y = two_arrays(rng)
    model.compile(keras.optimizers.Adam(0.01), {"u": "mse", "v": "mae"},
                  loss_weights={"u": 0.3, "v": 1.0}, metrics={"u": ["mae"]})  # fmt: skip
    model.train_on_batch(x, y)
    path = tmp_path / "graph.safetensors"
    model.save(path)
    again = keras.models.load_model(path, custom_objects={"Block": Block})
    for _ in range(3):  # dropout's masks and the optimizer's state go on as well
        assert again.train_on_batch(x, y) == model.train_on_batch(x, y)
    for name in ("u", "v"):
        np.testing.assert_array_equal(again(x)[name], model(x)[name])
    assert again.input_shape == model.input_shape and again.output_names == model.output_names
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]
    with pytest.raises(ValueError, match="unknown layer 'Block'"):
        keras.models.load_model(path)
    text = keras.models.model_from_json(model.to_json(), custom_objects={"Block": Block})
    assert text.count_params() == model.count_params()


def test_clones_have_weights_of_their_own(rng):
    model = everything()
    clone = keras.models.clone_model(model)
    x, _ = two_arrays(rng)
    assert not np.allclose(clone(x)["u"], model(x)["u"])
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(x)["u"], model(x)["u"])


def test_a_loss_is_the_weighted_sum_of_its_parts(rng):
    model = everything()
    x, y = two_arrays(rng)
    model.compile("sgd", ["mse", "mae"], loss_weights=[0.3, 2.0])
    predicted = model(x)
    u = np.mean((predicted["u"] - y["u"]) ** 2)
    v = np.mean(np.abs(predicted["v"] - y["v"]))
    shared, block = model.get_layer("shared"), model.get_layer("block")
    h = block(shared(x["a"]) * 2 + shared(x["b"]) / np.array([1, 2, 3, 4], "float32"))
    loss, loss_u, loss_v = model.test_on_batch(x, y)
    np.testing.assert_allclose([loss_u, loss_v], [u, v], rtol=1e-5)
    np.testing.assert_allclose(loss, 0.3 * u + 2 * v + 0.01 * np.mean(h**2), rtol=1e-5)


def test_ways_to_feed_two_inputs_and_outputs(rng):
    model = everything()
    x, y = two_arrays(rng)
    model.compile("sgd", {"u": "mse", "v": None})
    in_order, targets = [x["a"], x["b"]], [y["u"], y["v"]]
    expected = model.evaluate(x, y, verbose=0)
    assert model.evaluate(in_order, targets, verbose=0) == expected
    assert model.evaluate(x, {"u": y["u"]}, verbose=0) == expected
    assert model.evaluate(iter([(x, y)]), verbose=0) == expected
    halves = [({k: v[i : i + 3] for k, v in x.items()}, [y["u"][i : i + 3], None]) for i in (0, 3)]
    np.testing.assert_allclose(model.evaluate(iter(halves), verbose=0), expected, rtol=1e-5)
    history = model.fit(x, y, batch_size=4, epochs=2, verbose=0, validation_split=1 / 3)
    assert set(history.history) == {"loss", "u_loss", "val_loss", "val_u_loss"}
    twice = model.evaluate(x, y, verbose=0, sample_weight=np.full(6, 2.0), return_dict=True)
    once = model.evaluate(x, y, verbose=0, return_dict=True)
    np.testing.assert_allclose(twice["u_loss"], 2 * once["u_loss"], rtol=1e-5)
    predicted = model.predict(x, batch_size=4, verbose=0)
    assert {name: one.shape for name, one in predicted.items()} == {"u": (6, 1), "v": (6, 4)}


def test_training_reaches_a_nested_model_unless_it_is_told_not_to():
    base = keras.Sequential([keras.Input((200,)), layers.Dropout(0.5)])
    x = keras.Input((200,))
    ones = np.ones((1, 200), "float32")
    follows, fixed = keras.Model(x, base(x)), keras.Model(x, base(x, training=False))
    assert np.count_nonzero(follows(ones, training=True)) < 200
    np.testing.assert_array_equal(fixed(ones, training=True), ones)
    np.testing.assert_array_equal(follows(ones), ones)


def test_a_frozen_shared_layer_stays(rng):
    model = everything()
    x, y = two_arrays(rng)
    model.compile("sgd", "mse")
    shared = model.get_layer("shared")
    shared.trainable = False
    before, block = shared.get_weights(), model.get_layer("block").get_weights()
    model.train_on_batch(x, y)
    np.testing.assert_array_equal(shared.get_weights()[0], before[0])
    assert not np.array_equal(model.get_layer("block").get_weights()[0], block[0])


def test_a_class_of_ones_own_with_several_inputs_and_outputs(rng, tmp_path):
    class Pair(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.left, self.right = layers.Dense(2), layers.Dense(1)

        def call(self, x):
            return self.left(x["a"]), self.right(x["b"])

    model = Pair()
    x, y = two_arrays(rng)
    model.compile("sgd", ["mse", "mae"], metrics=[["mae"], None])
    history = model.fit(x, (np.ones((6, 2), "float32"), y["u"]), verbose=0).history
    assert set(history) == {"loss", "output_1_loss", "output_2_loss", "output_1_mae"}
    assert model.input_names == ["a", "b"] and model.output_shape == [(None, 2), (None, 1)]
    model.save(tmp_path / "pair.safetensors")
    again = keras.models.load_model(tmp_path / "pair.safetensors", {"Pair": Pair})
    for ours, theirs in zip(again(x), model(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_subclass_drawn_in_its_constructor(rng):
    class Drawn(keras.Model):
        def __init__(self, units):
            x = keras.Input((4,))
            super().__init__(inputs=x, outputs=layers.Dense(units)(x), name="drawn")

    model = Drawn(3)
    assert model(np.ones((2, 4), "float32")).shape == (2, 3) and model.count_params() == 15


def test_summary_shows_connections_and_nested_layers():
    lines = []
    everything().summary(print_fn=lines.append, expand_nested=True)
    text = "\n".join(lines)
    assert "Connected to" in lines[2]
    for name, connected in (("shared", "a; b"), ("add (op)", "multiply, divide"), ("block", "add")):
        line = next(line for line in lines if line.startswith(f" {name}"))
        assert line.endswith(connected)
    assert "> dense" in text and "(None, 4)" in text and "?" not in text
    # Two products of 4x4 with bias, two numbers an addition; the divide is counted with the block.
    shared = next(line for line in lines if line.startswith(" shared"))
    assert " 64 " in shared


def test_a_sequential_knows_its_tensors_after_the_first_data(rng):
    model = keras.Sequential([layers.Dense(3, name="one"), layers.Dense(2)])
    with pytest.raises(AttributeError, match="give it one, or build it"):
        _ = model.inputs
    x = rng.random((2, 4), dtype="float32")
    model(x)
    look = keras.Model(model.inputs, model.get_layer("one").output)
    np.testing.assert_allclose(look(x), model.get_layer("one")(x), rtol=1e-5)


def test_layers_in_lists_and_dicts_are_found():
    block = Block(2)
    block(np.ones((1, 4), "float32"))
    assert len(block.weights) == 8 and block.count_params() == 4 + 1 + 3 * 20
    block.ends["last"] = layers.Dense(4, name="another")
    assert any(layer.name == "another" for layer in block.flatten_layers())
    outer = layers.Dense(2)
    holder = Block(0)
    holder.head = outer
    holder.head = layers.Dense(3, name="new")
    assert outer not in holder.inner_layers()


def test_many_models_leave_nothing_behind():
    def alive():
        gc.collect()
        return sum(issubclass(type(one), (layers.Layer, Tensor)) for one in gc.get_objects())

    base = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    x = keras.Input((4,))
    keras.Model(x, base(x))(np.ones((1, 4), "float32"))
    before = alive()
    for _ in range(20):
        x = keras.Input((4,))
        model = keras.Model(x, layers.Dense(1)(base(x)))
        model(np.ones((1, 4), "float32"))
        model = everything()
        del model, x
    assert alive() <= before


def test_predict_takes_batches(rng):
    model = everything()
    x, y = two_arrays(rng)
    expected = model.predict(x, verbose=0)
    batches = [({k: v[i : i + 4] for k, v in x.items()}, y) for i in (0, 4)]
    for given, steps in ((iter(batches), None), ([b for b, _ in batches].__iter__(), 2)):
        found = model.predict(given, verbose=0, steps=steps)
        np.testing.assert_allclose(found["u"], expected["u"], rtol=1e-5, atol=1e-6)
    assert len(model.predict(iter(batches), verbose=0, steps=1)["v"]) == 4
    with pytest.raises(ValueError, match="the data gave no batch"):
        model.predict(iter([]), verbose=0)


def test_models_and_layers_of_ones_own_nest(rng):
    class Residual(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = layers.Dense(4)

        def call(self, x):
            return self.inner(x) + x

    class Scaled(layers.Layer):
        def call(self, p, q, scale=1.0):
            return p * scale + q

    x = rng.standard_normal((3, 4)).astype("float32")
    a, b = keras.Input((4,)), keras.Input((4,))
    late = keras.Sequential([layers.Dense(4), Residual()])  # is built when it is called
    h = Scaled()(late(Residual()(a)), b, scale=3.0)
    model = keras.Model([a, b], h)
    assert model.count_params() == 60
    inner = [one for one in model.layers if not isinstance(one, layers.InputLayer)]
    expected = 3 * inner[1](inner[0](x)) + x
    np.testing.assert_allclose(model([x, x.astype("float64")]), expected, rtol=1e-4, atol=1e-5)
    top = keras.Sequential([Residual(), keras.Model(a, late(a)), layers.Dense(1)])
    assert top(x).shape == (3, 1) and top.count_params() == 20 + 40 + 5


def test_inputs_of_other_dtypes_and_widths(rng):
    x = rng.integers(0, 9, (3, 4))
    whole = keras.Input((4,), dtype="int32")
    model = keras.Model(whole, ops.cast(whole, "float32") * 2.0)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x * 2)
    double = keras.Input((4,), dtype="float64")
    model = keras.Model(double, layers.Dense(2, dtype="float64")(double))
    assert model(x).dtype == np.float64
    model.compile("sgd", "mse")
    model.fit(x, np.ones((3, 2)), verbose=0)
    same = keras.Input((4,))
    y, again = keras.Model(same, [layers.ReLU()(same), same])(x.astype("float32"))
    np.testing.assert_array_equal(y, again)


def test_a_deep_graph_needs_no_recursion(rng):
    x = keras.Input((2,))
    h = x
    for _ in range(700):
        h = h + 1.0
    assert keras.Model(x, h)(np.zeros((1, 2), "float32"))[0, 0] == 700
