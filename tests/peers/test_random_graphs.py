"""Randomly drawn graphs of layers against Keras: branches, shared layers, several inputs, outputs."""

import numpy as np
import pytest

import cnnfast
from peers.sides import agree, copy_weights, draws, keras_module, normal, pick, torch_module

torch = torch_module()
DRAWS = 16


def whole(rng, low, high):
    return int(rng.integers(low, high + 1))


def network(k, rng):
    """A graph drawn from ``rng``; the same draws give the same graph in Keras and here."""
    size = (whole(rng, 6, 9), whole(rng, 6, 9))
    inputs = [k.Input((*size, whole(rng, 1, 4)), name=f"in{i}") for i in range(whole(rng, 1, 2))]
    width = whole(rng, 2, 5)
    pool = [k.layers.Conv2D(width, 3, padding="same", activation="tanh")(x) for x in inputs]
    shared = k.layers.Conv2D(width, pick(rng, 1, 3), padding="same", activation="relu")
    for _ in range(whole(rng, 3, 6)):
        x = pool[rng.integers(len(pool))]
        y = pool[rng.integers(len(pool))]
        kind = pick(
            rng, "shared", "shared", "conv", "depthwise", "pool", "norm", "merge", "merge",
            "concatenate", "op", "inner",
        )  # fmt: skip
        if kind == "shared":
            pool.append(shared(x))
        elif kind == "conv":
            rate = whole(rng, 1, 2)
            layer = k.layers.Conv2D(width, 3, padding="same", dilation_rate=rate, activation="elu")
            pool.append(layer(x))
        elif kind == "depthwise":
            pool.append(k.layers.DepthwiseConv2D(3, padding="same")(x))
        elif kind == "pool":
            name = pick(rng, "MaxPooling2D", "AveragePooling2D")
            pool.append(getattr(k.layers, name)(3, 1, padding="same")(x))
        elif kind == "norm":
            pool.append(k.layers.BatchNormalization(epsilon=1e-2)(x))
        elif kind == "merge":
            name = pick(rng, "Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")
            pool.append(getattr(k.layers, name)()([x, y]))
        elif kind == "concatenate":
            pool.append(k.layers.Conv2D(width, 1)(k.layers.Concatenate()([x, y, x])))
        elif kind == "op":
            pool.append(k.ops.sigmoid(x) * 0.5 + y)
        else:
            inner_in = k.Input((*size, width))
            inner = k.Model(
                inner_in, k.layers.Conv2D(width, 1, activation="tanh")(inner_in) + inner_in
            )
            pool.append(inner(inner(x)))
    # Loose ends too: no input may be left out.
    whole_map = k.layers.Concatenate()(pool)
    flat = k.layers.GlobalAveragePooling2D()(whole_map)
    other = k.layers.GlobalMaxPooling2D()(pool[-1])
    outputs = [k.layers.Dense(3, name="first")(flat)]
    if rng.integers(2):
        outputs.append(k.layers.Dense(2, name="second")(k.layers.concatenate([flat, other])))
    one_in, one_out = len(inputs) == 1, len(outputs) == 1
    return k.Model(inputs[0] if one_in else inputs, outputs[0] if one_out else outputs)


def pair(number):
    keras = keras_module()
    theirs = network(keras, draws(120, DRAWS)[number])
    ours = network(cnnfast, draws(120, DRAWS)[number])
    rng = np.random.default_rng((121, number))
    theirs.set_weights(
        [1 + 0.3 * np.abs(normal(rng, w.shape)) if "variance" in w.name or "gamma" in w.name
         else normal(rng, w.shape, 0.5 / np.sqrt(max(1, np.prod(w.shape[:-1])))) + 0.05
         for w in theirs.weights]
    )  # fmt: skip
    copy_weights(theirs, ours)
    shapes = ours.input_shape
    shapes = shapes if isinstance(shapes, list) else [shapes]
    x = [normal(rng, (whole(rng, 4, 4), *shape[1:])).astype("float32") for shape in shapes]
    return keras, theirs, ours, x[0] if len(x) == 1 else x, rng


def flat(arrays):
    return [np.asarray(one) for one in (arrays if isinstance(arrays, list) else [arrays])]


@pytest.mark.parametrize("number", range(DRAWS))
def test_outputs_and_a_step(number):
    """A step of plain descent is the gradient of every weight."""
    keras, theirs, ours, x, rng = pair(number)
    kinds = [type(layer).__name__ for layer in ours.layers]
    assert kinds == [type(layer).__name__.replace("Functional", "Model") for layer in theirs.layers]
    right = flat(theirs.predict(x, verbose=0))
    what = f"draw {number}: {kinds}"
    agree(flat(ours.predict(x, verbose=0)), right, "float32", what, {"float32": 2e-5})
    y = [normal(rng, one.shape).astype("float32") for one in right]
    y = y[0] if len(y) == 1 else y
    before = ours.get_weights()
    for k, model in ((keras, theirs), (cnnfast, ours)):
        model.compile(k.optimizers.SGD(1.0), "mse")
    a, b = ours.train_on_batch(x, y), theirs.train_on_batch(x, y)
    np.testing.assert_allclose(np.ravel(a), np.ravel(b), rtol=1e-4)
    moved = [
        np.concatenate([np.ravel(now - old) for now, old in zip(w, before, strict=True)])
        for w in (ours.get_weights(), theirs.get_weights())
    ]
    assert np.abs(moved[1]).max() > 1e-3
    agree(moved[:1], moved[1:], "float32", what, {"float32": 1e-4})


def test_the_draws_have_everything():
    kinds, inputs, outputs = set(), set(), set()
    for rng in draws(120, DRAWS):
        model = network(cnnfast, rng)
        kinds |= {type(layer).__name__ for layer in model.layers}
        inputs.add(len(model.inputs))
        outputs.add(len(model.outputs))
    assert inputs == outputs == {1, 2}
    assert {"Model", "Concatenate", "BatchNormalization", "DepthwiseConv2D", "Multiply"} <= kinds
