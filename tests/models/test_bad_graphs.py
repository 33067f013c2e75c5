"""Bad graphs, bad layers, bad data for them: errors that name the layer and say what to do."""

import json

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers, ops

A, B = np.ones((5, 4), "float32"), np.ones((5, 3), "float32")
D, E = np.ones((5, 2), "float32"), np.ones((5, 1), "float32")


class Does(layers.Layer):
    """A layer whose call is a function."""

    def __init__(self, function, **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return self.function(x)


def inputs():
    return keras.Input((4,), name="a"), keras.Input((3,), name="b")


def two_heads():
    a, b = inputs()
    model = keras.Model([a, b], [layers.Dense(2, name="d")(a), layers.Dense(1, name="e")(b)],
                        name="net")  # fmt: skip
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda a, b, y: keras.Model(b, y), ValueError,
         r"disconnected graph: the output of Dense 'd' \(None, 2\) needs Input 'a' \(None, 4\), "
         r"which is not among the inputs \(Input 'b' \(None, 3\)\); add it to the inputs"),
        (lambda a, b, y: keras.Model([a, b], y), ValueError,
         r"no output uses Input 'b' \(None, 3\); leave it out of the inputs, or use it"),
        (lambda a, b, y: keras.Model([a, a], y), ValueError, "Input 'a' .* stands twice"),
        (lambda a, b, y: keras.Model(a, []), ValueError, "outputs is empty"),
        (lambda a, b, y: keras.Model(a, None), TypeError, "needs both, outputs is None"),
        (lambda a, b, y: keras.Model(a, np.ones(3)), TypeError, "outputs must be Tensors, got nd"),
        (lambda a, b, y: keras.Model(a, layers.Dense(2, name="z")), TypeError,
         "outputs must be Tensors, got Dense 'z'; hand over layer.output"),
        (lambda a, b, y: keras.Model(a, layers.Dense(2, name="d")(y)), ValueError,
         "two layers are named 'd'"),
        (lambda a, b, y: layers.Add(name="sum")([a, b]), ValueError,
         r"^Add 'sum': .*\(None, 4\).*\(None, 3\); bring them to one shape, e.g. with a Dense"),
        (lambda a, b, y: y.node.operation(b), ValueError,
         r"Dense 'd': input has 3 features, kernel \(4, 2\) expects 4; got x \(None, 3\)"),
        (lambda a, b, y: keras.Model(a, y, name="m")(b), ValueError,
         r"^Model 'm': expected input of shape \(None, 4\), got \(None, 3\)"),
        (lambda a, b, y: Does(lambda x: x + y, name="l")(a), ValueError,
         r"^Does 'l': Tensor\('d', .* belongs to another graph; .* hand it over as an input"),
        (lambda a, b, y: Does(lambda x: y + x, name="l")(a), ValueError,
         "^Does 'l': .* the output of Dense 'd' .* made outside of it; hand both to the layer"),
        (lambda a, b, y: Does(lambda x: y, name="l")(np.ones((1, 4), "float32")), ValueError,
         "^Does 'l': call uses the output of Dense 'd' .*; hand it to the layer as an input"),
        (lambda a, b, y: layers.Dense(2, name="q").output, AttributeError,
         "Dense 'q': output is not known before the layer is called on an Input"),
        (lambda a, b, y: keras.Sequential([a, Does(lambda x: [x, x], name="l")]), ValueError,
         r"Does 'l': a Sequential needs layers with one output.*use Model\(inputs, outputs\)"),
        (lambda a, b, y: keras.Model(a, y * layers.Dense(2)(a).node.operation.bias).get_config(),
         ValueError, "op 'multiply': its argument Variable cannot be written.*put weights into"),
        (lambda a, b, y: keras.Input((3,), dtype="float16"), ValueError, "dtype must be one of"),
        (lambda a, b, y: keras.value_and_grad(lambda x: ops.sum(x * y))(D), ValueError,
         "belongs to another graph"),
    ],
)  # fmt: skip
def test_bad_graphs(make, error, message):
    a, b = inputs()
    with pytest.raises(error, match=message):
        make(a, b, layers.Dense(2, name="d")(a))


