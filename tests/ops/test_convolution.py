"""Convolution and its gradients against the oracle, at every instruction set."""

import numpy as np
import pytest

import cnnfast
from check import assert_accurate, assert_close
from cnnfast import ops
from ops.levels import levels
from oracle import convolution
from oracle.cases import CONVOLUTIONS


def _operands(case, rng, dtype):
    x = rng.standard_normal(case.x).astype(dtype)
    w = (rng.standard_normal(case.w) / np.sqrt(np.prod(case.w[:3]))).astype(dtype)
    b = rng.standard_normal(case.w[3]).astype(dtype)
    dy = rng.standard_normal(convolution.conv2d(x, w, **case.options).shape).astype(dtype)
    return x, w, b, dy


def _right(case, x, w, b, dy):
    options = case.options
    return {
        "conv2d": convolution.conv2d(x, w, **options),
        "conv2d with bias": convolution.conv2d(x, w, b, **options),
        "backward_input": convolution.conv2d_backward_input(dy, w, x.shape, **options),
        "backward_kernel": convolution.conv2d_backward_kernel(x, dy, w.shape, **options),
    }


def _ours(case, x, w, b, dy):
    options = case.options
    return {
        "conv2d": ops.conv2d(x, w, **options),
        "conv2d with bias": ops.conv2d(x, w, b, **options),
        "backward_input": ops.conv2d_backward_input(dy, w, x.shape, **options),
        "backward_kernel": ops.conv2d_backward_kernel(x, dy, w.shape, **options),
    }


def test_float32(rng):
    cases = []
    for case in CONVOLUTIONS:
        operands = _operands(case, rng, "float32")
        cases.append((case, operands, _right(case, *operands)))
    for level in levels():
        for case, operands, right in cases:
            for name, y in _ours(case, *operands).items():
                assert_accurate(y, right[name], "float32", f"{name}, {case}, {level}")


def test_float64(rng):
    for case in CONVOLUTIONS:
        operands = _operands(case, rng, "float64")
        right = _right(case, *operands)
        for name, y in _ours(case, *operands).items():
            assert_accurate(y, right[name], "float64", f"{name}, {case}")


def test_adjoint_identities(rng):
    """<conv(x, w), dy> = <x, backward_input(dy, w)> = <w, backward_kernel(x, dy)>."""
    for case in CONVOLUTIONS:
        x, w, _, dy = _operands(case, rng, "float64")
        forward = np.vdot(ops.conv2d(x, w, **case.options), dy)
        through_x = np.vdot(ops.conv2d_backward_input(dy, w, x.shape, **case.options), x)
        through_w = np.vdot(ops.conv2d_backward_kernel(x, dy, w.shape, **case.options), w)
        size = np.linalg.norm(dy) * np.linalg.norm(x)
        assert abs(forward - through_x) <= 1e-12 * size, case
        assert abs(forward - through_w) <= 1e-12 * size, case


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "leaky_relu", "sigmoid"])
def test_gradients_of_a_traced_function(rng, activation):
    """What the graph derives is what the oracle says, with an activation fused or not."""
    from oracle.elementwise import ACTIVATIONS

    function, derivative = ACTIVATIONS.get(activation, (lambda z: z, np.ones_like))
    for case in CONVOLUTIONS[::3]:
        x, w, b, dy = _operands(case, rng, "float32")
        z = convolution.conv2d(x, w, b, **case.options)

        def loss(x, w, b, case=case, dy=dy):
            z = ops.conv2d(x, w, b, **case.options)
            y = z if activation == "linear" else getattr(ops, activation)(z)
            return ops.sum(y * dy)

        value, (dx, dw, db) = cnnfast.value_and_grad(loss, argnums=(0, 1, 2))(x, w, b)
        dz = dy * derivative(z)
        size = float(np.abs(function(z) * dy).sum())
        assert_close(value, np.sum(function(z) * dy), 0, 1e-5 * size, what=str(case))
        right = convolution.conv2d_backward_input(dz, w, x.shape, **case.options)
        assert_accurate(dx, right, "float32", f"dx, {case}")
        right = convolution.conv2d_backward_kernel(x, dz, w.shape, **case.options)
        assert_accurate(dw, right, "float32", f"dw, {case}")
        # A sum of signed values: its error is measured against what was added up.
        added = np.abs(dz).sum(axis=(0, 1, 2))
        assert_close(db, dz.sum(axis=(0, 1, 2)), 0, 1e-5 * added.max(), what=f"db, {case}")


def test_channels_first(rng):
    for case in CONVOLUTIONS[:4] + CONVOLUTIONS[-5:]:
        x, w, b, dy = _operands(case, rng, "float32")
        options = {**case.options, "data_format": "channels_first"}
        turned, dy_turned = (np.ascontiguousarray(np.moveaxis(v, 3, 1)) for v in (x, dy))
        right = _right(case, x, w, b, dy)
        y = ops.conv2d(turned, w, b, **options)
        assert_accurate(y, np.moveaxis(right["conv2d with bias"], 3, 1), "float32", str(case))
        dx = ops.conv2d_backward_input(dy_turned, w, turned.shape, **options)
        assert_accurate(dx, np.moveaxis(right["backward_input"], 3, 1), "float32", str(case))
        dw = ops.conv2d_backward_kernel(turned, dy_turned, w.shape, **options)
        assert_accurate(dw, right["backward_kernel"], "float32", str(case))


