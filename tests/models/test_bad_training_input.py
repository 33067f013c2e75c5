"""Whatever is wrong with data or arguments is said before any weight changes."""

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers


def model(loss="sparse_categorical_crossentropy", units=3):
    made = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(units)]
    )
    made.compile("sgd", loss)
    return made


X = np.zeros((6, 4, 4, 1), "float32")
Y = np.array([0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (X, Y[:5], ValueError, "x has 6 samples, y has 5"),
        (X, None, TypeError, r"y is missing \(None\)"),
        (None, Y, TypeError, r"x is missing \(None\)"),
        (X, Y + 1, ValueError, r"labels in y must be in 0..2 for 3 outputs, got 3"),
        (X, Y - 1, ValueError, r"must be in 0..2 for 3 outputs, got -1"),
        (X, Y + 0.5, ValueError, "expects whole numbers"),
        (X, np.eye(3)[Y], ValueError, "use loss='categorical_crossentropy'"),
        (X, np.zeros((6, 2), int), ValueError, r"expects integer labels y of shape \(None,\)"),
        (X[:0], Y[:0], ValueError, "x has no samples"),
        (X[..., 0, 0], Y, ValueError, r"expected x of shape \(None, 4, 4, 1\), got \(6, 4\)"),
        (np.zeros((6, 4, 4, 3)), Y, ValueError, "expected x of shape"),
        (X.astype(str), Y, TypeError, "x must hold numbers"),
        (X, ["a"] * 6, TypeError, "y must hold numbers"),
        ([[1], [1, 2]], Y[:2], ValueError, "x cannot be made into an array"),
        (X, np.full(6, 2**64 - 1, "uint64"), ValueError, "beyond 64-bit"),
        (np.float32(3), Y, ValueError, "must have a batch axis"),
        ({"a": X}, Y, ValueError, "x has the key 'a', expected 'input_layer"),
    ],
)
def test_bad_data(x, y, error, message):
    made = model()
    before = made.get_weights()
    for call in (
        lambda: made.fit(x, y, verbose=0),
        lambda: made.fit(X, Y, verbose=0, validation_data=(x, y)),
        lambda: made.evaluate(x, y, verbose=0),
        lambda: made.train_on_batch(x, y),
    ):
        with pytest.raises(error, match=_either(message)):
            call()
    for a, b in zip(before, made.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(made.optimizer.iterations.numpy()) == 0


def _either(message):
    """Validation data is called so: "validation x"."""
    for name in ("x", "y"):
        message = message.replace(f"{name} ", f"(?:validation )?{name} ", 1)
    return message


def test_one_hot_losses_point_to_their_sparse_twin():
    made = model("categorical_crossentropy")
    with pytest.raises(ValueError, match="use loss='sparse_categorical_crossentropy' or utils"):
        made.fit(X, Y, verbose=0)
    with pytest.raises(ValueError, match=r"expects y of shape \(None, 3\), got \(6, 4\)"):
        made.fit(X, np.zeros((6, 4)), verbose=0)


def test_labels_are_checked_on_every_batch():
    made = model()
    made.train_on_batch(X, Y)
    with pytest.raises(ValueError, match=r"must be in 0..2"):
        made.train_on_batch(X, Y + 1)
    with pytest.raises(ValueError, match=r"must be in 0..2"):
        made.test_on_batch(X, Y + 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"batch_size": -3}, ValueError, "batch_size must be at least 1"),
        ({"batch_size": 2.5}, TypeError, "batch_size must be an integer"),
        ({"epochs": -1}, ValueError, "epochs must be at least 0"),
        ({"epochs": "many"}, TypeError, "epochs must be an integer"),
        ({"verbose": 7}, ValueError, "verbose must be 0, 1, 2 or 'auto'"),
        ({"callbacks": [keras.callbacks.History]}, TypeError, "callbacks must be Callbacks"),
        ({"validation_split": "some"}, TypeError, "validation_split must be a number"),
        ({"validation_data": (X,)}, ValueError, r"validation_data must be \(x, y\)"),
        ({"sample_weight": np.ones(5)}, ValueError, "sample_weight has 5 values, y has 6"),
        ({"class_weight": [1, 2]}, TypeError, "class_weight must be"),
        ({"class_weight": {3: 1.0}}, ValueError, "class_weight has class 3, the model has 3"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch must be at least 1"),
        ({"validation_freq": 0}, ValueError, "validation_freq must be at least 1"),
    ],
)
def test_bad_fit_arguments(arguments, error, message):
    made = model()
    with pytest.raises(error, match=rf"Sequential 'sequential.*': .*{message}"):
        made.fit(X, Y, **{"verbose": 0, **arguments})
    assert int(made.optimizer.iterations.numpy()) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"optimizer": "adamm"}, ValueError, "unknown optimizer 'adamm'; did you mean 'adam'"),
        ({"loss": "crossentropy"}, ValueError, "unknown loss 'crossentropy'"),
        ({"metrics": ["acuracy"]}, ValueError, "did you mean 'accuracy'"),
        ({"optimizer": 3}, TypeError, "optimizer must be"),
        ({"loss": ["mse", "mse"]}, ValueError, "loss must be one"),
        ({"loss": keras.losses.MeanSquaredError(reduction="none")}, ValueError, "reduction 'none'"),
    ],
)
def test_bad_compile_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        model().compile(**arguments)


def test_not_compiled_and_no_loss():
    made = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    x = np.zeros((2, 4), "float32")
    with pytest.raises(ValueError, match="compile it first"):
        made.fit(x, x)
    with pytest.raises(ValueError, match="compile it first"):
        made.evaluate(x, x)
    made.compile("adam")
    with pytest.raises(ValueError, match="no loss"):
        made.fit(x, x, verbose=0)
    with pytest.raises(ValueError, match="it has no layers"):
        keras.Sequential([keras.Input((4,))])(x)
