"""A convolution behind max pooling: its gradients are summed over what pooling left."""

from dataclasses import dataclass

import numpy as np
import pytest

from check import assert_accurate
from cnnfast import _trace, ops, runtime
from ops.levels import levels
from oracle import convolution, pooling


@dataclass(frozen=True)
class Case:
    batch: int
    size: tuple[int, int]
    channels: int
    kernel: tuple[int, int]
    filters: int
    pool: int = 2
    pool_strides: int = 2
    strides: tuple[int, int] = (1, 1)
    padding: str = "valid"
    dilation: tuple[int, int] = (1, 1)

    @property
    def options(self):
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation,
        }

    def operands(self, rng):
        """x, kernel, the convolution and the gradient of its pooled map; some of that are zero."""
        x = rng.standard_normal((self.batch, *self.size, self.channels)).astype("float32")
        w = rng.standard_normal((*self.kernel, self.channels, self.filters)).astype("float32")
        y = convolution.conv2d(x, w, **self.options).astype("float32")
        pooled = pooling.max_pool2d(y, self.pool, self.pool_strides)
        dy = rng.standard_normal(pooled.shape).astype("float32")
        dy[rng.random(dy.shape) < 0.3] = 0
        dy[..., :1, :, :] = 0  # whole places, too
        return x, w, y, dy


CASES = [
    Case(1, (13, 13), 32, (3, 3), 64),
    Case(5, (13, 11), 32, (3, 3), 64),
    Case(16, (8, 8), 64, (5, 5), 64, padding="same"),
    Case(3, (9, 7), 20, (3, 3), 70, padding="same"),
    Case(2, (12, 12), 3, (5, 5), 9),
    Case(2, (15, 14), 17, (2, 4), 33, pool=3, pool_strides=2, padding="same"),
    Case(4, (17, 16), 16, (3, 2), 16, strides=(2, 1)),
    Case(4, (17, 16), 24, (3, 3), 16, padding="same", dilation=(2, 3)),
    Case(2, (6, 6), 130, (1, 1), 5),
    # Rows so wide that a few of them are taken at a time, and rows that no window reaches.
    Case(2, (40, 320), 3, (3, 3), 16, padding="same"),
    Case(1, (61, 320), 5, (5, 3), 8, strides=(2, 1)),
    Case(1, (70, 320), 4, (2, 2), 8, strides=(3, 1)),
    Case(1, (50, 320), 4, (3, 2), 8, padding="same", dilation=(3, 2)),
]


def plan_of(case, x, w, y, dy):
    """A plan of both gradients of the convolution behind the pooling."""
    trace = _trace.Trace()
    tensors = [trace.input(a.shape, "float32", f"input {i}") for i, a in enumerate((x, w, y, dy))]
    dz = ops.max_pool2d_backward(
        tensors[2], tensors[3], case.pool, strides=case.pool_strides, padding="valid"
    )
    dx = ops.conv2d_backward_input(dz, tensors[1], x.shape, **case.options)
    dw = ops.conv2d_backward_kernel(tensors[0], dz, w.shape, **case.options)
    return trace.plan([dx, dw])


def right(case, x, w, y, dy):
    dz = pooling.max_pool2d_backward(y, dy, case.pool, case.pool_strides)
    return (
        convolution.conv2d_backward_input(dz, w, x.shape, **case.options),
        convolution.conv2d_backward_kernel(x, dz, w.shape, **case.options),
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gradients(case, rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", "prefer:sparse")
    operands = case.operands(rng)
    expected = right(case, *operands)
    for level in levels((1, 2, 3)):
        plan = plan_of(case, *operands)
        steps = [s for s in plan.steps() if s["op"].startswith("conv2d")]
        assert {s["implementation"] for s in steps} == {"sparse"}, level
        for found, value in zip(plan.run(*operands), expected, strict=True):
            assert_accurate(found, value, "float32", level)


def test_same_bits_for_any_number_of_threads_when_deterministic(rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", "prefer:sparse")
    operands = CASES[1].operands(rng)
    runtime.set_deterministic(True)
    try:
        runtime.set_num_threads(1)
        alone = plan_of(CASES[1], *operands).run(*operands)
        for threads in (2, 3):
            runtime.set_num_threads(threads)
            for one, other in zip(alone, plan_of(CASES[1], *operands).run(*operands), strict=True):
                assert np.array_equal(one, other), threads
    finally:
        runtime.set_deterministic(False)


def implementations(plan, op):
    return {s["implementation"] for s in plan.steps() if s["op"] == op}


@pytest.mark.parametrize("op", ["conv2d_backward_input", "conv2d_backward_kernel"])
def test_chosen_behind_pooling_alone(op, rng):
    """Of a network; not where the gradient has other sources, too."""

    def gradients(x, w, both):
        trace = _trace.Trace()
        tensors = [trace.input(a.shape, "float32", f"input {i}") for i, a in enumerate((x, w))]
        with trace.active():
            y = ops.relu(ops.conv2d(*tensors))
            value = ops.sum(ops.square(ops.max_pool2d(y, 2)))
            if both:
                value = ops.add(value, ops.sum(ops.square(y)))
            return trace.plan([value, *trace.gradients(value, tensors)])

    x = rng.standard_normal((8, 12, 12, 32)).astype("float32")
    w = rng.standard_normal((3, 3, 32, 32)).astype("float32")
    for level in levels():
        assert implementations(gradients(x, w, False), op) == {"sparse"}, level
        assert "sparse" not in implementations(gradients(x, w, True), op), level


def test_nothing_is_lost(rng):
    """NaN and infinity of a gradient are values."""
    case = CASES[0]
    x, w, y, dy = case.operands(rng)
    dy[0, 2, 3, 4], dy[0, 4, 4, 5] = np.nan, np.inf
    for level in levels():
        dx, dw = plan_of(case, x, w, y, dy).run(x, w, y, dy)
        assert np.isnan(dw[..., 4]).all() and not np.isfinite(dw[..., 5]).any(), level
        assert np.isfinite(dw[..., 6:]).all(), level
        assert np.isnan(dx).any() and np.isfinite(dx[:, :3]).all(), level
