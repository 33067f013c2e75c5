"""Losses and their gradients against the oracle, at every instruction set."""

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import ops
from ops.levels import levels
from oracle import loss

SHAPES = [(1, 2), (3, 10), (128, 10), (5, 17), (2, 3, 7), (4, 1000), (1, 1)]


def _operands(shape, rng, dtype="float32"):
    z = (3 * rng.standard_normal(shape)).astype(dtype)
    p = loss.softmax(z).astype(dtype)
    labels = rng.integers(0, shape[-1], shape[:-1])
    one_hot = np.eye(shape[-1], dtype=dtype)[labels]
    return z, p, labels, one_hot


def test_crossentropy(rng):
    for level in levels():
        for shape in SHAPES:
            z, p, labels, one_hot = _operands(shape, rng)
            for y_pred, logits in ((z, True), (p, False)):
                what = f"{shape}, from_logits={logits}, {level}"
                expected = loss.sparse_categorical_crossentropy(labels, y_pred, logits)
                for kind in ("int64", "int32", "uint8") if shape[-1] <= 256 else ("int64",):
                    y = ops.sparse_categorical_crossentropy(labels.astype(kind), y_pred, logits)
                    assert_close(y, expected, 2e-6, 2e-6, "float32", what)
                for smoothing in (0.0, 0.1):
                    expected = loss.categorical_crossentropy(one_hot, y_pred, logits, smoothing)
                    y = ops.categorical_crossentropy(one_hot, y_pred, logits, smoothing)
                    assert_close(y, expected, 2e-6, 2e-6, "float32", what)


def test_float64(rng):
    z, p, labels, one_hot = _operands((6, 5), rng, "float64")
    for y_pred, logits in ((z, True), (p, False)):
        y = ops.sparse_categorical_crossentropy(labels, y_pred, logits)
        expected = loss.sparse_categorical_crossentropy(labels, y_pred, logits)
        assert_close(y, expected, 1e-13, 1e-14, "float64")
        y = ops.categorical_crossentropy(one_hot, y_pred, logits, 0.2)
        expected = loss.categorical_crossentropy(one_hot, y_pred, logits, 0.2)
        assert_close(y, expected, 1e-13, 1e-14, "float64")


def _four_ways(labels, one_hot):
    sparse, dense = ops.sparse_categorical_crossentropy, ops.categorical_crossentropy
    return {
        "sparse, logits": lambda z: sparse(labels, z, True),
        "sparse, softmax": lambda z: sparse(labels, ops.softmax(z)),
        "dense, logits": lambda z: dense(one_hot, z, True),
        "dense, softmax": lambda z: dense(one_hot, ops.softmax(z)),
    }


def test_gradients_from_logits(rng):
    """softmax(z) - y_true, whichever way it is written."""
    for level in levels():
        for shape in SHAPES[:-1]:
            z, _, labels, one_hot = _operands(shape, rng)
            weights = rng.uniform(0.5, 2, shape[:-1]).astype("float32")
            expected = (loss.softmax(z) - one_hot) * weights[..., None]
            for way, function in _four_ways(labels, one_hot).items():

                def scalar(v, function=function, weights=weights):
                    return ops.sum(function(v) * weights)

                _, dz = cnnfast.value_and_grad(scalar)(z)
                assert_close(dz, expected, 5e-6, 2e-6, "float32", f"{way}, {shape}, {level}")


def test_extreme_logits_stay_finite():
    z = np.array([[1000.0, -1000.0, 0.0], [-1e30, 1e30, 0.0]], "float32")
    labels = np.array([1, 1])
    for level in levels(threads=(1,)):
        y = ops.sparse_categorical_crossentropy(labels, z, True)
        assert_close(y, [2000.0, 0.0], 1e-6, what=level)
        for written in (
            lambda v: ops.sparse_categorical_crossentropy(labels, v, True),
            lambda v: ops.sparse_categorical_crossentropy(labels, ops.softmax(v)),
        ):
            _, dz = cnnfast.value_and_grad(lambda v, f=written: ops.sum(f(v)))(z)
            assert_close(dz, [[1, -1, 0], [0, 0, 0]], 1e-6, what=level)


