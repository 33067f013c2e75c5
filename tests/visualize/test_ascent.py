"""Activation maximisation: its gradient, its regularisers, where it ends, and that it plans once."""

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import _trace, layers, ops, visualize
from cnnfast.visualize import _ascent
from cnnfast.visualize._ascent import Regularisers, ascend


@pytest.fixture(scope="module")
def linear():
    cnnfast.set_random_seed(0)
    return cnnfast.Sequential(
        [cnnfast.Input((4, 3, 1)), layers.Flatten(), layers.Dense(2, activation="softmax")]
    )


def pictures(model):
    """Its weights as pictures (classes, 4, 3, 1)."""
    return np.moveaxis(model.layers[-1].get_weights()[0], 1, 0).reshape(2, 4, 3, 1)


# ---- regularisers ------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [2.0, 1.0, 1.5])
def test_total_variation_by_its_definition(rng, beta):
    x = rng.random((2, 4, 5, 3))
    expected = np.zeros(2)
    for i in range(3):
        for j in range(4):
            squares = (x[:, i, j + 1] - x[:, i, j]) ** 2 + (x[:, i + 1, j] - x[:, i, j]) ** 2
            expected += (squares ** (beta / 2)).sum(axis=-1)
    assert_close(_ascent.total_variation(x, beta), expected, rtol=1e-4)


