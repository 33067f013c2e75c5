"""Ten training steps from equal weights give torch's losses."""

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers

torch = pytest.importorskip("torch", reason="torch is not installed")


def networks(last):
    """The same small CNN twice: conv, max pooling, conv, average pooling, dense."""
    keras.set_random_seed(7)
    ours = keras.Sequential(
        [
            keras.Input((14, 14, 2)),
            layers.Conv2D(5, 3, activation="relu", bias_initializer="random_normal"),
            layers.MaxPooling2D(2),
            layers.Conv2D(7, 3, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(9, activation="sigmoid"),
            layers.Dense(4, activation=last),
        ]
    )
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(2, 5, 3),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(5, 7, 3, padding=1),
        torch.nn.Tanh(),
        torch.nn.AvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(63, 9),
        torch.nn.Sigmoid(),
        torch.nn.Linear(9, 4),
    )
    w = ours.get_weights()
    # HWIO to OIHW; the rows of the first dense kernel from (h, w, c) to (c, h, w).
    dense = w[4].reshape(3, 3, 7, 9).transpose(2, 0, 1, 3).reshape(63, 9)
    values = [w[0].transpose(3, 2, 0, 1), w[1], w[2].transpose(3, 2, 0, 1), w[3],
              dense.T, w[5], w[6].T, w[7]]  # fmt: skip
    with torch.no_grad():
        for parameter, value in zip(theirs.parameters(), values, strict=True):
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return ours, theirs


OPTIMIZERS = {
    "sgd": (lambda: keras.optimizers.SGD(0.1), lambda p: torch.optim.SGD(p, 0.1)),
    "momentum": (
        lambda: keras.optimizers.SGD(0.05, 0.9),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    ),
    "nesterov": (
        lambda: keras.optimizers.SGD(0.05, 0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    ),
    "adam": (
        # torch adds epsilon after its bias correction, Keras before: tiny, it does not matter.
        lambda: keras.optimizers.Adam(0.01, epsilon=1e-10),
        lambda p: torch.optim.Adam(p, 0.01, eps=1e-10),
    ),
    "adamw": (
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1, epsilon=1e-10),
        lambda p: torch.optim.AdamW(p, 0.01, eps=1e-10, weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_ten_steps_equal_torch(name, rng):
    make_ours, make_theirs = OPTIMIZERS[name]
    ours, theirs = networks("softmax")
    x = rng.standard_normal((16, 14, 14, 2)).astype("float32")
    labels = rng.integers(0, 4, 16)
    ours.compile(make_ours(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    optimizer = make_theirs(theirs.parameters())
    criterion = torch.nn.CrossEntropyLoss()
    tx, ty = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels)
    for step in range(10):
        loss, accuracy = ours.train_on_batch(x, labels)
        optimizer.zero_grad()
        outputs = theirs(tx)
        expected = criterion(outputs, ty)
        expected.backward()
        optimizer.step()
        assert loss == pytest.approx(expected.item(), rel=2e-4, abs=1e-5), f"step {step}"
        hits = (outputs.argmax(1) == ty).float().mean().item()
        assert accuracy == pytest.approx(hits), f"step {step}"


def test_one_hot_targets_and_logits_give_the_same_losses(rng):
    x = rng.standard_normal((8, 14, 14, 2)).astype("float32")
    labels = rng.integers(0, 4, 8)
    one_hot = keras.utils.to_categorical(labels, 4)
    runs = []
    for last, loss, y in (
        ("softmax", "sparse_categorical_crossentropy", labels),
        ("softmax", "categorical_crossentropy", one_hot),
        (None, keras.losses.SparseCategoricalCrossentropy(from_logits=True), labels),
        (None, keras.losses.CategoricalCrossentropy(from_logits=True), one_hot.astype("uint8")),
    ):
        model, _ = networks(last)
        model.compile(keras.optimizers.SGD(0.1), loss)
        runs.append([model.train_on_batch(x, y) for _ in range(5)])
    for run in runs[1:]:
        np.testing.assert_allclose(run, runs[0], rtol=1e-5)
