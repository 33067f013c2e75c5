"""Layers of randomly drawn arguments against Keras: weights copied, values and all gradients."""

import numpy as np
import pytest

from cnnfast import layers
from peers.sides import (
    KERAS_TOLERANCE,
    agree,
    copy_weights,
    draws,
    keras_layer_run,
    keras_module,
    normal,
    our_layer_run,
    pick,
)

keras = keras_module()


def pair(rng, low, high):
    return tuple(int(v) for v in rng.integers(low, high + 1, 2))


def whole(rng, low, high):
    return int(rng.integers(low, high + 1))


def image(rng, channels=None):
    return (whole(rng, 1, 3), *pair(rng, 7, 12), channels or whole(rng, 1, 9))


def activation(rng):
    return pick(
        rng, None, "relu", "tanh", "sigmoid", "elu", "selu", "softplus", "softsign", "silu",
        "leaky_relu", "relu6", "hard_sigmoid", "exponential", "mish", "softmax", "log_softmax",
    )  # fmt: skip


def strides_or_dilation(rng):
    """Keras allows one of them."""
    if rng.integers(2):
        return {"strides": whole(rng, 1, 3)}
    return {"dilation_rate": whole(rng, 1, 2)}


def padding(rng):
    return {"padding": pick(rng, "valid", "same")}


def use_bias(rng):
    return {"use_bias": bool(rng.integers(2))}


def Conv2D(rng):
    groups = pick(rng, 1, 1, 2)
    arguments = dict(filters=groups * whole(rng, 1, 6), kernel_size=pair(rng, 1, 3), groups=groups)
    arguments.update(strides_or_dilation(rng), activation=activation(rng), **use_bias(rng))
    return {**arguments, **padding(rng)}, image(rng, groups * whole(rng, 1, 5))


def Conv2DTranspose(rng):
    arguments = dict(filters=whole(rng, 1, 6), kernel_size=pair(rng, 1, 4))
    arguments.update(strides=pair(rng, 1, 3), activation=activation(rng), **use_bias(rng))
    return {**arguments, **padding(rng)}, image(rng)


def DepthwiseConv2D(rng):
    arguments = dict(kernel_size=pair(rng, 1, 3), depth_multiplier=whole(rng, 1, 3))
    arguments.update(strides_or_dilation(rng), activation=activation(rng), **use_bias(rng))
    return {**arguments, **padding(rng)}, image(rng)


def SeparableConv2D(rng):
    arguments, shape = DepthwiseConv2D(rng)
    return {**arguments, "filters": whole(rng, 1, 7)}, shape


def Conv1D(rng):
    arguments = dict(filters=whole(rng, 1, 6), kernel_size=whole(rng, 1, 4))
    arguments.update(strides_or_dilation(rng), activation=activation(rng), **use_bias(rng))
    return {**arguments, **padding(rng)}, (whole(rng, 1, 3), whole(rng, 8, 15), whole(rng, 1, 6))


def Dense(rng):
    arguments = dict(units=whole(rng, 1, 20), activation=activation(rng), **use_bias(rng))
    return arguments, pick(rng, (5, 9), (2, 4, 6), (1, 3, 2, 7))


def MaxPooling2D(rng):
    arguments = dict(pool_size=pair(rng, 1, 3), strides=pick(rng, None, pair(rng, 1, 3)))
    return {**arguments, **padding(rng)}, image(rng)


AveragePooling2D = MaxPooling2D


def GlobalMaxPooling2D(rng):
    return {"keepdims": bool(rng.integers(2))}, image(rng)


GlobalAveragePooling2D = GlobalMaxPooling2D


def BatchNormalization(rng):
    arguments = dict(momentum=pick(rng, 0.9, 0.99), epsilon=pick(rng, 1e-3, 1e-2))
    arguments.update(center=bool(rng.integers(2)), scale=bool(rng.integers(2)))
    return arguments, pick(rng, image(rng), (6, 5))


def LayerNormalization(rng):
    arguments = dict(epsilon=pick(rng, 1e-3, 1e-2), center=bool(rng.integers(2)))
    return {**arguments, "scale": bool(rng.integers(2))}, pick(rng, image(rng, 6), (6, 5))


def GroupNormalization(rng):
    groups = whole(rng, 1, 3)
    return dict(groups=groups, epsilon=pick(rng, 1e-3, 1e-2)), image(rng, groups * 4)


def ReLU(rng):
    return pick(rng, {}, {"max_value": 1.0}, {"negative_slope": 0.1}, {"threshold": 0.3}), (3, 40)


def LeakyReLU(rng):
    return {"negative_slope": pick(rng, 0.1, 0.3)}, (3, 40)


def PReLU(rng):
    return {"shared_axes": pick(rng, None, [1, 2])}, image(rng)


def ELU(rng):
    return {"alpha": pick(rng, 1.0, 0.5)}, (3, 40)