@pytest.mark.parametrize("how", ["graph", "arrays"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Conv2D(4, 3, name="it"), "input has 1 channel, kernel .* expects 3"),
        (lambda: layers.Conv2DTranspose(4, 3, name="it"), "input has 1 channel, kernel"),
        (lambda: layers.DepthwiseConv2D(3, name="it"), "input has 1 channel, kernel"),
        (lambda: layers.SeparableConv2D(4, 3, name="it"), "input has 1 channel, kernel"),
        (lambda: layers.BatchNormalization(name="it"), "input has 1 channel, the layer was built"),
        (lambda: layers.GroupNormalization(1, name="it"), "input has 1 channel, the layer was"),
        (lambda: layers.LayerNormalization(name="it"), r".*have sizes \(1,\), the layer was built"),
        (lambda: layers.PReLU(name="it"), r"slopes \(8, 7, 3\) do not fit x \(.*, 8, 7, 1\)"),
        (lambda: layers.Normalization(mean=0, variance=1, name="it"),
         r"axes \[3\] of the input have sizes \(1,\), mean and variance have \(3,\)"),
        (lambda: layers.Dense(3, name="it"), "input has 1 feature, kernel .* expects 3"),
    ],
)  # fmt: skip
def test_a_layer_called_on_two_shapes(make, words, how):
    """The message names the layer and the remedy; the layer goes on with the inputs it knows."""
    layer = make()
    first, second = (
        keras.Input((8, 7, c)) if how == "graph" else np.ones((2, 8, 7, c), "float32")
        for c in (3, 1)
    )
    known = layer(first)
    with pytest.raises(
        ValueError,
        match=f"^{type(layer).__name__} 'it': {words}.*; its weights "
        "were made for the input it saw first: make another layer for this one$",
    ):
        layer(second)
    assert layer(first).shape == known.shape


def test_a_tensor_of_a_trace_is_no_output():
    kept = []
    x = keras.Input((4,))
    Does(lambda t: kept.append(t) or t)(x)
    with pytest.raises(TypeError, match="outputs must be Tensors, got Tensor; inputs come from"):
        keras.Model(x, kept[0])


@pytest.mark.parametrize("how", ["graph", "sequential", "later"])
@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: None, TypeError, "call returned None.*end it with `return`"),
        (lambda x: 3.0, TypeError, "call must return what cnnfast.ops made of its input, got flo"),
        (lambda x: np.ones((2, 4), "float32"), TypeError, "got ndarray; compute with the func"),
        (np.exp, TypeError, "NumPy cannot work on a Tensor.*use the function of cnnfast.ops"),
        (np.sum, TypeError, "NumPy cannot work on a Tensor|NumPy"),
        (np.mean, TypeError, "NumPy cannot work on it; use the functions of cnnfast.ops"),
        (lambda x: x.numpy(), AttributeError, "no attribute 'numpy'.*use the functions of cnnfa"),
        (lambda x: x if x > 0 else -x, TypeError, "a Python condition cannot work on it"),
        (lambda x: np.zeros(x.shape), TypeError, "size that is None while.*write -1"),
    ],
)
def test_calls_that_compute_nothing(how, function, error, message):
    layer = Does(function, name="mine")
    with pytest.raises(error, match=f"^Does 'mine': .*({message})"):
        if how == "graph":
            layer(keras.Input((4,)))
        elif how == "sequential":
            keras.Sequential([keras.Input((4,)), layer])
        else:
            keras.Sequential([layer, layers.Dense(2)]).predict(A, verbose=0)


