"""Every gradient rule against finite differences in float64, alone and composed."""

import numpy as np
import pytest

import cnnfast
from check import assert_close, numeric_gradient
from cnnfast import ops


def _check(f, *arrays, rtol=1e-5, atol=1e-6):
    """The gradient of f for every floating array, weighted so that no two outputs are alike."""
    shape = np.shape(f(*arrays))
    weights = np.random.default_rng(7).uniform(0.5, 1.5, shape)

    def scalar(*values):
        return ops.sum(f(*values) * weights)

    wanted = tuple(i for i, a in enumerate(arrays) if a.dtype.kind == "f")
    value, gradients = cnnfast.value_and_grad(scalar, argnums=wanted)(*arrays)
    assert_close(value, np.sum(f(*arrays) * weights), 1e-10, 1e-10)
    for i, gradient in zip(wanted, gradients, strict=True):
        numeric = numeric_gradient(scalar, arrays, i)
        assert_close(gradient, numeric, rtol, atol, "float64", what=f"argument {i}")


def _away_from_zero(rng, shape):
    """No kink of relu, abs, ... within reach of a finite difference."""
    return rng.uniform(0.1, 2, shape) * rng.choice([-1.0, 1.0], shape)


UNARY = ["relu", "leaky_relu", "elu", "tanh", "sigmoid", "softplus", "silu", "exp", "square"]
UNARY += ["abs", "negative", "softmax", "log_softmax", "sign", "flatten", "stop_gradient"]


@pytest.mark.parametrize("name", [name for name in UNARY if name != "stop_gradient"])
def test_unary(name, rng):
    _check(getattr(ops, name), _away_from_zero(rng, (3, 5)))


@pytest.mark.parametrize("name", ["log", "sqrt", "reciprocal"])
def test_of_positive_numbers(name, rng):
    _check(getattr(ops, name), rng.uniform(0.5, 2, (3, 5)))


@pytest.mark.parametrize(
    "name", ["add", "subtract", "multiply", "divide", "maximum", "minimum", "power"]
)
def test_binary_with_broadcasting(name, rng):
    for a, b in [
        ((3, 4), (3, 4)),
        ((2, 3, 4), (4,)),
        ((3, 1), (1, 4)),
        ((), (2, 3)),
        ((2, 1), (2,)),
    ]:
        _check(getattr(ops, name), rng.uniform(0.5, 2, a), rng.uniform(0.5, 2, b))


def test_one_array_twice(rng):
    x = rng.uniform(0.5, 2, (3, 4))
    _check(lambda v: v * v + v / ops.exp(v) - v, x)
    _check(lambda v: ops.maximum(v, ops.square(v)), x)


def test_operators(rng):
    a, b = rng.uniform(0.5, 2, (3, 4)), rng.uniform(0.5, 2, (4,))
    _check(lambda p, q: (1 - p) * q / (2 + p) - -q + (3 / q) ** 2 - p**q, a, b)


def test_where_clip_cast(rng):
    a, b = rng.standard_normal((3, 4)), rng.standard_normal((4,))
    _check(lambda p, q: ops.where(ops.greater(p, q), p * p, ops.exp(q)), a, b)
    _check(lambda p: ops.clip(p, -0.5, 0.5) * p, a)
    x = rng.standard_normal((3, 4))
    _, dx = cnnfast.value_and_grad(lambda v: ops.sum(ops.square(ops.cast(v, "float32"))))(x)
    assert_close(dx, 2 * x, 1e-6, dtype="float64")


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std"])
def test_reductions(name, rng):
    x = rng.standard_normal((2, 3, 4))
    for axis, keepdims in [(None, False), (0, False), ((0, 2), True), (-1, False), ((1, 2), False)]:
        _check(lambda v, axis=axis, k=keepdims: getattr(ops, name)(v, axis, k), x)


