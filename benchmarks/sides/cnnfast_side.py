"""cnnfast, through ``train_on_batch`` and ``predict_on_batch`` on NumPy arrays."""

import numpy as np

import cnnfast
from benchmarks.networks import Conv, Dense, Dropout, Flatten, Pool


def version():
    return f"cnnfast {cnnfast.__version__} ({cnnfast.runtime.isa()})"


def build(network, weights, softmax, dropout):
    from cnnfast import layers as L

    model = cnnfast.Sequential([cnnfast.Input(shape=network.input)])
    for layer in network.layers:
        match layer:
            case Conv(filters, size, padding, activation, strides):
                model.add(L.Conv2D(filters, size, strides, padding, activation=activation))
            case Pool("max", padding, size):
                model.add(L.MaxPooling2D(size, 2, padding))
            case Pool("average", padding, size):
                model.add(L.AveragePooling2D(size, 2, padding))
            case Flatten():
                model.add(L.Flatten())
            case Dense(units, activation):
                model.add(L.Dense(units, activation=activation))
            case Dropout(rate) if dropout:
                model.add(L.Dropout(rate))
    if softmax:
        model.add(L.Activation("softmax"))
    model.set_weights([array for w in weights for array in (w.kernel, w.bias)])
    return model


class Trainer:
    def __init__(self, network, weights, batch, threads, variant, dropout):
        cnnfast.runtime.set_num_threads(threads)
        self.model = build(network, weights, softmax=False, dropout=dropout)
        self.model.compile(
            optimizer=cnnfast.optimizers.Adam(network.rate),
            loss=cnnfast.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def prepare(self, x, y):
        return x, y

    def step(self, prepared):
        return float(np.asarray(self.model.train_on_batch(*prepared)).ravel()[0])


class Predictor:
    def __init__(self, network, weights, batch, threads, variant):
        cnnfast.runtime.set_num_threads(threads)
        self.model = build(network, weights, softmax=True, dropout=False)

    def prepare(self, x):
        return x

    def infer(self, x):
        return self.model.predict_on_batch(x)


def convolution(size, direction, threads, variant):
    """What is timed, and what makes its result an array: the public functions on NumPy arrays."""
    cnnfast.runtime.set_num_threads(threads)
    ops = cnnfast.ops
    x, kernel, dy = size.operands()
    how = size.options
    calls = {
        "forward": lambda: ops.conv2d(x, kernel, **how),
        "backward input": lambda: ops.conv2d_backward_input(dy, kernel, size.x, **how),
        "backward kernel": lambda: ops.conv2d_backward_kernel(x, dy, size.kernel, **how),
    }
    return calls[direction], np.asarray
