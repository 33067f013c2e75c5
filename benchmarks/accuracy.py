"""What training must reach on real MNIST, written as a Keras script with one line changed.

    CNNFAST_DATA=... python -m benchmarks.accuracy [--network tutorial|lenet5|large] [--seeds 3]

| network | training | floor: mean test accuracy |
|---|---|---|
| tutorial CNN | Adam, categorical cross-entropy, batch 128, 15 epochs, validation_split 0.1 | 98.85 % |
| LeNet-5 at 28x28 | Adam, batch 128, 10 epochs | 98.5 % |
| 32, 64, 64 filters 5x5 SAME, Dense 1024, Dropout 0.5 | Adam, batch 128, 10 epochs | 99.0 % |

Exits with 1 where a mean is below its floor.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import cnnfast as keras
from cnnfast import layers


def tutorial() -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def lenet5() -> keras.Sequential:
    return keras.applications.LeNet5(input_shape=(28, 28, 1))


def large() -> keras.Sequential:
    model = keras.Sequential()
    model.add(keras.Input(shape=(28, 28, 1)))
    for filters in (32, 64, 64):
        model.add(layers.Conv2D(filters, 5, padding="same", activation="relu"))
        model.add(layers.MaxPool2D(2, 2, "same"))
    model.add(layers.Flatten())
    model.add(layers.Dense(1024, activation="relu"))
    model.add(layers.Dropout(0.5))
    model.add(layers.Dense(10, activation="softmax"))
    return model


# name -> (build, epochs, validation_split, floor in percent)
RUNS = {
    "tutorial": (tutorial, 15, 0.1, 98.85),
    "lenet5": (lenet5, 10, 0.0, 98.5),
    "large": (large, 10, 0.0, 99.0),
}


def train(name: str, seed: int) -> float:
    """Test accuracy in percent."""
    build, epochs, validation_split, _ = RUNS[name]
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    x_train = x_train.reshape(-1, 28, 28, 1).astype("float32") / 255
    x_test = x_test.reshape(-1, 28, 28, 1).astype("float32") / 255
    y_train = keras.utils.to_categorical(y_train, 10)
    y_test = keras.utils.to_categorical(y_test, 10)

    keras.utils.set_random_seed(seed)
    model = build()
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    begin = time.perf_counter()
    model.fit(
        x_train,
        y_train,
        batch_size=128,
        epochs=epochs,
        validation_split=validation_split,
        verbose=0,
    )
    seconds = time.perf_counter() - begin
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(
        f"{name}, seed {seed}: {100 * accuracy:.2f} % after {epochs} epochs, {seconds:.1f} s",
        flush=True,
    )
    return 100 * float(accuracy)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy")
    parser.add_argument("--network", choices=list(RUNS), action="append", help="default: all")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    failed = False
    for name in arguments.network or RUNS:
        mean = statistics.mean(train(name, seed) for seed in range(arguments.seeds))
        floor = RUNS[name][3]
        good = mean >= floor
        failed |= not good
        print(f"{name}: mean {mean:.2f} %, floor {floor} %: {'good' if good else 'TOO LOW'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
