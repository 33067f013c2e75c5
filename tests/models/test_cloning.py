"""clone_model with functions and inputs of one's own, as Keras does it."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers

ROOMS = ["cnnfast", "keras"]


@pytest.fixture(params=ROOMS)
def k(request):
    """cnnfast, and Keras: what is expected here is what Keras does."""
    return cnnfast if request.param == "cnnfast" else pytest.importorskip("keras")


def graph(k):
    """A shared layer, an op, an inner model, two inputs."""
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    shared = k.layers.Dense(4, activation="relu", name="shared")
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3, name="deep")], name="inner")
    h = k.layers.Subtract(name="difference")([shared(a), shared(b)])
    return k.Model([a, b], inner(h * 2.0), name="net")


def kinds(model):
    return [(type(one).__name__.replace("Functional", "Model"), one.name) for one in model.layers]


def weights(model):
    return [np.asarray(w) for w in model.get_weights()]


def test_a_clone_has_weights_of_its_own(k):
    model = graph(k)
    clone = k.models.clone_model(model)
    assert kinds(clone) == kinds(model) and clone.name == "net"
    assert not np.allclose(weights(clone)[0], weights(model)[0])


def test_another_layer_for_each(k):
    seen = []

    def widened(layer):
        if isinstance(layer, k.layers.Layer):  # Keras hands over h * 2.0 too
            seen.append(layer.name)
        if isinstance(layer, k.layers.Dense) and layer.name == "shared":
            return k.layers.Dense(4, activation="tanh", use_bias=False, name="shared")
        return layer.__class__.from_config(layer.get_config())

    clone = k.models.clone_model(graph(k), clone_function=widened)
    assert sorted(seen) == ["difference", "inner", "shared"]  # once each, no Input
    assert [w.shape for w in weights(clone)] == [(4, 4), (4, 3), (3,)]
    chain = k.Sequential([k.Input((5,)), k.layers.Dense(3, name="x"), k.layers.Dense(2)])
    clone = k.models.clone_model(
        chain, clone_function=lambda one: k.layers.Dense(one.units + 1, name=one.name)
    )
    assert [w.shape for w in weights(clone)] == [(5, 4), (4,), (4, 3), (3,)]
    assert type(clone) is k.Sequential and clone.name == chain.name


def test_the_same_layers_share_their_weights(k, rng):
    model = graph(k)
    clone = k.models.clone_model(model, clone_function=lambda layer: layer)
    x = [rng.standard_normal((3, 4)).astype("float32") for _ in "ab"]
    expected = model.predict(x, verbose=0)
    np.testing.assert_array_equal(clone.predict(x, verbose=0), expected)
    model.set_weights([2 * w for w in weights(model)])
    assert not np.allclose(clone.predict(x, verbose=0), expected)


def test_layers_put_behind_others(k):
    def dropped(layer, *args, **kwargs):
        y = layer(*args, **kwargs)
        if isinstance(layer, k.layers.Dense):
            y = k.layers.Dropout(0.5)(y)
        return y

    clone = k.models.clone_model(graph(k), call_function=dropped)
    assert [kind for kind, _ in kinds(clone)].count("Dropout") == 2  # one for each call


def test_models_inside_layer_by_layer(k):
    model = graph(k)
    seen = []

    def noted(layer):
        if isinstance(layer, k.layers.Layer):
            seen.append(layer.name)
        return layer.__class__.from_config(layer.get_config())

    k.models.clone_model(model, clone_function=noted, recursive=True)
    assert sorted(seen) == ["deep", "difference", "shared"]


def test_inputs_of_ones_own(k, rng):
    model = graph(k)
    x = k.Input((6,), name="x")
    halves = [k.layers.Dense(4, name="left")(x), k.layers.Dense(4, name="right")(x)]
    clone = k.models.clone_model(model, input_tensors=halves)
    assert clone(halves).shape == (None, 3)
    chain = k.Sequential([k.Input((5,)), k.layers.Dense(3)])
    again = k.models.clone_model(chain, input_tensors=k.Input((5,), name="mine"))
    assert again.predict(np.ones((2, 5), "float32"), verbose=0).shape == (2, 3)


def test_a_clone_trains_and_is_saved(rng, tmp_path):
    clone = cnnfast.models.clone_model(graph(cnnfast), clone_function=lambda one: one)
    clone.compile("sgd", "mse")
    x = [rng.standard_normal((6, 4)).astype("float32") for _ in "ab"]
    y = rng.standard_normal((6, 3)).astype("float32")
    assert clone.train_on_batch(x, y) > clone.train_on_batch(x, y)
    clone.save(tmp_path / "m.safetensors")
    again = cnnfast.models.load_model(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(x, verbose=0), clone.predict(x, verbose=0))


class Own(cnnfast.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(2)

    def call(self, x):
        return self.dense(x)


def chain():
    return cnnfast.Sequential([cnnfast.Input((5,)), layers.Dense(3, name="d")], name="c")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c(Own(name="own"), clone_function=lambda one: one), ValueError,
         "Own 'own': a model of one's own is cloned by its configuration alone"),
        (lambda c: c(chain(), call_function=lambda one, x: one(x)), ValueError,
         "Sequential 'c': call_function is for models of Model"),
        (lambda c: c(chain(), clone_function=lambda one: None), TypeError,
         "clone_function must give a Layer for Dense 'd', got None"),
        (lambda c: c(chain(), input_tensors=np.ones((1, 5))), TypeError,
         "Sequential 'c': input_tensors must be Tensors"),
        (lambda c: c(chain(), input_tensors=[cnnfast.Input((5,)), cnnfast.Input((5,))]),
         ValueError, "Sequential 'c': input_tensors must be 1"),
        (lambda c: c(chain(), input_tensors=layers.Flatten()(cnnfast.Input((5,)))), ValueError,
         "must come from Input"),
        (lambda c: c(graph(cnnfast), input_tensors=[cnnfast.Input((4,))]), ValueError,
         "Model 'net': input_tensors must be 2"),
        (lambda c: c(graph(cnnfast), call_function=lambda one, *a, **k: None), ValueError,
         "in the place of Dense 'shared' must give as many Tensors, 1; got NoneType"),
        (lambda c: c(layers.Dense(2)), TypeError, "clone_model: expected a Model, got Dense"),
    ],
)  # fmt: skip
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call(cnnfast.models.clone_model)
