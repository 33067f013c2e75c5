"""A layer written by the user: in a model, in its summary, in a file, and as fast as ours."""

import contextlib
import io

import numpy as np
import pytest

import cnnfast
from cnnfast import layers, ops


class OwnConv2D(layers.Layer):
    """Conv2D and ReLU, as a user writes them."""

    def __init__(self, filters, size=3, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.size = filters, size

    def build(self, input_shape):
        shape = (self.size, self.size, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape, name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")

    def call(self, x):
        return ops.relu(ops.conv2d(x, self.kernel, self.bias))

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "size": self.size}


class OwnDense(layers.Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], 10), name="kernel")
        self.bias = self.add_weight((10,), "zeros", name="bias")

    def call(self, x):
        return ops.softmax(ops.dense(x, self.kernel, self.bias))


def network(own):
    conv = OwnConv2D if own else (lambda k, **kw: layers.Conv2D(k, 3, activation="relu", **kw))
    dense = OwnDense if own else (lambda **kw: layers.Dense(10, activation="softmax", **kw))
    model = cnnfast.Sequential(
        [
            cnnfast.Input((20, 20, 1)),
            conv(12, name="first"),
            layers.MaxPooling2D(2, name="pool"),
            conv(16, name="second"),
            layers.Flatten(name="flat"),
            dense(name="head"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def seen(model, batch, mode):
    """Everything that a step costs: op, algorithm, size, barriers, threads."""
    steps = model.plan(batch, mode).steps()
    assert steps
    dropped = {"scope", "seconds"}  # the name of the layer; no step has run
    return [{k: v for k, v in step.items() if k not in dropped} for step in steps]


@pytest.mark.parametrize("mode", ["predict", "train"])
@pytest.mark.parametrize("batch", [1, 32])
def test_the_plan_is_that_of_the_built_in_layers(mode, batch):
    own, built_in = network(True), network(False)
    assert seen(own, batch, mode) == seen(built_in, batch, mode)
    a, b = own.plan(batch, mode), built_in.plan(batch, mode)
    assert (a.flops, a.arena_bytes, a.threads) == (b.flops, b.arena_bytes, b.threads)


def test_the_comparison_of_plans_can_fail():
    other = cnnfast.Sequential([cnnfast.Input((20, 20, 1)), layers.Conv2D(12, 3)])
    relu = cnnfast.Sequential([cnnfast.Input((20, 20, 1)), layers.Conv2D(12, 5)])
    assert seen(other, 1, "predict") != seen(relu, 1, "predict")


def test_training_gives_the_same_bits(rng):
    own, built_in = network(True), network(False)
    built_in.set_weights(own.get_weights())
    x = rng.random((32, 20, 20, 1), dtype="float32")
    y = rng.integers(0, 10, 32)
    for _ in range(5):
        assert own.train_on_batch(x, y) == built_in.train_on_batch(x, y)
    for a, b in zip(own.get_weights(), built_in.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_summary_names_it_and_counts_it():
    model = network(True)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        model.summary()
    text = printed.getvalue()
    for expected in ("first (OwnConv2D)", "(None, 18, 18, 12)", "120", "second (OwnConv2D)"):
        assert expected in text


def test_saved_and_loaded_with_the_classes_handed_over(tmp_path, rng):
    model = network(True)
    x, y = rng.random((8, 20, 20, 1), dtype="float32"), rng.integers(0, 10, 8)
    model.train_on_batch(x, y)
    path = tmp_path / "own.safetensors"
    model.save(path)
    classes = {"OwnConv2D": OwnConv2D, "OwnDense": OwnDense}
    again = cnnfast.models.load_model(path, custom_objects=classes)
    assert type(again.layers[0]) is OwnConv2D and again.layers[0].filters == 12
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    # With its optimizer: the next step is the same too.
    assert again.train_on_batch(x, y) == model.train_on_batch(x, y)
    with pytest.raises(ValueError, match="OwnConv2D"):
        cnnfast.models.load_model(path)


def test_learns_the_edge_kernel():
    """The kernel [1, -1] from pictures and their edges, by a layer and by value_and_grad."""
    picture = np.ones((1, 6, 8, 1), "float32")
    picture[:, :, 2:6] = 0
    truth = np.float32([1, -1]).reshape(1, 2, 1, 1)
    edges = ops.conv2d(picture, truth)

    def loss(kernel):
        return ops.sum(ops.square(ops.conv2d(picture, kernel) - edges))

    kernel = np.random.default_rng(1).standard_normal(truth.shape).astype("float32")
    assert np.abs(kernel - truth).max() > 0.1
    step = cnnfast.value_and_grad(loss)
    for _ in range(60):
        kernel -= 0.02 * step(kernel)[1]
    assert np.abs(kernel - truth).max() < 0.01

    cnnfast.set_random_seed(3)
    model = cnnfast.Sequential([cnnfast.Input((6, 8, 1)), layers.Conv2D(1, (1, 2), use_bias=False)])
    model.compile(cnnfast.optimizers.SGD(0.5), "mse")
    model.fit(picture, edges, epochs=80, verbose=0)
    assert np.abs(model.get_weights()[0] - truth).max() < 0.01
