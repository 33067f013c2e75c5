"""A training step after the first is one call from Python into the core."""

import sys

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import _core, layers, ops


def tutorial_cnn():
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def core_calls(monkeypatch):
    """Names of the compiled core's functions that a function calls, in order."""
    names = []
    run = _core.Plan.run

    def counted(plan, *arrays):
        names.append("run")
        return run(plan, *arrays)

    # The interpreter reports calls of functions to its profiler, not those of bound methods.
    monkeypatch.setattr(_core.Plan, "run", counted)
    return lambda function: _watched(function, names)


def _watched(function, names):
    names.clear()

    def watch(frame, event, called):
        if event == "c_call":
            if getattr(called, "__module__", None) == _core.__name__:
                names.append(called.__name__)

    sys.setprofile(watch)
    try:
        function()
    finally:
        sys.setprofile(None)
    return list(names)


def batch(count):
    rng = np.random.default_rng(0)
    x = rng.random((count, 28, 28, 1), dtype=np.float32)
    return x, np.eye(10, dtype=np.float32)[rng.integers(0, 10, count)]


def test_the_watch_sees_calls(core_calls):
    calls = core_calls(lambda: ops.relu(np.ones(3, np.float32)))
    assert calls.count("run") == 1
    assert "threads" in calls


def test_train_on_batch(core_calls):
    model = tutorial_cnn()
    x, y = batch(4)
    model.train_on_batch(x, y)
    calls = core_calls(lambda: model.train_on_batch(x, y))
    assert calls.count("run") == 1
    # Besides the run: what a plan depends on is read (instruction set, threads), nothing more.
    assert set(calls) <= {"run", "isa", "threads", "environment"}


@pytest.mark.parametrize("steps", [3, 10])
def test_a_step_of_fit(steps, core_calls):
    model = tutorial_cnn()
    x, y = batch(4 * steps)
    model.fit(x, y, batch_size=4, epochs=1, verbose=0)
    calls = core_calls(lambda: model.fit(x, y, batch_size=4, epochs=1, verbose=0))
    assert calls.count("run") == steps
    others = [name for name in calls if name != "run"]
    model.fit(x[:4], y[:4], batch_size=4, epochs=1, verbose=0)
    fewer = core_calls(lambda: model.fit(x[:4], y[:4], batch_size=4, epochs=1, verbose=0))
    # What is not a step does not grow with the number of steps.
    assert len(others) == len([name for name in fewer if name != "run"])


def test_a_step_of_fit_with_two_inputs_and_outputs(core_calls):
    a, b = keras.Input((4,)), keras.Input((4,))
    h = layers.Dense(4)(a) + layers.Dense(4)(b)
    model = keras.Model([a, b], [layers.Dense(2)(h), layers.Dense(1)(h)])
    model.compile("sgd", "mse", metrics=[["mae"], ["mae"]])
    x = [np.ones((12, 4), np.float32)] * 2
    y = [np.ones((12, 2), np.float32), np.ones((12, 1), np.float32)]
    model.fit(x, y, batch_size=4, verbose=0)
    calls = core_calls(lambda: model.fit(x, y, batch_size=4, verbose=0))
    assert calls.count("run") == 3
