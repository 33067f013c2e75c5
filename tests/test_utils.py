"""to_categorical, confusion_matrix, seeds, activations and regularisers by name."""

import numpy as np
import pytest

import cnnfast
from cnnfast import activations, regularizers, utils


def test_to_categorical():
    np.testing.assert_array_equal(utils.to_categorical([1, 0, 2]), np.eye(3)[[1, 0, 2]])
    assert utils.to_categorical([1, 0], 5).shape == (2, 5)
    assert utils.to_categorical([[1], [0]]).shape == (2, 2)
    assert utils.to_categorical(np.zeros((2, 3), "uint8"), 4).shape == (2, 3, 4)
    assert utils.to_categorical([1.0, 2.0]).dtype == np.float32
    assert utils.to_categorical([], 3).shape == (0, 3)
    with pytest.raises(ValueError, match="below num_classes=3, got 3"):
        utils.to_categorical([3], 3)
    with pytest.raises(ValueError, match="must not be negative"):
        utils.to_categorical([-1])
    with pytest.raises(TypeError, match="must be integers"):
        utils.to_categorical([0.5])


def test_confusion_matrix():
    np.testing.assert_array_equal(
        utils.confusion_matrix([0, 1, 2, 2], [0, 2, 2, 2]), [[1, 0, 0], [0, 0, 1], [0, 0, 2]]
    )
    one_hot = np.eye(4)[[0, 3]]
    assert utils.confusion_matrix(one_hot, [0, 1]).shape == (4, 4)
    with pytest.raises(ValueError, match="y_true has 2 samples, y_pred has 1"):
        utils.confusion_matrix([0, 1], [0])
    with pytest.raises(ValueError, match=r"labels must be in \[0, 2\)"):
        utils.confusion_matrix([0, 2], [0, 1], 2)


def test_set_random_seed_seeds_everybody():
    import random

    draws = []
    for _ in range(2):
        utils.set_random_seed(11)
        draws.append(
            (random.random(), np.random.rand(), cnnfast.layers.Dropout(0.5)._state.numpy()[0])
        )
    assert draws[0] == draws[1]
    with pytest.raises(TypeError, match="must be an integer"):
        utils.set_random_seed(1.5)
    with pytest.raises(ValueError, match="must be in"):
        utils.set_random_seed(-1)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("relu6", lambda x: np.clip(x, 0, 6)),
        ("tanh", np.tanh),
        ("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
        ("hard_sigmoid", lambda x: np.clip(x + 3, 0, 6) / 6),
        ("softplus", lambda x: np.log1p(np.exp(x))),
        ("softsign", lambda x: x / (1 + np.abs(x))),
        ("silu", lambda x: x / (1 + np.exp(-x))),
        ("swish", lambda x: x / (1 + np.exp(-x))),
        ("elu", lambda x: np.where(x > 0, x, np.expm1(x))),
        ("selu", lambda x: 1.05070098 * np.where(x > 0, x, 1.67326324 * np.expm1(x))),
        ("exponential", np.exp),
        ("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
        ("linear", lambda x: x),
        (None, lambda x: x),
    ],
)
def test_activations(name, formula, rng):
    x = rng.standard_normal((4, 5)) * 4
    np.testing.assert_allclose(activations.get(name)(x), formula(x), rtol=1e-7, atol=1e-9)


def test_regularizers(rng):
    x = rng.standard_normal((4, 5))
    assert float(regularizers.get("l1")(x)) == pytest.approx(0.01 * np.abs(x).sum())
    assert float(regularizers.get("l2")(x)) == pytest.approx(0.01 * (x**2).sum())
    both = regularizers.l1_l2(0.1, 0.2)
    assert float(both(x)) == pytest.approx(0.1 * np.abs(x).sum() + 0.2 * (x**2).sum())
    assert regularizers.get(regularizers.serialize(both)).get_config() == both.get_config()
    assert regularizers.get(None) is None
    with pytest.raises(ValueError, match="must be finite and not negative"):
        regularizers.L2(-1.0)
