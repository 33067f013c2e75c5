"""Keras, through ``train_on_batch`` and ``predict_on_batch``, on whichever back end it has."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from benchmarks.networks import Conv, Dense, Dropout, Flatten, Pool


def version():
    return f"keras {keras.__version__} on {keras.backend.backend()}"


def _threads(threads):
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    elif keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)


def build(network, weights, softmax, dropout):
    model = keras.Sequential([keras.Input(shape=network.input)])
    for layer in network.layers:
        match layer:
            case Conv(filters, size, padding, activation, strides):
                model.add(
                    keras.layers.Conv2D(filters, size, strides, padding, activation=activation)
                )
            case Pool("max", padding, size):
                model.add(keras.layers.MaxPooling2D(size, 2, padding))
            case Pool("average", padding, size):
                model.add(keras.layers.AveragePooling2D(size, 2, padding))
            case Flatten():
                model.add(keras.layers.Flatten())
            case Dense(units, activation):
                model.add(keras.layers.Dense(units, activation=activation))
            case Dropout(rate) if dropout:
                model.add(keras.layers.Dropout(rate))
    if softmax:
        model.add(keras.layers.Activation("softmax"))
    model.set_weights([array for w in weights for array in (w.kernel, w.bias)])
    return model


class Trainer:
    def __init__(self, network, weights, batch, threads, variant, dropout):
        _threads(threads)
        self.model = build(network, weights, softmax=False, dropout=dropout)
        self.model.compile(
            optimizer=keras.optimizers.Adam(network.rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def prepare(self, x, y):
        return x, y

    def step(self, prepared):
        # Keras returns the running mean over steps; forget the past, so that it is this step's.
        self.model.reset_metrics()
        return float(self.model.train_on_batch(*prepared))


class Predictor:
    def __init__(self, network, weights, batch, threads, variant):
        _threads(threads)
        self.model = build(network, weights, softmax=True, dropout=False)

    def prepare(self, x):
        return x

    def infer(self, x):
        return self.model.predict_on_batch(x)
