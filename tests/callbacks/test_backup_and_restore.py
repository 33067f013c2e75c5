"""A training that was killed and started again is, bit for bit, the one that was not."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import callbacks, layers

# A training that may kill itself; what it has learned goes to a file.
SCRIPT = """
import json, os, signal, sys
import numpy as np
import cnnfast as keras
from cnnfast import callbacks, layers, metrics, optimizers

folder, out, save_freq, kill_epoch, kill_batch, kind = sys.argv[1:]
save_freq = save_freq if save_freq == "epoch" else int(save_freq)
keras.set_random_seed(7)
rng = np.random.default_rng(0)
x = rng.standard_normal((26, 5)).astype("float32")
y = rng.integers(0, 3, 26)
model = keras.Sequential([
    keras.Input((5,)), layers.Dense(8, "relu"), layers.Dropout(0.4), layers.Dense(3, "softmax"),
])
schedule = optimizers.schedules.CosineDecay(0.02, 30, warmup_target=0.05, warmup_steps=5)
rate = schedule if kind == "schedule" else 0.05
model.compile(optimizers.Adam(rate, amsgrad=True, use_ema=True), "sparse_categorical_crossentropy",
              metrics=["accuracy"])

class Kill(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epoch = 0
    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == int(kill_epoch) and batch == int(kill_batch):
            os.kill(os.getpid(), signal.SIGKILL)

others = [callbacks.EarlyStopping("loss", patience=20, restore_best_weights=True)]
if kind != "schedule":
    others += [callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1.0, cooldown=1)]
    others += [callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.9)]
if kind == "batches":
    def data():
        while True:
            rows = np.random.permutation(26)[:6]
            yield x[rows], y[rows]
    history = model.fit(data(), epochs=6, steps_per_epoch=4, verbose=0,
                        callbacks=[*others, Kill(), callbacks.BackupAndRestore(folder, save_freq)])
else:
    history = model.fit(x, y, 6, epochs=6, verbose=0, validation_split=0.2,
                        callbacks=[callbacks.BackupAndRestore(folder, save_freq), *others, Kill()])
state = model.optimizer.state()
np.savez(out, *model.get_weights(), *(state[key].numpy() for key in sorted(state)))
with open(out + ".json", "w") as file:
    json.dump([history.epoch, dict(history.history)], file)
"""


def start(folder, out, save_freq, kill=(-1, -1), kind="arrays"):
    arguments = [folder, out, save_freq, *kill, kind]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("kind", "save_freq", "kills"),
    [
        ("arrays", "epoch", [(3, 2)]),
        ("arrays", 3, [(1, 3), (4, 0)]),
        ("schedule", 2, [(2, 3)]),
        ("batches", 3, [(2, 2)]),
    ],
)
def test_killed_and_resumed(kind, save_freq, kills, tmp_path):
    # A backup must not change a training either: this one has a folder of its own.
    code, text = start(tmp_path / "other", tmp_path / "whole", save_freq, kind=kind)
    assert code == 0, text
    folder = tmp_path / "backup"
    for kill in kills:
        code, text = start(folder, tmp_path / "never", save_freq, kill, kind)
        assert code == -signal.SIGKILL, text
        assert (folder / "backup.safetensors").exists()
    code, text = start(folder, tmp_path / "resumed", save_freq, kind=kind)
    assert code == 0, text
    assert not folder.exists()
    whole, resumed = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "resumed.npz")
    assert whole.files == resumed.files and len(whole.files) > 10
    for name in whole.files:
        np.testing.assert_array_equal(whole[name], resumed[name], name)
    a, b = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("whole", "resumed"))
    assert a == b and a[0] == [0, 1, 2, 3, 4, 5]


@pytest.fixture
def model():
    keras.set_random_seed(0)
    made = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    made.compile("adam", "mse")
    return made


@pytest.fixture
def data(rng):
    x = rng.standard_normal((10, 3)).astype("float32")
    return x, x.sum(1, keepdims=True)


class Interrupt(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def test_an_interrupt_keeps_the_backup(model, data, tmp_path):
    folder = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=4, verbose=0,
                  callbacks=[Interrupt(), callbacks.BackupAndRestore(folder)])  # fmt: skip
    assert (folder / "backup.safetensors").exists()
    history = model.fit(*data, epochs=4, verbose=0,
                        callbacks=[callbacks.BackupAndRestore(folder, delete_checkpoint=False)])  # fmt: skip
    assert history.epoch == [0, 1, 2, 3] and len(history.history["loss"]) == 4
    weights = model.get_weights()[0].copy()
    # All is done: nothing is trained, and the history is there.
    again = model.fit(*data, epochs=4, verbose=0, callbacks=[callbacks.BackupAndRestore(folder)])
    assert again.epoch == [0, 1, 2, 3] and not folder.exists()
    np.testing.assert_array_equal(model.get_weights()[0], weights)


def test_a_training_that_was_stopped_stays_stopped(model, data, tmp_path):
    stop = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1)
    )
    kept = callbacks.BackupAndRestore(tmp_path / "b", delete_checkpoint=False)
    model.fit(*data, epochs=5, verbose=0, callbacks=[stop, kept])
    history = model.fit(*data, epochs=5, verbose=0, callbacks=[kept])
    assert history.epoch == [0, 1]


def test_damaged_and_foreign_backups(model, data, tmp_path):
    folder = tmp_path / "backup"
    keep = callbacks.BackupAndRestore(folder, double_checkpoint=True, delete_checkpoint=False)
    model.fit(*data, epochs=2, verbose=0, callbacks=[keep])
    path = folder / "backup.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    history = model.fit(*data, epochs=3, verbose=0, callbacks=[keep])
    assert history.epoch == [0, 1, 2]  # from the one before: epoch 1 is trained again
    for name in os.listdir(folder):
        (folder / name).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="cannot be read .* remove the folder"):
        model.fit(*data, verbose=0, callbacks=[keep])
    other = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])
    other.compile("adam", "mse")
    for name in os.listdir(folder):
        (folder / name).unlink()
    model.fit(*data, epochs=1, verbose=0, callbacks=[keep])
    with pytest.raises(ValueError, match="does not fit the model"):
        other.fit(*data, verbose=0, callbacks=[keep])


@pytest.mark.parametrize("value", [0, True, "batch", 1.5])
def test_bad_save_freq(value, tmp_path):
    with pytest.raises(ValueError, match="save_freq must be 'epoch' or a number"):
        callbacks.BackupAndRestore(tmp_path, value)
    with pytest.raises(ValueError, match="backup_dir is empty"):
        callbacks.BackupAndRestore("")