def test_extremes_of_equal_values():
    """Where several values are the largest, the gradients that arrive add up to what was sent."""
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    for f in (ops.max, ops.min):
        _, dx = cnnfast.value_and_grad(lambda v, f=f: ops.sum(f(v, 1)))(x)
        assert_close(dx.sum(axis=1), [1, 1], 1e-12)
    _, (da, db) = cnnfast.value_and_grad(lambda a, b: ops.sum(ops.maximum(a, b)), argnums=(0, 1))(
        x, x.copy()
    )
    assert_close(da + db, np.ones_like(x), 1e-12)


def test_shapes(rng):
    x = rng.standard_normal((2, 3, 4))
    _check(lambda v: ops.reshape(v, (4, -1)), x)
    _check(lambda v: ops.transpose(v, (2, 0, 1)), x)
    _check(lambda v: ops.squeeze(ops.expand_dims(v, 1), 1), x)
    _check(lambda v: ops.broadcast_to(ops.expand_dims(v, 0), (3, 2, 3, 4)), x)
    _check(lambda v: ops.broadcast_to(v, (2, 3, 4)), rng.standard_normal((3, 1)))


def test_stop_gradient(rng):
    x = rng.standard_normal(5)
    _, dx = cnnfast.value_and_grad(lambda v: ops.sum(v * ops.stop_gradient(v)))(x)
    assert_close(dx, x, 1e-12)
    _, dx = cnnfast.value_and_grad(lambda v: ops.sum(ops.stop_gradient(v)))(x)
    assert_close(dx, np.zeros(5), 0, 0)


CONVOLUTIONS = [
    dict(),
    dict(padding="same", strides=2),
    dict(padding=((2, 0), (1, 3)), strides=(1, 2)),
    dict(dilation_rate=2, padding="same"),
    dict(groups=2, padding=1),
]


