"""Dropout: statistics, determinism, and one mask forward and backward."""

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import ops
from ops.levels import levels
from oracle.philox import philox4x32


def test_statistics():
    x = np.ones((1000, 1000), "float32")
    for rate in (0.1, 0.25, 0.5, 0.9):
        y = ops.dropout(x, rate, seed=3)
        kept = y != 0
        assert_close(y[kept], np.full(kept.sum(), 1 / (1 - rate)), 1e-6)
        # Five standard deviations of a binomial over a million values.
        deviation = np.sqrt(rate * (1 - rate) / x.size)
        assert abs(kept.mean() - (1 - rate)) < 5 * deviation
        assert abs(y.mean() - 1) < 5 * deviation / (1 - rate)
        # No row, no column and no neighbour knows anything of another.
        assert abs(kept.mean(axis=0) - (1 - rate)).max() < 6 * np.sqrt(rate * (1 - rate) / 1000)
        centred = kept - kept.mean()
        for shift in (1, 2, 4, 1000):
            flat = centred.ravel()
            assert abs(np.mean(flat[shift:] * flat[:-shift])) < 6 * rate * (1 - rate) / 1000


def test_rate_zero_changes_nothing(rng):
    x = rng.standard_normal((3, 17)).astype("float32")
    assert np.array_equal(ops.dropout(x, 0.0, seed=1), x)


def test_same_seed_same_mask_everywhere(rng):
    x = rng.standard_normal((37, 41)).astype("float32")
    first = ops.dropout(x, 0.4, seed=11)
    for level in levels():
        assert np.array_equal(ops.dropout(x, 0.4, seed=11), first), level
    assert_close(ops.dropout(x.astype("float64"), 0.4, seed=11), first, 1e-6)


def test_seeds_steps_and_streams_differ():
    x = np.ones(4096, "float32")
    masks = [
        ops.dropout(x, 0.5, 1),
        ops.dropout(x, 0.5, 2),
        ops.dropout(x, 0.5, -1),
        ops.dropout(x, 0.5, 2**32 + 1),
        ops.dropout(x, 0.5, np.array([1, 1])),
        ops.dropout(x, 0.5, np.array([1, 2])),
        ops.dropout(x, 0.5, 1, stream=1),
    ]
    for i, a in enumerate(masks):
        for b in masks[:i]:
            assert abs(np.mean(a == b) - 0.5) < 0.05
    assert np.array_equal(ops.dropout(x, 0.5, np.array([1, 0])), masks[0])


def test_backward_uses_the_forward_mask(rng):
    x = np.ones((13, 29), "float32")
    dy = rng.standard_normal(x.shape).astype("float32")
    for level in levels():
        scale = ops.dropout(x, 0.3, 5, stream=2)
        assert_close(ops.dropout_backward(dy, 0.3, 5, stream=2), dy * scale, 1e-6, what=level)
        _, dx = cnnfast.value_and_grad(lambda v: ops.sum(ops.dropout(v, 0.3, 5, stream=2) * dy))(x)
        assert_close(dx, dy * scale, 1e-6, what=level)


def _halves(completing):
    """Halves of Philox's words in the order of 64 elements: 16 lower ones, then 16 upper ones."""
    words = [w for block in range(8) for w in philox4x32([block, completing << 31, 0, 0], [0, 0])]
    words = np.array(words, "uint64").reshape(2, 1, 16)
    return np.concatenate([words & 0xFFFF, words >> 16], axis=1).ravel()


def test_numbers_are_philox():
    """An element is kept where its 32-bit number is rate * 2**32 or more, to the last bit."""
    x = np.ones(64, "float32")
    numbers = _halves(0) * 2**16 + _halves(1)
    for level in levels():
        assert np.array_equal(ops.dropout(x, 0.5, 0) != 0, numbers >= 2**31), level
        for number in numbers.tolist():
            for rate in (number / 2**32, (number + 1) / 2**32):
                kept = ops.dropout(x, rate, 0) != 0
                assert np.array_equal(kept, numbers >= rate * 2**32), (level, number, rate)


def test_bad_arguments():
    x = np.ones(4, "float32")
    for rate in (-0.1, 1.0, 1.5, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="dropout: rate"):
            ops.dropout(x, rate, 0)
    with pytest.raises(TypeError, match="dropout: rate"):
        ops.dropout(x, "half", 0)
    with pytest.raises(TypeError, match="dropout: seed"):
        ops.dropout(x, 0.5, None)
    with pytest.raises(TypeError, match="dropout: seed"):
        ops.dropout(x, 0.5, 1.5)
    with pytest.raises(ValueError, match="dropout: seed"):
        ops.dropout(x, 0.5, 2**64)
    with pytest.raises(ValueError, match="dropout: seed"):
        ops.dropout(x, 0.5, np.zeros(3, "int64"))
    with pytest.raises(TypeError, match="dropout: x must be float"):
        ops.dropout(np.ones(4, "int64"), 0.5, 0)
    with pytest.raises(ValueError, match="dropout: stream"):
        ops.dropout(x, 0.5, 0, stream=-1)
