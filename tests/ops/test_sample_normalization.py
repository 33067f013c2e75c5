"""Layer, group and local response normalisation against the oracle, at every instruction set."""

import numpy as np
import pytest

import cnnfast
from check import assert_accurate, assert_close, numeric_gradient
from cnnfast import ops, runtime
from ops.levels import levels
from oracle import normalization

LAYER_SHAPES = [(1, 1), (5, 3), (2, 3, 8), (1, 700, 17), (300, 33), (4, 1031), (3, 2, 5, 64)]
# x, groups: odd channels, one group, groups of one channel, 1x1 maps, batch 1, several chunks.
GROUP_CASES = [
    ((2, 3, 5, 6), 3),
    ((1, 1, 1, 8), 2),
    ((3, 4, 4, 5), 1),
    ((2, 7, 3, 5), 5),
    ((4, 9), 3),
    ((5, 33, 34, 12), 4),
    ((2, 50, 50, 64), 32),
    ((3, 6, 70), 7),
]
WINDOWS = [
    dict(size=5, alpha=1e-4, beta=0.75, k=1.0),
    dict(size=5, alpha=5e-1, beta=0.75, k=2.0),
    dict(size=3, alpha=2.0, beta=0.5, k=1.0),
    dict(size=4, alpha=1.0, beta=1.0, k=0.5),
    dict(size=1, alpha=1.0, beta=1.3, k=1.0),
    dict(size=9, alpha=0.3, beta=-0.4, k=3.0),
]


def _operands(shape, rng, dtype="float32"):
    x = rng.standard_normal(shape) * 2 + rng.normal(0, 3, shape[:1] + (1,) * (len(shape) - 1))
    gamma, beta = rng.uniform(0.5, 1.5, shape[-1]), rng.standard_normal(shape[-1])
    return tuple(a.astype(dtype) for a in (x, rng.standard_normal(shape), gamma, beta))


def _gradients(f, dy, *arrays):
    wanted = tuple(range(len(arrays)))
    return cnnfast.value_and_grad(lambda *a: ops.sum(f(*a) * dy), argnums=wanted)(*arrays)[1]


def _check_all(ours, right, dtype, what):
    for name, a, b in zip(("dx", "dgamma", "dbeta"), ours, right, strict=True):
        assert_accurate(a, b, dtype, f"{name}, {what}", factor=2)