def test_total_variation_has_the_gradient_of_finite_differences(rng):
    x = rng.random((1, 3, 4, 2))
    value, gradient = cnnfast.value_and_grad(lambda x: ops.sum(_ascent.total_variation(x, 1.0)))(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = 1e-6
        rise = _ascent.total_variation(x + step, 1.0) - _ascent.total_variation(x - step, 1.0)
        assert abs(gradient[at] - rise[0] / 2e-6) < 1e-6
    assert value > 0


def test_blur_is_a_gaussian():
    x = np.zeros((1, 11, 13, 2), "float32")
    x[0, 5, 6, 1] = 1
    out = _ascent.blurred(x, 0.8)
    assert out.dtype == np.float32 and out.shape == x.shape
    assert not out[..., 0].any()
    assert_close(out.sum(), 1, rtol=1e-5)
    assert_close(out[0, 5, 8, 1] / out[0, 5, 6, 1], np.exp(-0.5 * (2 / 0.8) ** 2), rtol=1e-4)
    assert_close(_ascent.blurred(np.ones((1, 3, 2, 1), "float32"), 2.0), np.ones((1, 3, 2, 1)))


# ---- where it ends -----------------------------------------------------------------------------


def test_a_linear_score_is_highest_in_the_corner(linear):
    """Without penalties each pixel goes to the bound its weight points to."""
    found = visualize.maximal_inputs(linear, steps=100, l2=0, tv=0, jitter=0)
    np.testing.assert_array_equal(found, pictures(linear) > 0)


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_l2_ends_where_the_gradients_meet(linear, optimizer):
    """With w scaled to a mean square of 1, w - 2 l2 x = 0."""
    w = pictures(linear)
    w = w / np.sqrt((w**2).mean(axis=(1, 2, 3), keepdims=True))
    found = visualize.maximal_inputs(
        linear, l2=0.5, tv=0, jitter=0, bounds=None, steps=1500, learning_rate=0.02,
        optimizer=optimizer, start="grey",
    )  # fmt: skip
    assert_close(found, w / (2 * 0.5), rtol=1e-2, atol=1e-2)


def test_images_do_not_touch_each_other(linear):
    both = visualize.maximal_inputs(linear, [0, 1], steps=20, start="grey")
    one = visualize.maximal_inputs(linear, 1, steps=20, start="grey")
    assert_close(both[1:], one, rtol=1e-4, atol=1e-5)


def test_jitter_moves_the_image_under_the_network(linear):
    """Averaged over all shifts, a linear score is blind to where things are."""
    still = visualize.maximal_inputs(linear, 0, steps=60, l2=0, tv=0, jitter=0)
    moved = visualize.maximal_inputs(linear, 0, steps=60, l2=0, tv=0, jitter=4)
    assert np.abs(still - moved).max() > 0.1


def test_the_penalties_weigh_the_same_for_scores_of_any_size(rng):
    w = rng.standard_normal((1, 4, 3, 1)).astype("float32")
    start = rng.random((1, 4, 3, 1)).astype("float32")
    keep = Regularisers(l2=0.3, tv=0.5, jitter=1)
    small, large = (
        ascend(lambda x, f=factor: ops.sum(x * (f * w), axis=(1, 2, 3)), start, 30, 0.05, keep)
        for factor in (1, 1024)
    )
    assert_close(large, small, rtol=1e-4, atol=1e-5)


def test_the_class_is_predicted_and_the_filter_answers():
    from cnnfast.datasets import digits

    (x, y), _ = digits.load_data(400, 0)
    cnnfast.set_random_seed(0)
    model = cnnfast.Sequential(
        [
            cnnfast.Input((28, 28, 1)),
            layers.Conv2D(6, 5, strides=2, activation="relu", name="conv"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    x = x[..., None].astype("float32") / 255
    model.fit(x, y, batch_size=20, epochs=3, verbose=0)
    found = visualize.maximal_inputs(model, [3, 7, 1], steps=60)
    assert found.min() >= 0 and found.max() <= 1 and found.dtype == np.float32
    np.testing.assert_array_equal(model.predict(found, verbose=0).argmax(axis=1), [3, 7, 1])
    again = visualize.maximal_inputs(model, [3, 7, 1], steps=60)
    np.testing.assert_array_equal(again, found)

    for number in (0, 4):
        best = visualize.maximal_inputs(model, number, "conv", steps=60)
        answers = visualize.layer_outputs(model, np.concatenate([best, x[:50]]), "conv")["conv"]
        answers = answers[..., number].mean(axis=(1, 2))
        assert answers[0] > 1.5 * answers[1:].max()


def test_one_plan_for_the_whole_ascent(linear, monkeypatch):
    plans = []
    make = _trace.Trace.plan
    monkeypatch.setattr(
        _trace.Trace, "plan", lambda *args, **kwargs: plans.append(1) or make(*args, **kwargs)
    )
    visualize.maximal_inputs(linear, steps=5)
    assert len(plans) == 1


def test_starts(linear):
    still = dict(steps=1, learning_rate=1e-9, jitter=0, bounds=None)
    image = np.arange(12.0).reshape(4, 3)
    for start in (image, image[..., None], np.stack([image, image])[..., None]):
        found = visualize.maximal_inputs(linear, start=start, **still)
        assert_close(found[..., 0], np.stack([image, image]), rtol=1e-6, atol=1e-6)
    noise = visualize.maximal_inputs(linear, start="noise", seed=5, **still)
    other = visualize.maximal_inputs(linear, start="noise", seed=6, **still)
    assert 0.02 < np.abs(noise - other).max() < 0.1001


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"units": 2}, "units must be from 0 to 1, got 2 to 2"),
        ({"units": "all"}, "units must be whole numbers"),
        ({"layer": "conv"}, "no layer 'conv'; the model has"),
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"tv": -1}, "tv must be at least 0, got -1"),
        ({"l2": float("nan")}, "l2 must be at least 0, got nan"),
        ({"beta": 0}, "beta must be greater than 0"),
        ({"optimizer": "sgd"}, "'adam' or 'momentum', got 'sgd'"),
        ({"bounds": (1, 0)}, "bounds must be .low, high."),
        ({"start": "black"}, "'noise', 'grey' or an image, got 'black'"),
        ({"start": np.zeros((5, 5))}, "start must be an image .4, 3, 1."),
    ],
)
def test_refuses(linear, options, message):
    with pytest.raises(ValueError, match=message):
        visualize.maximal_inputs(linear, **options)
