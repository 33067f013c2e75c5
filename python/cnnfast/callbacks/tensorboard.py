"""Event files for TensorBoard."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from cnnfast.callbacks.callback import Callback, Logs


class TensorBoard(Callback):
    """Writes figures, and histograms of weights where asked for, to be looked at with TensorBoard.

    ``tensorboard --logdir logs`` shows them. Tags and folders are Keras': ``train`` and
    ``validation`` with ``epoch_loss``, ``epoch_accuracy``, ``epoch_learning_rate`` ...

    Args:
        log_dir: the folder.
        histogram_freq: histograms of all weights every so many epochs; 0: none.
        write_graph, write_images, profile_batch, embeddings_freq, embeddings_metadata: accepted for
            Keras scripts; nothing is written for them.
        write_steps_per_second: ``epoch_steps_per_second`` too.
        update_freq: "epoch", "batch" or a number of batches: figures within an epoch.

    Raises:
        ImportError: the package ``tensorboard`` is missing.
        ValueError: another ``update_freq``.
    """

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        try:
            import tensorboard.summary.writer.event_file_writer  # noqa: F401
        except ImportError as error:
            raise ImportError(
                'TensorBoard needs the package tensorboard: pip install "cnnfast[tensorboard]"'
            ) from error
        if update_freq not in ("epoch", "batch") and (
            isinstance(update_freq, bool) or not isinstance(update_freq, int) or update_freq < 1
        ):
            raise ValueError(
                "TensorBoard: update_freq must be 'epoch', 'batch' or a number of batches, "
                f"got {update_freq!r}"
            )
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = 1 if update_freq == "batch" else update_freq
        self._writers: dict[str, Any] = {}
        self._batches = 0
        self._begin = (0.0, 0)

    def wants(self, hook: str) -> bool:
        if hook == "on_train_batch_end":
            return bool(self.update_freq != "epoch")
        return super().wants(hook)

    def state(self) -> dict[str, Any]:
        return {"batches": self._batches}

    def set_state(self, state: dict[str, Any]) -> None:
        self._batches = state["batches"]

    # ---- hooks --------------------------------------------------------------------------------

    def on_train_begin(self, logs: Logs = None) -> None:
        self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._begin = (time.perf_counter(), self._steps())

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._batches += 1
        if self.update_freq != "epoch" and self._batches % self.update_freq == 0:
            for name, value in (logs or {}).items():
                self._scalar("train", f"batch_{name}", value, self._batches - 1)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        for name, value in (logs or {}).items():
            kind = "validation" if name.startswith("val_") else "train"
            self._scalar(kind, f"epoch_{name.removeprefix('val_')}", value, epoch)
        if "learning_rate" not in (logs or {}):
            rate = self.model.optimizer.learning_rate
            self._scalar("train", "epoch_learning_rate", rate, epoch)
        if self.write_steps_per_second:
            start, done = self._begin
            seconds = time.perf_counter() - start
            speed = (self._steps() - done) / seconds
            self._scalar("train", "epoch_steps_per_second", speed, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._histograms(epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    # ---- writing ------------------------------------------------------------------------------

    def _steps(self) -> int:
        return int(self.model.optimizer.iterations.numpy())

    def _scalar(self, kind: str, tag: str, value: Any, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        flat = np.asarray(value, np.float64).reshape(-1)
        tags = [tag] if np.ndim(value) == 0 else [f"{tag}/{i}" for i in range(flat.size)]
        values = [
            Summary.Value(tag=one, simple_value=float(number))
            for one, number in zip(tags, flat, strict=True)
        ]
        self._add(kind, Summary(value=values), step)

    def _histograms(self, epoch: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

        from cnnfast.models.saving import named_weights

        values = []
        for name, weight in named_weights(self.model).items():
            flat = weight.numpy().astype(np.float64).reshape(-1)
            if flat.size == 0 or not np.isfinite(flat).all():
                continue
            counts, edges = np.histogram(flat, bins=30)
            histogram = HistogramProto(
                min=flat.min(),
                max=flat.max(),
                num=flat.size,
                sum=flat.sum(),
                sum_squares=np.square(flat).sum(),
                bucket_limit=edges[1:].tolist(),
                bucket=counts.tolist(),
            )
            values.append(Summary.Value(tag=f"{name}/histogram", histo=histogram))
        self._add("train", Summary(value=values), epoch)

    def _add(self, kind: str, summary: Any, step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if kind not in self._writers:
            self._writers[kind] = EventFileWriter(os.path.join(self.log_dir, kind))
        event = Event(wall_time=time.time(), step=step, summary=summary)
        self._writers[kind].add_event(event)
