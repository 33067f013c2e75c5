"""Batch normalisation and its gradients against the oracle, at every instruction set."""

import numpy as np
import pytest

import cnnfast
from check import assert_accurate, assert_close, numeric_gradient, relative_error
from cnnfast import _trace, ops, runtime
from ops.levels import levels
from oracle import normalization

# Odd channels, one channel, no multiple of a vector, batch 1, 1x1 maps, rows that fill no block,
# several chunks, narrow and wide.
SHAPES = [
    (2, 5, 7, 1),
    (3, 4, 5, 3),
    (1, 1, 1, 5),
    (1, 9, 9, 17),
    (4, 1, 1, 33),
    (65, 20),
    (2, 3, 70),
    (5, 40, 41, 8),
    (2, 67, 71, 12),
    (3, 33, 35, 67),
]
FEW = [(3, 4, 5, 3), (1, 9, 9, 17), (5, 40, 41, 8), (2, 67, 71, 12)]


def _operands(shape, rng, dtype="float32"):
    x = rng.standard_normal(shape) * rng.uniform(0.5, 3, shape[-1]) + rng.normal(0, 2, shape[-1])
    dy = rng.standard_normal(shape)
    gamma, beta = rng.uniform(0.5, 1.5, shape[-1]), rng.standard_normal(shape[-1])
    return tuple(a.astype(dtype) for a in (x, dy, gamma, beta))


def _forward(x, gamma, beta, epsilon=1e-3):
    return ops.batch_norm(x, gamma, beta, epsilon=epsilon)


def _check_all(ours, right, dtype, what, factor=1.0):
    for name, a, b in zip(("y or dx", "second", "third"), ours, right, strict=True):
        assert_accurate(a, b, dtype, f"{name}, {what}", factor)


@pytest.mark.parametrize("shape", SHAPES)
def test_float32(shape, rng):
    x, dy, gamma, beta = _operands(shape, rng)
    right = normalization.batch_norm(x, gamma, beta)
    back = normalization.batch_norm_backward(x, dy, gamma)
    for level in levels():
        _check_all(_forward(x, gamma, beta), right, "float32", level)
        ours = ops.batch_norm_backward(x, dy, gamma)
        if shape[0] == 1 and shape[1] == 1:  # one value, gradient 0: 32 dy less as much cancel
            assert all(np.abs(a - b).max() < 1e-5 for a, b in zip(ours, back, strict=True))
        else:
            _check_all(ours, back, "float32", level)


@pytest.mark.parametrize("shape", FEW)
def test_float64(shape, rng):
    x, dy, gamma, beta = _operands(shape, rng, "float64")
    _check_all(_forward(x, gamma, beta), normalization.batch_norm(x, gamma, beta), "float64", "")
    back = normalization.batch_norm_backward(x, dy, gamma)
    _check_all(ops.batch_norm_backward(x, dy, gamma), back, "float64", "")


@pytest.mark.parametrize("shape", [(2, 3, 5, 6), (4, 33, 32, 16), (300, 7)])
def test_large_mean_small_variance(shape, rng):
    """A mean of 10,000, a deviation of 0.1: E[x^2] - E[x]^2 would lose every digit."""
    _, dy, gamma, beta = _operands(shape, rng)
    x = (1e4 + 0.1 * rng.standard_normal(shape)).astype("float32")
    right = normalization.batch_norm(x, gamma, beta, 1e-5)
    back = normalization.batch_norm_backward(x, dy, gamma, 1e-5)
    for level in levels():
        _check_all(_forward(x, gamma, beta, 1e-5), right, "float32", level)
        ours = ops.batch_norm_backward(x, dy, gamma, epsilon=1e-5)
        _check_all(ours, back, "float32", level, factor=2)


def test_an_outlier_first_costs_nothing(rng):
    """Sums are taken about the first value; let it be a million deviations away."""
    x = rng.standard_normal((3000, 5)).astype("float32")
    x[0] = 1e6
    right = normalization.batch_norm(x, np.ones(5), np.zeros(5))
    for level in levels():
        _check_all(_forward(x, None, None), right, "float32", level)


def test_constant_input():
    x = np.full((4, 3, 3, 7), 1234.567, "float32")
    gamma, beta = np.full(7, 2.0, "float32"), np.arange(7, dtype="float32")
    for level in levels():
        y, mean, variance = ops.batch_norm(x, gamma, beta)
        assert (variance == 0).all(), level
        assert (mean == x[0, 0, 0]).all(), level
        assert np.array_equal(y, np.broadcast_to(beta, y.shape)), level
        dx, dgamma, _ = ops.batch_norm_backward(x, np.ones_like(x), gamma)
        assert np.isfinite(dx).all() and (dgamma == 0).all(), level


