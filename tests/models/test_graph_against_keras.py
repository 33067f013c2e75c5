"""Graphs of layers against Keras: one script for both, the same weights, values and one SGD step."""

import numpy as np
import pytest

import cnnfast

keras = pytest.importorskip("keras")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ROWS = 6


def residual(k):
    """An identity shortcut, an op between layers, a projection."""
    x = k.Input((8, 8, 3), name="x")
    h = k.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    shortcut = k.layers.Conv2D(4, 1)(x)
    h = k.layers.Add()([h, shortcut])
    h = k.layers.MaxPooling2D(2)(k.ops.relu(h - 0.1) * 2.0)
    return k.Model(x, k.layers.Dense(3)(k.layers.Flatten()(h)))


def siamese(k):
    """One encoder, called twice."""
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    encoder = k.layers.Dense(4, activation="tanh")
    difference = k.layers.Subtract()([encoder(a), encoder(b)])
    return k.Model([a, b], k.layers.Dense(1)(difference * difference))


def two_heads(k):
    """Two inputs, two outputs, layers whose order in Keras is not that of their making."""
    a, b = k.Input((4,), name="a"), k.Input((3,), name="b")
    late = k.layers.Dense(5, activation="relu", name="late")
    early = k.layers.Dense(5, activation="relu", name="early")
    h = k.layers.Average()([early(a), late(k.layers.Dense(4)(b))])
    one = k.layers.Dense(2, activation="softmax", name="one")(h)
    two = k.layers.Dense(1, name="two")(k.layers.Multiply()([h, early(a)]))
    return k.Model({"a": a, "b": b}, [one, two])


def nested(k):
    """A Sequential inside of a model inside of a model, used twice."""
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(4, activation="relu"), k.layers.Dense(4)])
    x = k.Input((4,))
    middle = k.Model(x, inner(x) + x)
    z = k.Input((4,), name="z")
    return k.Model(z, k.layers.Dense(2)(middle(middle(z))))


def normalised(k):
    """Batch normalisation, called twice: its moving statistics follow both calls."""
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    tower = k.Sequential([k.Input((5,)), k.layers.Dense(4), k.layers.BatchNormalization()])
    return k.Model([a, b], k.layers.Dense(1)(k.layers.Maximum()([tower(a), tower(b)])))


def inception(k):
    """Branches of several widths side by side, and rows of maps one below the other."""
    x = k.Input((7, 6, 3), name="x")
    branches = [k.layers.Conv2D(2, 1)(x), k.layers.Conv2D(4, 3, padding="same")(x),
                k.layers.MaxPooling2D(3, 1, padding="same")(x)]  # fmt: skip
    joined = k.layers.Concatenate()(branches)
    tall = k.layers.concatenate([joined, k.layers.ZeroPadding2D(((1, 0), (0, 0)))(joined)], axis=1)
    small = k.layers.Conv2D(5, 3, strides=2, activation="relu")(tall)
    pooled = k.layers.GlobalAveragePooling2D()(small)
    features = k.layers.Concatenate(axis=-1)([pooled, k.layers.Flatten()(branches[0])])
    return k.Model(x, k.layers.Dense(3)(features))


def functions(k):
    """The merging layers in lower case."""
    a, b = k.Input((5,), name="a"), k.Input((5,), name="b")
    p, q = k.layers.Dense(4)(a), k.layers.Dense(4)(b)
    both = k.layers.add([p, q])
    less = k.layers.subtract([p, q])
    most = k.layers.maximum([k.layers.multiply([both, less]), k.layers.minimum([p, q])])
    angle = k.layers.dot([p, q], axes=1, normalize=True)
    return k.Model([a, b], k.layers.concatenate([k.layers.average([both, most]), angle]))


def data(model, rng):
    shapes = model.input_shape
    if isinstance(shapes, dict):
        x = {n: rng.standard_normal((ROWS, *s[1:])).astype("float32") for n, s in shapes.items()}
    elif isinstance(shapes, list):
        x = [rng.standard_normal((ROWS, *s[1:])).astype("float32") for s in shapes]
    else:
        x = rng.standard_normal((ROWS, *shapes[1:])).astype("float32")
    return x


def both(make, rng):
    theirs, ours = make(keras), make(cnnfast)
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    ours.set_weights(theirs.get_weights())
    return theirs, ours, data(ours, rng)


def close(ours, theirs, rtol=1e-4, atol=1e-5):
    ours = ours if isinstance(ours, (list, tuple)) else [ours]
    theirs = theirs if isinstance(theirs, (list, tuple)) else [theirs]
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, np.asarray(b), rtol=rtol, atol=atol)


