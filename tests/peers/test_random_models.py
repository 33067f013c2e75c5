"""Networks of randomly drawn layers against torch and Keras: weights copied, all gradients."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers
from peers.sides import (
    agree,
    copy_weights,
    draws,
    keras_module,
    leaf,
    normal,
    our_layer_run,
    pick,
    torch_module,
)

torch = torch_module()


def whole(rng, low, high):
    return int(rng.integers(low, high + 1))


def recipe(rng):
    """(input shape, [(layer name, arguments)]): an image classifier with three kinds of blocks."""
    size = whole(rng, 12, 17)
    shape = (size, size + whole(rng, 0, 3), whole(rng, 1, 4))
    found = []
    for _ in range(whole(rng, 1, 3)):
        arguments = dict(filters=whole(rng, 2, 12), kernel_size=whole(rng, 1, 3))
        arguments.update(padding=pick(rng, "valid", "same"), strides=pick(rng, 1, 1, 1, 2))
        found.append(("Conv2D", {**arguments, "activation": pick(rng, "relu", "tanh", "elu")}))
        if rng.integers(2) and hasattr(layers, "BatchNormalization"):
            found.append(("BatchNormalization", {"epsilon": 1e-2}))
        if rng.integers(2):
            name = pick(rng, "MaxPooling2D", "AveragePooling2D")
            found.append((name, {"pool_size": 2, "strides": pick(rng, 2, 1)}))
    found.append((pick(rng, "Flatten", "GlobalAveragePooling2D", "Flatten"), {}))
    if rng.integers(2):
        found.append(("Dense", {"units": whole(rng, 3, 20), "activation": "sigmoid"}))
    found.append(("Dense", {"units": 5, "activation": "softmax"}))
    return shape, found


def built(rng, dtype="float32"):
    """Our network of a recipe, every weight drawn."""
    shape, found = recipe(rng)
    model = cnnfast.Sequential(
        [cnnfast.Input(shape), *(getattr(layers, n)(**a, dtype=dtype) for n, a in found)]
    )
    model.set_weights(
        [1 + 0.3 * np.abs(normal(rng, w.shape)) if "variance" in w.name
         else normal(rng, w.shape, 0.8 / np.sqrt(max(1, np.prod(w.shape[:-1])))) + ("gamma" in w.name)
         for w in model.weights]
    )  # fmt: skip
    return model, shape, found


FUNCTIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "elu": torch.nn.functional.elu,
    "sigmoid": torch.sigmoid,
    "softmax": lambda x: torch.softmax(x, -1),
}


def same_padding(x, kernel, stride):
    """Zeros around NCHW as TensorFlow's SAME has them."""
    pads = []
    for n in (x.shape[3], x.shape[2]):  # torch counts from the last axis
        total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        pads += [total // 2, total - total // 2]
    return torch.nn.functional.pad(x, pads)


def torch_network(x, found, weights, training):
    """The recipe in torch on (N, H, W, C), written out layer by layer."""
    f = torch.nn.functional
    weights = iter(weights)
    for name, arguments in found:
        if name == "Dense":
            x = FUNCTIONS[arguments["activation"]](x @ next(weights) + next(weights))
        elif name == "Flatten":
            x = x.flatten(1)
        elif name == "GlobalAveragePooling2D":
            x = x.mean((1, 2))
        elif name == "BatchNormalization":
            gamma, beta, mean, variance = (next(weights) for _ in range(4))
            if training:
                mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2), unbiased=False)
            x = (x - mean) / torch.sqrt(variance + arguments["epsilon"]) * gamma + beta
        else:
            x = x.permute(0, 3, 1, 2)
            if name == "Conv2D":
                if arguments["padding"] == "same":
                    x = same_padding(x, arguments["kernel_size"], arguments["strides"])
                kernel = next(weights).permute(3, 2, 0, 1).contiguous()
                x = f.conv2d(x, kernel, next(weights), arguments["strides"])
                x = FUNCTIONS[arguments["activation"]](x)
            else:
                pool = f.max_pool2d if name == "MaxPooling2D" else f.avg_pool2d
                x = pool(x, arguments["pool_size"], arguments["strides"])
            x = x.permute(0, 2, 3, 1)
    return x


@pytest.mark.parametrize("number", range(12))
def test_outputs_and_all_gradients_equal_torch(number):
    training = bool(number % 2)
    for dtype in ("float32", "float64"):
        rng = draws(100, 12)[number]
        model, shape, found = built(rng, dtype)
        x, dy = normal(rng, (whole(rng, 2, 5), *shape)), None
        tx, weights = leaf(x), [leaf(w) for w in model.get_weights()]
        y = torch_network(tx, found, weights, training)
        dy = normal(rng, tuple(y.shape))
        (y * torch.from_numpy(dy)).sum().backward()
        trained = [w.trainable for w in model.weights]
        right = [y.detach().numpy(), tx.grad.numpy()]
        right += [w.grad.numpy() for w, keep in zip(weights, trained, strict=True) if keep]
        assert max(np.abs(g).max() for g in right[2:]) > 1e-3
        what = f"{shape} {found}, training={training}"
        found = our_layer_run(model, [x], dy, training)
        whole_gradient = [
            np.concatenate([np.ravel(g) for g in side[2:]]) for side in (found, right)
        ]
        agree([*found[:2], whole_gradient[0]], [*right[:2], whole_gradient[1]], dtype, what)
        # Weight by weight: a bias before a batch normalisation has a gradient of sums that cancel.
        agree(found[2:], right[2:], dtype, what, {"float32": 1e-4, "float64": 1e-9})


@pytest.mark.parametrize("rng", draws(101, 4), ids=range(4))
def test_three_training_steps_equal_keras(rng):
    """Predictions, losses and the weights after SGD with momentum."""
    keras = keras_module()
    model, shape, found = built(rng)
    theirs = keras.Sequential(
        [keras.Input(shape), *(getattr(keras.layers, n)(**a) for n, a in found)]
    )
    copy_weights(model, theirs)
    start = model.get_weights()
    x = normal(rng, (6, *shape)).astype("float32")
    labels = rng.integers(0, 5, 6)
    right = theirs.predict(x, verbose=0)
    limits = {"float32": 1e-5}
    agree([model.predict(x, verbose=0)], [right], "float32", f"{shape} {found}", limits)
    for side, room in ((model, cnnfast), (theirs, keras)):
        side.compile(room.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
    for _ in range(3):
        a, b = model.train_on_batch(x, labels), theirs.train_on_batch(x, labels)
        assert float(np.ravel(a)[0]) == pytest.approx(float(np.ravel(b)[0]), rel=1e-4)
    for first, ours, other in zip(start, model.get_weights(), theirs.get_weights(), strict=True):
        way = np.linalg.norm(other - first)
        assert np.linalg.norm(ours - other) <= 1e-3 * way + 1e-6 * np.linalg.norm(first)
        assert way > 0
