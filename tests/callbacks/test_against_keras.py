"""Callbacks of drawn arguments in Keras and here: the same figures, the same decisions."""

import csv
import math

import numpy as np
import pytest

import cnnfast

keras = pytest.importorskip("keras")

EPOCHS = 12
X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)
Y = np.array([[1], [-1], [2], [0.5]], "float32")  # no line goes through them: a loss stays


def draws(seed, count):
    return [np.random.default_rng((seed, number)) for number in range(count)]


def pick(rng, *choices):
    return choices[rng.integers(len(choices))]


def model(k, rate=0.0625):
    made = k.Sequential([k.Input((3,)), k.layers.Dense(1, kernel_initializer="zeros")])
    made.compile(k.optimizers.SGD(rate), "mse")
    return made


def figures(k, values, name):
    """A callback that puts its own figures into the logs, before the others."""
    base = k.callbacks.LambdaCallback

    return base(on_epoch_end=lambda epoch, logs: logs.update({name: float(values[epoch])}))


def fit(k, values, name, *callbacks, **arguments):
    made = model(k)
    history = made.fit(
        X, Y, batch_size=2, epochs=EPOCHS, verbose=0, shuffle=False,
        callbacks=[figures(k, values, name), *callbacks], **arguments,
    )  # fmt: skip
    return made, history


def sequence(rng):
    """Figures that get better and worse, with steps of less than a min_delta, and ties."""
    steps = rng.choice([-0.4, -0.05, 0.0, 0.05, 0.3], EPOCHS)
    return 2.0 + np.cumsum(steps)


