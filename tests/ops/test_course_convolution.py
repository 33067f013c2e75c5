"""What a course says of convolution: sizes, numbers worked by hand, and identities."""

import itertools

import numpy as np
import pytest

import cnnfast
from check import assert_accurate, assert_close
from cnnfast import ops
from ops.levels import levels


def out_size(n, k, p, s):
    """The textbook's floor((n + p - k + s) / s); p counts the zeros of both sides."""
    return (n + p - k + s) // s


def test_output_sizes_over_a_grid():
    """Both axes differ in everything: a mix-up of rows and columns cannot hide."""
    windows = [(1, 0, 1), (2, 1, 1), (3, 2, 2), (3, 0, 3), (5, 4, 1), (5, 3, 4), (7, 6, 2)]
    checked = 0
    for n_h, n_w in ((7, 12), (8, 9), (15, 11)):
        for (k_h, p_h, s_h), (k_w, p_w, s_w) in itertools.product(windows, windows):
            pads = ((p_h // 2, p_h - p_h // 2), (p_w // 2, p_w - p_w // 2))
            x = np.ones((1, n_h, n_w, 1), "float32")
            kernel = np.ones((k_h, k_w, 1, 2), "float32")
            y = ops.conv2d(x, kernel, strides=(s_h, s_w), padding=pads)
            assert y.shape == (
                1,
                out_size(n_h, k_h, p_h, s_h),
                out_size(n_w, k_w, p_w, s_w),
                2,
            )
            # A window of ones on ones counts the places it covers: the middle is all of them.
            if n_h > 2 * k_h and n_w > 2 * k_w:
                assert y.max() == k_h * k_w
            checked += 1
    assert checked == 3 * 49


@pytest.mark.parametrize("n", [6, 7, 12, 16])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_special_sizes(n, k):
    x, kernel = np.zeros((1, n, n, 1), "float32"), np.zeros((k, k, 1, 1), "float32")
    before, after = (k - 1) // 2, k // 2
    whole = ((before, after), (before, after))  # p = k - 1
    assert ops.conv2d(x, kernel).shape[1:3] == (n - k + 1, n - k + 1)
    assert ops.conv2d(x, kernel, padding=whole).shape == x.shape
    for s in range(1, n + 1):
        same = -(-n // s)
        assert ops.conv2d(x, kernel, padding="same", strides=s).shape[1] == same
        size = ops.conv2d(x, kernel, padding=whole, strides=s).shape[1]
        assert size == (n + s - 1) // s
        if n % s == 0:
            assert size == n // s


# A 5x5 picture of three channels in a frame of zeros, one string for each row.
CHANNELS = [
    ["0000000", "0222020", "0200210", "0122220", "0111210", "0000220", "0000000"],
    ["0000000", "0110000", "0011010", "0121100", "0002210", "0120210", "0000000"],
    ["0000000", "0220210", "0220210", "0121020", "0001210", "0102010", "0000000"],
]
FIRST = [
    [[-1, -1, 1], [-1, 1, -1], [-1, 1, 0]],
    [[1, 1, 0], [0, 0, 0], [1, 0, 1]],
    [[-1, 0, 1], [0, 0, -1], [0, 0, -1]],
]
SECOND = [
    [[0, 1, 1], [-1, 1, 0], [0, 0, 0]],
    [[0, -1, -1], [1, 0, 0], [0, 0, 1]],
    [[0, 1, 0], [0, -1, -1], [0, 0, 0]],
]


def worked():
    x = np.array([[list(map(int, row)) for row in channel] for channel in CHANNELS])
    kernel = np.array([FIRST, SECOND])  # (K, C, KH, KW)
    return (
        np.ascontiguousarray(x.transpose(1, 2, 0)[None], np.float32),
        np.ascontiguousarray(kernel.transpose(2, 3, 1, 0), np.float32),
        np.array([1, 0], np.float32),
    )


RESULT = np.array(
    [[[0, -2, 2], [-1, 3, -2], [1, 3, -1]], [[-1, -1, 1], [1, 4, 0], [1, 0, 2]]]
).transpose(1, 2, 0)[None]


def test_seven_by_seven_by_three_worked_by_hand():
    """Two 3x3x3 filters, stride 2: docs/cross-correlation.md. Small integers are exact."""
    x, kernel, bias = worked()
    for level in levels():
        assert np.array_equal(ops.conv2d(x, kernel, bias, strides=2), RESULT), level
        # The frame of zeros is what padding=1 adds.
        inside = np.ascontiguousarray(x[:, 1:-1, 1:-1])
        y = ops.conv2d(inside, kernel, bias, strides=2, padding=1)
        assert np.array_equal(y, RESULT), level


def test_the_worked_example_as_a_layer():
    x, kernel, bias = worked()
    layer = cnnfast.layers.Conv2D(2, 3, strides=2)
    layer.build((None, 7, 7, 3))
    layer.set_weights([kernel, bias])
    assert layer.compute_output_shape((None, 7, 7, 3)) == (None, 3, 3, 2)
    assert np.array_equal(layer(x), RESULT)


def test_true_convolution_is_the_flipped_kernel(rng):
    """Commutative, as NumPy's convolve; cross-correlation is not."""
    a, b = rng.standard_normal(9), rng.standard_normal(4)

    def full(x, kernel):
        k = len(kernel)
        row = x.reshape(1, 1, -1, 1)
        return ops.conv2d(row, kernel.reshape(1, -1, 1, 1), padding=((0, 0), (k - 1, k - 1)))

    assert_close(full(a, b[::-1]).ravel(), np.convolve(a, b), 1e-13, 1e-14)
    assert_close(full(b, a[::-1]).ravel(), np.convolve(a, b), 1e-13, 1e-14)
    assert np.abs(full(a, b).ravel() - np.convolve(a, b)).max() > 0.1


def test_one_by_one_is_a_dense_layer_over_channels(rng):
    for level in levels():
        x = rng.standard_normal((2, 5, 7, 19)).astype("float32")
        mix = rng.standard_normal((19, 11)).astype("float32")
        bias = rng.standard_normal(11).astype("float32")
        y = ops.conv2d(x, mix[None, None], bias)
        right = x.astype("float64").reshape(-1, 19) @ mix.astype("float64") + bias
        assert_accurate(y.reshape(-1, 11), right, "float32", level)
        assert_accurate(ops.dense(x.reshape(-1, 19), mix, bias), right, "float32", level)


@pytest.mark.parametrize("kernel_size", [3, 5])
def test_translation_equivariance_is_exact(rng, kernel_size, monkeypatch):
    """Shifted input, shifted map: the same bits, since every place adds in the same order.

    Direct summation: Winograd's tiles round by a place's position in its tile.
    """
    monkeypatch.setenv("CNNFAST_CONV", "prefer:direct")
    picture = np.zeros((1, 26, 27, 3), "float32")
    picture[0, 8:17, 7:15] = rng.standard_normal((9, 8, 3))
    kernel = rng.standard_normal((kernel_size, kernel_size, 3, 10)).astype("float32")
    for level in levels():
        maps = ops.conv2d(picture, kernel, padding="same")
        assert np.abs(maps).max() > 1
        for move in ((1, 0), (0, 1), (4, -3), (-5, 6)):
            moved = ops.conv2d(np.roll(picture, move, (1, 2)), kernel, padding="same")
            assert np.array_equal(moved, np.roll(maps, move, (1, 2))), (move, level)
        # Stride 2: a shift by an even number is half of it in the map.
        halved = ops.conv2d(picture, kernel, padding=kernel_size // 2, strides=2)
        moved = np.roll(picture, (4, -2), (1, 2))
        moved = ops.conv2d(moved, kernel, padding=kernel_size // 2, strides=2)
        assert np.array_equal(moved, np.roll(halved, (2, -1), (1, 2))), level


def with_zeros(kernel, dh, dw):
    """The kernel with d - 1 zeros between its taps."""
    kh, kw = kernel.shape[:2]
    wide = np.zeros(((kh - 1) * dh + 1, (kw - 1) * dw + 1, *kernel.shape[2:]), kernel.dtype)
    wide[::dh, ::dw] = kernel
    return wide


@pytest.mark.parametrize("dilation", [2, 3, (1, 4), (3, 2)])
@pytest.mark.parametrize("strides", [1, 2])
def test_dilation_is_a_kernel_with_zeros_inserted(rng, dilation, strides):
    dh, dw = (dilation, dilation) if isinstance(dilation, int) else dilation
    for padding in ("valid", "same", ((2, 1), (0, 3))):
        x = rng.standard_normal((2, 13, 14, 3))
        kernel = rng.standard_normal((3, 2, 3, 5))
        wide = with_zeros(kernel, dh, dw)
        plain = {"strides": strides, "padding": padding}
        dilated = {**plain, "dilation_rate": dilation}
        y = ops.conv2d(x, kernel, **dilated)
        assert_close(y, ops.conv2d(x, wide, **plain), 1e-12, 1e-12)
        dy = rng.standard_normal(y.shape)
        dx = ops.conv2d_backward_input(dy, kernel, x.shape, **dilated)
        assert_close(dx, ops.conv2d_backward_input(dy, wide, x.shape, **plain), 1e-12, 1e-12)
        dw_ = ops.conv2d_backward_kernel(x, dy, kernel.shape, **dilated)
        right = ops.conv2d_backward_kernel(x, dy, wide.shape, **plain)[::dh, ::dw]
        assert_close(dw_, right, 1e-12, 1e-12)
        # float32 takes the fast kernels.
        narrow = ops.conv2d(x.astype("float32"), kernel.astype("float32"), **dilated)
        assert_accurate(narrow, y, "float32")


def test_backward_is_full_correlation_with_the_flipped_kernel(rng):
    """By hand (docs/backward-convolution.md), then with channels."""
    x = np.array([[1, 2, 0], [0, 1, 3], [2, 1, 1]], "float32")[None, :, :, None]
    kernel = np.array([[1, 2], [-1, 1]], "float32")[:, :, None, None]
    dy = np.array([[1, 2], [0, -1]], "float32")[None, :, :, None]
    for level in levels():
        dx = ops.conv2d_backward_input(dy, kernel, x.shape)
        assert dx[0, :, :, 0].tolist() == [[1, 4, 4], [-1, -2, 0], [0, 1, -1]], level
        dw = ops.conv2d_backward_kernel(x, dy, kernel.shape)
        assert dw[:, :, 0, 0].tolist() == [[4, -1], [1, 6]], level
    kernel, dy = rng.standard_normal((3, 4, 3, 6)), rng.standard_normal((2, 5, 6, 6))
    flipped = np.ascontiguousarray(kernel[::-1, ::-1].transpose(0, 1, 3, 2))
    full = ops.conv2d(dy, flipped, padding=((2, 2), (3, 3)))
    dx = ops.conv2d_backward_input(dy, kernel, (2, 7, 9, 3))
    assert_close(full, dx, 1e-12, 1e-12)


MATRICES = [
    ((6, 7, 2), (3, 3, 2, 3), {}),
    ((7, 8, 2), (3, 2, 2, 3), {"strides": 2}),
    ((8, 9, 1), (2, 3, 1, 4), {"strides": (2, 3), "padding": "same"}),
    ((8, 8, 3), (3, 3, 3, 2), {"strides": 2, "padding": 1}),
    ((8, 9, 2), (3, 2, 2, 2), {"dilation_rate": (2, 3)}),
    ((8, 6, 4), (3, 3, 2, 6), {"groups": 2, "strides": 2, "padding": "same"}),
    ((9, 8, 2), (2, 2, 2, 3), {"strides": 3, "dilation_rate": 2, "padding": ((1, 0), (0, 2))}),
]


@pytest.mark.parametrize(("size", "shape", "options"), MATRICES, ids=str)
def test_transposed_convolution_is_the_transposed_matrix(rng, size, shape, options):
    """V from conv2d of every unit picture; conv2d_transpose is V^T, to rounding."""
    kernel = rng.standard_normal(shape)
    units = np.eye(int(np.prod(size))).reshape(-1, *size)
    maps = ops.conv2d(units, kernel, **options)
    matrix = maps.reshape(len(units), -1).T  # (outputs, inputs)
    y = rng.standard_normal((1, *maps.shape[1:]))
    right = (matrix.T @ y.ravel()).reshape(1, *size)
    assert_close(ops.conv2d_backward_input(y, kernel, (1, *size), **options), right, 1e-12, 1e-12)
    missing = None  # "same" gives the strides' multiple
    if options.get("padding") != "same":
        # The output padding that gives this size back, where conv2d dropped rows at the end.
        bare = ops.conv2d_transpose(y, kernel, output_padding=0, **options).shape
        missing = (size[0] - bare[1], size[1] - bare[2])
    y32, kernel32 = y.astype("float32"), kernel.astype("float32")
    back = ops.conv2d_transpose(y, kernel, output_padding=missing, **options)
    assert_close(back, right, 1e-12, 1e-12)
    for level in levels():
        back = ops.conv2d_transpose(y32, kernel32, output_padding=missing, **options)
        assert_accurate(back, right, "float32", level)


def test_a_large_picture_has_24_800_400_features():
    trace = cnnfast.Sequential(
        [cnnfast.Input((500, 500, 1)), cnnfast.layers.Conv2D(100, 3, name="filters")]
    )
    assert trace.output_shape == (None, 498, 498, 100)
    assert np.prod(trace.output_shape[1:]) == 24_800_400
    trace.add(cnnfast.layers.MaxPooling2D(10))
    assert np.prod(trace.output_shape[1:]) == 240_100
    assert trace.count_params() == 1000
