"""JAX: the whole step under ``jit``, parameters donated, NHWC. Threads follow the affinity."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.networks import Conv, Dense, Dropout, Flatten, Pool


def version():
    return f"jax {jax.__version__}"


def pool(x, kind, padding, size):
    window, strides = (1, size, size, 1), (1, 2, 2, 1)
    if kind == "max":
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding.upper())
    return lax.reduce_window(x, 0.0, lax.add, window, strides, padding.upper()) / size**2


def forward(layers, parameters, x, key=None):
    at = iter(parameters)
    activate = {"relu": jax.nn.relu, "tanh": jnp.tanh, None: lambda v: v}
    for layer in layers:
        match layer:
            case Conv(_, _, padding, activation, strides):
                w, b = next(at)
                x = lax.conv_general_dilated(
                    x,
                    w,
                    (strides, strides),
                    padding.upper(),
                    dimension_numbers=("NHWC", "HWIO", "NHWC"),
                )
                x = activate[activation](x + b)
            case Pool(kind, padding, size):
                x = pool(x, kind, padding, size)
            case Flatten():
                x = x.reshape(x.shape[0], -1)
            case Dense(_, activation):
                w, b = next(at)
                x = activate[activation](x @ w + b)
            case Dropout(rate) if key is not None:
                keep = jax.random.bernoulli(key, 1 - rate, x.shape)
                x = jnp.where(keep, x / (1 - rate), 0)
    return x


def cross_entropy(logits, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(logits), y[:, None], axis=1).mean()


def tree(weights):
    return [(jnp.asarray(w.kernel), jnp.asarray(w.bias)) for w in weights]


class Trainer:
    def __init__(self, network, weights, batch, threads, variant, dropout):
        parameters = tree(weights)
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        key = jax.random.key(0)

        def step(state, x, y):
            parameters, m, v, t = state
            chance = jax.random.fold_in(key, t) if dropout else None
            loss, g = jax.value_and_grad(
                lambda p: cross_entropy(forward(network.layers, p, x, chance), y)
            )(parameters)
            t = t + 1
            rate = network.rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            m = jax.tree.map(lambda a, d: 0.9 * a + 0.1 * d, m, g)
            v = jax.tree.map(lambda a, d: 0.999 * a + 0.001 * d * d, v, g)
            parameters = jax.tree.map(
                lambda p, a, b: p - rate * a / (jnp.sqrt(b) + 1e-7), parameters, m, v
            )
            return (parameters, m, v, t), loss

        self.update = jax.jit(step, donate_argnums=0)
        self.state = (parameters, zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros((), jnp.int32))

    def prepare(self, x, y):
        return jnp.asarray(x), jnp.asarray(y.astype(np.int32))

    def step(self, prepared):
        self.state, loss = self.update(self.state, *prepared)
        return float(loss)


class Predictor:
    def __init__(self, network, weights, batch, threads, variant):
        parameters = tree(weights)
        self.run = jax.jit(lambda x: jax.nn.softmax(forward(network.layers, parameters, x)))

    def prepare(self, x):
        return x

    def infer(self, x):
        return np.asarray(self.run(x))