def test_convolution(rng):
    for options in CONVOLUTIONS:
        groups = options.get("groups", 1)
        x, b = rng.standard_normal((2, 5, 6, 4)), rng.standard_normal(6)
        w = rng.standard_normal((3, 2, 4 // groups, 6))
        _check(lambda x, w, b, o=options: ops.conv2d(x, w, b, **o), x, w, b)


def test_adjoints_of_convolution_have_gradients_too(rng):
    """They are linear in both operands: what a gradient penalty or a transposed layer needs."""
    for options in CONVOLUTIONS:
        groups = options.get("groups", 1)
        x, w = rng.standard_normal((1, 5, 4, 2)), rng.standard_normal((3, 2, 2 // groups, 4))
        dy = rng.standard_normal(ops.conv2d(x, w, **options).shape)
        _check(lambda d, w, o=options, s=x.shape: ops.conv2d_backward_input(d, w, s, **o), dy, w)
        _check(lambda x, d, o=options, s=w.shape: ops.conv2d_backward_kernel(x, d, s, **o), x, dy)


def test_transposed_and_depthwise_convolution(rng):
    x, b = rng.standard_normal((1, 3, 4, 2)), rng.standard_normal(3)
    w = rng.standard_normal((3, 2, 3, 2))
    _check(lambda x, w, b: ops.conv2d_transpose(x, w, b, strides=2, padding="same"), x, w, b)
    w, b = rng.standard_normal((3, 2, 2, 3)), rng.standard_normal(6)
    _check(lambda x, w, b: ops.depthwise_conv2d(x, w, b, padding="same"), x, w, b)


def test_convolution_channels_first(rng):
    x, w = rng.standard_normal((2, 3, 5, 4)), rng.standard_normal((3, 3, 3, 2))
    _check(lambda x, w: ops.conv2d(x, w, strides=2, data_format="channels_first"), x, w)


def test_pooling(rng):
    # A permutation: no two values are near each other, so no winner changes.
    x = rng.permutation(2 * 5 * 6 * 3).reshape(2, 5, 6, 3) / 10.0
    for options in [
        dict(pool_size=2),
        dict(pool_size=3, strides=2, padding="same"),
        dict(pool_size=(2, 3), strides=1, padding=((1, 0), (0, 2))),
    ]:
        _check(lambda v, o=options: ops.max_pool2d(v, **o), x)
        _check(lambda v, o=options: ops.avg_pool2d(v, **o), x)


def test_dense(rng):
    x, w, b = rng.standard_normal((2, 3, 4)), rng.standard_normal((4, 5)), rng.standard_normal(5)
    _check(ops.dense, x, w, b)
    _check(ops.dense, x[0], w)
    dy = rng.standard_normal((3, 5))
    _check(ops.dense_backward_input, dy, w)
    _check(ops.dense_backward_kernel, x[0], dy)


def test_dropout(rng):
    _check(lambda v: ops.dropout(v, 0.4, 3) * v, rng.standard_normal((5, 7)))


def test_losses(rng):
    z, other = rng.standard_normal((4, 5)), rng.standard_normal((4, 5))
    p = rng.uniform(0.05, 1, (4, 5))
    p /= p.sum(-1, keepdims=True)
    truth = rng.uniform(0.05, 1, (4, 5))
    truth /= truth.sum(-1, keepdims=True)
    labels = rng.integers(0, 5, 4)
    _check(lambda z: ops.sparse_categorical_crossentropy(labels, z, True), z)
    _check(lambda p: ops.sparse_categorical_crossentropy(labels, p), p)
    _check(lambda z: ops.sparse_categorical_crossentropy(labels, ops.softmax(z)), z)
    _check(lambda z: ops.sparse_categorical_crossentropy(labels, ops.relu(z), True), other)
    for smoothing in (0.0, 0.1):
        _check(lambda z, s=smoothing: ops.categorical_crossentropy(truth, z, True, s), z)
        _check(lambda p, s=smoothing: ops.categorical_crossentropy(truth, p, False, s), p)
        _check(lambda z, s=smoothing: ops.binary_crossentropy(truth, z, True, s), z)
        _check(lambda p, s=smoothing: ops.binary_crossentropy(truth, p, False, s), p)
    _check(ops.mean_squared_error, z, other)
    _check(ops.mean_absolute_error, z, other)


def test_losses_pass_gradients_to_the_truth(rng):
    """A teacher that is trained along must not silently get zeros."""
    z, truth = rng.standard_normal((4, 5)), rng.uniform(0.1, 0.9, (4, 5))
    p = rng.uniform(0.05, 1, (4, 5))
    _check(lambda t, z: ops.categorical_crossentropy(t, z, True, 0.1), truth, z)
    _check(lambda t, p: ops.categorical_crossentropy(t, p), truth, p)
    _check(lambda t, z: ops.binary_crossentropy(t, z, True), truth, z)


def test_a_small_network(rng):
    x, labels = rng.standard_normal((2, 8, 8, 2)), np.array([1, 0])
    w1, b1 = rng.standard_normal((3, 3, 2, 3)), rng.standard_normal(3)
    w2, b2 = 0.3 * rng.standard_normal((3, 3, 3, 4)), rng.standard_normal(4)
    w3, b3 = 0.3 * rng.standard_normal((16, 3)), rng.standard_normal(3)

    def network(x, w1, b1, w2, b2, w3, b3):
        y = ops.max_pool2d(ops.tanh(ops.conv2d(x, w1, b1, padding="same")), 2)
        y = ops.avg_pool2d(ops.sigmoid(ops.conv2d(y, w2, b2, padding="same")), 2)
        return ops.sparse_categorical_crossentropy(labels, ops.dense(ops.flatten(y), w3, b3), True)

    _check(network, x, w1, b1, w2, b2, w3, b3)


def test_branches_that_meet_again(rng):
    """A residual block: one value used three times, its gradients summed."""
    x, w = rng.standard_normal((1, 4, 4, 2)), 0.3 * rng.standard_normal((3, 3, 2, 2))

    def block(x, w):
        y = ops.conv2d(x, w, padding="same")
        return ops.tanh(x + y * ops.mean(y, (1, 2), keepdims=True)) + ops.softplus(y)

    _check(block, x, w)


def test_gradient_of_an_unused_argument_is_zero(rng):
    a, b = rng.standard_normal((2, 3)), rng.standard_normal(4)
    _, (da, db) = cnnfast.value_and_grad(lambda a, b: ops.sum(a * a), argnums=(0, 1))(a, b)
    assert_close(da, 2 * a, 1e-12)
    assert_close(db, np.zeros(4), 0, 0)
