"""``Model``: a network that can be compiled, trained, evaluated and asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cnnfast import _core, _resolve, _trace, metrics
from cnnfast.callbacks.history import History
from cnnfast.layers import holder
from cnnfast.layers.layer import Layer
from cnnfast.models.compiled import Compiled
from cnnfast.models.feeding import (
    training_feed,
)
from cnnfast.models.inspection import ModelPlan, plan_of
from cnnfast.models.network import MOST_QUICK, Network
from cnnfast.models.programs import Programs, Signature

Array = npt.NDArray[Any]


class Model(Network):
    """A network of layers: ``Model(inputs, outputs)``, or a subclass with layers and ``call``.

    Args:
        inputs: what ``keras.Input(shape=...)`` gave; several in a list, tuple or dict. Tensors
            between layers serve too: ``Model(layer.output, model.output)``.
        outputs: what layers called on them gave, likewise. The model takes and returns arrays
            nested in the same way.
        name: None: ``functional``, ``functional_1`` ...; subclasses are called by their class.
        trainable, dtype: as for :class:`Layer`.

    Raises:
        TypeError: other things than symbolic Tensors.
        ValueError: outputs that need an Input that is not among the inputs, inputs that nothing
            uses, layers of one name.

    >>> import numpy as np
    >>> import cnnfast
    >>> x = cnnfast.Input((8, 8, 3))
    >>> h = cnnfast.layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    >>> y = cnnfast.layers.Flatten()(h + x)
    >>> cnnfast.Model(x, y)(np.zeros((2, 8, 8, 3), "float32")).shape
    (2, 192)

    A class of one's own:

    >>> class Small(cnnfast.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.hidden = cnnfast.layers.Dense(8, activation="relu")
    ...         self.out = cnnfast.layers.Dense(2)
    ...
    ...     def call(self, x):
    ...         return self.out(self.hidden(x))
    >>> Small()(np.zeros((3, 4), "float32")).shape
    (3, 2)
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._programs = Programs(self)
        self._compiled: Compiled | None = None
        self._quick: dict[Any, Any] = {}
        self.stop_training = False
        self.history: History | None = None
        self._runner: Any = None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if isinstance(value, Layer) and "_compiled" in self.__dict__:
            self._forget_programs()  # call may now go through another layer

    # ---- configuration ------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The graph of ``Model(inputs, outputs)``; a subclass with its own ``__init__`` adds its
        arguments to name and trainable, as a layer does."""
        if self._graph is None or type(self).__init__ is not Model.__init__:
            return super().get_config()
        from cnnfast.models.graph_config import graph_config

        about: dict[str, Any] = {"name": self.name, "trainable": self._trainable}
        return {**about, **graph_config(self._graph)}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Model:
        """A new model, with weights of its own, from what ``get_config`` gave.

        Args:
            custom_objects: classes of your own by name.
        """
        with _resolve.custom_object_scope(custom_objects):
            if "nodes" not in config:
                return cls(**config)
            from cnnfast.models.graph_config import graph_from_config

            inputs, outputs = graph_from_config(config)
            model = cls(inputs, outputs, name=config.get("name"))
        # The flag of the model, not of its layers, which have their own.
        model._trainable = bool(config.get("trainable", True))
        return model

    # ---- compile ------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says how to train.

        Args:
            optimizer: name or instance.
            loss: name, instance, or a function of (y_true, y_pred) written with ``ops``. With
                several outputs: one for all, a list in their order (None: not trained), or a dict
                by ``output_names``.
            loss_weights: a factor on the loss; with several outputs a list or dict of them.
            metrics: names, instances or functions; "accuracy" finds the one that the shapes ask
                for. Sample weights do not touch them. With several outputs: a list with an entry
                (or list) for each, or a dict by name.
            weighted_metrics: those that sample weights do touch.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted, without a
                meaning here: a step always is one planned call.

        Raises:
            ValueError: an unknown name; the message lists the known ones.
        """
        compiled = Compiled(self.label, optimizer, loss, loss_weights, metrics, weighted_metrics)
        if self.output_ports is not None:
            compiled.bind(self.output_ports.names)
        self._compiled = compiled
        self._forget_programs()

    @property
    def compiled(self) -> Compiled:
        """What ``compile`` was told.

        Raises:
            ValueError: it was not called.
        """
        if self._compiled is None:
            raise ValueError(
                f"{self.label}: compile it first: model.compile(optimizer='adam', loss=...)"
            )
        return self._compiled

    @property
    def optimizer(self) -> Any:
        """The optimizer; None before ``compile``."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss; None before ``compile``."""
        return None if self._compiled is None else self._compiled.loss

    @property
    def metrics(self) -> list[metrics.Metric]:
        """The metrics of ``compile``."""
        if self._compiled is None:
            return []
        self._bind_outputs()
        return self._compiled.metrics

    def _bind_outputs(self) -> None:
        if self._compiled is not None and self.output_ports is not None:
            self._compiled.bind(self.output_ports.names)

    @property
    def metrics_names(self) -> list[str]:
        """Names of what ``evaluate`` returns."""
        compiled = self.compiled
        self._bind_outputs()
        return compiled.names

    def _forget_programs(self) -> None:
        self._programs.clear()
        self._forget_quick()

    def _forget_quick(self) -> None:
        self._quick.clear()
        self._quick_predict.clear()
        self._acts = None

    # ---- fit ----------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        validation_shuffle: bool = False,
    ) -> History:
        """Trains for a number of epochs; a step is one call of the core.

        Args:
            x: (N, ...sample), any dtype of numbers, converted to the model's without scaling; or
                an iterable of batches ``(x, y)`` or ``(x, y, sample_weight)``.
            y: targets: integer labels or of the output's shape, as the loss asks.
            batch_size: 32; the last batch of an epoch may be smaller and is trained too.
            epochs: the number of the last epoch, counted from 1.
            verbose: 0 silent, 1 or "auto" a bar, 2 one line an epoch.
            callbacks: see ``cnnfast.callbacks``.
            validation_split: that share at the end of the data, taken before shuffling, is kept for
                validation.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)``; goes before the split.
            shuffle: a new order every epoch.
            class_weight: ``{class: weight}``.
            sample_weight: (N,).
            initial_epoch: where to go on.
            steps_per_epoch: so many batches make an epoch.
            validation_steps: so many batches of validation.
            validation_batch_size: None: ``batch_size``.
            validation_freq: validate every so many epochs, or after the epochs of a list.
            validation_shuffle: beyond Keras: the share of ``validation_split`` is drawn at random,
                for data sorted by class.

        Returns:
            The history: ``history.history["val_accuracy"]`` and so on.

        Raises:
            ValueError, TypeError: anything wrong with the data, before a weight changes.
            KeyboardInterrupt: the batch is finished, the model is usable, and ``model.history``
                holds the epochs so far.
        """
        from cnnfast.models.fitting import FitArguments, fit

        arguments = FitArguments(
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_split=validation_split,
            validation_data=validation_data,
            shuffle=shuffle,
            class_weight=class_weight,
            sample_weight=sample_weight,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
            validation_shuffle=validation_shuffle,
        )
        return fit(self, x, y, arguments)

    # ---- evaluate and predict -----------------------------------------------------------------

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Loss and metrics over data.

        Args:
            x, y, sample_weight: as for ``fit``.
            batch_size: 32.
            verbose: 0 silent, 1 or "auto" a bar, 2 a line.
            steps: only so many batches.
            return_dict: a dict by name instead of a list.

        Returns:
            The loss alone where there are no metrics, else ``[loss, *metrics]``.
        """
        if kwargs:
            raise TypeError(f"{self.label}: evaluate has no argument {sorted(kwargs)[0]!r}")
        from cnnfast.models.evaluating import evaluate

        logs = evaluate(self, x, y, batch_size, verbose, sample_weight, steps, callbacks)
        if return_dict:
            return logs
        figures = list(logs.values())
        return figures[0] if len(figures) == 1 else figures

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for all samples, (N, ...); several outputs nested as the model has them.

        Args:
            x: as for ``fit``, without targets; or an iterable of batches ``x`` or ``(x, ...)``, of
                which the rest is left alone.
            batch_size: 32; it bounds memory.
            verbose: 0 silent, 1 or "auto" a bar (where there is more than one batch), 2 a line.
            steps: only so many batches.

        Raises:
            ValueError, TypeError: a wrong shape or dtype, no samples.
        """
        from cnnfast.models.predicting import predict

        return predict(self, x, batch_size, verbose, steps, callbacks)

    # ---- one batch ----------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step on a batch.

        Returns:
            The loss of this batch before the step, or ``[loss, *metrics]``, of this batch alone.
        """
        return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Loss and metrics of a batch; no weight changes."""
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for a batch."""
        return self._compute(x)

    def reset_metrics(self) -> None:
        """For Keras scripts: nothing is kept between calls here."""

    def _on_batch(
        self, mode: str, x: Any, y: Any, sample_weight: Any, class_weight: Any, return_dict: bool
    ) -> Any:
        compiled = self.compiled
        plain = sample_weight is None and class_weight is None
        key: Any = None
        if plain and type(x) is np.ndarray and type(y) is np.ndarray:
            # Checks of a batch cost ten microseconds; those that depend on shapes and dtypes alone
            # are done once for each.
            key = (
                mode,
                x.shape,
                x.dtype,
                y.shape,
                y.dtype,
                holder.structure_version,
                _trace.plan_environment(),
            )
            known = self._quick.get(key)
            if known is not None and x.flags.c_contiguous and y.flags.c_contiguous:
                run, classes, as_x, as_y = known
                if classes:
                    least, most = _core.label_range(y)
                    if least < 0 or most >= classes:
                        training_feed(self, compiled, x, y)  # says what is wrong
                outputs = run(
                    x if as_x is None else x.reshape(as_x), y if as_y is None else y.reshape(as_y)
                )
                return self._figures(compiled, outputs, x.shape[0], (False,), return_dict)
        feed = training_feed(self, compiled, x, y, sample_weight, class_weight)
        plan = self._programs.plan(Signature(mode, *feed.specs()), len(feed))
        if key is not None and len(feed.xs) == 1 and len(feed.ys) == 1:
            fed, target = feed.xs[0], feed.ys[0]
            if target is not None and fed.dtype == x.dtype and target.dtype == y.dtype:
                if len(self._quick) >= MOST_QUICK:
                    self._quick.clear()
                ports = self.output_ports
                assert ports is not None
                classes = ports[0].shape[-1] if compiled.heads[0].sparse_targets else None
                as_x = None if fed.shape == x.shape else fed.shape
                as_y = None if target.shape == y.shape else target.shape
                self._quick[key] = (plan.run, classes, as_x, as_y)
        outputs = plan.run(*feed.arrays())
        return self._figures(compiled, outputs, len(feed), feed.weighted, return_dict)

    def _figures(
        self,
        compiled: Compiled,
        outputs: Any,
        samples: int,
        weighted: tuple[bool, ...],
        return_dict: bool,
    ) -> Any:
        count = compiled.loss_count
        found = [float(one) for one in outputs[:count]]
        figures = [*found, *compiled.result(outputs[count:], samples, weighted)]
        if return_dict:
            return dict(zip(compiled.names, figures, strict=True))
        return figures[0] if len(figures) == 1 else figures

    # ---- looking ------------------------------------------------------------------------------

    def plan(self, batch_size: int = 32, mode: str = "predict") -> ModelPlan:
        """The plan that runs a batch: ``.explain()`` and ``.profile()`` say what it does.

        Args:
            mode: "predict", or "train" for a compiled model.

        Raises:
            ValueError: another mode, a model that is not built, or not compiled.
        """
        self._require_built("plan()")
        return plan_of(self, batch_size, mode)
