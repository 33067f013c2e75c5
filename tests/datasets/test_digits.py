import numpy as np
import pytest

from cnnfast.datasets import digits


@pytest.fixture(scope="module")
def split():
    return digits.load_data(6000, 1000)


def test_shapes_types_and_balance(split):
    (x, y), (x_test, y_test) = split
    assert x.shape == (6000, 28, 28) and x_test.shape == (1000, 28, 28)
    assert x.dtype == y.dtype == x_test.dtype == y_test.dtype == np.uint8
    assert np.bincount(y).tolist() == [600] * 10
    assert np.bincount(y_test).tolist() == [100] * 10


def test_the_seed_decides(split):
    (x, y), (x_test, _) = split
    again, _ = digits.load_data(6000, 0)
    np.testing.assert_array_equal(again[0], x)
    np.testing.assert_array_equal(again[1], y)
    other, _ = digits.load_data(100, 0, seed=1)
    assert not np.array_equal(other[0], x[:100])
    assert not np.array_equal(x_test[:100], x[:100])


def test_no_picture_twice_none_empty(split):
    (x, _), (x_test, _) = split
    flat = np.concatenate([x, x_test]).reshape(7000, -1)
    assert len(np.unique(flat, axis=0)) == 7000
    ink = flat.mean(axis=1)
    assert ink.min() > 5 and ink.max() < 120  # MNIST: 6.7 to 112
    assert 25 < ink.mean() < 45  # MNIST: 33
    assert (flat == 0).mean() > 0.6  # MNIST: 0.81


def test_empty_and_odd_counts():
    (x, y), (x_test, y_test) = digits.load_data(13, 0)
    assert x.shape == (13, 28, 28) and y.shape == (13,)
    assert x_test.shape == (0, 28, 28) and y_test.shape == (0,)


@pytest.mark.parametrize("name", ["n_train", "n_test", "seed"])
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"{name} must be >= 0, got -1"):
        digits.load_data(**{name: -1})
    for bad in (1.5, "10", None, True):
        with pytest.raises(TypeError, match=f"{name} must be an integer"):
            digits.load_data(**{name: bad})


def test_harder_than_linear_and_still_readable(split):
    """Least squares on raw pixels: far above chance, far below what a CNN reaches."""
    (x, y), (x_test, y_test) = split
    design = np.c_[x.reshape(len(x), -1) / 255.0, np.ones(len(x))]
    normal = design.T @ design + 10 * np.eye(design.shape[1])
    weights = np.linalg.solve(normal, design.T @ np.eye(10)[y])
    scores = np.c_[x_test.reshape(len(x_test), -1) / 255.0, np.ones(len(x_test))] @ weights
    accuracy = (scores.argmax(axis=1) == y_test).mean()
    assert 0.7 < accuracy < 0.95