@pytest.mark.parametrize("shape", FEW)
def test_given_statistics(shape, rng):
    x, dy, gamma, beta = _operands(shape, rng)
    mean = rng.standard_normal(shape[-1]).astype("float32")
    variance = rng.uniform(0.1, 2, shape[-1]).astype("float32")
    scale = gamma.astype("float64") / np.sqrt(variance.astype("float64") + 1e-3)
    right = (x - mean.astype("float64")) * scale + beta

    def loss(x, gamma, beta):
        return ops.sum(ops.batch_normalization(x, mean, variance, -1, beta, gamma) * dy)

    for level in levels():
        y = ops.batch_normalization(x, mean, variance, -1, beta, gamma)
        assert_accurate(y, right, "float32", level)
        _, d = cnnfast.value_and_grad(loss, argnums=(0, 1, 2))(x, gamma, beta)
        axes = tuple(range(x.ndim - 1))
        normal = (x - mean.astype("float64")) / np.sqrt(variance.astype("float64") + 1e-3)
        expected = (dy * scale, (dy * normal).sum(axes), dy.astype("float64").sum(axes))
        _check_all(d, expected, "float32", level)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("shape", [(3, 4, 5, 3), (2, 33, 35, 16), (5, 9, 67)])
def test_an_activation_behind_is_fused(activation, shape, rng):
    """The plan computes it in the same pass, and finds its mask again from x on the way back."""
    x, dy, gamma, beta = _operands(shape, rng)
    f = getattr(ops, activation)
    y = normalization.batch_norm(x, gamma, beta)[0]
    slope = {
        "relu": lambda: (y > 0) * 1.0,
        "leaky_relu": lambda: np.where(y > 0, 1.0, 0.2),
        "tanh": lambda: 1 - np.tanh(y) ** 2,
        "sigmoid": lambda: np.exp(-y) / (1 + np.exp(-y)) ** 2,
    }[activation]()
    right = normalization.batch_norm_backward(x, dy * slope, gamma)

    def loss(x, gamma, beta):
        return ops.sum(f(ops.batch_norm(x, gamma, beta)[0]) * dy)

    for level in levels():
        _, d = cnnfast.value_and_grad(loss, argnums=(0, 1, 2))(x, gamma, beta)
        _check_all(d, right, "float32", level)
    trace = _trace.Trace()
    t, g, b = (trace.input(a.shape, "float32") for a in (x, gamma, beta))
    outputs = trace.gradients(loss(t, g, b), [t])
    report = trace.plan(outputs).explain()
    if activation in ("relu", "leaky_relu"):
        assert "activation_backward" not in report, report
    names = [line.split()[0] for line in report.splitlines() if line.strip()]
    assert activation not in names, report


def test_finite_differences(rng):
    x, gamma, beta = rng.standard_normal((3, 2, 4)), rng.uniform(0.5, 2, 4), rng.standard_normal(4)
    weights = [rng.uniform(0.5, 1.5, s) for s in ((3, 2, 4), (4,), (4,))]

    def training(x, gamma, beta):
        """Of y and of the statistics: whoever uses them further gets their gradients."""
        found = ops.batch_norm(x, gamma, beta, epsilon=0.1)
        return sum(ops.sum(v * ops.square(v) * w) for v, w in zip(found, weights, strict=True))

    def inference(x, gamma, beta, mean, variance):
        y = ops.batch_normalization(x, mean, variance, -1, beta, gamma, 0.1)
        return ops.sum(ops.square(y) * weights[0])

    statistics = (rng.standard_normal(4), rng.uniform(0.5, 2, 4))
    for f, arrays in [
        (training, (x, gamma, beta)),
        (lambda *a: ops.sum(ops.tanh(ops.batch_norm(*a)[0]) * weights[0]), (x, gamma, beta)),
        (lambda *a: ops.sum(ops.leaky_relu(ops.batch_norm(*a)[0], 0.3) * weights[0]),
         (x, gamma, beta)),
        (inference, (x, gamma, beta, *statistics)),
        (lambda *a: inference(a[0], a[1], a[2], *statistics) * 2.0, (x, gamma, beta)),
    ]:  # fmt: skip
        _, gradients = cnnfast.value_and_grad(f, argnums=tuple(range(len(arrays))))(*arrays)
        for i, gradient in enumerate(gradients):
            numeric = numeric_gradient(f, arrays, i)
            assert_close(gradient, numeric, 1e-6, 1e-6, "float64", what=f"argument {i}")