def Softmax(rng):
    return {"axis": pick(rng, -1, 1)}, (2, 4, 5)


def Activation(rng):
    return {"activation": activation(rng) or "relu"}, (4, 9)


def Flatten(rng):
    return {}, image(rng)


def Reshape(rng):
    return {"target_shape": pick(rng, (6, -1), (4, 3, 2), (-1,))}, (2, 3, 4, 2)


def Permute(rng):
    return {"dims": pick(rng, (3, 1, 2), (2, 1, 3))}, image(rng)


def ZeroPadding2D(rng):
    return {"padding": pick(rng, 1, (2, 1), ((1, 0), (2, 3)))}, image(rng)


def Cropping2D(rng):
    return {"cropping": pick(rng, 1, (2, 1), ((1, 0), (2, 3)))}, image(rng)


def UpSampling2D(rng):
    # Keras on torch differs from Keras on TensorFlow in bilinear upsampling at float64; nearest
    # is the same everywhere.
    return {"size": pick(rng, 2, (1, 3), (3, 2))}, image(rng)


def Rescaling(rng):
    return {"scale": 1 / 127.5, "offset": pick(rng, 0.0, -1.0)}, image(rng)


def Dropout(rng):
    """Not in training: it is random. Then it passes on what it gets."""
    return {"rate": 0.4, "_training": False}, (3, 40)


def Add(rng):
    return {"_inputs": whole(rng, 2, 3)}, image(rng)


Multiply = Average = Maximum = Minimum = Add


def Subtract(rng):
    return {"_inputs": 2}, image(rng)


def Concatenate(rng):
    return {"axis": pick(rng, -1, 1, 2), "_inputs": whole(rng, 2, 3)}, image(rng)


def Dot(rng):
    arguments = {"axes": pick(rng, 1, 2, -1), "normalize": bool(rng.integers(2)), "_inputs": 2}
    return arguments, pick(rng, (3, 4, 5), (2, 6, 3, 4))


def GaussianNoise(rng):
    """Not in training: it is random. Then it passes on what it gets."""
    return {"stddev": 0.4, "_training": False}, image(rng)


# How many configurations are drawn of each.
COUNTS = {
    Conv2D: 8, Conv2DTranspose: 6, DepthwiseConv2D: 5, SeparableConv2D: 5, Conv1D: 5, Dense: 6,
    BatchNormalization: 6, LayerNormalization: 4, GroupNormalization: 4, Activation: 12,
    MaxPooling2D: 4,
}  # fmt: skip
NAMES = [
    "Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "SeparableConv2D", "Conv1D", "Dense",
    "MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D",
    "BatchNormalization", "LayerNormalization", "GroupNormalization", "ReLU", "LeakyReLU", "PReLU",
    "ELU", "Softmax", "Activation", "Flatten", "Reshape", "Permute", "ZeroPadding2D", "Cropping2D",
    "UpSampling2D", "Rescaling", "Dropout", "Add", "Subtract", "Multiply", "Average", "Maximum",
    "Minimum", "Concatenate", "Dot", "GaussianNoise",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(layers, name)])
def test_layer(name):
    configure = globals()[name]
    for number, rng in enumerate(draws(hash_of(name), COUNTS.get(configure, 2))):
        arguments, shape = configure(rng)
        training = arguments.pop("_training", bool(rng.integers(2)))
        count = arguments.pop("_inputs", 1)
        what = f"{name} draw {number}: {arguments}, input {shape}, training={training}"
        xs = [normal(rng, shape) for _ in range(count)]
        theirs = getattr(keras.layers, name)(**arguments, dtype="float64")
        theirs.build([shape] * count if count > 1 else shape)
        # Weights as a trained network has them: none zero, variances positive.
        theirs.set_weights(
            [1 + 0.5 * np.abs(normal(rng, w.shape)) if "variance" in w.name
             else normal(rng, w.shape, 0.4) for w in theirs.weights]
        )  # fmt: skip
        twins = {}
        for dtype in ("float32", "float64"):
            twins[dtype] = getattr(layers, name)(**arguments, dtype=dtype)
            twins[dtype].build([shape] * count if count > 1 else shape)
            copy_weights(theirs, twins[dtype])
        dy = normal(
            rng, tuple(theirs.compute_output_shape([shape] * count if count > 1 else shape))
        )
        right = keras_layer_run(theirs, xs, dy, training)
        for dtype, layer in twins.items():
            found = our_layer_run(layer, xs, dy, training)
            agree(found, right, dtype, what, KERAS_TOLERANCE)
            # What a call leaves behind: the moving statistics.
            left = [*layer.get_weights(), 1], [*theirs.get_weights(), 1]
            agree(*left, dtype, f"{what}, weights", KERAS_TOLERANCE)


def hash_of(name):
    """A seed that is the same in every process."""
    return sum(ord(letter) * 31**place for place, letter in enumerate(name)) % 2**31
