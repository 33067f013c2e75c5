"""Callbacks: order of hooks, early stopping, checkpoints, tables, learning rates."""

import csv
import math

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import callbacks, layers


@pytest.fixture
def model():
    keras.set_random_seed(0)
    made = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    made.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return made


@pytest.fixture
def data(rng):
    x = rng.standard_normal((10, 3)).astype("float32")
    return x, x.sum(1, keepdims=True)


class Recorder(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.calls = []

    def _note(self, name, *arguments):
        self.calls.append((name, *arguments))

    def on_train_begin(self, logs=None):
        self._note("train_begin")

    def on_epoch_begin(self, epoch, logs=None):
        self._note("epoch_begin", epoch)

    def on_train_batch_begin(self, batch, logs=None):
        self._note("batch_begin", batch)

    def on_train_batch_end(self, batch, logs=None):
        self._note("batch_end", batch)
        self.last = dict(logs)

    def on_test_begin(self, logs=None):
        self._note("test_begin")

    def on_test_end(self, logs=None):
        self._note("test_end")

    def on_epoch_end(self, epoch, logs=None):
        self._note("epoch_end", epoch)
        self.epoch_logs = dict(logs)

    def on_train_end(self, logs=None):
        self._note("train_end")


def test_order_of_hooks(model, data):
    recorder = Recorder()
    model.fit(*data, 6, verbose=0, callbacks=[recorder], validation_data=data)
    assert recorder.calls == [
        ("train_begin",),
        ("epoch_begin", 0),
        ("batch_begin", 0),
        ("batch_end", 0),
        ("batch_begin", 1),
        ("batch_end", 1),
        ("test_begin",),
        ("test_end",),
        ("epoch_end", 0),
        ("train_end",),
    ]
    assert list(recorder.epoch_logs) == ["loss", "mae", "val_loss", "val_mae"]
    assert recorder.last["loss"] == recorder.epoch_logs["loss"]
    assert recorder.model is model
    assert recorder.params == {"epochs": 1, "steps": 2, "verbose": 0}


def test_watching_batches_changes_no_bit(data):
    outcomes = []
    for watchers in ([], [Recorder()]):
        keras.set_random_seed(0)
        made = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
        made.compile("adam", "mse")
        made.fit(*data, 3, epochs=3, verbose=0, callbacks=watchers)
        outcomes.append(made.get_weights()[0])
    np.testing.assert_array_equal(*outcomes)


def test_lambda_callback(model, data):
    losses = []
    model.fit(*data, epochs=2, verbose=0, callbacks=callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: losses.append(logs["loss"]),
        on_batch_end=lambda batch, logs: losses.append(batch),
    ))  # fmt: skip
    assert losses[0] == 0 and losses[2] == 0 and len(losses) == 4
    with pytest.raises(TypeError, match="'on_fire' is no hook"):
        callbacks.LambdaCallback(on_fire=print)


class Figures(callbacks.Callback):
    """Puts figures of its own into the logs."""

    def __init__(self, values, name="val_loss"):
        super().__init__()
        self.values, self.name = values, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]


def test_early_stopping_restores_the_best(model, data):
    kept = []
    stop = callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(*data, epochs=9, verbose=0, callbacks=[
        Figures([3.0, 1.0, 2.0, 1.5, 0.0, 0, 0, 0, 0]),
        callbacks.LambdaCallback(on_epoch_end=lambda e, logs: kept.append(model.get_weights())),
        stop,
    ])  # fmt: skip
    assert history.epoch == [0, 1, 2, 3] and stop.stopped_epoch == 3 and stop.best_epoch == 1
    np.testing.assert_array_equal(model.get_weights()[0], kept[1][0])


def test_early_stopping_as_keras_counts(model, data):
    """Baseline, the first epochs left out, and the weights of the best epoch at the end of all."""
    figures = [0.1, 5.0, 4.0, 3.0, 2.0, 1.0]
    stop = callbacks.EarlyStopping(patience=2, start_from_epoch=1, baseline=3.5,
                                   restore_best_weights=True)  # fmt: skip
    kept = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda e, logs: kept.append(model.get_weights()))
    history = model.fit(*data, epochs=6, verbose=0, callbacks=[Figures(figures), keep, stop])
    # Better each time, but not than the baseline until epoch 3: that never stops it.
    assert history.epoch == [0, 1, 2, 3, 4, 5] and stop.best == 1.0
    np.testing.assert_array_equal(model.get_weights()[0], kept[5][0])
    worse = callbacks.EarlyStopping(patience=1, min_delta=0.5)
    history = model.fit(
        *data, epochs=6, verbose=0, callbacks=[Figures([3, 2.9, 1, 1, 1, 1]), worse]
    )
    assert history.epoch == [0, 1] and worse.best == 3