def test_a_model_of_ones_own_that_returns_nothing():
    class Nothing(keras.Model):
        def call(self, x):
            ops.relu(x)

    model = Nothing(name="n")
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="^Nothing 'n': call returned None"):
        model.fit(A, D, verbose=0)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (A, TypeError, r"x must be a list of 2 arrays, one for each of a, b, .* shape \(5, 4\)"),
        ([A, B, A], ValueError, "x must hold 2 arrays, one for each of a, b; got 3"),
        ([B, A], ValueError, r"expected x for 'a' of shape \(None, 4\), got \(5, 3\)"),
        ({"a": A, "bb": B}, ValueError, "x has the key 'bb', expected 'a', 'b'; did you mean 'b'"),
        ({"a": A}, ValueError, "x lacks 'b'"),
        ([A, B[:3]], ValueError, "x has 5 samples for 'a' and 3 for 'b'"),
    ],
)
def test_bad_inputs_of_two(x, error, message):
    model = two_heads()
    for call in (model.predict, lambda x: model.fit(x, [D, E], verbose=0)):
        with pytest.raises(error, match=f"^Model 'net': .*{message}"):
            call(x)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": D}, TypeError, "y must be a list of 2 arrays, one for each of d, e"),
        ({}, TypeError, r"y for 'd' is missing \(None\)"),
        ({"y": [D, E, E]}, ValueError, "y must hold 2 arrays"),
        ({"y": [E, D]}, ValueError, r"expects y for 'd' of shape \(None, 2\), got \(5, 1\)"),
        ({"y": {"d": D, "x": E}}, ValueError, "y has the key 'x', expected 'd', 'e'"),
        ({"y": {"d": D}}, TypeError, "y for 'e' is missing"),
        ({"y": [D, E[:2]]}, ValueError, "x has 5 samples, y for 'e' has 2"),
        ({"y": [D, E], "class_weight": {0: 1.0}}, ValueError, "class_weight is for one output"),
        ({"y": [D, E], "sample_weight": [np.ones(5)]}, ValueError, "sample_weight must hold 2"),
        ({"y": [D, E], "sample_weight": {"e": np.ones(4)}}, ValueError, "sample_weight has 4"),
        ({"y": [D, E], "validation_data": ([A], [D, E])}, ValueError, "validation x must hold 2"),
    ],
)
def test_bad_targets_of_two(arguments, error, message):
    model = two_heads()
    before = model.get_weights()
    with pytest.raises(error, match=f"^Model 'net': .*{message}"):
        model.fit([A, B], verbose=0, **arguments)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"loss": ["mse"]}, "loss must have 2 entries, one for each of d, e, .* got 1"),
        ({"loss": {"d": "mse", "ee": "mse"}}, "loss has the key 'ee', .*did you mean 'e'"),
        ({"loss": "mse", "loss_weights": 0.5}, "loss_weights must be a list of 2"),
        ({"loss": "mse", "metrics": ["mae"]}, "metrics must have 2 entries"),
        ({"loss": "mse", "metrics": {"dd": "mae"}}, "metrics has the key 'dd'"),
    ],
)
def test_bad_compile_of_two(arguments, message):
    with pytest.raises(ValueError, match=f"^Model 'net': {message}"):
        two_heads().compile("sgd", **arguments)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_descriptions_are_value_errors(seed):
    a, b = inputs()
    h = layers.Dense(4)(a) * np.array([1, 2, 3, 4], "float32") + layers.Dense(4)(b)
    sound = keras.Model({"a": a, "b": b}, {"u": layers.Reshape((2, 2))(h), "v": h}).to_json()
    strange = [None, -1, 3, 2**70, 1.5, "x", [], {}, [[1]], {"tensor": [9, 0]}, {"input": 5},
               {"tuple": 3}, {"array": [1, [2]], "dtype": "float32"}, {"array": 1, "dtype": "O"}]  # fmt: skip
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(40):
        damaged = json.loads(sound)
        places = [place for place in _places(damaged) if place]
        *path, last = places[rng.integers(len(places))]
        inside = damaged
        for key in path:
            inside = inside[key]
        inside[last] = strange[rng.integers(len(strange))]
        try:
            keras.models.model_from_json(json.dumps(damaged))
        except ValueError:
            refused += 1
    assert refused > 20


def _places(config, path=()):
    yield path
    if not isinstance(config, (dict, list)):
        return
    for key, value in config.items() if isinstance(config, dict) else enumerate(config):
        yield from _places(value, (*path, key))


def test_a_replaced_layer_is_used():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.head = layers.Dense(2)

        def call(self, x):
            return self.head(x)

    model = Net()
    assert model(A).shape == (5, 2)
    model.head = layers.Dense(2, kernel_initializer="zeros", name="new")
    np.testing.assert_array_equal(model(A), np.zeros((5, 2)))
    assert [layer.name for layer in model.layers] == ["new"]
