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
