"""Initialisers: fans, limits, variances, seeds."""

import numpy as np
import pytest

import cnnfast
from cnnfast import initializers

SHAPE = (3, 3, 32, 64)
FAN_IN, FAN_OUT = 9 * 32, 9 * 64


def test_fans_are_keras():
    assert initializers.fans((5, 7)) == (5, 7)
    assert initializers.fans((3, 3, 16, 32)) == (144, 288)
    assert initializers.fans((4,)) == (4, 4)
    assert initializers.fans(()) == (1, 1)


@pytest.mark.parametrize(
    ("name", "variance", "limit"),
    [
        ("glorot_uniform", 2 / (FAN_IN + FAN_OUT), np.sqrt(6 / (FAN_IN + FAN_OUT))),
        ("glorot_normal", 2 / (FAN_IN + FAN_OUT), None),
        ("he_uniform", 2 / FAN_IN, np.sqrt(6 / FAN_IN)),
        ("he_normal", 2 / FAN_IN, None),
        ("lecun_uniform", 1 / FAN_IN, np.sqrt(3 / FAN_IN)),
        ("lecun_normal", 1 / FAN_IN, None),
        ("random_normal", 0.05**2, None),
        ("random_uniform", 0.1**2 / 12, 0.05),
        ("truncated_normal", (0.05 * 0.8796) ** 2, 0.1),
    ],
)
def test_spread(name, variance, limit):
    cnnfast.set_random_seed(0)
    values = initializers.get(name)(SHAPE)
    assert values.shape == SHAPE and values.dtype == np.float32
    assert abs(values.mean()) < 4 * np.sqrt(variance / values.size)
    assert values.var() == pytest.approx(variance, rel=0.03)
    if limit is not None:
        assert 0.97 * limit < np.abs(values).max() <= limit * (1 + 1e-6)
    elif "random" not in name:
        # cut at two standard deviations of the wider distribution
        assert np.abs(values).max() <= 2 * np.sqrt(variance) / 0.8796 * (1 + 1e-4)


KERAS = [
    ("GlorotUniform", {}),
    ("GlorotNormal", {}),
    ("HeUniform", {}),
    ("HeNormal", {}),
    ("LecunUniform", {}),
    ("LecunNormal", {}),
    ("RandomNormal", {"mean": 0.5, "stddev": 0.2}),
    ("RandomUniform", {"minval": -1.0, "maxval": 0.5}),
    ("TruncatedNormal", {"mean": -0.1, "stddev": 0.3}),
    ("VarianceScaling", {"scale": 2.0, "mode": "fan_out", "distribution": "untruncated_normal"}),
    ("VarianceScaling", {"scale": 0.5, "mode": "fan_avg", "distribution": "uniform"}),
]


@pytest.mark.parametrize("shape", [(3, 3, 32, 64), (200, 90)])
@pytest.mark.parametrize(("name", "arguments"), KERAS)
def test_distributions_are_keras(name, arguments, shape):
    """The draws differ; their quantiles agree, and the arguments with their defaults."""
    keras = pytest.importorskip("keras")
    theirs = getattr(keras.initializers, name)(**arguments, seed=1)
    ours = getattr(initializers, name)(**arguments, seed=1)
    found, expected = np.ravel(ours(shape)), np.ravel(theirs(shape).cpu())
    places = np.linspace(0.02, 0.98, 25)
    # Quantiles of 18,000 values: 5 deviations are less than 5 % of the spread.
    np.testing.assert_allclose(
        np.quantile(found, places), np.quantile(expected, places), atol=0.05 * expected.std()
    )
    theirs_config = theirs.get_config()
    for key, value in ours.get_config().items():
        assert theirs_config[key] == value


def test_constants():
    assert initializers.get("zeros")((2, 3)).sum() == 0
    assert initializers.get(initializers.Ones)((2, 3), "float64").dtype == np.float64
    np.testing.assert_array_equal(initializers.Constant(3)((2,)), [3, 3])
    np.testing.assert_array_equal(initializers.Constant([1, 2])((2, 2)), [[1, 2], [1, 2]])


def test_seeds():
    one = initializers.HeNormal(seed=1)
    np.testing.assert_array_equal(one((4, 5)), one((4, 5)))
    free = initializers.HeNormal()
    assert not np.array_equal(free((4, 5)), free((4, 5)))
    cnnfast.set_random_seed(3)
    first = free((4, 5))
    cnnfast.set_random_seed(3)
    np.testing.assert_array_equal(free((4, 5)), first)


def test_configurations_come_back():
    for made in (
        initializers.VarianceScaling(2.0, "fan_out", "uniform", 5),
        initializers.GlorotUniform(7),
        initializers.Constant(0.5),
        initializers.RandomUniform(-1, 1, 2),
    ):
        again = initializers.get(initializers.serialize(made))
        np.testing.assert_array_equal(again((3, 4)), made((3, 4)))


def test_bad_names():
    with pytest.raises(ValueError, match="unknown initializer 'glorot'"):
        initializers.get("glorot")
    with pytest.raises(ValueError, match="mode must be"):
        initializers.VarianceScaling(mode="fan")
    with pytest.raises(TypeError, match="initializer must be"):
        initializers.get(3)