def test_empty_batch():
    w = np.ones((3, 3, 2, 4), "float32")
    x = np.zeros((0, 5, 5, 2), "float32")
    assert ops.conv2d(x, w).shape == (0, 3, 3, 4)
    dy = np.zeros((0, 3, 3, 4), "float32")
    assert ops.conv2d_backward_input(dy, w, x.shape).shape == x.shape
    assert_close(ops.conv2d_backward_kernel(x, dy, w.shape), np.zeros(w.shape), 0, 0)


def test_same_as_explicit_and_integer_padding(rng):
    x = rng.standard_normal((2, 7, 8, 3)).astype("float32")
    w = rng.standard_normal((3, 3, 3, 4)).astype("float32")
    same = ops.conv2d(x, w, padding="same")
    for padding in ("SAME", 1, np.int64(1), (1, 1), ((1, 1), (1, 1)), [[1, 1], [1, 1]]):
        assert np.array_equal(ops.conv2d(x, w, padding=padding), same), padding


def test_keras_spelling(rng):
    x = rng.standard_normal((2, 7, 8, 4)).astype("float32")
    w = rng.standard_normal((3, 3, 2, 6)).astype("float32")
    y = ops.conv(x, w, 2, "same")
    assert np.array_equal(y, ops.conv2d(x, w, strides=2, padding="same", groups=2))


def test_depthwise(rng):
    x = rng.standard_normal((2, 7, 8, 5))
    w = rng.standard_normal((3, 2, 5, 3))
    b = rng.standard_normal(15)
    y = ops.depthwise_conv2d(x, w, b, strides=2, padding="same")
    for channel in range(5):
        part = slice(3 * channel, 3 * channel + 3)
        right = convolution.conv2d(
            x[..., channel : channel + 1], w[:, :, channel : channel + 1], b[part], 2, "same"
        )
        assert_accurate(y[..., part], right, "float64", f"channel {channel}")


def test_depthwise_beyond_the_caches(rng):
    """Results of 16 MiB go past the caches; those of one image do not, and are the same."""
    for channels in (32, 20):
        x = rng.standard_normal((9, 130, 125, channels), "float32")
        w = rng.standard_normal((3, 3, 1, channels), "float32")
        b = rng.standard_normal(channels, "float32")
        for level in levels():
            for stride in (1, 2, (1, 2)):  # (1, 2): pixels are aligned, rows of 20 channels not
                how = {"strides": stride, "padding": "same", "groups": channels}
                y = ops.conv2d(x, w, b, **how)
                dx = ops.conv2d_backward_input(y, w, x.shape, **how)
                for i in range(len(x)):
                    one, shape = slice(i, i + 1), (1, *x.shape[1:])
                    what = f"{level}, {channels} channels, stride {stride}, image {i}"
                    assert np.array_equal(y[one], ops.conv2d(x[one], w, b, **how)), what
                    alone = ops.conv2d_backward_input(y[one], w, shape, **how)
                    assert np.array_equal(dx[one], alone), what


def test_transpose_against_torch(rng):
    torch = pytest.importorskip("torch")
    for strides, padding, extra, dilation, groups in [
        (1, 0, None, 1, 1),
        (2, 0, 1, 1, 1),
        (3, 1, 2, 1, 2),
        (2, 2, 0, 2, 1),
        ((2, 3), 1, (1, 0), 1, 2),
    ]:
        x = rng.standard_normal((2, 4, 5, 6))
        w = rng.standard_normal((3, 3, 4, 6))  # (KH, KW, K / groups, C)
        b = rng.standard_normal(4 * groups)
        y = ops.conv2d_transpose(
            x,
            w,
            b,
            strides=strides,
            padding=padding,
            output_padding=0 if extra is None else extra,
            dilation_rate=dilation,
            groups=groups,
        )
        expected = torch.nn.functional.conv_transpose2d(
            torch.from_numpy(np.moveaxis(x, 3, 1).copy()),
            torch.from_numpy(w.transpose(3, 2, 0, 1).copy()),
            torch.from_numpy(b),
            stride=strides,
            padding=padding,
            output_padding=extra or 0,
            dilation=dilation,
            groups=groups,
        )
        assert_close(y, np.moveaxis(expected.numpy(), 1, 3), 1e-11, 1e-11)


def test_transpose_sizes_are_keras():
    x, w = np.ones((1, 5, 4, 2), "float32"), np.ones((3, 3, 7, 2), "float32")
    assert ops.conv2d_transpose(x, w, strides=2, padding="same").shape == (1, 10, 8, 7)
    assert ops.conv2d_transpose(x, w, strides=2).shape == (1, 11, 9, 7)
    assert ops.conv2d_transpose(x, w, strides=4).shape == (1, 20, 16, 7)


@pytest.mark.parametrize("images", [1, 2, 9])
@pytest.mark.parametrize(("channels", "taps"), [(32, 3), (256, 1), (12, 5)])
def test_deterministic_kernel_gradient_at_any_number_of_threads(images, channels, taps):
    """Few images are shared by tiles or channels, unless the sums would then change.

    The work is enough for a plan of several threads.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, 33, 33, channels), dtype=np.float32)
    dy = rng.standard_normal((images, 33, 33, 64), dtype=np.float32)
    threads = cnnfast.runtime.get_num_threads()
    results = []
    cnnfast.runtime.set_deterministic(True)
    try:
        for count in (1, 2, 3):
            cnnfast.runtime.set_num_threads(count)
            results.append(
                ops.conv2d_backward_kernel(x, dy, (taps, taps, channels, 64), padding=taps // 2)
            )
    finally:
        cnnfast.runtime.set_deterministic(False)
        cnnfast.runtime.set_num_threads(threads)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
