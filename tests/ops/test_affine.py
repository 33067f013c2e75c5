"""Affine maps of images against the definition in float64, against Keras, and their gradients."""

import numpy as np
import pytest

import cnnfast
from check import assert_accurate, assert_close, numeric_gradient
from cnnfast import ops
from ops.levels import levels
from oracle.philox import philox4x32

MODES = ("constant", "nearest", "reflect", "wrap")


def _index(mode, i, n):
    if mode == "wrap":
        return i % n
    if mode == "reflect":
        i = i % (2 * n)
        return np.where(i < n, i, 2 * n - 1 - i)
    return np.clip(i, 0, n - 1)


def affine(x, matrices, mode="constant", value=0.0, bilinear=True):
    """Each output pixel on its own, in float64."""
    count, high, wide, _ = x.shape
    v, u = np.mgrid[0:high, 0:wide].astype("float64")
    result = np.zeros(x.shape)
    for i in range(count):
        m = np.asarray(matrices[i if len(matrices) > 1 else 0], "float64")
        px, py = m[0] * u + m[1] * v + m[2], m[3] * u + m[4] * v + m[5]
        if not bilinear:
            px, py = np.floor(px + 0.5), np.floor(py + 0.5)
        left, top = np.floor(px).astype(int), np.floor(py).astype(int)
        for down in (0, 1):
            for right in (0, 1):
                weight = (py - top if down else 1 - py + top) * (
                    px - left if right else 1 - px + left
                )
                row, column = top + down, left + right
                inside = (row >= 0) & (row < high) & (column >= 0) & (column < wide)
                seen = x[i, _index(mode, row, high), _index(mode, column, wide)].astype("float64")
                if mode == "constant":
                    seen = np.where(inside[..., None], seen, value)
                result[i] += weight[..., None] * seen
    return result


def _matrices(rng, count):
    m = np.tile([1.0, 0, 0, 0, 1, 0], (count, 1)) + rng.uniform(-0.6, 0.6, (count, 6))
    m[:, [2, 5]] = rng.uniform(-4, 4, (count, 2))
    return m


SHAPES = [(3, 6, 7, 1), (2, 5, 9, 3), (2, 4, 5, 8), (1, 7, 3, 21), (1, 1, 1, 2), (5, 33, 40, 3)]


@pytest.mark.parametrize("mode", MODES)
def test_against_the_definition(mode, rng):
    for shape in SHAPES:
        x, m = rng.standard_normal(shape), _matrices(rng, shape[0])
        expected = affine(x, m, mode, 0.7)
        y = ops.affine_transform(x, m, fill_mode=mode, fill_value=0.7)
        assert_accurate(y, expected, "float64", f"{shape}")
        x32, m32 = x.astype("float32"), m.astype("float32")
        expected = affine(x32, m32, mode, np.float32(0.7))
        for level in levels():
            y = ops.affine_transform(x32, m32, fill_mode=mode, fill_value=0.7)
            assert_accurate(y, expected, "float32", f"{shape}, {level}", factor=4)


def test_nearest_and_far_away(rng):
    x = rng.standard_normal((2, 5, 6, 3)).astype("float32")
    m = _matrices(rng, 2).astype("float32")
    for level in levels():
        for mode in MODES:
            y = ops.affine_transform(x, m, "nearest", mode)
            assert_close(y, affine(x, m, mode, bilinear=False), 0, 0, what=f"{mode}, {level}")
        flipped = ops.affine_transform(x, [-1, 0, 5, 0, 1, 0])
        assert np.array_equal(flipped, x[:, :, ::-1]), level
        for far in (1e30, -1e30, np.nan, np.inf):
            y = ops.affine_transform(x, np.float32([[1, 0, far, 0, 1, 0]]), fill_value=2)
            assert np.array_equal(y, np.full_like(x, 2)), level
            for mode in MODES[1:]:
                y = ops.affine_transform(x, np.float32([[1, 0, far, 0, 1, 0]]), fill_mode=mode)
                assert np.isfinite(y).all(), level