@pytest.mark.parametrize(
    "make", [residual, siamese, two_heads, nested, normalised, inception, functions]
)
def test_layers_predictions_and_a_step(make, rng):
    theirs, ours, x = both(make, rng)
    kinds = [type(layer).__name__ for layer in ours.layers]
    assert kinds == [type(layer).__name__.replace("Functional", "Model") for layer in theirs.layers]
    assert ours.output_shape == theirs.output_shape
    expected = theirs.predict(x, verbose=0)
    close(ours.predict(x, batch_size=4, verbose=0), expected)
    y = [
        rng.random(np.shape(one)).astype("float32")
        for one in (expected if isinstance(expected, list) else [expected])
    ]
    y = y if len(y) > 1 else y[0]
    losses = []
    for module, model in ((keras, theirs), (cnnfast, ours)):
        loss = ["mse", "mae"] if isinstance(y, list) else "mse"
        weights = [0.3, 2.0] if isinstance(y, list) else None
        model.compile(module.optimizers.SGD(0.1), loss, loss_weights=weights)
        losses.append(np.ravel(model.train_on_batch(x, y)))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    close(ours.get_weights(), theirs.get_weights())


def test_history_of_two_heads(rng):
    theirs, ours, x = both(two_heads, rng)
    y = {"one": np.eye(2, dtype="float32")[rng.integers(0, 2, ROWS)],
         "two": rng.random((ROWS, 1)).astype("float32")}  # fmt: skip
    weight = {"one": rng.random(ROWS).astype("float32"),
              "two": np.ones(ROWS, "float32")}  # fmt: skip
    found = []
    for module, model in ((keras, theirs), (cnnfast, ours)):
        model.compile(
            module.optimizers.SGD(0.05),
            loss={"one": "categorical_crossentropy", "two": "mse"},
            loss_weights={"one": 1.0, "two": 0.5},
            metrics={"one": ["accuracy"], "two": ["mae"]},
            weighted_metrics=[["mse"], None] if module is cnnfast else [["mse"], []],
        )
        y_given = [y["one"], y["two"]]
        weight_given = [weight["one"], weight["two"]]
        history = model.fit(
            x, y_given, batch_size=ROWS, epochs=3, shuffle=False, verbose=0,
            sample_weight=weight_given, validation_data=(x, y_given),
        )  # fmt: skip
        found.append(history.history)
    assert set(found[1]) == set(found[0])
    for name, values in found[0].items():
        np.testing.assert_allclose(found[1][name], values, rtol=1e-4, atol=1e-6, err_msg=name)
    again = cnnfast.models.clone_model(ours)
    again.set_weights(ours.get_weights())
    close(again.predict(x, verbose=0), theirs.predict(x, verbose=0))
    by_name = ours.evaluate(x, y, verbose=0, return_dict=True)
    listed = ours.evaluate(x, [y["one"], y["two"]], verbose=0)
    assert list(by_name.values()) == listed and list(by_name) == ours.metrics_names


def test_inner_outputs(rng):
    theirs, ours, x = both(residual, rng)
    looks = []
    for module, model in ((keras, theirs), (cnnfast, ours)):
        layer = next(one for one in model.layers if type(one).__name__ == "MaxPooling2D")
        looks.append(module.Model(model.inputs, [layer.output, layer.input]))
    close(looks[1].predict(x, verbose=0), looks[0].predict(x, verbose=0))


def subclassed(k):
    """A model and a layer of one's own: layers in lists, one called twice, a flag for training."""

    class Block(k.layers.Layer):
        def __init__(self, filters, **kwargs):
            super().__init__(**kwargs)
            self.first = k.layers.Conv2D(filters, 3, padding="same")
            self.norm = k.layers.BatchNormalization()

        def call(self, x, training=False):
            return k.ops.relu(self.norm(self.first(x), training=training)) + x

    class Net(k.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.stem = k.layers.Conv2D(3, 1)
            self.blocks = [Block(3) for _ in range(2)]
            self.pool = k.layers.GlobalAveragePooling2D()
            self.heads = {"a": k.layers.Dense(2), "b": k.layers.Dense(2)}

        def call(self, x, training=False):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x, training=training)
            x = self.pool(self.blocks[0](x, training=training))
            return self.heads["a"](x) - k.ops.tanh(self.heads["b"](x))

    return Net


@pytest.mark.parametrize("where", ["alone", "in a graph", "in a sequential"])
def test_subclassed_models(where, rng):
    x = rng.standard_normal((ROWS, 6, 5, 2)).astype("float32")
    y = rng.random((ROWS, 2)).astype("float32")
    models = []
    for k in (keras, cnnfast):
        net = subclassed(k)()
        if where == "in a graph":
            inputs = k.Input((6, 5, 2))
            net = k.Model(inputs, net(inputs) * 2.0)
        elif where == "in a sequential":
            net = k.Sequential([k.Input((6, 5, 2)), k.layers.Rescaling(0.5), net])
        net.predict(x, verbose=0)  # makes the weights
        models.append(net)
    theirs, ours = models
    assert [w.shape for w in ours.get_weights()] == [w.shape for w in theirs.get_weights()]
    ours.set_weights(theirs.get_weights())
    close(ours.predict(x, batch_size=4, verbose=0), theirs.predict(x, verbose=0))
    for k, model in ((keras, theirs), (cnnfast, ours)):
        model.compile(k.optimizers.SGD(0.1), "mse")
    losses = [[np.ravel(m.train_on_batch(x, y))[0] for _ in range(3)] for m in (theirs, ours)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    close(ours.get_weights(), theirs.get_weights())  # moving statistics among them
    close(ours.predict(x, verbose=0), theirs.predict(x, verbose=0))
