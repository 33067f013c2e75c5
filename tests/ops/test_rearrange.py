"""Joining, cutting, repeating, mirroring and bordering: exactly NumPy's results, and gradients."""

import numpy as np
import pytest

import cnnfast
from check import assert_close, numeric_gradient
from cnnfast import ops
from ops.levels import levels

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "bool"]


def _same(y, expected, what=""):
    assert y.dtype == expected.dtype, what
    assert y.shape == expected.shape, what
    assert np.array_equal(y, expected), what


def _check_gradient(f, *arrays):
    weights = np.random.default_rng(7).uniform(0.5, 1.5, np.shape(f(*arrays)))

    def scalar(*values):
        return ops.sum(f(*values) * weights)

    wanted = tuple(range(len(arrays)))
    _, gradients = cnnfast.value_and_grad(scalar, argnums=wanted)(*arrays)
    for i, gradient in enumerate(gradients):
        numeric = numeric_gradient(scalar, arrays, i)
        assert_close(gradient, numeric, 1e-6, 1e-8, "float64", what=f"argument {i}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_concatenate_stack_split(dtype, rng):
    a = rng.integers(0, 100, (2, 3, 4)).astype(dtype)
    b = rng.integers(0, 100, (2, 3, 4)).astype(dtype)
    for axis in (0, 1, 2, -1, -3):
        _same(ops.concatenate([a, b[:, :, :]], axis), np.concatenate([a, b], axis))
        _same(ops.stack([a, b, a], axis), np.stack([a, b, a], axis))
        for part, expected in zip(
            ops.split(a, [1, 2], axis), np.split(a, [1, 2], axis), strict=True
        ):
            _same(part, expected)
        for part, expected in zip(ops.unstack(a, axis=axis), np.moveaxis(a, axis, 0), strict=True):
            _same(part, expected)
    c = np.concatenate([a, b, b], 1)
    _same(ops.concatenate([a, c, b[:, :0]], 1), np.concatenate([a, c, b[:, :0]], 1))
    _same(ops.concatenate([a]), a)


def test_concatenate_at_every_level(rng):
    """Large enough to be divided, in every way: by rows, by pieces of one block."""
    for shapes, axis in [
        ([(8, 40, 40, 3), (8, 40, 40, 5)], 3),
        ([(7, 30, 50, 8), (7, 31, 50, 8)], 1),
        ([(1, 90, 90, 16), (1, 90, 90, 17)], 3),
        ([(1, 100, 300), (1, 50, 300)], 1),
        ([(300, 200), (3, 200), (40, 200)], 0),
    ]:
        xs = [rng.standard_normal(shape).astype("float32") for shape in shapes]
        for level in levels():
            _same(ops.concatenate(xs, axis), np.concatenate(xs, axis), level)


SLICES = [
    np.s_[:, 1:3],
    np.s_[::-1],
    np.s_[:, ::-1, ::2],
    np.s_[1:, ::-2, 3:0:-2],
    np.s_[0],
    np.s_[-1, ..., 1],
    np.s_[..., None, 0],
    np.s_[None, :, 2:2],
    np.s_[:, 5:9, -3:-1],
    np.s_[1, 2, 3],
    np.s_[...],
    np.s_[:, 1::3, :],
]


@pytest.mark.parametrize("key", SLICES, ids=str)
def test_indexing(key, rng):
    for dtype in ("float32", "float64", "uint8"):
        x = rng.integers(0, 100, (3, 6, 5)).astype(dtype)
        _same(cnnfast.compile(lambda v: v[key])(x), x[key])
    _check_gradient(lambda v: v[key], rng.standard_normal((3, 6, 5)))


def test_indexing_a_batch_of_unknown_size(rng):
    class Cut(cnnfast.layers.Layer):
        def call(self, x):
            return x[:, 1:, ::-1]

    x = rng.standard_normal((5, 4, 3)).astype("float32")
    model = cnnfast.Sequential([cnnfast.Input((4, 3)), Cut()])
    assert model.output_shape == (None, 3, 3)
    _same(model(x), np.ascontiguousarray(x[:, 1:, ::-1]))


def test_bad_indices():
    def of(key):
        return lambda: cnnfast.compile(lambda v: v[key])(np.ones((3, 4), "float32"))

    for key in (3, -4, (0, 4), (0, 0, 0)):
        with pytest.raises(IndexError):
            of(key)()
    for key in ([0, 1], 1.5, True, "a"):
        with pytest.raises(TypeError, match=r"ops\.take"):
            of(key)()
    with pytest.raises(ValueError, match="zero"):
        of(np.s_[::0])()


def test_slices_at_every_level(rng):
    x = rng.standard_normal((6, 60, 61, 7)).astype("float32")
    for key in (np.s_[:, 3:50, 2:], np.s_[1:5, ::2, ::3], np.s_[::-1, :, ::-1], np.s_[..., ::2]):
        dy = rng.standard_normal(x[key].shape).astype("float32")
        expected = np.zeros_like(x)
        expected[key] = dy
        gradient = cnnfast.grad(lambda v, d, k=key: ops.sum(v[k] * d))
        for level in levels():
            _same(cnnfast.compile(lambda v, k=key: v[k])(x), np.ascontiguousarray(x[key]), level)
            _same(gradient(x, dy), expected, level)


def test_flip_roll_slice(rng):
    x = rng.standard_normal((3, 4, 5)).astype("float32")
    for axis in (None, 0, 1, -1, (0, 2)):
        _same(ops.flip(x, axis), np.ascontiguousarray(np.flip(x, axis)))
    _same(ops.roll(x, 2, 1), np.roll(x, 2, 1))
    _same(ops.roll(x, (-1, 7), (0, 2)), np.roll(x, (-1, 7), (0, 2)))
    _same(ops.roll(x, 3), np.roll(x, 3))
    _same(ops.slice(x, (1, 0, 2), (2, -1, 3)), np.ascontiguousarray(x[1:, :, 2:]))


def test_take_repeat_tile(rng):
    for dtype in DTYPES:
        x = rng.integers(0, 100, (3, 4, 5)).astype(dtype)
        _same(ops.take(x, [2, -1, 0, 0], 1), x.take([2, -1, 0, 0], 1))
        _same(ops.take(x, [[0, 1], [2, 2]], 0), x.take([[0, 1], [2, 2]], 0))
        _same(ops.take(x, 3, -1), x.take(3, -1))
        _same(ops.take(x, [7, 59]), x.take([7, 59]))
        _same(ops.take(x, [], 0), x.take(np.zeros(0, int), 0))
        _same(ops.repeat(x, 3, 1), x.repeat(3, 1))
        _same(ops.repeat(x, [0, 2, 1], 0), x.repeat([0, 2, 1], 0))
        _same(ops.repeat(x, 2), x.repeat(2))
        _same(ops.tile(x, (2, 1, 3)), np.tile(x, (2, 1, 3)))
        _same(ops.tile(x, (2, 1, 1, 2)), np.tile(x, (2, 1, 1, 2)))
        _same(ops.tile(x, 0), np.tile(x, 0))


PADS = [2, ((1, 0), (0, 0), (2, 3)), ((0, 0), (0, 4), (0, 0)), (1, 3), ((0, 0), (1, 1), (0, 0))]


@pytest.mark.parametrize("mode", ["constant", "reflect", "symmetric", "edge", "wrap"])
def test_pad(mode, rng):
    x = rng.integers(0, 100, (3, 4, 5))
    for width in PADS:
        for dtype in DTYPES:
            v = x.astype(dtype)
            _same(ops.pad(v, width, mode), np.pad(v, width, mode), f"{width}, {dtype}")
        _check_gradient(lambda v, w=width: ops.pad(v, w, mode), rng.standard_normal((3, 4, 5)))
    if mode == "constant":
        v = x.astype("float32")
        _same(ops.pad(v, 2, constant_values=1.5), np.pad(v, 2, constant_values=1.5))
        _same(ops.pad(v[:0], 1), np.pad(v[:0], 1))
        _same(ops.pad(np.float32(3), ()), np.float32(3).reshape(()))


def test_pad_at_every_level(rng):
    for shape in ((6, 50, 51, 9), (1, 120, 120, 5), (3, 300, 100), (40000,)):
        x = rng.standard_normal(shape).astype("float32")
        images = ((0, 0), (1, 2), (3, 0), (0, 0))
        width = images if len(shape) == 4 else ((2, 1),) * len(shape)
        for level in levels():
            _same(ops.pad(x, width, constant_values=2), np.pad(x, width, constant_values=2), level)


def test_gradients(rng):
    a, b = rng.standard_normal((2, 3, 2)), rng.standard_normal((2, 1, 2))
    _check_gradient(lambda p, q: ops.concatenate([p, q, p * q], 1), a, b)
    _check_gradient(lambda p: ops.stack(ops.unstack(p, axis=1), 0) * 2, a)
    _check_gradient(lambda p: ops.split(p, 3, 1)[1] * ops.split(p, [2], 1)[0][:, 1:], a)
    _check_gradient(lambda p: ops.take(p, [2, 0, 2, 2], 1), a)
    _check_gradient(lambda p: ops.repeat(p, [1, 0, 3], 1), a)
    _check_gradient(lambda p: ops.tile(p, (2, 3, 2)), a)
    _check_gradient(lambda p: ops.flip(p, (0, 2)) * ops.roll(p, 1, 1), a)
    # The gradient of a gradient: adjoints have adjoints.
    _check_gradient(
        lambda p: cnnfast_gradient(lambda v: ops.sum(ops.square(ops.pad(v, 1, "reflect"))), p), a
    )


def cnnfast_gradient(f, x):
    """d f / d x as a traced value, or computed at once."""
    if isinstance(x, np.ndarray):
        return cnnfast.grad(f)(x)
    return x.trace.gradients(f(x), [x])[0]


def test_gradients_of_take_at_every_level(rng):
    x = rng.standard_normal((3, 37, 19)).astype("float32")
    for axis in range(3):
        rows = rng.integers(0, x.shape[axis], 200)
        dy = rng.standard_normal(x.take(rows, axis).shape).astype("float32")
        expected = np.zeros(x.shape)
        np.add.at(expected, (np.s_[:],) * axis + (rows,), dy.astype("float64"))
        gradient = cnnfast.grad(lambda v, d, r=tuple(rows), a=axis: ops.sum(ops.take(v, r, a) * d))
        for level in levels():
            assert_close(gradient(x, dy), expected, 2e-6, 2e-5, "float32", f"{axis}, {level}")


def test_bad_arguments():
    x = np.ones((2, 3), "float32")
    refused = [
        (
            lambda: ops.concatenate([x, np.ones((3, 3), "float32")], 1),
            "concatenate.*(2, 3).*(3, 3)",
        ),
        (lambda: ops.concatenate([x, x], 2), "concatenate: axis 2"),
        (lambda: ops.concatenate([]), "concatenate: xs must be a list"),
        (lambda: ops.concatenate(3), "concatenate: xs must be a list"),
        (lambda: ops.concatenate([x, x.astype("float64")]), "concatenate: .*float32.*float64"),
        (lambda: ops.stack([x, x[0]]), "stack: "),
        (lambda: ops.split(x, 2, 1), "split: 2 equal parts"),
        (lambda: ops.split(x, 0), "split: indices_or_sections must be at least 1"),
        (lambda: ops.unstack(x, 3), "unstack: num is 3"),
        (lambda: ops.slice(x, (0, 0), (2, 4)), "slice: 4 elements"),
        (lambda: ops.slice(x, (0,), (2, 3)), "slice: start_indices"),
        (lambda: ops.slice(x, (-1, 0), (1, 1)), "slice: start_indices"),
        (lambda: ops.take(x, [3], 1), "take: indices must be from -3 to 2"),
        (lambda: ops.take(x, [0.5], 1), "take: indices must be integers"),
        (lambda: ops.repeat(x, -1, 0), "repeat: repeats must be at least 0"),
        (lambda: ops.repeat(x, [1, 2], 1), "repeat: repeats must be one number or 3"),
        (lambda: ops.repeat(x, 2**40, 0), "repeat: the result has"),
        (lambda: ops.tile(x, (1, 2**30)), "tile: the result has"),
        (lambda: ops.pad(x, 1, "mirror"), "pad: mode must be one of"),
        (lambda: ops.pad(x, -1), "pad: pad_width must be at least 0"),
        (lambda: ops.pad(x, ((1, 1),) * 3), "pad: pad_width has 3 pairs, x has 2 axes"),
        (lambda: ops.pad(x, 2**62), "pad: "),
        (lambda: ops.pad(x, 2**30, "edge"), "pad: the result has"),
        (lambda: ops.pad(x, 1, "reflect", 2), "pad: constant_values goes with"),
        (lambda: ops.pad(x[:0], 1, "edge"), "pad: axis 0 .* is empty"),
        (lambda: ops.pad(x.astype("uint8"), 1, constant_values=1.5), "pad: constant_values"),
        (lambda: ops.roll(x, (1, 2), 0), "roll: 2 shifts"),
        (lambda: ops.flip(x, 2), "flip: axis 2"),
    ]
    for f, message in refused:
        with pytest.raises(
            (ValueError, TypeError), match=message.replace("(", r"\(").replace(")", r"\)")
        ):
            f()