@pytest.mark.parametrize("mode", MODES)
def test_gradients(mode, rng):
    x, m = rng.standard_normal((2, 4, 3, 2)), _matrices(rng, 2)
    dy = rng.standard_normal(x.shape)

    def f(v):
        return ops.sum(ops.affine_transform(v, m, fill_mode=mode) * dy)

    assert_close(cnnfast.grad(f)(x), numeric_gradient(f, [x], 0), 1e-6, 1e-8)
    for shape in SHAPES:
        x, m = rng.standard_normal(shape), _matrices(rng, shape[0]).astype("float32")
        dy = rng.standard_normal(shape).astype("float32")
        slow = cnnfast.grad(
            lambda v, d, m=m: ops.sum(
                ops.affine_transform(v, m.astype(str(v.dtype)), fill_mode=mode) * d
            )
        )
        expected = slow(x, dy.astype("float64"))
        for level in levels():
            fast = slow(x.astype("float32"), dy)
            assert_accurate(fast, expected, "float32", f"{shape}, {level}", factor=4)


def test_against_keras(rng):
    keras = pytest.importorskip("keras")
    x = rng.standard_normal((3, 6, 7, 2)).astype("float32")
    m = np.concatenate([_matrices(rng, 3), np.zeros((3, 2))], 1).astype("float32")
    for mode in MODES:
        other = keras.ops.image.affine_transform(
            x, m, fill_mode=mode, fill_value=0.4, data_format="channels_last"
        )
        y = ops.affine_transform(x, m, fill_mode=mode, fill_value=0.4)
        assert_close(y, np.asarray(other), 1e-4, 1e-4, what=mode)


def test_draws_are_philox():
    """A crop's corner and a uniform number follow from the generator's words."""
    x = np.zeros((3, 8, 9, 1), "float32") + np.arange(72, dtype="float32").reshape(8, 9, 1)
    state = np.array([2**33 + 5, 7])
    y = ops.random_affine(x, state, crop=(4, 4))
    for image in range(3):
        words = [w for b in range(4) for w in philox4x32([4 * image + b, 0, 0, 2], [5, 7])]
        top, left = (int(words[k] / 2**32 * room) for k, room in ((7, 5), (8, 6)))
        assert y[image, 0, 0, 0] == top * 9 + left
    u = ops.random_uniform(x, state, 2, -1.0, 3.0)
    words = [w for b in range(2) for w in philox4x32([b, 0, 0, 2], [5, 7])][:6]
    assert_close(u.ravel(), np.array(words) / 2**32 * 4 - 1, 1e-6, 1e-6)
    for level in levels():
        assert np.array_equal(ops.random_uniform(x, state, 2, -1.0, 3.0), u), level
        assert np.array_equal(ops.random_affine(x, state, crop=(4, 4)), y), level


def test_bad_arguments():
    x = np.ones((2, 4, 4, 1), "float32")
    identity = [1, 0, 0, 0, 1, 0]
    for f, message in [
        (lambda: ops.affine_transform(x[0], identity), r"affine_transform: images must be \(N, H"),
        (lambda: ops.affine_transform(x, [1, 0, 0]), "affine_transform: transform must be six"),
        (lambda: ops.affine_transform(x, np.ones((3, 6))), "affine_transform: matrices must hold"),
        (lambda: ops.affine_transform(x, [*identity, 0, 1]), "affine_transform: .*perspective"),
        (lambda: ops.affine_transform(x, identity, "cubic"), "affine_transform: interpolation"),
        (
            lambda: ops.affine_transform(x, identity, fill_mode="mirror"),
            "affine_transform: fill_mode",
        ),
        (
            lambda: ops.affine_transform(x.astype("uint8"), identity),
            "affine_transform: images must be",
        ),
        (lambda: ops.affine_transform(x[:, :0], identity), "affine_transform: .*1 to 2"),
        (lambda: ops.random_affine(x, 1, crop=(5, 1)), "random_affine: .*cannot be cut out"),
        (lambda: ops.random_affine(x, 1, angle=(1, 0)), "random_affine: .*from a low to a high"),
        (lambda: ops.random_affine(x, 1, crop=(0, 1)), "random_affine: crop"),
        (lambda: ops.random_affine(x, None), "random_affine: seed is missing"),
        (lambda: ops.random_uniform(x, 1, 0), "random_uniform: count must be at least 1"),
        (lambda: ops.random_uniform(x, 1, 1, 2, 1), "random_uniform: .*low"),
        (lambda: ops.random_uniform(np.float32(1), 1), "random_uniform: .*batch"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            f()
