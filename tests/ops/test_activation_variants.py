"""The less common activations and their gradients, and prelu, at every instruction set."""

import math

import numpy as np
import pytest

import cnnfast
from check import assert_close, numeric_gradient
from cnnfast import activations, ops
from ops.levels import levels


def _sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


VARIANTS = {
    "relu6": lambda x: np.clip(x, 0, 6),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "celu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "hard_sigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "hard_silu": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "log_sigmoid": lambda x: -np.logaddexp(0, -x),
}
SIZES = [(1,), (3, 17), (2, 5, 3, 33), (40007,)]


@pytest.mark.parametrize("name", VARIANTS)
def test_variants(name, rng):
    function = getattr(ops, name)
    for size in SIZES:
        x = rng.uniform(-9, 9, size)
        assert_close(function(x), VARIANTS[name](x), 1e-12, 1e-14, "float64")
        x = x.astype("float32")
        expected = VARIANTS[name](x.astype("float64"))
        for level in levels():
            assert_close(function(x), expected, 2e-6, 2e-7, "float32", f"{size}, {level}")
    x = rng.uniform(0.1, 0.9, 5) * rng.choice([-1, 1], 5)
    f = lambda v: ops.sum(function(v) * function(v))  # noqa: E731
    assert_close(cnnfast.grad(f)(x), numeric_gradient(f, [x], 0), 1e-6, 1e-8)
    assert activations.get(name)(x.astype("float32")).dtype == np.float32


def test_parameters():
    x = np.linspace(-3, 3, 13)
    assert_close(ops.celu(x, 0.5), np.where(x > 0, x, 0.5 * np.expm1(x / 0.5)), 1e-12, 1e-14)
    with pytest.raises(ValueError, match="celu: alpha"):
        ops.celu(x, 0.0)


SLOPES = [
    ((2, 3, 5, 7), (7,)),
    ((2, 3, 5, 7), (3, 5, 7)),
    ((2, 3, 5, 7), (1, 5, 1)),
    ((2, 3, 5, 7), (3, 1, 1)),
    ((2, 3, 5, 7), (1, 1, 1)),
    ((3, 17), ()),
    ((6, 40, 41, 19), (19,)),
    ((1, 1), (1,)),
    ((0, 3), (3,)),
]


@pytest.mark.parametrize(("shape", "slopes"), SLOPES, ids=str)
def test_prelu(shape, slopes, rng):
    x, a = rng.standard_normal(shape), np.asarray(rng.standard_normal(slopes))
    dy = rng.standard_normal(shape)
    both = cnnfast.value_and_grad(lambda v, s, d: ops.sum(ops.prelu(v, s) * d), argnums=(0, 1))
    expected = np.where(x < 0, x * a, x)
    dx = np.where(x < 0, dy * a, dy)
    full = np.where(x < 0, x * dy, 0)
    da = full.sum(tuple(range(len(shape) - len(slopes))))
    for axis, size in enumerate(slopes):
        if size == 1:
            da = da.sum(axis, keepdims=True)
    assert_close(ops.prelu(x, a), expected, 1e-13, 1e-13, "float64")
    _, (gx, ga) = both(x, a, dy)
    assert_close(gx, dx, 1e-12, 1e-12, "float64")
    assert_close(ga, da, 1e-11, 1e-11, "float64")
    x32, a32, d32 = (v.astype("float32") for v in (x, a, dy))
    size = max(1.0, float(np.sqrt(full.size / max(a.size, 1))))
    for level in levels():
        assert_close(ops.prelu(x32, a32), expected, 1e-6, 1e-6, "float32", level)
        _, (gx, ga) = both(x32, a32, d32)
        assert_close(gx, dx, 1e-6, 1e-6, "float32", level)
        assert_close(ga, da, 1e-5, 1e-6 * size, "float32", level)


