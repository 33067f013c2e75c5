"""Optimizers of randomly drawn arguments against Keras and torch: ten steps, equal gradients."""

import numpy as np
import pytest

import cnnfast
from cnnfast import layers, ops, optimizers
from peers.sides import draws, keras_module, leaf, normal, pick, torch_module

torch = torch_module()

STEPS = 10
# Of the way that the weights went: float32 sums of ten steps, roots of small second moments.
TOLERANCE = 5e-5


class Weights(layers.Layer):
    """The loss is sum(x w), so that a batch of one sample *is* the gradient of the weights."""

    def __init__(self, start, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        self.w = self.add_weight(self.start.shape, "zeros", name="w")
        self.w.assign(self.start.astype("float32"))

    def call(self, x):
        return ops.multiply(x, self.w)


def our_way(optimizer, start, gradients):
    """The weights after the steps, through fit's own training step."""
    model = cnnfast.Sequential([cnnfast.Input(start.shape), Weights(start)])
    model.compile(optimizer, lambda y_true, y_pred: ops.sum(y_pred))
    for gradient in gradients:
        model.train_on_batch(gradient[None].astype("float32"), np.zeros((1, *start.shape)))
    return model.get_weights()[0]


def same_way(ours, theirs, start, what):
    """Both went the same way from ``start``, and went somewhere."""
    way = theirs - start
    assert np.linalg.norm(way) > 1e-4, what
    error = np.linalg.norm(ours - theirs)
    # Ten roundings of the weights themselves, besides.
    allowed = TOLERANCE * np.linalg.norm(way) + 3e-7 * np.linalg.norm(theirs)
    assert error <= allowed, f"{what}: off by {error:.1e} of {allowed:.1e}"


def problem(rng):
    size = pick(rng, (1,), (17,), (3, 5), (3, 3, 2, 7))
    return normal(rng, size), [normal(rng, size) for _ in range(STEPS)]


def rate(rng):
    return pick(rng, 1e-3, 0.01, 0.1)


def SGD(rng):
    momentum = pick(rng, 0.0, 0.5, 0.9)
    return dict(learning_rate=rate(rng), momentum=momentum, nesterov=bool(rng.integers(2)))


def Adam(rng):
    arguments = dict(beta_1=pick(rng, 0.9, 0.5), beta_2=pick(rng, 0.999, 0.9))
    arguments.update(epsilon=pick(rng, 1e-7, 1e-3), amsgrad=bool(rng.integers(2)))
    return {**arguments, "learning_rate": rate(rng)}


AdamW = Adam


def RMSprop(rng):
    arguments = dict(rho=pick(rng, 0.9, 0.5), momentum=pick(rng, 0.0, 0.9))
    return {**arguments, "learning_rate": rate(rng), "centered": bool(rng.integers(2))}


def Adagrad(rng):
    return dict(learning_rate=rate(rng), initial_accumulator_value=pick(rng, 0.1, 0.5))


NAMES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"]


def common(rng):
    """Arguments that every optimizer has."""
    return pick(
        rng, {}, {}, {"weight_decay": 0.05}, {"clipnorm": 1.0}, {"clipvalue": 0.5},
        {"global_clipnorm": 1.5}, {"gradient_accumulation_steps": 2},
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_ten_steps_equal_keras(name):
    keras = keras_module()
    for number, rng in enumerate(draws(60 + NAMES.index(name), 12)):
        arguments = {**globals()[name](rng), **common(rng)}
        start, gradients = problem(rng)
        theirs = getattr(keras.optimizers, name)(**arguments)
        variable = keras.Variable(start, dtype="float64")
        for gradient in gradients:
            theirs.apply([torch.from_numpy(gradient)], [variable])
        right = variable.value.detach().numpy()
        ours = our_way(getattr(optimizers, name)(**arguments), start, gradients)
        same_way(ours, right, start, f"{name} draw {number}: {arguments}, {start.shape}")


TORCH = {
    # torch: v = m v + g, w -= lr v; Keras: v = m v - lr g, w += v: the same at a constant rate.
    "SGD": lambda p, a: torch.optim.SGD(
        p, a["learning_rate"], a["momentum"], nesterov=a["nesterov"] and a["momentum"] > 0
    ),
    # torch adds epsilon after the bias correction, Keras before: it must be tiny to agree.
    "Adam": lambda p, a: torch.optim.Adam(
        p, a["learning_rate"], (a["beta_1"], a["beta_2"]), a["epsilon"], amsgrad=a["amsgrad"]
    ),
    "AdamW": lambda p, a: torch.optim.AdamW(
        p,
        a["learning_rate"],
        (a["beta_1"], a["beta_2"]),
        a["epsilon"],
        a["weight_decay"],
        amsgrad=a["amsgrad"],
    ),
}


@pytest.mark.parametrize("name", sorted(TORCH))
def test_ten_steps_equal_torch(name):
    for number, rng in enumerate(draws(80, 4)):
        arguments = globals()[name](rng)
        if "epsilon" in arguments:
            arguments["epsilon"] = 1e-10
        if name == "AdamW":
            arguments["weight_decay"] = pick(rng, 0.01, 0.2)
        start, gradients = problem(rng)
        tensor = leaf(start)
        theirs = TORCH[name]([tensor], arguments)
        for gradient in gradients:
            tensor.grad = torch.from_numpy(gradient.copy())
            theirs.step()
        ours = our_way(getattr(optimizers, name)(**arguments), start, gradients)
        what = f"{name} draw {number}: {arguments}"
        same_way(ours, tensor.detach().numpy(), start, what)