def test_probabilities_of_zero_are_clipped_as_in_keras():
    p = np.array([[1.0, 0.0]], "float32")
    y = ops.sparse_categorical_crossentropy(np.array([1]), p)
    assert_close(y, [-np.log(1e-7)], 1e-5)
    y = ops.binary_crossentropy(np.array([1.0], "float32"), np.array([0.0], "float32"))
    assert_close(y, [-np.log(1e-7)], 1e-5)


def test_labels_in_a_column_and_other_integers(rng):
    z, _, labels, _ = _operands((6, 4), rng)
    right = ops.sparse_categorical_crossentropy(labels, z, True)
    for kind in ("int8", "uint16", "uint64", "int16"):
        y = ops.sparse_categorical_crossentropy(labels.astype(kind), z, True)
        assert np.array_equal(y, right), kind
    assert np.array_equal(ops.sparse_categorical_crossentropy(labels[:, None], z, True), right)
    assert np.array_equal(ops.sparse_categorical_crossentropy(labels.tolist(), z, True), right)


def test_classes_on_another_axis(rng):
    z, _, labels, one_hot = _operands((5, 3, 4), rng)
    turned, hot = np.moveaxis(z, -1, 1).copy(), np.moveaxis(one_hot, -1, 1).copy()
    expected = loss.sparse_categorical_crossentropy(labels, z, True)
    assert_close(ops.sparse_categorical_crossentropy(labels, turned, True, axis=1), expected, 3e-6)
    assert_close(ops.categorical_crossentropy(hot, turned, True, axis=1), expected, 3e-6)


def test_binary_crossentropy(rng):
    y_true = rng.integers(0, 2, (5, 3)).astype("float32")
    z = (5 * rng.standard_normal((5, 3))).astype("float32")
    p = rng.uniform(0.01, 0.99, (5, 3)).astype("float32")
    for smoothing in (0.0, 0.2):
        y = ops.binary_crossentropy(y_true, z, True, smoothing)
        assert_close(y, loss.binary_crossentropy(y_true, z, True, smoothing), 2e-6, 1e-6, "float32")
        y = ops.binary_crossentropy(y_true, p, label_smoothing=smoothing)
        assert_close(y, loss.binary_crossentropy(y_true, p, False, smoothing), 2e-6, 1e-6)
    far = np.array([1e4, -1e4], "float32")
    assert_close(ops.binary_crossentropy(np.float32([0, 1]), far, True), [1e4, 1e4], 1e-6)


def test_mean_errors(rng):
    a, b = rng.standard_normal((4, 7)), rng.standard_normal((4, 7))
    assert_close(ops.mean_squared_error(a, b), loss.mean_squared_error(a, b), 1e-13)
    assert_close(ops.mean_absolute_error(a, b), loss.mean_absolute_error(a, b), 1e-13)


def test_empty_batch():
    z, none = np.zeros((0, 3), "float32"), np.zeros((0,), "int64")
    assert ops.sparse_categorical_crossentropy(none, z, True).shape == (0,)
    assert ops.categorical_crossentropy(z, z, True).shape == (0,)


def test_labels_out_of_range():
    z = np.zeros((2, 3), "float32")
    for labels in ([0, 3], [-1, 0], [2**40, 0]):
        with pytest.raises(ValueError, match=r"labels must be in \[0, 3\)"):
            ops.sparse_categorical_crossentropy(np.array(labels), z, True)

    # A traced function cannot look at its labels before it runs: the loss is NaN, never a stray read.
    def traced(z, labels):
        return ops.sum(ops.sparse_categorical_crossentropy(labels, z, True))

    for labels in ([0, 3], [-1, 0], [2**40, 0]):
        value, dz = cnnfast.value_and_grad(traced)(z, np.array(labels))
        assert np.isnan(value)
        assert dz.shape == z.shape
