"""Event files, read with TensorBoard's own reader."""

import sys

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import callbacks, layers, metrics


def fitted(folder, rng, **arguments):
    keras.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, "softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy", metrics.F1Score()])
    x = rng.standard_normal((12, 3)).astype("float32")
    y = np.eye(2, dtype="float32")[rng.integers(0, 2, 12)]
    board = callbacks.TensorBoard(folder, **arguments)
    return model.fit(x, y, 4, epochs=3, verbose=0, validation_data=(x, y), callbacks=[board])


def test_what_tensorboard_reads(tmp_path, rng):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    history = fitted(
        tmp_path, rng, histogram_freq=2, write_steps_per_second=True, update_freq="batch"
    ).history
    seen = {}
    for kind in ("train", "validation"):
        seen[kind] = reader.EventAccumulator(str(tmp_path / kind), {"histograms": 0})
        seen[kind].Reload()

    def scalars(kind, tag):
        return [(event.step, event.value) for event in seen[kind].Scalars(tag)]

    for kind, prefix in (("train", ""), ("validation", "val_")):
        for name in ("loss", "accuracy"):
            got = scalars(kind, f"epoch_{name}")
            assert [step for step, _ in got] == [0, 1, 2]
            np.testing.assert_allclose([v for _, v in got], history[prefix + name], rtol=1e-6)
    second = [v for _, v in scalars("train", "epoch_f1_score/1")]
    np.testing.assert_allclose(second, [one[1] for one in history["f1_score"]], rtol=1e-6)
    assert [v for _, v in scalars("train", "epoch_learning_rate")] == pytest.approx([0.01] * 3)
    assert [step for step, _ in scalars("train", "batch_loss")] == list(range(9))
    assert all(v > 0 for _, v in scalars("train", "epoch_steps_per_second"))
    histograms = seen["train"].Histograms("dense/kernel/histogram")
    assert [h.step for h in histograms] == [0, 2] and histograms[0].histogram_value.num == 6


def test_without_the_package_it_says_what_to_install(monkeypatch):
    for name in [n for n in sys.modules if n.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r'pip install "cnnfast\[tensorboard\]"'):
        callbacks.TensorBoard("logs")


def test_bad_update_freq():
    pytest.importorskip("tensorboard")
    with pytest.raises(ValueError, match="update_freq must be"):
        callbacks.TensorBoard("logs", update_freq="often")