@pytest.mark.parametrize("shape", LAYER_SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layer_norm(shape, dtype, rng):
    x, dy, gamma, beta = _operands(shape, rng, dtype)
    right = normalization.layer_norm(x, gamma, beta)
    back = normalization.layer_norm_backward(x, dy, gamma)
    for level in levels() if dtype == "float32" else [dtype]:
        assert_accurate(ops.layer_norm(x, gamma, beta), right, dtype, level)
        ours = _gradients(ops.layer_norm, dy, x, gamma, beta)
        if shape[-1] == 1:  # a single value is its own mean: sums cancel
            assert all(np.abs(a - b).max() < 1e-6 for a, b in zip(ours, back, strict=True))
        else:
            _check_all(ours, back, dtype, level)


@pytest.mark.parametrize("shape, groups", GROUP_CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_group_norm(shape, groups, dtype, rng):
    x, dy, gamma, beta = _operands(shape, rng, dtype)
    right = normalization.group_norm(x, groups, gamma, beta)
    back = normalization.group_norm_backward(x, dy, groups, gamma)

    def f(x, gamma, beta):
        return ops.group_norm(x, groups, gamma, beta)

    for level in levels() if dtype == "float32" else [dtype]:
        assert_accurate(f(x, gamma, beta), right, dtype, level)
        _check_all(_gradients(f, dy, x, gamma, beta), back, dtype, level)


def test_large_mean_small_variance(rng):
    shape = (3, 20, 21, 6)
    _, dy, gamma, beta = _operands(shape, rng)
    x = (1e4 + 0.1 * rng.standard_normal(shape)).astype("float32")
    for level in levels():
        y = ops.layer_norm(x, gamma, beta, epsilon=1e-5)
        assert_accurate(y, normalization.layer_norm(x, gamma, beta, (-1,), 1e-5), "float32", level)
        y = ops.group_norm(x, 2, gamma, beta, epsilon=1e-5)
        assert_accurate(y, normalization.group_norm(x, 2, gamma, beta, 1e-5), "float32", level)
        ours = _gradients(lambda *a: ops.group_norm(a[0], 2, *a[1:], -1, 1e-5), dy, x, gamma, beta)
        _check_all(ours, normalization.group_norm_backward(x, dy, 2, gamma, 1e-5), "float32", level)
        ours = _gradients(lambda *a: ops.layer_norm(*a, -1, 1e-5), dy, x, gamma, beta)
        _check_all(ours, normalization.layer_norm_backward(x, dy, gamma, 1e-5), "float32", level)


def test_constant_input():
    x, beta = np.full((2, 3, 3, 6), 123.456, "float32"), np.arange(6, dtype="float32")
    for level in levels():
        for y in (ops.layer_norm(x, None, beta), ops.group_norm(x, 3, None, beta)):
            assert np.array_equal(y, np.broadcast_to(beta, x.shape)), level


@pytest.mark.parametrize("shape", [(3, 1), (2, 3, 3), (1, 5, 7, 17), (40, 96), (2, 10, 9, 70)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_local_response(shape, dtype, rng):
    x, dy, _, _ = _operands(shape, rng, dtype)
    cases = [
        (o, normalization.local_response(x, **o), normalization.local_response_backward(x, dy, **o))
        for o in WINDOWS
    ]
    for level in levels() if dtype == "float32" else [dtype]:
        for options, right, back in cases:

            def f(x, options=options):
                return ops.local_response_normalization(x, **options)

            assert_accurate(f(x), right, dtype, f"{options}, {level}")
            assert_accurate(_gradients(f, dy, x)[0], back, dtype, f"dx, {options}, {level}", 2)


def test_finite_differences(rng):
    x, gamma, beta = rng.standard_normal((2, 3, 4)), rng.uniform(0.5, 2, 4), rng.standard_normal(4)
    wide = rng.standard_normal((3, 4))
    weights = rng.uniform(0.5, 1.5, x.shape)
    for f, arrays in [
        (lambda x, g, b: ops.layer_norm(x, g, b, epsilon=0.1), (x, gamma, beta)),
        (lambda x, g: ops.layer_norm(x, g, axis=(1, 2)), (x, wide)),
        (lambda x, g: ops.layer_norm(x, g, axis=1), (x, wide[:, 0].copy())),
        (lambda x, g, b: ops.group_norm(x, 2, g, b, epsilon=0.1), (x, gamma, beta)),
        (lambda x: ops.local_response_normalization(x, 3, 0.5, 0.75, 1.0), (x,)),
    ]:

        def scalar(*a, f=f):
            return ops.sum(ops.square(f(*a)) * weights)

        _, gradients = cnnfast.value_and_grad(scalar, argnums=tuple(range(len(arrays))))(*arrays)
        for i, gradient in enumerate(gradients):
            numeric = numeric_gradient(scalar, arrays, i)
            assert_close(gradient, numeric, 1e-6, 1e-6, "float64", what=f"argument {i}")


def test_axes(rng):
    x = rng.standard_normal((3, 4, 5, 6)).astype("float32")
    for axis, axes in [(1, (1,)), ((1, 2), (1, 2)), ((-1, 1), (1, 3)), ((1, 2, 3), (1, 2, 3))]:
        shape = tuple(x.shape[i] for i in axes)
        gamma = rng.uniform(0.5, 1.5, shape).astype("float32")
        spread = gamma.reshape([x.shape[i] if i in axes else 1 for i in range(4)])
        right = normalization.layer_norm(x, spread, np.zeros(()), axes)
        assert_accurate(ops.layer_norm(x, gamma, axis=axis), right, "float32", str(axis))
    first = np.ascontiguousarray(np.moveaxis(x, 3, 1))
    y = ops.group_norm(x, 3)
    assert np.array_equal(ops.group_norm(first, 3, axis=1), np.moveaxis(y, 3, 1))
    y = ops.local_response_normalization(x)
    assert np.array_equal(ops.local_response_normalization(first, axis=1), np.moveaxis(y, 3, 1))


def test_same_bits_for_any_number_of_threads(rng):
    x, dy, gamma, beta = _operands((8, 30, 31, 24), rng)
    results = []
    for count in (1, 2, 3):
        runtime.set_num_threads(count)
        results.append(
            [
                ops.layer_norm(x, gamma, beta),
                *_gradients(ops.layer_norm, dy, x, gamma, beta),
                *_gradients(lambda *a: ops.group_norm(a[0], 6, *a[1:]), dy, x, gamma, beta),
                *_gradients(ops.local_response_normalization, dy, x),
            ]
        )
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert np.array_equal(a, b)


def test_against_torch(rng):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    x, dy, gamma, beta = _operands((3, 5, 4, 12), rng)

    def theirs(f, *arrays):
        tensors = [torch.from_numpy(a.copy()).requires_grad_() for a in arrays]
        y = f(*tensors)
        (y * torch.from_numpy(dy)).sum().backward()
        return y.detach().numpy(), [t.grad.numpy() for t in tensors]

    functional = torch.nn.functional
    for ours, other, arrays in [
        (lambda x, g, b: ops.layer_norm(x, g, b),
         lambda x, g, b: functional.layer_norm(x, (12,), g, b, 1e-3), (x, gamma, beta)),
        (lambda x, g, b: ops.group_norm(x, 4, g, b),
         lambda x, g, b: functional.group_norm(x.movedim(3, 1), 4, g, b, 1e-3).movedim(1, 3),
         (x, gamma, beta)),
        *((lambda x, o=o: ops.local_response_normalization(x, **o),
           lambda x, o=o: functional.local_response_norm(x.movedim(3, 1), **o).movedim(1, 3), (x,))
          for o in WINDOWS),
    ]:  # fmt: skip
        y, gradients = theirs(other, *arrays)
        assert_close(ours(*arrays), y, 1e-5, 1e-5)
        for a, b in zip(_gradients(ours, dy, *arrays), gradients, strict=True):
            assert_close(a, b, 1e-4, 1e-4)


def test_alexnet_convention(rng):
    """The paper sums without dividing: n = 5, k = 2, alpha = 1e-4, beta = 0.75."""
    x = (rng.standard_normal((2, 3, 3, 8)) * 20).astype("float32")
    wide = np.pad(x.astype("float64") ** 2, ((0, 0), (0, 0), (0, 0), (2, 2)))
    total = sum(wide[..., i : i + 8] for i in range(5))
    y = ops.local_response_normalization(x, 5, 5e-4, 0.75, 2.0)
    assert_accurate(y, x / (2 + 1e-4 * total) ** 0.75, "float32")


def test_bad_input():
    x, c = np.ones((2, 3, 3, 4), "float32"), np.ones(4, "float32")
    respond = ops.local_response_normalization
    for error, message, f in [
        (ValueError, r"gamma must have shape \(4,\)", lambda: ops.layer_norm(x, c[:2])),
        (ValueError, r"gamma must have shape \(3, 4\)", lambda: ops.layer_norm(x, c, axis=(2, 3))),
        (ValueError, "out of range", lambda: ops.layer_norm(x, axis=4)),
        (ValueError, "twice", lambda: ops.layer_norm(x, axis=(3, -1))),
        (ValueError, "no axis", lambda: ops.layer_norm(x, axis=())),
        (ValueError, "no values", lambda: ops.layer_norm(x[..., :0])),
        (ValueError, "epsilon", lambda: ops.layer_norm(x, epsilon=-1)),
        (TypeError, "float32 or float64", lambda: ops.layer_norm(np.ones((2, 2), int))),
        (ValueError, "groups must divide x's 4 channels, got 3", lambda: ops.group_norm(x, 3)),
        (ValueError, "at least 1", lambda: ops.group_norm(x, 0)),
        (ValueError, "is the batch", lambda: ops.group_norm(x, 1, axis=0)),
        (ValueError, "no values", lambda: ops.group_norm(x[:, :0], 2)),
        (ValueError, "at least two axes", lambda: ops.group_norm(c, 2)),
        (ValueError, "size must be at least 1", lambda: respond(x, 0)),
        (ValueError, "size must be between", lambda: respond(x, 2**40)),
        (ValueError, "k above 0", lambda: respond(x, k=0.0)),
        (ValueError, "alpha must be at least 0", lambda: respond(x, alpha=-1.0)),
        (TypeError, "beta must be a number", lambda: respond(x, beta="a")),
    ]:
        with pytest.raises(error, match=message):
            f()
    for y in (ops.layer_norm(x[:0]), ops.group_norm(x[:0], 2), respond(x[:0])):
        assert y.shape == (0, 3, 3, 4)
