"""The convolution layers as Keras has them: signatures, weights, outputs, gradients, files."""

import inspect

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import layers, ops

CASES = [
    ("Conv1D", (3,), {"filters": 4, "kernel_size": 3}),
    ("Conv1D", (3,), {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}),
    (
        "Conv1D",
        (4,),
        {"filters": 6, "kernel_size": 4, "strides": 2, "padding": "same", "groups": 2},
    ),
    ("Conv2DTranspose", (9, 3), {"filters": 4, "kernel_size": 3}),
    ("Conv2DTranspose", (9, 3), {"filters": 4, "kernel_size": 4, "strides": 2, "padding": "same"}),
    ("Conv2DTranspose", (9, 3), {"filters": 2, "kernel_size": (2, 3), "strides": (3, 4)}),
    (
        "Conv2DTranspose",
        (9, 3),
        {"filters": 2, "kernel_size": 3, "strides": 2, "output_padding": 1, "use_bias": False},
    ),
    ("Conv2DTranspose", (9, 3), {"filters": 2, "kernel_size": 3, "dilation_rate": 2}),
    ("DepthwiseConv2D", (9, 3), {"kernel_size": 3}),
    (
        "DepthwiseConv2D",
        (9, 3),
        {"kernel_size": (3, 2), "depth_multiplier": 2, "strides": 2, "padding": "same"},
    ),
    ("DepthwiseConv2D", (9, 3), {"kernel_size": 3, "dilation_rate": 2, "activation": "relu"}),
    ("SeparableConv2D", (9, 3), {"filters": 5, "kernel_size": 3, "activation": "tanh"}),
    (
        "SeparableConv2D",
        (9, 3),
        {"filters": 5, "kernel_size": 3, "depth_multiplier": 3, "padding": "same", "strides": 2},
    ),
]


def _input(tail, rng):
    return rng.standard_normal((2, 11, *tail)).astype("float32")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_outputs_and_gradients_are_keras(case, rng):
    keras = pytest.importorskip("keras")
    torch = pytest.importorskip("torch")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras runs on another backend than torch")
    name, tail, options = case
    x = _input(tail, rng)
    theirs, ours = getattr(keras.layers, name)(**options), getattr(layers, name)(**options)
    theirs.build(x.shape)
    ours.build((None, *x.shape[1:]))
    mine = [(weight.name, tuple(weight.shape)) for weight in ours.weights]
    assert mine == [(weight.name, tuple(weight.shape)) for weight in theirs.weights]
    values = [rng.standard_normal(shape).astype("float32") / 3 for _, shape in mine]
    theirs.set_weights(values)
    ours.set_weights(values)

    image = torch.from_numpy(x).requires_grad_()
    y = theirs(image)
    assert_close(ours(x), y.detach().cpu().numpy(), 1e-4, 1e-5)
    assert ours.compute_output_shape((None, *x.shape[1:])) == (None, *y.shape[1:])
    weight = rng.standard_normal(tuple(y.shape)).astype("float32")
    (y * torch.from_numpy(weight)).sum().backward()

    dx = cnnfast.grad(lambda x: ops.sum(ours(x) * weight))(x)
    assert_close(dx, image.grad.numpy(), 1e-3, 1e-4)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in CASES} | {"Conv2D"}))
def test_arguments_are_keras(name):
    keras = pytest.importorskip("keras")

    def arguments(layer):
        return {
            key: value.default
            for key, value in inspect.signature(layer.__init__).parameters.items()
            if key != "self"
        }

    theirs, ours = arguments(getattr(keras.layers, name)), arguments(getattr(layers, name))
    known = {key: value for key, value in ours.items() if key in theirs}
    assert known == theirs
    # Positions too; what cnnfast adds comes behind.
    assert [key for key in ours if key in theirs] == list(theirs)
    assert set(ours) - set(theirs) <= ({"groups"} if name == "Conv2DTranspose" else set())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_channels_first_and_configuration(case, rng):
    name, tail, options = case
    make = getattr(layers, name)
    x = _input(tail, rng)
    last = (
        make(**options, name="it", kernel_regularizer="l2")
        if "Conv1D" in name
        else make(**options, name="it")
    )
    y = last(x)
    first = layers.deserialize(layers.serialize(last))
    assert first.get_config() == last.get_config()
    first.data_format = "channels_first"
    turned = np.ascontiguousarray(np.moveaxis(x, -1, 1))
    first.build((None, *turned.shape[1:]))
    first.set_weights(last.get_weights())
    assert_close(np.moveaxis(first(turned), 1, -1), y, 1e-5, 1e-6)


