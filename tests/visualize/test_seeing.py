"""What is computed of a network: layer outputs, saliency, Grad-CAM, occlusion, by hand."""

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import layers, ops, visualize


@pytest.fixture
def image(rng):
    return rng.random((6, 5, 1), dtype="float32")


@pytest.fixture(scope="module")
def linear():
    """Scores that are a sum over the pixels, so that all gradients are the weights."""
    cnnfast.set_random_seed(0)
    return cnnfast.Sequential(
        [
            cnnfast.Input((6, 5, 1)),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", name="scores"),
        ]
    )


@pytest.fixture(scope="module")
def convolutional():
    cnnfast.set_random_seed(1)
    return cnnfast.Sequential(
        [
            cnnfast.Input((6, 5, 1)),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation="softmax", name="scores"),
        ]
    )


def weights_of(model, shape=(6, 5)):
    """The last layer's kernel as pictures (classes, ...)."""
    kernel = model.layers[-1].get_weights()[0]
    return np.moveaxis(kernel, -1, 0).reshape(kernel.shape[1], *shape)


# ---- layer outputs -----------------------------------------------------------------------------


def test_outputs_are_those_of_the_layers(convolutional, image):
    found = visualize.layer_outputs(convolutional, image)
    assert list(found) == ["conv", "pool", "scores"]
    x = image[None]
    for layer in convolutional.layers:
        x = layer(x)
        assert_close(found[layer.name], x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("wanted", ["pool", 1, -2, ["pool"], "layer"])
def test_layers_by_name_position_and_object(convolutional, image, wanted):
    wanted = convolutional.layers[1] if wanted == "layer" else wanted
    assert list(visualize.layer_outputs(convolutional, image, wanted)) == ["pool"]


def test_layers_inside_layers_have_paths(image):
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.conv = layers.Conv2D(2, 3, padding="same", name="conv")

        def call(self, x):
            return ops.relu(self.conv(self.conv(self.conv(x)))) if x.shape[-1] == 2 else x

    model = cnnfast.Sequential(
        [
            cnnfast.Input((6, 5, 1)),
            layers.Conv2D(2, 1, name="first"),
            cnnfast.Sequential([Block(name="block")], name="inside"),
            layers.Flatten(name="flat"),
        ]
    )
    found = visualize.layer_outputs(model, image)
    conv = "inside/block/conv"
    assert list(found) == [
        "first",
        conv,
        f"{conv}#2",
        f"{conv}#3",
        "inside/block",
        "inside",
        "flat",
    ]
    np.testing.assert_array_equal(found["inside/block"], np.maximum(found[f"{conv}#3"], 0))
    assert list(visualize.layer_outputs(model, image, "block")) == ["inside/block"]


def test_a_subclassed_model(image):
    class Net(cnnfast.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(2, 3, name="conv")
            self.flat = layers.Flatten(name="flat")
            self.dense = layers.Dense(3, name="dense")

        def call(self, x):
            return ops.softmax(self.dense(self.flat(ops.relu(self.conv(x)))))

    model = Net()
    with pytest.raises(ValueError, match="before the model is built"):
        visualize.layer_outputs(model, image)
    model.build((None, 6, 5, 1))
    found = visualize.layer_outputs(model, image)
    assert list(found) == ["conv", "flat", "dense"]
    assert_close(found["dense"], model.dense(found["flat"]), rtol=1e-5, atol=1e-6)
    assert visualize.grad_cam_maps(model, image).shape == (1, 4, 3)
    np.testing.assert_array_equal(
        visualize.saliency_maps(model, image, 1), saliency_of_logit(model, image, 1)
    )


def saliency_of_logit(model, image, number):
    def score(x):
        return ops.sum(
            model.dense(model.flat(ops.relu(model.conv(x)))) * np.eye(3, dtype="f")[number]
        )

    return np.abs(cnnfast.grad(score)(image[None]))[..., 0]


@pytest.mark.parametrize("shape", [(6, 5, 1), (6, 5), (1, 6, 5, 1), (1, 6, 5)])
def test_layouts_of_one_image(convolutional, image, shape):
    found = visualize.layer_outputs(convolutional, image.reshape(shape), "scores")
    assert_close(found["scores"], convolutional.predict(image[None], verbose=0), rtol=1e-5)


# ---- saliency ----------------------------------------------------------------------------------


def test_saliency_of_a_linear_model_is_its_weights(linear, rng):
    x = rng.random((2, 6, 5, 1), dtype="float32")
    expected = np.abs(weights_of(linear))
    assert_close(visualize.saliency_maps(linear, x, [2, 0]), expected[[2, 0]], rtol=1e-6)
    assert_close(visualize.saliency_maps(linear, x, 1), expected[[1, 1]], rtol=1e-6)
    smooth = visualize.saliency_maps(linear, x, 1, samples=3)
    assert_close(smooth, expected[[1, 1]], rtol=1e-5)
    best = linear.predict(x, verbose=0).argmax(axis=1)
    assert_close(visualize.saliency_maps(linear, x), expected[best], rtol=1e-6)


def test_smoothgrad_is_the_mean_over_noisy_copies(convolutional, image):
    found = visualize.saliency_maps(convolutional, image, 1, samples=4, noise=0.5, seed=7)
    rng = np.random.default_rng(7)
    spread = 0.5 * np.ptp(image)
    total = 0
    for _ in range(4):
        noisy = (image[None] + spread * rng.standard_normal((1, 6, 5, 1))).astype("float32")

        def score(x):
            pool = convolutional.layers[1](convolutional.layers[0](x))
            kernel, bias = convolutional.layers[2].get_weights()
            return ops.sum(ops.dense(pool, kernel, bias) * np.float32([0, 1, 0]))

        total = total + cnnfast.grad(score)(noisy) / 4
    assert_close(found, np.abs(total[..., 0]), rtol=1e-4, atol=1e-7)


def test_saliency_takes_the_largest_channel(rng):
    model = cnnfast.Sequential(
        [cnnfast.Input((3, 2, 3)), layers.Flatten(), layers.Dense(2, activation="sigmoid")]
    )
    weights = weights_of(model, (3, 2, 3))
    found = visualize.saliency_maps(model, rng.random((3, 2, 3)), 1)
    assert_close(found[0], np.abs(weights[1]).max(axis=-1), rtol=1e-6)


# ---- Grad-CAM ----------------------------------------------------------------------------------


def test_grad_cam_of_global_average_pooling_is_cam(convolutional, image):
    """Selvaraju et al., sec. 3: there the weights are those of the last layer, over the pixels."""
    maps = visualize.layer_outputs(convolutional, image, "conv")["conv"][0]
    kernel = convolutional.layers[-1].get_weights()[0]
    for number in range(3):
        expected = np.maximum((maps * kernel[:, number]).sum(axis=-1), 0) / (4 * 3)
        found = visualize.grad_cam_maps(convolutional, image, number)
        assert_close(found[0], expected, rtol=1e-5, atol=1e-7)
        named = visualize.grad_cam_maps(convolutional, image, number, layer="conv")
        np.testing.assert_array_equal(named, found)


def test_hirescam_weighs_each_place_by_its_own_gradient(image):
    cnnfast.set_random_seed(3)
    model = cnnfast.Sequential(
        [
            cnnfast.Input((6, 5, 1)),
            layers.Conv2D(4, 3, name="conv"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    maps = visualize.layer_outputs(model, image, "conv")["conv"][0]
    kernel = model.layers[-1].get_weights()[0].reshape(4, 3, 4, 3)
    for number in range(3):
        weights = kernel[..., number]
        expected = np.maximum((maps * weights).sum(axis=-1), 0)
        found = visualize.grad_cam_maps(model, image, number, elementwise=True)
        assert_close(found[0], expected, rtol=1e-4, atol=1e-6)
        expected = np.maximum((maps * weights.mean(axis=(0, 1))).sum(axis=-1), 0)
        assert_close(
            visualize.grad_cam_maps(model, image, number)[0], expected, rtol=1e-4, atol=1e-6
        )


def test_grad_cam_refuses_a_layer_without_maps(convolutional, linear, image):
    with pytest.raises(ValueError, match="'pool' gives .*name a convolution"):
        visualize.grad_cam_maps(convolutional, image, layer="pool")
    with pytest.raises(ValueError, match="no layer of the model gives maps"):
        visualize.grad_cam_maps(linear, image)


# ---- occlusion ---------------------------------------------------------------------------------


def test_occlusion_of_a_linear_model(linear, image):
    found = visualize.occlusion_maps(linear, image, 1, size=2, stride=1)
    part = weights_of(linear)[1] * image[..., 0]
    total, times = np.zeros((6, 5)), np.zeros((6, 5))
    for row in range(5):
        for column in range(4):
            window = slice(row, row + 2), slice(column, column + 2)
            total[window] += part[window].sum()
            times[window] += 1
    assert_close(found[0], total / times, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(("size", "stride"), [(3, 3), (6, 2), (5, 4), (1, 1)])
def test_occlusion_hides_every_pixel(linear, image, size, stride):
    if size > 5:
        with pytest.raises(ValueError, match="size must be from 1 to 5"):
            visualize.occlusion_maps(linear, image, size=size, stride=stride)
    else:
        assert np.isfinite(visualize.occlusion_maps(linear, image, 0, size, stride)).all()


# ---- what cannot be looked at ------------------------------------------------------------------


def test_images_that_do_not_fit(convolutional):
    for function in (
        visualize.layer_outputs,
        visualize.saliency_maps,
        visualize.grad_cam_maps,
        visualize.occlusion_maps,
    ):
        with pytest.raises(ValueError, match=r"takes images \(6, 5, 1\), got shape \(5, 6\)"):
            function(convolutional, np.zeros((5, 6)))
        with pytest.raises(ValueError, match="at least one image"):
            function(convolutional, np.zeros((0, 6, 5, 1)))
        with pytest.raises(TypeError, match="expected a model, got list"):
            function([], np.zeros((6, 5)))


def test_classes_and_layers_that_are_not_there(convolutional, image):
    with pytest.raises(ValueError, match="classes must be from 0 to 2, got 3 to 3"):
        visualize.saliency_maps(convolutional, image, 3)
    with pytest.raises(ValueError, match="classes must be whole numbers, got 'two'"):
        visualize.saliency_maps(convolutional, image, "two")
    with pytest.raises(ValueError, match="2 classes for 1 images"):
        visualize.grad_cam_maps(convolutional, image, [0, 1])
    with pytest.raises(ValueError, match="no layer 'cnov'; the model has conv, pool, scores"):
        visualize.layer_outputs(convolutional, image, "cnov")
    with pytest.raises(ValueError, match="no layer 3, the model calls 3"):
        visualize.layer_outputs(convolutional, image, 3)


def test_models_that_are_not_of_images(image):
    vectors = cnnfast.Sequential([cnnfast.Input((4,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"takes \(None, 4\), expected images"):
        visualize.saliency_maps(vectors, np.zeros(4))
    maps = cnnfast.Sequential([cnnfast.Input((6, 5, 1)), layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="expected scores .n, classes."):
        visualize.saliency_maps(maps, image)


# ---- graphs ------------------------------------------------------------------------------------


def test_a_functional_model(image):
    """A residual block, a shared layer, a model inside: the same outputs as sub-models give."""
    cnnfast.set_random_seed(2)
    inner = cnnfast.Sequential(
        [cnnfast.Input((6, 5, 2)), layers.Conv2D(2, 3, padding="same", name="deep")], name="inner"
    )
    x = cnnfast.Input((6, 5, 1))
    shared = layers.Conv2D(2, 3, padding="same", activation="relu", name="shared")
    first = layers.Conv2D(2, 1, name="first")(x)
    y = layers.Add(name="sum")([first, shared(shared(first))])
    y = layers.GlobalAveragePooling2D(name="pool")(inner(y))
    model = cnnfast.Model(x, layers.Dense(3, activation="softmax", name="scores")(y))
    found = visualize.layer_outputs(model, image)
    names = ["first", "shared", "shared#2", "sum", "inner/deep", "inner", "pool", "scores"]
    assert list(found) == names
    for name in ("first", "shared", "sum", "pool", "scores"):
        part = cnnfast.Model(model.inputs, model.get_layer(name).output)
        assert_close(found[name], part.predict(image[None], verbose=0), rtol=1e-5, atol=1e-6)
    assert_close(found["sum"], found["first"] + found["shared#2"], rtol=1e-5, atol=1e-6)
    maps = visualize.grad_cam_maps(model, image, 1)
    kernel = model.get_layer("scores").get_weights()[0]
    expected = np.maximum((found["inner/deep"][0] * kernel[:, 1]).sum(axis=-1), 0) / 30
    assert_close(maps[0], expected, rtol=1e-4, atol=1e-6)
    assert visualize.maximal_inputs(model, 0, "shared", steps=2).shape == (1, 6, 5, 1)


def test_several_inputs_or_outputs(image):
    a, b = cnnfast.Input((6, 5, 1)), cnnfast.Input((6, 5, 1))
    two = cnnfast.Model([a, b], layers.Flatten()(layers.Add()([a, b])))
    with pytest.raises(ValueError, match="has several inputs, expected one of images"):
        visualize.saliency_maps(two, image)
    x = cnnfast.Input((6, 5, 1))
    flat = layers.Flatten(name="flat")(x)
    heads = cnnfast.Model(x, [layers.Dense(2, name="left")(flat), layers.Dense(3)(flat)])
    with pytest.raises(ValueError, match="gives 2 outputs, expected scores .n, classes."):
        visualize.saliency_maps(heads, image)
    with pytest.raises(ValueError, match="gives 2 outputs, expected one"):
        visualize.maximal_inputs(heads, 0)
    assert visualize.layer_outputs(heads, image, "left")["left"].shape == (1, 2)
    one = cnnfast.Model(x, heads.outputs[0])
    assert visualize.saliency_maps(one, image, 1).shape == (1, 6, 5)
