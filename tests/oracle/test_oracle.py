"""The oracle against torch, in float64. Who watches the watchmen: somebody else's code."""

import numpy as np
import pytest

from check import assert_close, numeric_gradient
from oracle import convolution, elementwise, loss, philox, pooling
from oracle.cases import CONVOLUTIONS, POOLINGS
from oracle.windows import Windows, pair

torch = pytest.importorskip("torch")
functional = torch.nn.functional


def _first(x):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def _last(x):
    return np.moveaxis(x.detach().numpy(), 1, -1)


def test_convolution(rng):
    for case in CONVOLUTIONS:
        x, w = rng.standard_normal(case.x), rng.standard_normal(case.w)
        b = rng.standard_normal(case.w[3])
        options = dict(strides=1, padding="valid", dilation_rate=1, groups=1) | case.options
        at = Windows(
            case.x[1:3],
            case.w[:2],
            options["strides"],
            options["padding"],
            options["dilation_rate"],
        )
        (top, bottom), (left, right) = at.pads
        tx = _first(x).requires_grad_()
        tw = torch.from_numpy(w.transpose(3, 2, 0, 1).copy()).requires_grad_()
        y = functional.conv2d(
            functional.pad(tx, (left, right, top, bottom)),
            tw,
            torch.from_numpy(b),
            stride=at.strides,
            dilation=at.dilation,
            groups=options["groups"],
        )
        assert_close(convolution.conv2d(x, w, b, **options), _last(y), 1e-12, 1e-12, what=str(case))
        dy = rng.standard_normal(_last(y).shape)
        y.backward(_first(dy))
        dx = convolution.conv2d_backward_input(dy, w, case.x, **options)
        assert_close(dx, _last(tx.grad), 1e-12, 1e-12, what=str(case))
        dw = convolution.conv2d_backward_kernel(x, dy, case.w, **options)
        assert_close(dw, tw.grad.numpy().transpose(2, 3, 1, 0), 1e-12, 1e-11, what=str(case))


def test_max_pooling(rng):
    for case in POOLINGS:
        x = rng.integers(0, 5, case.x).astype(float)  # many ties
        options = dict(strides=None, padding="valid") | case.options
        window = pair(options["pool_size"])
        at = Windows(case.x[1:3], window, options["strides"] or window, options["padding"])
        (top, bottom), (left, right) = at.pads
        tx = _first(x).requires_grad_()
        padded = functional.pad(tx, (left, right, top, bottom), value=-np.inf)
        y = functional.max_pool2d(padded, window, at.strides)
        assert_close(pooling.max_pool2d(x, **options), _last(y), 0, 0, what=str(case))
        dy = rng.standard_normal(_last(y).shape)
        y.backward(_first(dy))
        dx = pooling.max_pool2d_backward(x, dy, **options)
        assert_close(dx, _last(tx.grad), 1e-13, 1e-13, what=str(case))


def test_average_pooling_leaves_padding_out(rng):
    for case in POOLINGS:
        x = rng.standard_normal(case.x)
        options = dict(strides=None, padding="valid") | case.options
        window = pair(options["pool_size"])
        at = Windows(case.x[1:3], window, options["strides"] or window, options["padding"])
        (top, bottom), (left, right) = at.pads

        def total(t, at=at, window=window, pads=(left, right, top, bottom)):
            padded = functional.pad(t, pads)
            return functional.avg_pool2d(padded, window, at.strides) * (window[0] * window[1])

        tx = _first(x).requires_grad_()
        y = total(tx) / total(torch.ones_like(tx))
        assert_close(pooling.avg_pool2d(x, **options), _last(y), 1e-12, 1e-12, what=str(case))
        dy = rng.standard_normal(_last(y).shape)
        y.backward(_first(dy))
        dx = pooling.avg_pool2d_backward(dy, case.x, **options)
        assert_close(dx, _last(tx.grad), 1e-12, 1e-12, what=str(case))


def test_derivatives_of_elementwise_functions(rng):
    x = rng.uniform(-3, 3, 50)
    tables = {**elementwise.ACTIVATIONS, **elementwise.UNARY}
    for name, (f, derivative) in tables.items():
        numeric = numeric_gradient(lambda v, f=f: f(v).sum(), [x], 0)
        assert_close(derivative(x) * np.ones_like(x), numeric, 1e-6, 1e-8, what=name)
    for name, (f, derivative) in elementwise.POSITIVE.items():
        positive = np.abs(x) + 0.1
        numeric = numeric_gradient(lambda v, f=f: f(v).sum(), [positive], 0)
        assert_close(derivative(positive), numeric, 1e-6, 1e-8, what=name)


def test_crossentropy(rng):
    z, labels = rng.standard_normal((6, 5)), rng.integers(0, 5, 6)
    expected = functional.cross_entropy(
        torch.from_numpy(z), torch.from_numpy(labels), reduction="none", label_smoothing=0.1
    )
    one_hot = np.eye(5)[labels]
    assert_close(loss.categorical_crossentropy(one_hot, z, True, 0.1), expected.numpy(), 1e-12)
    plain = functional.cross_entropy(
        torch.from_numpy(z), torch.from_numpy(labels), reduction="none"
    ).numpy()
    assert_close(loss.sparse_categorical_crossentropy(labels, z, True), plain, 1e-12)
    assert_close(loss.sparse_categorical_crossentropy(labels, loss.softmax(z)), plain, 1e-12)


def test_philox_known_answers():
    # The three vectors that the paper's own library is tested with (Random123, kat_vectors).
    ones = 0xFFFFFFFF
    zeros = [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    assert philox.philox4x32([0] * 4, [0] * 2) == zeros
    full = [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert philox.philox4x32([ones] * 4, [ones] * 2) == full
    digits = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    pi = [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]
    assert philox.philox4x32(digits, [0xA4093822, 0x299F31D0]) == pi
