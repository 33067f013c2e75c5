"""Functions under Keras' names: the same results on the same arguments, and the same gradients."""

import inspect

import numpy as np
import pytest

import cnnfast
from cnnfast import activations, ops

keras = pytest.importorskip("keras")


def f32(*shape, seed=0, scale=2.0):
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype("float32")


A, B = f32(3, 4, 5), f32(3, 4, 5, seed=1)
POSITIVE = np.abs(A) + 0.1
IMAGE = f32(2, 7, 6, 3)
UNARY = [
    "abs", "absolute", "exp", "negative", "sign", "square", "reciprocal", "erf", "tanh", "sigmoid",
    "silu", "swish", "softplus", "softsign", "relu", "relu6", "elu", "selu", "celu", "gelu",
    "leaky_relu", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh", "log_sigmoid", "softmax",
    "log_softmax", "sum", "mean", "max", "min", "amax", "amin", "std", "var", "argmax", "ravel",
]  # fmt: skip
BINARY = [
    "add", "subtract", "multiply", "divide", "true_divide", "maximum", "minimum", "equal",
    "not_equal", "greater", "greater_equal", "less", "less_equal",
]  # fmt: skip
CALLS = [
    *((name, (A,), {}) for name in UNARY),
    *((name, (POSITIVE,), {}) for name in ("log", "sqrt")),
    *((name, (A, B[:, :1]), {}) for name in BINARY),
    *(
        (name, (A,), {"axis": axis, "keepdims": keep})
        for name in ("sum", "mean", "max", "min", "std", "var")
        for axis, keep in ((1, False), ((0, 2), True), (-1, True))
    ),
    ("gelu", (A,), {"approximate": False}),
    ("leaky_relu", (A, 0.3), {}),
    ("elu", (A, 0.5), {}),
    ("celu", (A, 0.7), {}),
    ("softmax", (A, 1), {}),
    ("log_softmax", (A, 0), {}),
    ("power", (POSITIVE, 1.5), {}),
    ("clip", (A, -0.5, 1.0), {}),
    ("where", (A > 0, A, B), {}),
    ("cast", (A, "int32"), {}),
    ("argmax", (A, 1), {}),
    ("matmul", (A, f32(5, 2)), {}),
    ("expand_dims", (A, 1), {}),
    ("squeeze", (A[:, :1], 1), {}),
    ("reshape", (A, (5, -1)), {}),
    ("transpose", (A, (2, 0, 1)), {}),
    ("transpose", (A,), {}),
    ("broadcast_to", (A[:1], (6, 4, 5)), {}),
    ("concatenate", ([A, B[:, :2]], 1), {}),
    ("stack", ([A, B], 1), {}),
    ("unstack", (A, None, 1), {}),
    ("split", (A, [1, 3], 1), {}),
    ("split", (A, 5, 2), {}),
    ("flip", (A, 1), {}),
    ("roll", (A, 2, 1), {}),
    ("repeat", (A, 3, 1), {}),
    ("tile", (A, (2, 1, 3)), {}),
    ("take", (A, np.array([3, 0, 0]), 1), {}),
    ("slice", (A, (1, 0, 2), (2, 3, 1)), {}),
    ("pad", (A, ((1, 0), (0, 2), (3, 1))), {}),
    ("one_hot", (np.array([2, 0, 1]), 4), {}),
    ("in_top_k", (np.array([2, 0, 1]), f32(3, 5), 2), {}),
    ("max_pool", (IMAGE, 3, 2, "same"), {}),
    ("average_pool", (IMAGE, (2, 3), 1, "valid"), {}),
    ("average_pool", (IMAGE, 2, 2, "same"), {}),
    ("batch_normalization", (IMAGE, f32(3), np.abs(f32(3)) + 0.1, -1, f32(3), f32(3)), {}),
]


def arrays_of(result):
    found = result if isinstance(result, (list, tuple)) else [result]
    return [one.detach().numpy() if hasattr(one, "detach") else np.asarray(one) for one in found]


def case_name(case):
    name, arguments, options = case
    plain = [
        str(one) for one in (*arguments[1:], *options.values()) if not isinstance(one, np.ndarray)
    ]
    return "-".join([name, *plain])[:60]


@pytest.mark.parametrize(("name", "arguments", "options"), CALLS, ids=map(case_name, CALLS))
def test_values_and_gradient(name, arguments, options, rng):
    import torch

    first, *rest = arguments
    several = isinstance(first, list)
    tensors = [torch.from_numpy(one.copy()) for one in (first if several else [first])]
    floating = first.dtype == np.float32 if not several else True
    for tensor in tensors:
        tensor.requires_grad_(floating)
    theirs = getattr(keras.ops, name)(tensors if several else tensors[0], *rest, **options)
    ours = getattr(ops, name)(first, *rest, **options)
    expected = arrays_of(theirs)
    found = arrays_of(ours)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert (a.dtype.kind == b.dtype.kind) or a.dtype.kind in "iu"
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)
    one = theirs[0] if isinstance(theirs, (list, tuple)) else theirs
    if not floating or not one.requires_grad or found[0].dtype != np.float32:
        return
    weight = rng.standard_normal(one.shape).astype("float32")
    (one * torch.from_numpy(np.asarray(weight))).sum().backward()

    def scalar(*xs):
        y = getattr(ops, name)(list(xs) if several else xs[0], *rest, **options)
        y = y[0] if isinstance(y, (list, tuple)) else y
        return ops.sum(y * weight)

    places = tuple(range(len(tensors)))
    gradients = cnnfast.grad(scalar, argnums=places)(*(first if several else [first]))
    for mine, tensor in zip(gradients, tensors, strict=True):
        expected = np.zeros(mine.shape) if tensor.grad is None else tensor.grad.numpy()
        np.testing.assert_allclose(mine, expected, rtol=2e-4, atol=2e-5)


def public_activations():
    for name, function in vars(activations).items():
        ours = inspect.isfunction(function) and function.__module__ == "cnnfast.activations"
        if ours and name[0] != "_" and name not in ("get", "serialize", "deserialize"):
            yield name


@pytest.mark.parametrize("name", list(public_activations()))
def test_activations_by_name(name):
    """Far from 0 too, by name and as a function."""
    z = np.concatenate([f32(40, scale=3), np.float32([-60, -20, 0, 20, 60])]).reshape(9, 5)
    theirs = keras.activations.get(name)(keras.ops.convert_to_tensor(z))
    expected = arrays_of(theirs)[0]
    np.testing.assert_allclose(getattr(activations, name)(z), expected, rtol=1e-5, atol=2e-6)
    np.testing.assert_array_equal(activations.get(name)(z), getattr(activations, name)(z))
    assert activations.serialize(activations.get(name)) == name or name in ("swish", "hard_swish")


def test_every_function_that_both_have_is_compared():
    """Losses, convolutions and the like are compared where they are tested."""
    elsewhere = {
        "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy",
        "conv", "conv_transpose", "depthwise_conv", "separable_conv", "dtype", "flatten",
        "layer_normalization", "stop_gradient",
    }  # fmt: skip
    compared = {name for name, *_ in CALLS}
    both = {name for name in ops.__all__ if callable(getattr(keras.ops, name, None))}
    assert both - compared - elsewhere == set()