def test_early_stopping_modes(model, data):
    history = model.fit(*data, epochs=6, verbose=0, callbacks=[
        Figures([0.5, 0.6, 0.6, 0.7, 0.8, 0.9], "val_accuracy"),
        callbacks.EarlyStopping("val_acc", patience=1, min_delta=0.05),
    ])  # fmt: skip
    assert history.epoch == [0, 1, 2]
    with pytest.raises(ValueError, match="mode must be"):
        callbacks.EarlyStopping(mode="largest")
    with pytest.warns(UserWarning, match="there is no 'val_loss' to watch"):
        model.fit(*data, verbose=0, callbacks=[callbacks.EarlyStopping()])


def test_model_checkpoint(model, data, tmp_path):
    path = str(tmp_path / "deep" / "m-{epoch:02d}-{val_loss:.1f}.safetensors")
    model.fit(*data, epochs=4, verbose=0, callbacks=[
        Figures([2.0, 3.0, 1.0, 1.0]),
        callbacks.ModelCheckpoint(path, save_best_only=True),
    ])  # fmt: skip
    names = sorted(p.name for p in (tmp_path / "deep").iterdir())
    assert names == ["m-01-2.0.safetensors", "m-03-1.0.safetensors"]
    loaded = keras.models.load_model(tmp_path / "deep" / names[1])
    assert int(loaded.optimizer.iterations.numpy()) == 3
    weights = str(tmp_path / "w-{epoch}.safetensors")
    model.fit(*data, 5, epochs=2, verbose=0, callbacks=[
        callbacks.ModelCheckpoint(weights, save_weights_only=True, save_freq=3)
    ])  # fmt: skip
    assert [p.name for p in tmp_path.glob("w*")] == ["w-2.safetensors"]
    threshold = callbacks.ModelCheckpoint(
        str(tmp_path / "b-{epoch}-{batch:03d}.safetensors"), "loss", save_best_only=True,
        save_freq=1, initial_value_threshold=-1.0,
    )  # fmt: skip
    model.fit(*data, 5, verbose=0, callbacks=[threshold])
    assert not list(tmp_path.glob("b-*"))
    threshold.best = float("inf")
    model.fit(*data, 5, verbose=0, callbacks=[threshold])
    assert (tmp_path / "b-1-001.safetensors").exists()
    with pytest.raises(ValueError, match="save_freq must be at least 1"):
        callbacks.ModelCheckpoint("m.safetensors", save_freq=0)
    with pytest.raises(ValueError, match=r'write ModelCheckpoint\("best.safetensors"\)'):
        callbacks.ModelCheckpoint("best.keras")


def test_csv_logger(model, data, tmp_path):
    path = tmp_path / "log.csv"
    logger = callbacks.CSVLogger(path)
    history = model.fit(*data, epochs=2, verbose=0, callbacks=[logger])
    model.fit(*data, epochs=3, initial_epoch=2, verbose=0,
              callbacks=[callbacks.CSVLogger(path, append=True)])  # fmt: skip
    with open(path) as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["epoch", "loss", "mae"]
    assert [row[0] for row in rows[1:]] == ["0", "1", "2"]
    assert float(rows[1][1]) == history.history["loss"][0]


def test_learning_rate_scheduler(model, data):
    schedule = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model.fit(*data, epochs=3, verbose=0, callbacks=[schedule])
    assert history.history["learning_rate"] == pytest.approx([0.025, 0.0125, 0.00625])
    model.fit(*data, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 0.3)])
    assert model.optimizer.learning_rate == 0.3


def test_reduce_lr_on_plateau(model, data):
    model.fit(*data, epochs=6, verbose=0, callbacks=[
        Figures([1.0, 1.0, 1.0, 0.5, 0.5, 0.5]),
        callbacks.ReduceLROnPlateau(factor=0.1, patience=2, min_lr=0.001),
    ])  # fmt: skip
    assert model.optimizer.learning_rate == pytest.approx(0.001)
    model.optimizer.learning_rate = 1.0
    seen = []
    model.fit(*data, epochs=7, verbose=0, callbacks=[
        Figures([1.0] * 7),
        callbacks.ReduceLROnPlateau(factor=0.5, patience=1, cooldown=2),
        callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(logs["learning_rate"])),
    ])  # fmt: skip
    # Halved after epoch 1; epochs 2 and 3 cool down, 3 counts again.
    assert seen == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]
    with pytest.raises(ValueError, match="factor must be below 1"):
        callbacks.ReduceLROnPlateau(factor=2)


def test_terminate_on_nan(model, data, capsys):
    x, y = data
    y = y.copy()
    y[0] = np.nan
    history = model.fit(x, y, 2, epochs=5, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert len(history.history["loss"]) == 1 and math.isnan(history.history["loss"][0])
    assert "training ends" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="the loss is nan after batch 0; lower the learning"):
        model.fit(x, y, 10, verbose=0, callbacks=[callbacks.TerminateOnNaN(True)])