def test_prelu_against_torch_and_differences(rng):
    x, a = rng.uniform(0.1, 2, (2, 3, 4)) * rng.choice([-1, 1], (2, 3, 4)), rng.standard_normal(4)
    f = lambda v, s: ops.sum(ops.square(ops.prelu(v, s)))  # noqa: E731
    _, gradients = cnnfast.value_and_grad(f, argnums=(0, 1))(x, a)
    for i in (0, 1):
        assert_close(gradients[i], numeric_gradient(f, [x, a], i), 1e-6, 1e-8)
    torch = pytest.importorskip("torch")
    images = torch.tensor(x.transpose(0, 2, 1).copy(), requires_grad=True)
    slope = torch.tensor(a, requires_grad=True)
    torch.nn.functional.prelu(images, slope).square().sum().backward()
    assert_close(gradients[0], images.grad.numpy().transpose(0, 2, 1), 1e-12)
    assert_close(gradients[1], slope.grad.numpy(), 1e-12)
    for slope, message in [
        (np.ones(3), "cannot be broadcast"),
        (np.ones((2, 2, 3, 4)), "broadcast"),
    ]:
        with pytest.raises(ValueError, match=f"prelu: .*{message}"):
            ops.prelu(x, slope)
    with pytest.raises(TypeError, match="prelu: "):
        ops.prelu(x, a.astype("float32"))


def test_gradient_of_elu_far_below_zero(rng):
    """alpha e^x keeps its digits where the output itself has rounded to -alpha."""
    x = np.concatenate([np.linspace(-60, 5, 1001), [-0.0, 0.0]])
    for alpha in (1.0, 0.3, -1.5):
        expected = np.where(x < 0, alpha * np.exp(x), 1.0)
        gradient = cnnfast.grad(lambda v, a=alpha: ops.sum(ops.elu(v, a)))
        assert_close(gradient(x), expected, 1e-12)
        narrow = x.astype("float32")
        exact = np.where(narrow < 0, alpha * np.exp(narrow.astype("float64")), 1.0)
        for level in levels():
            assert_close(gradient(narrow), exact, 1e-6, 0, what=level)


TWICE = {
    **{name: getattr(ops, name) for name in VARIANTS},
    "elu": lambda x: ops.elu(x, 0.7),
    "silu": ops.silu,
    "softplus": ops.softplus,
    "gelu": lambda x: ops.gelu(x, False),
    "gelu_tanh": ops.gelu,
}


@pytest.mark.parametrize("name", TWICE)
def test_second_derivatives(name, rng):
    function = TWICE[name]

    def first(v):
        if isinstance(v, np.ndarray):
            return cnnfast.grad(lambda w: ops.sum(function(w)))(v)
        return v.trace.gradients(ops.sum(function(v)), [v])[0]

    # Away from where slopes jump.
    x = rng.uniform(0.2, 0.9, 9) * rng.choice([-1, 1], 9) + rng.choice([-4, 0, 4], 9)
    f = lambda v: ops.sum(ops.square(first(v)) + first(v))  # noqa: E731
    assert_close(cnnfast.grad(f)(x), numeric_gradient(f, [x], 0), 1e-6, 1e-8)


def test_gelu_and_erf(rng):
    x = np.concatenate([rng.uniform(-6, 6, 1001), rng.uniform(-1, 1, 1001), [0.0, 1.0, -1.0, 4.0]])
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    error = np.vectorize(math.erf)
    assert_close(ops.gelu(x), 0.5 * x * (1 + np.tanh(inner)), 1e-9, 1e-14)
    exact = 0.5 * x * (1 + error(x * math.sqrt(0.5)))
    assert_close(ops.gelu(x, False), exact, 1e-12, 1e-14)
    assert_close(ops.erf(x), error(x), 1e-13)
    for f in (ops.gelu, activations.gelu, ops.erf):
        scalar = lambda v, f=f: ops.sum(f(v))  # noqa: E731
        assert_close(cnnfast.grad(scalar)(x[:9]), numeric_gradient(scalar, [x[:9]], 0), 1e-6, 1e-8)
    narrow = x.astype("float32")
    for level in levels():
        assert_close(ops.erf(narrow), error(narrow.astype("float64")), 3e-7, 1e-37, what=level)
        assert_close(activations.get("gelu")(narrow), exact, 1e-5, 1e-6, what=level)
        far = ops.erf(np.float32([np.inf, -np.inf, np.nan, -0.0, 1e-30]))
        assert np.array_equal(far[:2], [1, -1]) and np.isnan(far[2]), level
        assert np.signbit(far[3]) and abs(far[4] / np.float32(1e-30) - 1.1283792) < 1e-6, level
