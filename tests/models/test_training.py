"""fit and evaluate: batches, splits, weights, seeds, callbacks' view, against hand computation."""

import warnings

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers


def linear(units=1, **kwargs):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(units, **kwargs)])
    model.compile(keras.optimizers.SGD(0.1), "mse")
    return model


class NumpyLinear:
    """One dense layer trained by SGD on weighted mse, in float64."""

    def __init__(self, model, rate=0.1):
        self.w, self.b = (a.astype(np.float64) for a in model.get_weights())
        self.rate = rate

    def losses(self, x, y):
        return ((x @ self.w + self.b - y) ** 2).mean(1)

    def step(self, x, y, weights=None):
        weights = np.ones(len(x)) if weights is None else weights
        loss = (self.losses(x, y) * weights).sum() / len(x)
        d = 2 * (x @ self.w + self.b - y) / y.shape[1] * weights[:, None] / len(x)
        self.w -= self.rate * x.T @ d
        self.b -= self.rate * d.sum(0)
        return loss


def test_last_partial_batch_is_trained_and_losses_weigh_by_samples(rng):
    model = linear(2)
    mirror = NumpyLinear(model)
    x = rng.standard_normal((11, 3)).astype("float32")
    y = rng.standard_normal((11, 2)).astype("float32")
    history = model.fit(x, y, batch_size=4, epochs=2, shuffle=False, verbose=0)
    for epoch in range(2):
        total = 0.0
        for start in (0, 4, 8):
            bx, by = x[start : start + 4], y[start : start + 4]
            total += mirror.step(bx, by) * len(bx)
        assert history.history["loss"][epoch] == pytest.approx(total / 11, rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], mirror.w, rtol=1e-4, atol=1e-6)


def test_sample_weights(rng):
    model = linear(2)
    mirror = NumpyLinear(model)
    x = rng.standard_normal((8, 3)).astype("float32")
    y = rng.standard_normal((8, 2)).astype("float32")
    weights = np.array([0, 1, 2, 3, 0.5, 1, 1, 0])
    history = model.fit(x, y, 4, shuffle=False, verbose=0, sample_weight=weights)
    expected = [mirror.step(x[i : i + 4], y[i : i + 4], weights[i : i + 4]) for i in (0, 4)]
    assert history.history["loss"][0] == pytest.approx(np.mean(expected), rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], mirror.w, rtol=1e-4, atol=1e-6)
    loss = model.evaluate(x, y, 8, verbose=0, sample_weight=weights)
    assert loss == pytest.approx((mirror.losses(x, y) * weights).mean(), rel=1e-4)
    on_batch = model.test_on_batch(x, y, sample_weight=weights)
    assert on_batch == pytest.approx(loss, rel=1e-6)


def test_class_weights_are_sample_weights(rng):
    x = rng.standard_normal((12, 3)).astype("float32")
    labels = rng.integers(0, 3, 12)
    outcomes = []
    for y, loss in (
        (labels, "sparse_categorical_crossentropy"),
        (labels.reshape(-1, 1), "sparse_categorical_crossentropy"),
        (keras.utils.to_categorical(labels, 3), "categorical_crossentropy"),
    ):
        for arguments in (
            {"class_weight": {0: 2.0, 2: 0.25}},
            {"sample_weight": np.array([2.0, 1.0, 0.25])[labels]},
        ):
            keras.set_random_seed(3)
            model = linear(3, activation="softmax")
            model.compile("sgd", loss)
            model.fit(x, y, 5, epochs=2, verbose=0, **arguments)
            outcomes.append(model.get_weights()[0])
    for outcome in outcomes[1:]:
        np.testing.assert_allclose(outcome, outcomes[0], rtol=1e-5)


