"""Convolutions and poolings of randomly drawn shapes against torch: values and gradients."""

import numpy as np
import pytest

import cnnfast
from cnnfast import ops
from peers.sides import agree, draws, hwio, leaf, nchw, nhwc, normal, oihw, pick, torch_module

torch = torch_module()


def sizes(rng, count, low, high):
    return tuple(int(v) for v in rng.integers(low, high + 1, count))


def ours(function, arrays, dtype):
    """[y, gradient ...] of sum(y dy); the last array is dy."""
    *arrays, dy = [None if a is None else a.astype(dtype) for a in arrays]
    given = [a for a in arrays if a is not None]

    def loss(*inputs):
        return ops.sum(function(*inputs) * dy)

    _, gradients = cnnfast.value_and_grad(loss, argnums=tuple(range(len(given))))(*given)
    return [function(*given), *gradients]


def torch_pads(pads):
    """((top, bottom), (left, right)) in torch's order."""
    (top, bottom), (left, right) = pads
    return left, right, top, bottom


def same(size, window, strides, dilation):
    """TensorFlow's SAME: ceil(size / stride) outputs, the odd zero at the end."""
    pads = []
    for n, k, s, d in zip(size, window, strides, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def convolution(rng):
    groups = pick(rng, 1, 1, 1, 2, 3)
    channels, filters = (groups * v for v in sizes(rng, 2, 1, 9))
    window, strides, dilation = sizes(rng, 2, 1, 4), sizes(rng, 2, 1, 3), sizes(rng, 2, 1, 2)
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    size = [r + extra for r, extra in zip(reach, sizes(rng, 2, 0, 9), strict=True)]
    padding = pick(rng, "valid", "same", tuple(sizes(rng, 2, 0, 3) for _ in range(2)))
    x = normal(rng, (*sizes(rng, 1, 1, 3), *size, channels))
    kernel = normal(rng, (*window, channels // groups, filters), 0.3)
    bias = pick(rng, None, normal(rng, filters))
    options = dict(strides=strides, padding=padding, dilation_rate=dilation, groups=groups)
    return x, kernel, bias, options


@pytest.mark.parametrize("rng", draws(1, 40), ids=range(40))
def test_conv2d(rng):
    x, kernel, bias, options = convolution(rng)
    window, strides, dilation = kernel.shape[:2], options["strides"], options["dilation_rate"]
    pads = {"valid": ((0, 0), (0, 0)), "same": same(x.shape[1:3], window, strides, dilation)}
    pads = pads.get(options["padding"], options["padding"])
    tx, tw = nchw(x), oihw(kernel)
    tb = None if bias is None else leaf(bias)
    padded = torch.nn.functional.pad(tx, torch_pads(pads))
    ty = torch.nn.functional.conv2d(
        padded, tw, tb, stride=strides, dilation=dilation, groups=options["groups"]
    )
    dy = normal(rng, nhwc(ty).shape)
    ty.backward(nchw(dy).detach())
    right = [nhwc(ty), nhwc(tx.grad), hwio(tw.grad)]
    right += [] if bias is None else [tb.grad.numpy()]
    for dtype in ("float32", "float64"):
        found = ours(lambda *a: ops.conv2d(*a, **options), [x, kernel, bias, dy], dtype)
        agree(found, right, dtype, f"conv2d {x.shape} {kernel.shape} {options}")


@pytest.mark.parametrize("rng", draws(2, 20), ids=range(20))
def test_conv2d_transpose(rng):
    groups = pick(rng, 1, 1, 2)
    channels, filters = (groups * v for v in sizes(rng, 2, 1, 7))
    window, strides, dilation = sizes(rng, 2, 1, 4), sizes(rng, 2, 1, 3), sizes(rng, 2, 1, 2)
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    pads = [int(rng.integers(0, (r - 1) // 2 + 1)) for r in reach]
    extra = [int(rng.integers(0, max(s, d))) for s, d in zip(strides, dilation, strict=True)]
    # Both sides want at least one row more than the padding crops.
    size = [1 + max(p, 1) for p in pads]
    extra = [min(e, s - 1) for e, s in zip(extra, strides, strict=True)]
    x = normal(rng, (*sizes(rng, 1, 1, 3), *size, channels))
    kernel = normal(rng, (*window, filters // groups, channels), 0.3)
    bias = pick(rng, None, normal(rng, filters))
    tx, tw = nchw(x), oihw(kernel)  # torch: (C, K / groups, KH, KW)
    tb = None if bias is None else leaf(bias)
    ty = torch.nn.functional.conv_transpose2d(
        tx, tw, tb, strides, pads, extra, groups=groups, dilation=dilation
    )
    dy = normal(rng, nhwc(ty).shape)
    ty.backward(nchw(dy).detach())
    right = [nhwc(ty), nhwc(tx.grad), hwio(tw.grad)]
    right += [] if bias is None else [tb.grad.numpy()]
    options = dict(strides=strides, dilation_rate=dilation, groups=groups)
    options.update(padding=tuple((p, p) for p in pads), output_padding=tuple(extra))
    for dtype in ("float32", "float64"):
        found = ours(lambda *a: ops.conv2d_transpose(*a, **options), [x, kernel, bias, dy], dtype)
        agree(found, right, dtype, f"conv2d_transpose {x.shape} {kernel.shape} {options}")


@pytest.mark.parametrize("rng", draws(3, 12), ids=range(12))
def test_depthwise_conv2d(rng):
    channels, multiplier = sizes(rng, 1, 1, 20)[0], sizes(rng, 1, 1, 3)[0]
    window, strides, dilation = sizes(rng, 2, 1, 4), sizes(rng, 2, 1, 2), sizes(rng, 2, 1, 2)
    x = normal(rng, (2, *sizes(rng, 2, 7, 12), channels))
    kernel = normal(rng, (*window, channels, multiplier), 0.3)
    tx = nchw(x)
    tw = leaf(kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, *window))
    ty = torch.nn.functional.conv2d(tx, tw, None, strides, 0, dilation, channels)
    dy = normal(rng, nhwc(ty).shape)
    ty.backward(nchw(dy).detach())
    dw = tw.grad.numpy().reshape(channels, multiplier, *window).transpose(2, 3, 0, 1)
    options = dict(strides=strides, dilation_rate=dilation)
    for dtype in ("float32", "float64"):
        found = ours(lambda *a: ops.depthwise_conv2d(*a, **options), [x, kernel, dy], dtype)
        agree(found, [nhwc(ty), nhwc(tx.grad), dw], dtype, f"depthwise {x.shape} {kernel.shape}")


@pytest.mark.parametrize("rng", draws(4, 24), ids=range(24))
def test_pooling(rng):
    """Every other picture is of few levels: full of ties, of which the first wins in both."""
    window, strides = sizes(rng, 2, 1, 4), sizes(rng, 2, 1, 3)
    pads = [int(rng.integers(0, k // 2 + 1)) for k in window]
    shape = (*sizes(rng, 1, 1, 3), *sizes(rng, 2, 4, 11), *sizes(rng, 1, 1, 18))
    few = rng.integers(-1, 2, shape).astype("float64")
    x = pick(rng, normal(rng, shape), few)
    options = dict(strides=strides, padding=tuple((p, p) for p in pads))
    for name, function, more in (
        ("max_pool2d", torch.nn.functional.max_pool2d, {}),
        ("avg_pool2d", torch.nn.functional.avg_pool2d, {"count_include_pad": False}),
    ):
        tx = nchw(x)
        ty = function(tx, window, strides, pads, **more)
        dy = normal(rng, nhwc(ty).shape)
        ty.backward(nchw(dy).detach())
        for dtype in ("float32", "float64"):

            def pooled(a, name=name):
                return getattr(ops, name)(a, window, **options)

            found = ours(pooled, [x, dy], dtype)
            agree(found, [nhwc(ty), nhwc(tx.grad)], dtype, f"{name} {x.shape} {window} {options}")


@pytest.mark.parametrize("rng", draws(5, 8), ids=range(8))
def test_global_pooling(rng):
    """A maximum that is there once: torch's amax shares the gradient among equals, as ops.max."""
    x = normal(rng, (*sizes(rng, 1, 1, 4), *sizes(rng, 2, 1, 9), *sizes(rng, 1, 1, 33)))
    for name, function in (("max", torch.amax), ("mean", torch.mean)):
        tx = leaf(x)
        ty = function(tx, dim=(1, 2))
        dy = normal(rng, ty.shape)
        ty.backward(torch.from_numpy(dy))
        for dtype in ("float32", "float64"):
            found = ours(lambda a, name=name: getattr(ops, name)(a, (1, 2)), [x, dy], dtype)
            agree(found, [ty.detach().numpy(), tx.grad.numpy()], dtype, f"{name} {x.shape}")


@pytest.mark.parametrize("rng", draws(6, 8), ids=range(8))
def test_dense(rng):
    n, inputs, units = sizes(rng, 3, 1, 70)
    x, kernel, bias = normal(rng, (n, inputs)), normal(rng, (inputs, units)), normal(rng, units)
    tx, tw, tb = leaf(x), leaf(kernel), leaf(bias)
    ty = tx @ tw + tb
    dy = normal(rng, ty.shape)
    ty.backward(torch.from_numpy(dy))
    right = [ty.detach().numpy(), tx.grad.numpy(), tw.grad.numpy(), tb.grad.numpy()]
    for dtype in ("float32", "float64"):
        agree(ours(ops.dense, [x, kernel, bias, dy], dtype), right, dtype, f"dense {x.shape}")


def test_a_wrong_result_is_seen():
    """The comparison itself: a kernel turned round, a gradient of zero."""
    rng = np.random.default_rng(0)
    x, kernel = normal(rng, (1, 5, 5, 2)), normal(rng, (3, 3, 2, 2))
    y = ops.conv2d(x, kernel)
    for wrong in (ops.conv2d(x, np.ascontiguousarray(kernel[::-1])), np.zeros_like(y), y * 1.0001):
        with pytest.raises(AssertionError, match="off by"):
            agree([wrong], [y], "float32", "wrong")
    with pytest.raises(AssertionError, match="shape"):
        agree([y[:, :1]], [y], "float32", "wrong")
