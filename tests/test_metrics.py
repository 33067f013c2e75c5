"""Metrics on arrays, over several batches."""

import numpy as np
import pytest

from cnnfast import metrics


def test_accuracies_over_batches(rng):
    p = rng.random((10, 4)).astype("float32")
    labels = rng.integers(0, 4, 10)
    expected = (p.argmax(1) == labels).mean()
    sparse, dense = metrics.SparseCategoricalAccuracy(), metrics.CategoricalAccuracy()
    resolved = metrics.get("accuracy")
    for part in (slice(0, 3), slice(3, 10)):
        sparse.update_state(labels[part, None], p[part])
        dense.update_state(np.eye(4)[labels[part]], p[part])
        resolved.update_state(labels[part], p[part])
    for metric in (sparse, dense, resolved):
        assert metric.result() == pytest.approx(expected)
        metric.reset_state()
        assert metric.result() == 0.0


def test_the_class_accuracy_compares_values():
    labels = np.array([1, 2, 3, 4], "float32")
    assert metrics.Accuracy()(labels, np.array([1, 2, 0, 4], "float32")) == 0.75
    assert isinstance(metrics.get("Accuracy"), metrics.Accuracy)


def test_ties_go_to_the_first():
    p = np.array([[0.5, 0.5]], "float32")
    assert metrics.SparseCategoricalAccuracy()(np.array([0]), p) == 1.0
    assert metrics.SparseCategoricalAccuracy()(np.array([1]), p) == 0.0


def test_binary_accuracy_and_threshold():
    p = np.array([[0.2], [0.6], [0.9]], "float32")
    y = np.array([0, 0, 1])
    assert metrics.BinaryAccuracy()(y, p) == pytest.approx(2 / 3)
    assert metrics.BinaryAccuracy(threshold=0.7)(y, p) == 1.0


def test_sample_weights(rng):
    p, y, w = rng.random((6, 3)), rng.random((6, 3)), rng.random(6)
    expected = (((p - y) ** 2).mean(1) * w).sum() / w.sum()
    assert metrics.MeanSquaredError()(y, p, sample_weight=w) == pytest.approx(expected, rel=1e-5)


def test_mean_and_root_mean_squared_error(rng):
    mean = metrics.Mean()
    mean.update_state([1.0, 3.0])
    mean.update_state(5.0)
    assert mean.result() == 3.0
    p, y = rng.random((6, 3)), rng.random((6, 3))
    assert metrics.RootMeanSquaredError()(y, p) == pytest.approx(np.sqrt(((p - y) ** 2).mean()))


def test_names_are_what_was_asked_for():
    assert metrics.get("acc").name == "acc"
    assert metrics.get("mse").name == "mse"
    assert metrics.get(metrics.BinaryAccuracy(name="hits")).name == "hits"
    again = metrics.get(metrics.serialize(metrics.get("acc")))
    assert isinstance(again, metrics.AccuracyByShape) and again.name == "acc"
    with pytest.raises(ValueError, match="did you mean 'accuracy'"):
        metrics.get("acuracy")
