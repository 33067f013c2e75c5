"""Losses against their formulas in float64."""

import numpy as np
import pytest

from cnnfast import losses


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.fixture
def case(rng):
    z = rng.standard_normal((5, 4))
    labels = rng.integers(0, 4, 5)
    return z, softmax(z), labels, np.eye(4)[labels]


def test_cross_entropies(case):
    z, p, labels, one_hot = case
    expected = -np.log(p[np.arange(5), labels])
    close = {"rtol": 1e-5, "atol": 1e-6}
    z32, p32 = z.astype("float32"), p.astype("float32")
    np.testing.assert_allclose(losses.categorical_crossentropy(one_hot, p32), expected, **close)
    np.testing.assert_allclose(
        losses.categorical_crossentropy(one_hot, z32, from_logits=True), expected, **close
    )
    np.testing.assert_allclose(
        losses.sparse_categorical_crossentropy(labels, p32), expected, **close
    )
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    assert float(loss(labels.reshape(-1, 1), z32)) == pytest.approx(expected.mean(), rel=1e-5)
    smooth = one_hot * 0.9 + 0.1 / 4
    np.testing.assert_allclose(
        losses.categorical_crossentropy(one_hot, p32, label_smoothing=0.1),
        -(smooth * np.log(p)).sum(-1),
        **close,
    )


def test_binary_crossentropy(rng):
    z = rng.standard_normal((6, 3))
    p = 1 / (1 + np.exp(-z))
    y = rng.integers(0, 2, (6, 3))
    expected = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(-1)
    np.testing.assert_allclose(
        losses.binary_crossentropy(y, p.astype("float32")), expected, rtol=1e-4
    )
    np.testing.assert_allclose(
        losses.binary_crossentropy(y, z.astype("float32"), from_logits=True), expected, rtol=1e-4
    )


def test_regression_losses(rng):
    a, b = rng.standard_normal((2, 6, 3)) * 2
    d = np.abs(a - b)
    np.testing.assert_allclose(losses.mean_squared_error(a, b), (d**2).mean(-1), rtol=1e-9)
    np.testing.assert_allclose(losses.mae(a, b), d.mean(-1), rtol=1e-9)
    expected = np.where(d <= 1.5, 0.5 * d**2, 1.5 * d - 0.5 * 1.5**2).mean(-1)
    np.testing.assert_allclose(losses.huber(a, b, delta=1.5), expected, rtol=1e-9)
    assert float(losses.Huber()(a, b)) == pytest.approx(losses.huber(a, b).mean(), rel=1e-6)


def test_missing_last_axis_never_broadcasts(rng):
    y, p = rng.random(5), rng.random((5, 1))
    expected = ((y - p[:, 0]) ** 2).mean()
    assert float(losses.MeanSquaredError()(y, p)) == pytest.approx(expected)
    assert float(losses.MeanSquaredError()(p, y[:, None])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        ("sum_over_batch_size", lambda v, w: (v * w).mean()),
        ("mean", lambda v, w: (v * w).mean()),
        ("sum", lambda v, w: (v * w).sum()),
        ("mean_with_sample_weight", lambda v, w: (v * w).sum() / w.sum()),
        ("none", lambda v, w: v * w),
        (None, lambda v, w: v * w),
    ],
)
def test_reductions_and_weights(rng, reduction, expected):
    a, b = rng.standard_normal((2, 6, 3))
    w = rng.random(6)
    values = ((a - b) ** 2).mean(-1)
    got = losses.MeanSquaredError(reduction=reduction)(a, b, sample_weight=w)
    np.testing.assert_allclose(got, expected(values, w), rtol=1e-6)


def test_weights_of_samples_reach_losses_of_places(rng):
    y = rng.integers(0, 3, (4, 5))
    p = softmax(rng.standard_normal((4, 5, 3)))
    w = rng.random(4)
    values = -np.log(np.take_along_axis(p, y[..., None], -1))[..., 0]
    got = losses.SparseCategoricalCrossentropy()(y, p, w)
    assert float(got) == pytest.approx((values * w[:, None]).mean(), rel=1e-5)


def test_get():
    for name in ("mse", "MeanSquaredError", losses.mse, losses.MeanSquaredError):
        assert isinstance(losses.get(name), losses.MeanSquaredError)
    assert isinstance(losses.get("huber"), losses.Huber)
    config = losses.serialize(losses.CategoricalCrossentropy(True, 0.1))
    again = losses.get(config)
    assert again.arguments == {"from_logits": True, "label_smoothing": 0.1, "axis": -1}
    with pytest.raises(ValueError, match="unknown loss 'cross'"):
        losses.get("cross")
    with pytest.raises(ValueError, match="label_smoothing"):
        losses.CategoricalCrossentropy(label_smoothing=2.0)
    with pytest.raises(ValueError, match="reduction must be"):
        losses.MeanSquaredError(reduction="average")
