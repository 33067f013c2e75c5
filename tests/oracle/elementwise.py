"""Functions of each value, with their derivatives: name -> (f(x), f'(x))."""

import numpy as np


def sigmoid(x):
    e = np.exp(-np.abs(x))  # never above 1
    return np.where(x >= 0, 1, e) / (1 + e)


ACTIVATIONS = {
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.2 * x), lambda x: np.where(x > 0, 1, 0.2)),
    "elu": (
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
    ),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "softplus": (lambda x: np.logaddexp(0, x), sigmoid),
    "silu": (lambda x: x * sigmoid(x), lambda x: sigmoid(x) * (1 + x * sigmoid(-x))),
}

UNARY = {
    "exp": (np.exp, np.exp),
    "square": (np.square, lambda x: 2 * x),
    "abs": (np.abs, np.sign),
    "negative": (np.negative, lambda x: -np.ones_like(x)),
    "sign": (np.sign, np.zeros_like),
}

# Of positive numbers.
POSITIVE = {
    "log": (np.log, lambda x: 1 / x),
    "sqrt": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "reciprocal": (lambda x: 1 / x, lambda x: -1 / x**2),
}

BINARY = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.divide,
    "maximum": np.maximum,
    "minimum": np.minimum,
}

COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
