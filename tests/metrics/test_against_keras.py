"""Metrics over several batches, equal to Keras' on the same numbers, on arrays and in a plan."""

import numpy as np
import pytest

import cnnfast as ours
from cnnfast import layers, metrics

keras = pytest.importorskip("keras")

CASES = [
    ("CategoricalAccuracy", {}),
    ("BinaryAccuracy", {"threshold": 0.3}),
    ("TopKCategoricalAccuracy", {"k": 2}),
    ("TopKCategoricalAccuracy", {"k": 4}),
    ("Precision", {}),
    ("Precision", {"thresholds": 0.2}),
    ("Precision", {"thresholds": [0.1, 0.25, 0.6]}),
    ("Precision", {"class_id": 2, "thresholds": 0.2}),
    ("Precision", {"top_k": 2}),
    ("Precision", {"top_k": 3, "class_id": 1}),
    ("Recall", {}),
    ("Recall", {"thresholds": [0.1, 0.25, 0.6]}),
    ("Recall", {"class_id": 0, "thresholds": 0.3}),
    ("Recall", {"top_k": 2}),
    ("F1Score", {}),
    ("F1Score", {"threshold": 0.25}),
    ("F1Score", {"average": "micro"}),
    ("F1Score", {"average": "macro"}),
    ("F1Score", {"average": "weighted", "threshold": 0.3}),
    ("FBetaScore", {"beta": 2.0, "average": "macro"}),
    ("MeanSquaredError", {}),
    ("MeanAbsoluteError", {}),
    ("RootMeanSquaredError", {}),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}),
    ("BinaryCrossentropy", {}),
    ("AUC", {}),
    ("AUC", {"curve": "PR", "num_thresholds": 20}),
    ("AUC", {"summation_method": "minoring", "thresholds": [0.2, 0.5, 0.55]}),
    ("AUC", {"curve": "PR", "summation_method": "majoring", "thresholds": [0.1, 0.3]}),
    ("AUC", {"multi_label": True}),
    ("AUC", {"multi_label": True, "num_labels": 5, "curve": "PR", "num_thresholds": 30}),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 0.5, 0.0, 2.0, 3.0]}),
    ("AUC", {"multi_label": True, "curve": "PR", "label_weights": [1.0, 0.5, 0.0, 2.0, 3.0]}),
    ("AUC", {"multi_label": True, "summation_method": "minoring", "thresholds": [0.1, 0.2, 0.6]}),
    ("AUC", {"label_weights": [1.0, 0.5, 0.0, 2.0, 3.0], "num_thresholds": 50}),
]


def _batches(rng, classes=5):
    for size in (17, 22, 1):
        y = np.eye(classes, dtype="float32")[rng.integers(0, classes, size)]
        z = 2 * rng.standard_normal((size, classes)) + 2 * y
        yield y, (np.exp(z) / np.exp(z).sum(1, keepdims=True)).astype("float32")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(map(str, (c[0], *c[1].items()))))
def test_batches_of_arrays(case, weighted, rng):
    name, arguments = case
    mine, theirs = getattr(metrics, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    for y, p in _batches(rng):
        weights = rng.random(len(y)).astype("float32") if weighted else None
        mine.update_state(y, p, sample_weight=weights)
        if name == "AUC" and weighted:  # Keras wants one weight a value there
            weights = np.repeat(weights[:, None], p.shape[1], 1)
        theirs.update_state(y, p, sample_weight=weights)
    expected = keras.ops.convert_to_numpy(theirs.result())
    assert np.max(expected) > 0
    np.testing.assert_allclose(mine.result(), expected, rtol=2e-5, atol=1e-6)
    assert np.shape(mine.result()) == expected.shape
    again = metrics.get(metrics.serialize(mine))
    assert type(again) is type(mine) and again.get_config() == mine.get_config()
    mine.reset_state()
    assert mine.result() == 0.0


def test_sparse_top_k_and_ties(rng):
    scores = np.round(rng.standard_normal((50, 6)) * 2).astype("float32")  # many ties
    labels = rng.integers(0, 6, 50)
    for k in (1, 2, 5, 6):
        mine = metrics.SparseTopKCategoricalAccuracy(k)
        theirs = keras.metrics.SparseTopKCategoricalAccuracy(k)
        theirs.update_state(labels, scores)
        assert mine(labels[:, None], scores) == pytest.approx(float(theirs.result())), k
    assert metrics.SparseTopKCategoricalAccuracy(9)(labels, scores) == 1.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SparseCategoricalAccuracy", {}),
        ("SparseCategoricalCrossentropy", {}),
        ("SparseCategoricalCrossentropy", {"from_logits": True}),
        ("Accuracy", {}),
        ("Mean", {}),
        ("Sum", {}),
    ],
)
def test_integer_labels_and_plain_values(name, arguments, weighted, rng):
    mine, theirs = getattr(metrics, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    for size in (17, 22, 1):
        labels = rng.integers(0, 4, size)
        scores = np.exp(rng.standard_normal((size, 4))).astype("float32")
        given = {
            "Accuracy": (labels, rng.integers(0, 4, size)),
            "Mean": (scores[:, 0],),
            "Sum": (scores[:, 0],),
        }.get(name, (labels, scores if arguments else scores / scores.sum(1, keepdims=True)))
        weights = rng.random(size).astype("float32") if weighted else None
        mine.update_state(*given, sample_weight=weights)
        theirs.update_state(*given, sample_weight=weights)
    assert float(theirs.result()) > 0
    assert mine.result() == pytest.approx(float(theirs.result()), rel=2e-5)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("binary_accuracy", {"threshold": 0.2}),
        ("categorical_accuracy", {}),
        ("sparse_categorical_accuracy", {}),
        ("top_k_categorical_accuracy", {"k": 2}),
        ("sparse_top_k_categorical_accuracy", {"k": 2}),
    ],
)
def test_functions(name, arguments, rng):
    (y, p), *_ = _batches(rng)
    targets = y.argmax(1) if name.startswith("sparse") else y
    expected = keras.ops.convert_to_numpy(getattr(keras.metrics, name)(targets, p, **arguments))
    if name == "binary_accuracy":  # Keras documents one figure a sample, and gives one a value
        expected = expected.mean(-1)
    assert 0 < expected.mean() < 1
    np.testing.assert_allclose(getattr(metrics, name)(targets, p, **arguments), expected, rtol=1e-6)


