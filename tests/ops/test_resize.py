"""Images made larger and smaller, against the definition in float64 and against torch."""

import numpy as np
import pytest

import cnnfast
from check import assert_accurate, assert_close, numeric_gradient
from cnnfast import ops
from ops.levels import levels

SIZES = [((2, 3, 4, 5), (6, 8)), ((1, 5, 7, 1), (3, 11)), ((3, 1, 1, 3), (4, 2))]
SIZES += [((2, 9, 8, 17), (9, 16)), ((1, 6, 6, 34), (1, 1)), ((2, 40, 30, 3), (80, 60))]


def _taps(size, length):
    """(low, high, share of high) of each output: half-pixel centres."""
    place = np.maximum((np.arange(length) + 0.5) * size / length - 0.5, 0)
    low = np.minimum(np.floor(place).astype(int), size - 1)
    return low, np.minimum(low + 1, size - 1), place - low


def bilinear(x, size):
    x = x.astype("float64")
    low, high, share = _taps(x.shape[1], size[0])
    share = share[:, None, None]
    x = x[:, low] * (1 - share) + x[:, high] * share
    low, high, share = _taps(x.shape[2], size[1])
    share = share[:, None]
    return x[:, :, low] * (1 - share) + x[:, :, high] * share


def nearest(x, size):
    rows = np.floor((np.arange(size[0]) + 0.5) * x.shape[1] / size[0]).astype(int)
    columns = np.floor((np.arange(size[1]) + 0.5) * x.shape[2] / size[1]).astype(int)
    return x[:, rows][:, :, columns]


@pytest.mark.parametrize(("shape", "size"), SIZES)
def test_against_the_definition(shape, size, rng):
    x = rng.standard_normal(shape)
    assert_accurate(ops.resize(x, size), bilinear(x, size), "float64")
    x = x.astype("float32")
    for level in levels():
        assert_accurate(ops.resize(x, size), bilinear(x, size), "float32", level)
        y = ops.resize(x, size, "nearest")
        assert y.dtype == x.dtype and np.array_equal(y, nearest(x, size)), level
    pictures = rng.integers(0, 256, shape).astype("uint8")
    assert np.array_equal(ops.resize(pictures, size, "nearest"), nearest(pictures, size))
    first = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    y = ops.resize(first, size, data_format="channels_first")
    assert_close(y.transpose(0, 2, 3, 1), ops.resize(x, size), 1e-6)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_gradient_is_the_adjoint(interpolation, rng):
    """<A x, y> = <x, A' y>, and finite differences."""

    def f(v):
        return ops.resize(v, (5, 2), interpolation)

    x = rng.standard_normal((1, 3, 4, 2))
    dy = rng.standard_normal((1, 5, 2, 2))
    gradient = cnnfast.grad(lambda v: ops.sum(f(v) * dy))(x)
    assert_close(np.sum(f(x) * dy), np.sum(x * gradient), 1e-12)
    assert_close(gradient, numeric_gradient(lambda v: np.sum(f(v) * dy), [x], 0), 1e-6, 1e-8)
    for shape, size in SIZES:
        x = rng.standard_normal(shape)
        dy = rng.standard_normal((shape[0], *size, shape[3]))
        slow = cnnfast.grad(lambda v, d, s=size: ops.sum(ops.resize(v, s, interpolation) * d))
        expected = slow(x, dy)
        for level in levels():
            fast = slow(x.astype("float32"), dy.astype("float32"))
            assert_accurate(fast, expected, "float32", f"{shape}, {size}, {level}")


def test_against_torch(rng):
    torch = pytest.importorskip("torch")
    for shape, size in SIZES:
        x = rng.standard_normal(shape).astype("float32")
        images = torch.tensor(np.ascontiguousarray(x.transpose(0, 3, 1, 2)), requires_grad=True)
        y = torch.nn.functional.interpolate(images, size, mode="bilinear", align_corners=False)
        assert_close(ops.resize(x, size), y.detach().numpy().transpose(0, 2, 3, 1), 1e-5, 1e-5)
        dy = rng.standard_normal((shape[0], *size, shape[3])).astype("float32")
        y.backward(torch.tensor(np.ascontiguousarray(dy.transpose(0, 3, 1, 2))))
        dx = cnnfast.grad(lambda v, d, s=size: ops.sum(ops.resize(v, s) * d))(x, dy)
        assert_close(dx, images.grad.numpy().transpose(0, 2, 3, 1), 1e-5, 1e-5)


def test_bad_arguments():
    x = np.ones((1, 2, 2, 1), "float32")
    for f, message in [
        (lambda: ops.resize(x, 0), "resize: size must be at least 1"),
        (lambda: ops.resize(x, 2**40), "resize: size must be at most"),
        (lambda: ops.resize(x, (1, 2, 3)), "resize: size must be one integer or two"),
        (lambda: ops.resize(x, 2, "cubic"), "resize: interpolation must be"),
        (lambda: ops.resize(x[0], 2), r"resize: images must be \(N, H, W, C\)"),
        (lambda: ops.resize(x[:, :0], 2), "resize: height and width"),
        (lambda: ops.resize(x.astype("uint8"), 2), "resize: images must be float"),
        (lambda: ops.resize(x, 2, data_format="NHWC"), "resize: data_format"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            f()