def test_channels_first(rng):
    x, dy, gamma, beta = _operands((2, 5, 6, 3), rng)
    y, mean, variance = ops.batch_norm(x, gamma, beta)
    dx, dgamma, dbeta = ops.batch_norm_backward(x, dy, gamma)
    first_x, first_dy = (np.ascontiguousarray(np.moveaxis(a, 3, 1)) for a in (x, dy))
    ours = ops.batch_norm(first_x, gamma, beta, axis=1)
    for a, b in zip(ours, (np.moveaxis(y, 3, 1), mean, variance), strict=True):
        assert np.array_equal(a, b)
    ours = ops.batch_norm_backward(first_x, first_dy, gamma, axis=1)
    for a, b in zip(ours, (np.moveaxis(dx, 3, 1), dgamma, dbeta), strict=True):
        assert np.array_equal(a, b)
    y = ops.batch_normalization(first_x, mean, variance, 1, beta, gamma)
    right = ops.batch_normalization(x, mean, variance, -1, beta, gamma)
    assert np.array_equal(y, np.moveaxis(right, 3, 1))


def test_same_bits_for_any_number_of_threads(rng):
    """Chunks follow from the sizes, not from the threads."""
    x, dy, gamma, beta = _operands((8, 33, 32, 24), rng)
    results = []
    for count in (1, 2, 3):
        runtime.set_num_threads(count)
        results.append((*_forward(x, gamma, beta), *ops.batch_norm_backward(x, dy, gamma)))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


def test_not_a_number_stays_in_its_channel(rng):
    x, _, gamma, beta = _operands((4, 5, 5, 9), rng)
    x[1, 2, 3, 4] = np.nan
    for level in levels():
        y, mean, variance = _forward(x, gamma, beta)
        assert np.isnan(y[..., 4]).all() and np.isnan(mean[4]) and np.isnan(variance[4]), level
        assert not np.isnan(np.delete(y, 4, -1)).any(), level


@pytest.mark.parametrize("momentum", [0.99, 0.0, 1.0])
def test_moving_average(momentum, rng):
    first, batch = (rng.standard_normal(37).astype("float32") for _ in range(2))
    for level in levels():
        average = _trace.Variable(first.copy())
        _trace.apply("moving_average", [average, batch], {"momentum": momentum})
        right = first.astype("float64") * momentum + batch.astype("float64") * (1 - momentum)
        assert relative_error(average.numpy(), right) < 1e-7, level


def test_against_torch(rng):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x, dy, gamma, beta = _operands((4, 7, 6, 10), rng)
    theirs = [torch.from_numpy(a.copy()).requires_grad_() for a in (x, gamma, beta)]
    y = torch.nn.functional.batch_norm(
        theirs[0].movedim(3, 1), None, None, theirs[1], theirs[2], training=True, eps=1e-3
    ).movedim(1, 3)
    (y * torch.from_numpy(dy)).sum().backward()
    assert_close(_forward(x, gamma, beta)[0], y.detach().numpy(), 1e-5, 1e-5)
    ours = ops.batch_norm_backward(x, dy, gamma)
    for a, b in zip(ours, theirs, strict=True):
        assert_close(a, b.grad.numpy(), 1e-4, 1e-4)


def test_bad_input():
    x, c = np.ones((2, 3, 3, 4), "float32"), np.ones(4, "float32")
    for error, message, f in [
        (ValueError, "at least two axes", lambda: ops.batch_norm(c)),
        (ValueError, r"gamma must have shape \(4,\)", lambda: ops.batch_norm(x, np.ones(3, "f"))),
        (ValueError, r"beta must have shape", lambda: ops.batch_norm(x, c, np.ones((4, 1), "f"))),
        (TypeError, "share one dtype", lambda: ops.batch_norm(x, np.ones(4))),
        (TypeError, "float32 or float64", lambda: ops.batch_norm(np.ones((2, 2), int))),
        (ValueError, "axis 4 is out of range", lambda: ops.batch_norm(x, axis=4)),
        (ValueError, "epsilon must be at least 0", lambda: ops.batch_norm(x, epsilon=-1.0)),
        (ValueError, "epsilon must be finite", lambda: ops.batch_norm(x, epsilon=np.nan)),
        (ValueError, "not empty", lambda: ops.batch_norm(x[:0])),
        (ValueError, "variance must have shape", lambda: ops.batch_normalization(x, c, c[:2])),
        (ValueError, "one shape", lambda: ops.batch_norm_backward(x, x[:1])),
    ]:
        with pytest.raises(error, match=message):
            f()
    assert ops.batch_normalization(x[:0], c, c).shape == (0, 3, 3, 4)
    assert ops.batch_norm(np.ones((3, 0), "float32"))[0].shape == (3, 0)