@pytest.mark.parametrize("rng", draws(1, 24), ids=range(24))
def test_early_stopping(rng):
    name, mode = pick(rng, ("val_loss", "auto"), ("val_accuracy", "max"), ("val_loss", "min"))
    arguments = {
        "monitor": name, "mode": mode, "patience": pick(rng, 0, 1, 2, 4),
        "min_delta": pick(rng, 0, 0.1), "baseline": pick(rng, None, None, 1.9),
        "start_from_epoch": pick(rng, 0, 0, 3), "restore_best_weights": bool(rng.integers(2)),
    }  # fmt: skip
    values = sequence(rng)
    seen = []
    for k in (keras, cnnfast):
        stop = k.callbacks.EarlyStopping(**arguments)
        made, history = fit(k, values, name, stop)
        weights = np.asarray(made.get_weights()[0])
        seen.append((history.epoch, stop.stopped_epoch, stop.best, stop.best_epoch, weights))
    assert seen[1][:2] == seen[0][:2], (arguments, values)
    assert seen[1][2] == pytest.approx(seen[0][2])
    assert seen[1][3] == seen[0][3]
    np.testing.assert_allclose(seen[1][4], seen[0][4], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rng", draws(2, 24), ids=range(24))
def test_reduce_on_plateau(rng):
    name, mode = pick(rng, ("val_loss", "auto"), ("val_accuracy", "max"), ("val_loss", "min"))
    arguments = {
        "monitor": name, "mode": mode, "factor": pick(rng, 0.5, 0.25), "patience": pick(rng, 1, 2, 3),
        "min_delta": pick(rng, 1e-4, 0.1), "cooldown": pick(rng, 0, 0, 1, 2),
        "min_lr": pick(rng, 0, 0.015625),
    }  # fmt: skip
    values = sequence(rng)
    rates = []
    for k in (keras, cnnfast):
        _, history = fit(k, values, name, k.callbacks.ReduceLROnPlateau(**arguments))
        rates.append(history.history["learning_rate"])
    np.testing.assert_allclose(rates[1], rates[0], rtol=1e-6, err_msg=f"{arguments} {values}")


def test_the_draws_reach_every_decision():
    """Of the plateaus some lower the rate more than once, some never; trainings stop or do not."""
    ends = []
    for rng in draws(2, 24):
        name, mode = pick(rng, ("val_loss", "auto"), ("val_accuracy", "max"), ("val_loss", "min"))
        values = sequence(rng)
        reduce = cnnfast.callbacks.ReduceLROnPlateau(name, 0.5, 1, mode=mode)
        ends.append(fit(cnnfast, values, name, reduce)[1].history["learning_rate"][-1])
    assert len(set(ends)) >= 4


@pytest.mark.parametrize(
    "schedule", [lambda epoch: 0.5 / (epoch + 1), lambda epoch, rate: rate if epoch < 3 else 0.5 * rate]
)  # fmt: skip
def test_learning_rate_scheduler(schedule):
    found = []
    for k in (keras, cnnfast):
        made, history = fit(k, np.zeros(EPOCHS), "x", k.callbacks.LearningRateScheduler(schedule))
        found.append((history.history["learning_rate"], history.history["loss"]))
        assert history.history["learning_rate"][-1] == pytest.approx(
            float(np.asarray(made.optimizer.learning_rate)), rel=1e-6
        )
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


@pytest.mark.parametrize("rng", draws(3, 12), ids=range(12))
def test_model_checkpoint(rng, tmp_path):
    """The same files are written; of each side in its own format."""
    name, mode = pick(rng, ("val_loss", "auto"), ("val_accuracy", "max"), ("val_loss", "min"))
    best = bool(rng.integers(2))
    arguments = {"monitor": name, "mode": mode, "save_best_only": best}
    if best:
        arguments["initial_value_threshold"] = pick(rng, None, 1.9)
    else:
        arguments["save_freq"] = pick(rng, "epoch", 3, 5)
    values = sequence(rng)
    for k, ending in ((keras, ".weights.h5"), (cnnfast, ".safetensors")):
        folder = tmp_path / k.__name__
        path = str(folder / ("{epoch:02d}" + ending))
        keep = k.callbacks.ModelCheckpoint(path, save_weights_only=True, **arguments)
        folder.mkdir()
        fit(k, values, name, keep)
    found = [sorted(p.name.split(".")[0] for p in (tmp_path / n).iterdir())
             for n in ("keras", "cnnfast")]  # fmt: skip
    assert found[1] == found[0], (arguments, values)


def test_csv_logger(tmp_path):
    tables = []
    for k in (keras, cnnfast):
        path = tmp_path / f"{k.__name__}.csv"
        log = k.callbacks.CSVLogger(str(path), separator=";")
        fit(k, np.arange(EPOCHS), "mine", log, validation_data=(X, Y))
        with open(path, newline="") as file:
            tables.append(list(csv.DictReader(file, delimiter=";")))
    assert [set(row) for row in tables[1]] == [set(row) for row in tables[0]]
    for theirs, ours in zip(*tables, strict=True):
        for key, value in theirs.items():
            assert float(ours[key]) == pytest.approx(float(value), rel=1e-5), key


def test_terminate_on_nan():
    y = Y.copy()
    y[2] = np.nan  # in the second batch
    lengths = []
    for k in (keras, cnnfast):
        batches = []
        count = k.callbacks.LambdaCallback(
            on_train_batch_end=lambda b, logs, n=batches: n.append(b)
        )
        made = model(k)
        history = made.fit(
            X, y, batch_size=1, epochs=3, verbose=0, shuffle=False,
            callbacks=[k.callbacks.TerminateOnNaN(), count],
        )  # fmt: skip
        lengths.append((len(history.epoch), batches))
        assert math.isnan(history.history["loss"][-1])
    assert lengths[1] == lengths[0] == (1, [0, 1, 2])


def test_hooks_come_in_the_same_order():
    orders = []
    for k in (keras, cnnfast):
        seen = []

        made = model(k)
        hooks = [
            "on_train_begin", "on_train_end", "on_epoch_begin", "on_epoch_end", "on_test_begin",
            "on_test_end", "on_train_batch_begin", "on_train_batch_end", "on_test_batch_begin",
            "on_test_batch_end", "on_predict_begin", "on_predict_end", "on_predict_batch_begin",
            "on_predict_batch_end",
        ]  # fmt: skip

        def noted(hook, seen=seen):
            return lambda self, *arguments, logs=None: seen.append(
                (hook, *(a for a in arguments if isinstance(a, int)))
            )

        watch = type("Watch", (k.callbacks.Callback,), {hook: noted(hook) for hook in hooks})()
        made.fit(X, Y, batch_size=3, epochs=2, verbose=0, validation_data=(X, Y), callbacks=[watch])
        made.evaluate(X, Y, batch_size=3, verbose=0, callbacks=[watch])
        made.predict(X, batch_size=3, verbose=0, callbacks=[watch])
        orders.append(seen)
    assert orders[1] == orders[0]
    assert len(orders[0]) > 30
