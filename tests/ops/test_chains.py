"""Chains of steps over the same images give what the ops give one by one."""

import numpy as np
import pytest
from tests.check import assert_close
from tests.ops.levels import levels

import cnnfast
from cnnfast import _trace, ops


def arrays(batch):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, 24, 24, 8), dtype=np.float32)
    kernel = rng.standard_normal((3, 3, 8, 32), dtype=np.float32)
    return x, kernel, rng.standard_normal(32, dtype=np.float32)


def network(x, kernel, bias):
    """One number in which every value of the pooled map counts."""
    y = ops.max_pool2d(ops.relu(ops.conv2d(x, kernel, bias, padding="same")), 2)
    return ops.sum(ops.multiply(y, y))


def plan_of(batch):
    """The plan of value and gradients, and its arrays."""
    given = arrays(batch)
    trace = _trace.Trace()
    tensors = [trace.input(a.shape, "float32", f"input {i}") for i, a in enumerate(given)]
    with trace.active():
        value = network(*tensors)
        outputs = [value, *trace.gradients(value, tensors)]
    return trace.plan(outputs), given


def one_by_one(x, kernel, bias):
    """The same through single ops, whose plans have no neighbours to chain."""
    z = ops.conv2d(x, kernel, bias, padding="same")
    y = ops.relu(z)
    pooled = ops.max_pool2d(y, 2)
    dy = ops.max_pool2d_backward(y, 2 * pooled, 2)
    dz = np.where(z > 0, dy, np.float32(0))
    return (
        np.sum(pooled.astype(np.float64) ** 2),
        ops.conv2d_backward_input(dz, kernel, x.shape, padding="same"),
        ops.conv2d_backward_kernel(x, dz, kernel.shape, padding="same"),
        dz.sum(axis=(0, 1, 2), dtype=np.float64),
    )


@pytest.mark.parametrize("batch", [64, 61])
def test_chains_change_nothing(batch):
    for level in levels():
        plan, given = plan_of(batch)
        chained = {step["op"] for step in plan.steps() if step["parts"] > 0}
        assert {"conv2d", "max_pool2d"} <= chained, level
        found, again = plan.run(*given), plan.run(*given)
        for one, other, right in zip(found, again, one_by_one(*given), strict=True):
            assert np.array_equal(one, other), level
            size = float(np.abs(right).max())
            assert_close(one, right, rtol=2e-5, atol=2e-5 * size, what=level)


def test_a_value_inside_a_chain_takes_little_memory():
    plan, given = plan_of(64)
    convolved = 4 * given[0].size // 8 * 32
    assert plan.arena_bytes < 2 * convolved
    assert "parts" in plan.explain()


def test_large_dense_kernels_are_updated_in_a_chain():
    """Gradient and update of a matrix of 2^20 and more values, against the same with small steps."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 1024), dtype=np.float32)
    y = rng.standard_normal((4, 1100), dtype=np.float32)
    start = rng.standard_normal((1024, 1100), dtype=np.float32) / 32
    model = cnnfast.Sequential([cnnfast.Input((1024,)), cnnfast.layers.Dense(1100, use_bias=False)])
    model.set_weights([start])
    model.compile(cnnfast.optimizers.SGD(0.5), "mse")
    chained = [s["op"] for s in model.plan(4, mode="train").steps() if s["parts"] > 0]
    assert chained == ["dense_backward_kernel", "sgd_update"]
    model.train_on_batch(x, y)
    error = x.astype(np.float64) @ start - y
    gradient = 2 * x.T.astype(np.float64) @ error / error.size
    assert_close(model.get_weights()[0], start - 0.5 * gradient, rtol=1e-5, atol=1e-7)
