"""The figures of what a network sees draw what the computing functions give."""

import sys

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import layers, visualize

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def model():
    cnnfast.set_random_seed(1)
    return cnnfast.Sequential(
        [
            cnnfast.Input((8, 9, 1)),
            layers.Conv2D(20, 3, activation="relu", name="first"),
            layers.Conv2D(3, 3, activation="relu", name="second"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax", name="scores"),
        ]
    )


@pytest.fixture
def x(rng):
    return rng.random((2, 8, 9, 1), dtype="float32")


def texts(figure):
    import matplotlib.text

    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_text()]


def drawn(figure, tmp_path):
    figure.savefig(tmp_path / "figure.png")
    return [np.asarray(axes.images[-1].get_array()) for axes in all_axes(figure) if axes.images]


def all_axes(figure):
    found = list(figure.axes)
    for part in getattr(figure, "subfigs", ()):
        found += [axes for axes in part.axes if axes not in found]
    return found


def test_feature_maps(model, x, tmp_path):
    figure = visualize.feature_maps(model, x[0])
    maps = drawn(figure, tmp_path)
    assert {"first: 20 maps, 6×7, the first 16", "second: 3 maps, 4×5"} <= set(texts(figure))
    outputs = visualize.layer_outputs(model, x[0], ["first", "second"])
    assert len(maps) == 16 + 3
    np.testing.assert_array_equal(maps[5], outputs["first"][0, :, :, 5])
    np.testing.assert_array_equal(maps[16 + 2], outputs["second"][0, :, :, 2])
    assert len(drawn(visualize.feature_maps(model, x[0], "first", maps=20), tmp_path)) == 20


def test_feature_maps_refuses(model, x):
    with pytest.raises(ValueError, match="expected one image"):
        visualize.feature_maps(model, x)
    with pytest.raises(ValueError, match="'scores' gives .1, 4., expected maps"):
        visualize.feature_maps(model, x[0], "scores")
    with pytest.raises(ValueError, match="maps and columns must be at least 1"):
        visualize.feature_maps(model, x[0], maps=0)
    flat = cnnfast.Sequential([cnnfast.Input((8, 9, 1)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(ValueError, match="no layer of the model gives maps"):
        visualize.feature_maps(flat, x[0])


def test_saliency(model, x, tmp_path):
    figure = visualize.saliency(model, x, [1, 3], class_names=["ant", "bee", "cat", "dog"])
    images = drawn(figure, tmp_path)
    assert {"bee", "dog", "saliency"} <= set(texts(figure))
    assert len(images) == 4
    maps = visualize.saliency_maps(model, x, [1, 3])
    np.testing.assert_array_equal(images[2], maps[0])
    np.testing.assert_array_equal(images[3], maps[1])


def test_grad_cam_is_laid_over_the_image(model, x, tmp_path):
    figure = visualize.grad_cam(model, x, 2)
    heat = drawn(figure, tmp_path)[2:]
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 2, 2]
    assert heat[0].shape == (8, 9)
    maps = visualize.grad_cam_maps(model, x, 2)
    assert maps.shape == (2, 4, 5)
    assert heat[0].max() <= maps[0].max() + 1e-6


def test_maps_are_stretched_linearly():
    from cnnfast.visualize._heat import resized

    ramp = np.arange(4.0)[None, :, None] * np.ones((1, 1, 3))
    wide = resized(ramp, (8, 6))
    assert_close(wide[0, :, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    np.testing.assert_array_equal(resized(ramp, (4, 3)), ramp)


def test_occlusion(model, x, tmp_path):
    figure = visualize.occlusion(model, x, 0, size=4, stride=4)
    images = drawn(figure, tmp_path)
    np.testing.assert_array_equal(images[3], visualize.occlusion_maps(model, x, 0, 4, 4)[1])


def test_activation_maximization(model, tmp_path):
    figure = visualize.activation_maximization(model, [0, 2], steps=3, class_names=list("abcd"))
    images = drawn(figure, tmp_path)
    assert {"a", "c"} <= set(texts(figure)) and len(images) == 2
    filters = visualize.activation_maximization(model, layer="second", steps=3)
    assert len(drawn(filters, tmp_path)) == 3
    assert "second: what its units answer to" in texts(filters)


def test_colour_images(tmp_path, rng):
    model = cnnfast.Sequential(
        [cnnfast.Input((5, 5, 3)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(2)]
    )
    assert visualize.maximal_inputs(model, steps=2).shape == (2, 5, 5, 3)
    for figure in (
        visualize.saliency(model, rng.random((5, 5, 3))),
        visualize.activation_maximization(model, steps=2),
    ):
        assert drawn(figure, tmp_path)[0].shape == (5, 5, 3)


# ---- augmentations -----------------------------------------------------------------------------


class Brighter(layers.Layer):
    """Each call draws anew; without training it changes nothing."""

    drawn = 0

    def call(self, x, training=False):
        self.drawn += 1
        return x + np.float32(self.drawn) if training else x


def test_augmentations(tmp_path):
    image = np.arange(12.0).reshape(3, 4)
    versions = visualize.augmented_images(image, [Brighter(), Brighter()], count=3)
    assert versions.shape == (3, 3, 4, 1)
    for index, version in enumerate(versions):
        np.testing.assert_array_equal(version[..., 0], image + 2 * (index + 1))
    figure = visualize.augmentations(image, Brighter(), count=5, title="brighter")
    images = drawn(figure, tmp_path)
    assert len(images) == 6 and {"original", "brighter"} <= set(texts(figure))
    np.testing.assert_allclose(images[0], image / 11)
    np.testing.assert_allclose(images[2], np.minimum((image + 2) / 11, 1))


def test_augmentations_by_random_layers(rng, tmp_path):
    image = rng.random((6, 6, 3)).astype("float32")
    versions = visualize.augmented_images(image, layers.Dropout(0.5), count=4)
    assert len({version.tobytes() for version in versions}) == 4
    assert drawn(visualize.augmentations(image, layers.Dropout(0.5), 4), tmp_path)[1].shape == (
        6,
        6,
        3,
    )


def test_augmentations_refuses():
    with pytest.raises(ValueError, match="expected one image"):
        visualize.augmentations(np.zeros((2, 5, 5, 1)), layers.Dropout(0.5))
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        visualize.augmentations(np.zeros((5, 5)), layers.Dropout(0.5), count=0)
    with pytest.raises(ValueError, match="expected 1 or 3 channels, got 2"):
        visualize.augmentations(np.zeros((5, 5, 2)), layers.Dropout(0.5))
    with pytest.raises(TypeError, match="expected layers, got 'flip'"):
        visualize.augmentations(np.zeros((5, 5)), ["flip"])


def test_without_matplotlib(model, x, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert visualize.saliency_maps(model, x).shape == (2, 8, 9)
    with pytest.raises(ImportError, match=r"pip install cnnfast\[plot\]"):
        visualize.saliency(model, x)
    with pytest.raises(ImportError, match=r"pip install cnnfast\[plot\]"):
        visualize.animate_convolution([[1, 2]], [[1]])