def _model():
    ours.set_random_seed(1)
    made = ours.Sequential([ours.Input((4,)), layers.Dense(5, "softmax")])
    made.compile(
        "sgd",
        "categorical_crossentropy",
        metrics=[
            metrics.TopKCategoricalAccuracy(2),
            metrics.Precision(thresholds=[0.1, 0.3], name="precise"),
            metrics.Recall(thresholds=0.2),
            metrics.F1Score(name="f1"),
            metrics.F1Score(average="macro", name="macro"),
            "auc",
            metrics.AUC(multi_label=True, label_weights=[1, 2, 0, 1, 1], name="by_label"),
        ],
    )
    return made


def test_in_the_plan_they_say_the_same(rng, capsys):
    """fit, evaluate and train_on_batch add up in C++ what arrays give; arrays in logs are fine."""
    x = rng.standard_normal((23, 4)).astype("float32")
    y = np.eye(5, dtype="float32")[rng.integers(0, 5, 23)]
    model = _model()
    p = model.predict(x, verbose=0)
    got = model.evaluate(x, y, 10, verbose=2, return_dict=True)
    assert "f1: [" in capsys.readouterr().out
    for metric in model.metrics:
        metric.reset_state()
        np.testing.assert_allclose(got[metric.name], metric(y, p), rtol=1e-5, err_msg=metric.name)
    assert got["f1"].shape == (5,) and got["precise"].shape == (2,)
    history = model.fit(x, y, 10, epochs=2, verbose=2, validation_data=(x, y)).history
    assert [value.shape for value in history["val_f1"]] == [(5,), (5,)]
    batch = model.train_on_batch(x, y, return_dict=True)
    assert batch["f1"].shape == (5,)


def test_arrays_in_callbacks(rng, tmp_path):
    x = rng.standard_normal((6, 4)).astype("float32")
    y = np.eye(5, dtype="float32")[rng.integers(0, 5, 6)]
    table = tmp_path / "log.csv"
    _model().fit(x, y, epochs=1, verbose=0, callbacks=[ours.callbacks.CSVLogger(table)])
    assert "[" in table.read_text().splitlines()[1]
    watch = ours.callbacks.EarlyStopping("f1")
    with pytest.raises(ValueError, match="'f1' is an array .* give the metric an average"):
        _model().fit(x, y, epochs=1, verbose=0, callbacks=[watch])
    best = ours.callbacks.ModelCheckpoint(tmp_path / "m.safetensors", "precise")
    _model().fit(x, y, verbose=0, callbacks=[best])
    assert best.mode == "max"  # the metric says so, whatever its name


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: metrics.Precision(thresholds=2.0), ValueError, "thresholds must be in"),
        (lambda: metrics.Recall(top_k=0), ValueError, "top_k must be at least 1"),
        (lambda: metrics.Recall(class_id=0.5), TypeError, "class_id must be an integer"),
        (lambda: metrics.F1Score(average="mean"), ValueError, "average must be None, 'micro'"),
        (lambda: metrics.F1Score(threshold=0.0), ValueError, "threshold must be in"),
        (lambda: metrics.TopKCategoricalAccuracy(0), ValueError, "k must be at least 1"),
        (lambda: metrics.AUC(curve="DET"), ValueError, "curve must be one of"),
        (lambda: metrics.AUC(num_labels=3), ValueError, "num_labels is for multi_label=True"),
        (lambda: metrics.AUC(multi_label=True, num_labels=0), ValueError, "num_labels must be at"),
        (lambda: metrics.AUC(label_weights=[1, -1]), ValueError, "label_weights must be one numb"),
        (lambda: metrics.AUC(label_weights="x"), TypeError, "label_weights must be numbers"),
        (lambda: metrics.AUC(multi_label=True)([0, 1], [0.1, 0.2]), ValueError, r"got shape \(2,\)"),
        (lambda: metrics.AUC(multi_label=True, num_labels=3)(np.eye(2), np.eye(2)), ValueError,
         "num_labels says 3 labels, y_pred .* has 2"),
        (lambda: metrics.AUC(label_weights=[1, 2, 3])(np.eye(2), np.eye(2)), ValueError,
         "label_weights says 3 labels"),
        (lambda: metrics.F1Score()([0, 1], np.zeros((2, 2))), ValueError, "utils.to_categorical"),
        (lambda: metrics.Precision(class_id=3)(np.eye(2), np.eye(2)), ValueError, "below 2"),
    ],
)  # fmt: skip
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