def test_groups_of_a_transposed_layer(rng):
    torch = pytest.importorskip("torch")
    layer = layers.Conv2DTranspose(6, 3, strides=2, padding=1, output_padding=1, groups=2)
    x = rng.standard_normal((2, 5, 4, 4)).astype("float32")
    y = layer(x)
    kernel, _ = layer.get_weights()
    assert kernel.shape == (3, 3, 3, 4)
    right = torch.nn.functional.conv_transpose2d(
        torch.from_numpy(np.moveaxis(x, 3, 1).copy()),
        torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()),
        stride=2,
        padding=1,
        output_padding=1,
        groups=2,
    )
    assert_close(y, np.moveaxis(right.numpy(), 1, 3), 1e-4, 1e-5)


def test_other_names():
    assert layers.Convolution1D is layers.Conv1D
    assert layers.Convolution2DTranspose is layers.Conv2DTranspose
    assert layers.SeparableConvolution2D is layers.SeparableConv2D


def test_a_network_that_restores_its_input_learns_and_comes_back(tmp_path, rng):
    """Down and up again: an autoencoder of all the layers, trained, saved, loaded."""
    model = cnnfast.Sequential(
        [
            cnnfast.Input((8, 8, 2)),
            layers.SeparableConv2D(6, 3, 2, "same", depth_multiplier=2, activation="relu"),
            layers.DepthwiseConv2D(3, padding="same", depthwise_regularizer="l2"),
            layers.Conv2DTranspose(2, 4, 2, "same"),
        ]
    )
    assert model.output_shape == (None, 8, 8, 2)
    model.compile("adam", "mse")
    x = rng.standard_normal((16, 8, 8, 2)).astype("float32")
    history = model.fit(x, x, batch_size=8, epochs=6, verbose=0).history["loss"]
    assert history[-1] < history[0]
    model.save(tmp_path / "model.safetensors")
    again = cnnfast.models.load_model(tmp_path / "model.safetensors")
    assert np.array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: layers.Conv1D(4, (3, 3)), "kernel_size must be one integer"),
        (lambda: layers.Conv1D(4, 3, padding="full"), "'valid', 'same' or 'causal'"),
        (lambda: layers.Conv2DTranspose(4, 3, padding="causal"), "'valid' or 'same'"),
        (
            lambda: layers.Conv2DTranspose(4, 3, output_padding=-1),
            "output_padding must be at least",
        ),
        (lambda: layers.Conv2DTranspose(4, 3, groups=3), "multiple of groups"),
        (
            lambda: layers.DepthwiseConv2D(3, depth_multiplier=0),
            "depth_multiplier must be at least",
        ),
        (lambda: layers.SeparableConv2D(0, 3), "filters must be at least 1"),
        (lambda: layers.SeparableConv2D(2, 3, pointwise_constraint="x"), "not supported"),
        (
            lambda: layers.Conv1D(4, 3)(np.zeros((2, 3, 4, 5), "float32")),
            "(batch, steps, channels)",
        ),
        (
            lambda: layers.DepthwiseConv2D(3)(np.zeros((2, 5, 5), "float32")),
            "(batch, height, width",
        ),
        (
            lambda: layers.Conv2DTranspose(2, 3, output_padding=1)(
                np.zeros((1, 4, 4, 2), "float32")
            ),
            "output_padding",
        ),
    ],
)
def test_bad_input(make, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    message = str(caught.value)
    assert words in message, message
    assert "_" in message.split("'")[1] or "conv" in message, message


def test_other_channels_than_the_kernel_was_made_for():
    x = np.zeros((1, 6, 6, 3), "float32")
    for layer in (
        layers.Conv2DTranspose(2, 3),
        layers.DepthwiseConv2D(3),
        layers.SeparableConv2D(2, 3),
    ):
        layer(x)
        with pytest.raises(ValueError, match=r"input has 2 channels, kernel .* expects 3"):
            layer(x[..., :2])