def test_weighted_metrics(rng):
    model = linear(1)
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
    x = rng.standard_normal((6, 3)).astype("float32")
    y = rng.standard_normal(6).astype("float32")
    weights = np.arange(6.0)
    error = (model.predict(x, verbose=0)[:, 0] - y).astype(np.float64)
    got = model.evaluate(x, y, 4, verbose=0, sample_weight=weights, return_dict=True)
    assert list(got) == ["loss", "mae", "mse"]
    assert got["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert got["mse"] == pytest.approx((error**2 * weights).sum() / weights.sum(), rel=1e-5)
    plain = model.evaluate(x, y, 4, verbose=0, return_dict=True)
    assert plain["mse"] == pytest.approx((error**2).mean(), rel=1e-5)
    again = model.evaluate(x, y, 4, verbose=0, sample_weight=weights, return_dict=True)
    assert again == got
    fitted = model.fit(x, y, 4, verbose=0, sample_weight=weights).history
    assert fitted["mae"][0] == pytest.approx(got["mae"], rel=0.5)


def test_validation_split_is_the_tail_before_shuffling(rng):
    x = rng.standard_normal((20, 3)).astype("float32")
    y = rng.standard_normal((20, 1)).astype("float32")
    keras.set_random_seed(1)
    model = linear()
    first = model.get_weights()
    history = model.fit(x, y, 4, epochs=2, validation_split=0.3, verbose=0)
    keras.set_random_seed(1)
    other = linear()
    other.set_weights(first)
    again = other.fit(x[:14], y[:14], 4, epochs=2, validation_data=(x[14:], y[14:]), verbose=0)
    assert history.history == again.history
    final = history.history["val_loss"][-1]
    assert final == pytest.approx(model.evaluate(x[14:], y[14:], verbose=0), rel=1e-6)
    with pytest.raises(ValueError, match="leaves 0 for training"):
        model.fit(x[:1], y[:1], validation_split=0.5, verbose=0)
    with pytest.raises(ValueError, match="validation_split must be"):
        model.fit(x, y, validation_split=1.5, verbose=0)


def test_sorted_labels_in_the_split_are_warned_of(rng):
    model = linear(3, activation="softmax")
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = np.ones((9, 3), "float32")
    with pytest.warns(UserWarning, match=r"labels \[2\] occur only there"):
        model.fit(x, np.repeat([0, 1, 2], 3), validation_split=0.3, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keras.set_random_seed(4)
        model.fit(
            np.ones((60, 3), "float32"),
            np.repeat([0, 1, 2], 20),
            validation_split=0.3,
            validation_shuffle=True,
            verbose=0,
        )
        model.fit(x, np.tile([0, 1, 2], 3), validation_split=0.3, verbose=0)


def test_shuffling_visits_every_sample_once(rng):
    seen = []
    model = linear()
    x = np.zeros((10, 3), "float32")
    x[:, 0] = np.arange(10)
    # A rate of zero: the epoch's loss is then the mean over all samples whatever their order.
    model.compile(keras.optimizers.SGD(0.0), "mse")
    y = rng.standard_normal((10, 1)).astype("float32")
    history = model.fit(x, y, 3, epochs=3, verbose=0)
    seen = history.history["loss"]
    assert seen == pytest.approx([model.evaluate(x, y, verbose=0)] * 3, rel=1e-5)


def cnn():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def blobs(rng, count=60):
    """Three classes told apart by where an image is bright."""
    y = rng.integers(0, 3, count)
    x = rng.random((count, 8, 8, 1), dtype="float32") * 0.3
    for i, label in enumerate(y):
        x[i, 2 * label : 2 * label + 3] += 1
    return x, y


def test_same_seed_same_bits(rng):
    x, y = blobs(rng)
    runs = []
    for seed in (5, 5, 6):
        keras.set_random_seed(seed)
        model = cnn()
        history = model.fit(x, y, 7, epochs=3, validation_split=0.2, verbose=0)
        runs.append((model.get_weights(), history.history))
    for a, b in zip(runs[0][0], runs[1][0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert runs[0][1] == runs[1][1]
    assert not np.array_equal(runs[0][0][0], runs[2][0][0])


def test_a_small_cnn_learns(rng):
    keras.set_random_seed(0)
    x, y = blobs(rng, 240)
    model = cnn()
    model.fit(x, y, 16, epochs=12, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.95


def test_uint8_images_train_like_floats(rng):
    x, y = blobs(rng)
    x8 = (x * 100).astype("uint8")
    weights = []
    for given in (x8, x8.astype("float32"), x8.astype("float64"), x8[..., 0].astype("int64")):
        keras.set_random_seed(2)
        model = cnn()
        model.fit(given, y, 16, verbose=0)
        weights.append(model.get_weights()[0])
    for other in weights[1:]:
        np.testing.assert_array_equal(other, weights[0])


def test_fit_and_train_on_batch_agree(rng):
    x, y = blobs(rng, 32)
    models = []
    for _ in range(2):
        keras.set_random_seed(4)
        models.append(cnn())
    history = models[0].fit(x, y, 8, shuffle=False, verbose=0)
    figures = [models[1].train_on_batch(x[i : i + 8], y[i : i + 8]) for i in range(0, 32, 8)]
    assert history.history["loss"][0] == pytest.approx(np.mean([f[0] for f in figures]), rel=1e-5)
    assert history.history["accuracy"][0] == pytest.approx(np.mean([f[1] for f in figures]))
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_regularizers_join_the_loss_and_the_gradient(rng):
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2, kernel_regularizer=keras.regularizers.L1L2(0.01, 0.1))]
    )
    model.compile(keras.optimizers.SGD(0.1), "mse")
    mirror = NumpyLinear(model)
    x = rng.standard_normal((4, 3)).astype("float32")
    y = rng.standard_normal((4, 2)).astype("float32")
    penalty = 0.01 * np.abs(mirror.w).sum() + 0.1 * (mirror.w**2).sum()
    slope = 0.01 * np.sign(mirror.w) + 0.2 * mirror.w
    loss = model.train_on_batch(x, y)
    assert loss == pytest.approx(mirror.step(x, y) + penalty, rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], mirror.w - 0.1 * slope, rtol=1e-4)
    assert float(model.losses[0]) == pytest.approx(
        0.01 * np.abs(model.get_weights()[0]).sum() + 0.1 * (model.get_weights()[0] ** 2).sum(),
        rel=1e-5,
    )


def test_learning_rate_changes_without_planning_anew(rng):
    model = linear()
    x, y = rng.standard_normal((4, 3)).astype("float32"), np.zeros((4, 1), "float32")
    model.train_on_batch(x, y)
    plans = len(model._programs)
    model.optimizer.learning_rate = 0.0
    before = model.get_weights()
    model.train_on_batch(x, y)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(model._programs) == plans
    assert keras.optimizers.SGD(0.1).learning_rate == 0.1


def test_batches_from_an_iterable(rng):
    x = rng.standard_normal((12, 3)).astype("float32")
    y = rng.standard_normal((12, 1)).astype("float32")
    keras.set_random_seed(0)
    model, other = linear(), linear()
    other.set_weights(model.get_weights())
    batches = [(x[i : i + 4], y[i : i + 4]) for i in (0, 4, 8)]

    class Batches:
        def __len__(self):
            return 3

        def __getitem__(self, i):
            if i >= 3:
                raise IndexError
            return batches[i]

    expected = model.fit(x, y, 4, epochs=2, shuffle=False, verbose=0)
    got = other.fit(Batches(), epochs=2, verbose=0, validation_data=iter(batches * 2))
    assert got.history["loss"] == pytest.approx(expected.history["loss"], rel=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], other.get_weights()[0], rtol=1e-5)

    def endless():
        while True:
            yield from batches

    again = linear()
    history = again.fit(endless(), steps_per_epoch=3, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    with pytest.raises(ValueError, match="the data gave no batch"):
        again.fit((b for b in []), verbose=0)
    assert again.evaluate(Batches(), verbose=0) == pytest.approx(
        again.evaluate(x, y, 4, verbose=0), rel=1e-5
    )


def test_steps_initial_epoch_and_validation_frequency(rng):
    x, y = rng.standard_normal((10, 3)).astype("float32"), np.zeros((10, 1), "float32")
    model = linear()
    model.fit(x, y, 4, epochs=2, steps_per_epoch=2, verbose=0)
    assert int(model.optimizer.iterations.numpy()) == 4
    history = model.fit(x, y, 5, epochs=5, initial_epoch=2, verbose=0,
                        validation_data=(x, y), validation_freq=2)  # fmt: skip
    assert history.epoch == [2, 3, 4]
    assert len(history.history["val_loss"]) == 1


def test_history_answers_to_acc_and_accuracy(rng):
    x, y = blobs(rng)
    model = cnn()
    history = model.fit(x, y, epochs=2, validation_split=0.2, verbose=0).history
    assert sorted(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history["acc"] is history["accuracy"] and history["val_acc"] is history["val_accuracy"]
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["acc"])
    history = model.fit(x, y, verbose=0).history
    assert list(history) == ["loss", "acc"] and history["accuracy"] is history["acc"]
    assert "accuracy" in history and "precision" not in history


def test_accuracy_is_resolved_by_shapes(rng):
    x = rng.standard_normal((9, 3)).astype("float32")
    binary = linear(1, activation="sigmoid")
    binary.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    y = rng.integers(0, 2, 9)
    p = binary.predict(x, verbose=0)[:, 0]
    assert binary.evaluate(x, y, verbose=0)[1] == pytest.approx(((p > 0.5) == y).mean())
    several = linear(4, activation="softmax")
    labels = rng.integers(0, 4, 9)
    hits = (several.predict(x, verbose=0).argmax(1) == labels).mean()
    for loss, targets in (
        ("sparse_categorical_crossentropy", labels),
        ("sparse_categorical_crossentropy", labels.reshape(-1, 1).astype("uint8")),
        ("sparse_categorical_crossentropy", labels.astype("float32")),
        ("categorical_crossentropy", keras.utils.to_categorical(labels, 4)),
    ):
        several.compile("sgd", loss, metrics=["accuracy"])
        assert several.evaluate(x, targets, 4, verbose=0)[1] == pytest.approx(hits)


def test_own_losses_and_metrics(rng):
    def cubic(y_true, y_pred):
        return keras.ops.mean(keras.ops.abs(y_true - y_pred) ** 3.0, axis=-1)

    model = linear(2)
    model.compile("sgd", cubic, metrics=[cubic, keras.metrics.RootMeanSquaredError()])
    x = rng.standard_normal((7, 3)).astype("float32")
    y = rng.standard_normal((7, 2)).astype("float32")
    error = model.predict(x, verbose=0) - y
    got = model.evaluate(x, y, 3, verbose=0, return_dict=True)
    assert got["loss"] == pytest.approx((np.abs(error) ** 3).mean(), rel=1e-4)
    assert got["cubic"] == pytest.approx(got["loss"], rel=1e-4)
    assert got["root_mean_squared_error"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4)
    first = model.train_on_batch(x, y)
    assert model.train_on_batch(x, y)[0] < first[0]


def test_a_loss_of_one_number(rng):
    model = linear(2)
    model.compile("sgd", lambda y, p: keras.ops.sum(keras.ops.square(y - p)), metrics=["mse"])
    x = rng.standard_normal((7, 3)).astype("float32")
    y = rng.standard_normal((7, 2)).astype("float32")
    error = model.predict(x, verbose=0) - y
    loss, mse = model.train_on_batch(x, y)
    assert loss == pytest.approx((error**2).sum(), rel=1e-5)
    assert mse == pytest.approx((error**2).mean(), rel=1e-5)


def test_interrupt_leaves_a_usable_model(rng):
    x, y = blobs(rng)
    model = cnn()

    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, 16, epochs=5, verbose=0, callbacks=[Interrupt()])
    assert len(model.history.history["loss"]) == 2
    assert np.isfinite(model.predict(x, verbose=0)).all()
    model.fit(x, y, verbose=0)


def test_progress_is_printed(rng, capsys):
    x, y = blobs(rng)
    model = cnn()
    model.fit(x, y, 16, epochs=2, verbose=2, validation_split=0.2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("Epoch 1/2 - ") and "val_accuracy: " in lines[0]
    model.fit(x, y, 16, epochs=1)
    err = capsys.readouterr().err
    assert "Epoch 1/1" in err and "accuracy: " in err
    model.fit(x, y, verbose=0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_many_fits_keep_their_memory(rng):
    # Growing RAM over fit calls is the classic complaint; plans and arrays are kept in bounds.
    import resource

    x, y = blobs(rng, 40)
    model = cnn()
    for rows in range(8, 24):
        model.fit(x[:rows], y[:rows], 8, verbose=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for index in range(60):
        rows = 8 + index % 32
        model.fit(x[:rows], y[:rows], 8, verbose=0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
    assert len(model._programs) <= 24
