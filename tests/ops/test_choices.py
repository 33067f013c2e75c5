"""Which implementation runs, and what must not change with it: the result, and its bits."""

import numpy as np
import pytest

from check import assert_accurate
from cnnfast import _core, ops, runtime
from oracle import convolution
from oracle.cases import CONVOLUTIONS

IMPLEMENTATIONS = [
    "direct", "winograd", "sparse", "planar", "overlap", "doubling", "depthwise", "inside",
    "reference",
]  # fmt: skip


@pytest.fixture
def switches():
    yield
    runtime.set_deterministic(False)
    runtime.set_math("default")


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_convolution_that_can_run_is_right(implementation, rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", f"prefer:{implementation}")
    for case in CONVOLUTIONS:
        if implementation == "reference" and np.prod(case.x) > 3000:
            continue  # slow, and the same loop for every shape
        x = rng.standard_normal(case.x).astype("float32")
        w = (rng.standard_normal(case.w) / np.sqrt(np.prod(case.w[:3]))).astype("float32")
        right = convolution.conv2d(x, w, **case.options)
        dy = rng.standard_normal(right.shape).astype("float32")
        dx = convolution.conv2d_backward_input(dy, w, x.shape, **case.options)
        dw = convolution.conv2d_backward_kernel(x, dy, w.shape, **case.options)
        runtime.set_num_threads(2)
        for isa in _core.supported_isas():
            runtime.set_isa(isa)
            what = f"{implementation}, {case}, {isa}"
            assert_accurate(ops.conv2d(x, w, **case.options), right, "float32", what)
            ours = ops.conv2d_backward_input(dy, w, x.shape, **case.options)
            assert_accurate(ours, dx, "float32", f"dx, {what}")
            ours = ops.conv2d_backward_kernel(x, dy, w.shape, **case.options)
            assert_accurate(ours, dw, "float32", f"dw, {what}")


def test_forcing_what_cannot_run_is_an_error(monkeypatch):
    x, w = np.ones((1, 5, 5, 3), "float32"), np.ones((1, 1, 3, 2), "float32")
    monkeypatch.setenv("CNNFAST_CONV", "force:winograd")
    with pytest.raises(ValueError, match="winograd"):
        ops.conv2d(x, w)
    monkeypatch.setenv("CNNFAST_CONV", "prefer:winograd")
    assert np.array_equal(ops.conv2d(x, w), np.full((1, 5, 5, 2), 3.0))
    monkeypatch.setenv("CNNFAST_CONV", "force:nonsense")
    with pytest.raises(ValueError, match="nonsense"):
        ops.conv2d(x, w)


def _results(rng):
    x = rng.standard_normal((5, 17, 19, 7)).astype("float32")
    w = rng.standard_normal((3, 3, 7, 21)).astype("float32")
    y = ops.conv2d(x, w, padding="same")
    rows = x.reshape(-1, 7)
    return {
        "conv2d": y,
        "backward_input": ops.conv2d_backward_input(y, w, x.shape, padding="same"),
        "backward_kernel": ops.conv2d_backward_kernel(x, y, w.shape, padding="same"),
        "dense": ops.dense(rows, w[0, 0]),
        "dense_backward_kernel": ops.dense_backward_kernel(rows, rows),
        "sum": ops.sum(x),
        "sum over rows": ops.sum(x, (0, 1, 2)),
        "mean": ops.mean(x, 3),
        "max_pool2d": ops.max_pool2d(x, 3, strides=2, padding="same"),
        "softmax": ops.softmax(rows),
        "tanh": ops.tanh(x),
    }


def test_same_bits_twice():
    for isa in _core.supported_isas():
        runtime.set_isa(isa)
        for threads in (1, 2):
            runtime.set_num_threads(threads)
            first, again = (_results(np.random.default_rng(1)) for _ in range(2))
            for name, y in first.items():
                assert np.array_equal(y, again[name]), f"{name}, {isa}, {threads} threads"


def test_same_bits_for_any_number_of_threads_when_deterministic(switches):
    runtime.set_deterministic(True)
    for isa in _core.supported_isas():
        runtime.set_isa(isa)
        runtime.set_num_threads(1)
        alone = _results(np.random.default_rng(1))
        for threads in (2, 3):
            runtime.set_num_threads(threads)
            for name, y in _results(np.random.default_rng(1)).items():
                assert np.array_equal(y, alone[name]), f"{name}, {isa}, {threads} threads"


def test_strict_math_is_direct_summation(switches, rng):
    x = rng.standard_normal((1, 24, 24, 32)).astype("float32")
    w = rng.standard_normal((3, 3, 32, 32)).astype("float32")
    right = convolution.conv2d(x, w, padding="same")
    runtime.set_math("strict")
    y = ops.conv2d(x, w, padding="same")
    error = np.linalg.norm(y - right) / np.linalg.norm(right)
    assert error < 1e-6
