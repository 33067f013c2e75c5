"""A training that was interrupted, even by a power cut, goes on as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import os
import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnfast import _random
from cnnfast.callbacks.callback import Callback, Logs
from cnnfast.callbacks.logs import Figures

_FILE = "backup.safetensors"
_BEFORE = "backup.before.safetensors"


class BackupAndRestore(Callback):
    """Keeps what ``fit`` needs to go on, and goes on from it when the same script runs again.

    A resumed training equals the uninterrupted one in every bit: weights, state and schedule of the
    optimizer, order of the data, masks of dropout, generators of random numbers, history, and what
    EarlyStopping, ReduceLROnPlateau and ModelCheckpoint have counted. The file appears whole or not
    at all. Run the same script with the same seed and arguments; data that can be gone through only
    once is gone through again up to the point where training stopped.

    Args:
        backup_dir: a folder for this training alone.
        save_freq: "epoch", or a number of batches.
        double_checkpoint: keep the backup before the last one too, in case the last one is damaged.
        delete_checkpoint: remove the backup when training has finished.

    Raises:
        ValueError: no folder, another ``save_freq``; a backup of another model.

    >>> import tempfile, numpy as np, cnnfast
    >>> model = cnnfast.Sequential([cnnfast.Input((2,)), cnnfast.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     backup = cnnfast.callbacks.BackupAndRestore(folder)
    ...     history = model.fit(x, y, epochs=2, verbose=0, callbacks=[backup])
    >>> history.epoch
    [0, 1]
    """

    runs_last = True

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        self.backup_dir = os.fsdecode(backup_dir)
        if not self.backup_dir:
            raise ValueError("BackupAndRestore: backup_dir is empty; name a folder")
        if save_freq != "epoch" and (
            isinstance(save_freq, bool) or not isinstance(save_freq, int) or save_freq < 1
        ):
            raise ValueError(
                "BackupAndRestore: save_freq must be 'epoch' or a number of batches, "
                f"got {save_freq!r}"
            )
        self.save_freq = save_freq
        self.double_checkpoint = double_checkpoint
        self.delete_checkpoint = delete_checkpoint
        self._callbacks: list[Callback] = []
        self._epoch = 0
        self._batches = 0
        self._finished = False
        self._epoch_random: dict[str, Any] = {}
        self._resumed: tuple[dict[str, Any], dict[str, Any]] | None = None

    def wants(self, hook: str) -> bool:
        if hook == "on_train_batch_end":
            return bool(self.save_freq != "epoch")
        return super().wants(hook)

    # ---- hooks --------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        self._callbacks = [c for c in self.model._runner.callbacks if c is not self]
        self._epoch, self._batches, self._finished = 0, 0, False
        self._resumed = None
        found = self._latest()
        if found is not None:
            self._restore(*found)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch
        if self._resumed is not None and self.model._runner.resumed:
            # Other callbacks began this epoch once more: what they changed is as it was again.
            self._put_back(*self._resumed)
        else:
            self._epoch_random = _random_state()
        self._resumed = None

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            return
        self._batches += 1
        # The last batch of an epoch is kept with the epoch, behind its validation.
        if self._batches % self.save_freq == 0 and batch + 1 != self.model._runner.steps:
            self._save(self._epoch, batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._finished = epoch + 1 >= self.params["epochs"] or self.model.stop_training
        self._save(epoch + 1, 0)

    def on_train_end(self, logs: Logs = None) -> None:
        # Called after an interrupt too: then the backup stays.
        if self.delete_checkpoint and (self._finished or self.model.stop_training):
            for name in (_FILE, _BEFORE):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.backup_dir, name))
            with contextlib.suppress(OSError):  # other files: the folder stays
                os.rmdir(self.backup_dir)

    # ---- the file -----------------------------------------------------------------------------

    def _save(self, epoch: int, batches: int) -> None:
        from cnnfast.models import saving

        model = self.model
        arrays = saving.training_arrays(model)
        about = {
            "epoch": epoch,
            "batches": self._batches,
            "stop": bool(model.stop_training),
            "place": model._runner.place(batches),
            "random": _random_state(),
            "epoch_random": self._epoch_random,
            "history": {"epoch": model.history.epoch, "history": dict(model.history.history)},
            "callbacks": [[type(c).__name__, c.state()] for c in self._callbacks],
        }
        os.makedirs(self.backup_dir, exist_ok=True)
        path = os.path.join(self.backup_dir, _FILE)
        if self.double_checkpoint and os.path.exists(path):
            os.replace(path, os.path.join(self.backup_dir, _BEFORE))
        text = json.dumps(_packed(about, arrays))
        saving.write(path, arrays, {"format": "cnnfast backup 1", "training": text})

    def _latest(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        from cnnfast.models import saving

        paths = [os.path.join(self.backup_dir, name) for name in (_FILE, _BEFORE)]
        damage: Exception | None = None
        for path in filter(os.path.isfile, paths):
            try:
                arrays, about = saving.read(path)
                return arrays, _unpacked(json.loads(about["training"]), arrays)
            except (ValueError, KeyError, OSError) as error:
                damage = error
        if damage is not None:
            raise ValueError(
                f"BackupAndRestore: the backup in {self.backup_dir} cannot be read ({damage}); "
                "remove the folder to begin anew"
            ) from damage
        return None

    def _restore(self, arrays: dict[str, Any], about: dict[str, Any]) -> None:
        model, runner = self.model, self.model._runner
        epoch = int(about["epoch"])
        if about["place"]["done"] and not runner.once:
            _set_random_state(about["epoch_random"])  # the data draws its order again
        runner.resume(epoch, about["place"])
        self._put_back(arrays, about)
        self._resumed = arrays, about
        self._epoch_random = about["epoch_random"]
        self._batches = int(about["batches"])
        self._finished = epoch >= self.params["epochs"]
        model.stop_training = bool(about["stop"])
        model.history.epoch = [int(one) for one in about["history"]["epoch"]]
        model.history.history = Figures(about["history"]["history"])

    def _put_back(self, arrays: dict[str, Any], about: dict[str, Any]) -> None:
        from cnnfast.models import saving

        saving.restore_training_arrays(self.model, arrays, self.backup_dir)
        _set_random_state(about["random"])
        kept = about["callbacks"]
        if [name for name, _ in kept] == [type(c).__name__ for c in self._callbacks]:
            for callback, (_, state) in zip(self._callbacks, kept, strict=True):
                if state:
                    callback.set_state(state)


def _random_state() -> dict[str, Any]:
    return {
        "cnnfast": _random.generator().bit_generator.state,
        "numpy": list(np.random.get_state(legacy=True)),
        "python": [list(part) if isinstance(part, tuple) else part for part in random.getstate()],
    }


def _set_random_state(state: Mapping[str, Any]) -> None:
    _random.generator().bit_generator.state = state["cnnfast"]
    np.random.set_state(tuple(state["numpy"]))
    version, inner, following = state["python"]
    random.setstate((version, tuple(inner), following))


def _packed(value: Any, arrays: dict[str, Any]) -> Any:
    """JSON for the value; arrays in it go among the arrays of the file."""
    if isinstance(value, np.ndarray):
        key = f"backup/{len(arrays)}"
        arrays[key] = value
        return {"array": key}
    if isinstance(value, Mapping):
        return {"dict": [[key, _packed(one, arrays)] for key, one in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_packed(one, arrays) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpacked(value: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        return {key: _unpacked(one, arrays) for key, one in value["dict"]}
    return [_unpacked(one, arrays) for one in value] if isinstance(value, list) else value
