"""A convolution of few channels that pools its own result, against the same op by op."""

import numpy as np
import pytest

from cnnfast import _trace, ops, runtime
from ops.levels import levels

# x, kernel, options: odd rows and columns that no window takes, row strides, dilated taps, rows in
# several bands, rows of several tiles.
CASES = [
    ((1, 28, 28, 1), (5, 5), {"padding": "same"}),
    ((3, 9, 37, 2), (3, 5), {"padding": ((1, 2), (3, 0))}),
    ((2, 12, 21, 3), (3, 2), {"padding": "valid", "dilation_rate": (2, 1)}),
    ((1, 23, 16, 2), (4, 3), {"padding": "same", "strides": (3, 1)}),
    ((5, 2, 3, 4), (1, 1), {"padding": "valid"}),
    ((1, 41, 500, 3), (2, 2), {"padding": "valid"}),
]
MOST_FILTERS = {"baseline": 2, "avx2": 6, "avx512": 8}  # of a kernel over the pixels of rows
POOLS = {"avg_pool2d": ops.avg_pool2d, "max_pool2d": ops.max_pool2d}


def plan_of(given, network):
    trace = _trace.Trace()
    tensors = [trace.input(a.shape, "float32", f"input {i}") for i, a in enumerate(given)]
    with trace.active():
        outputs = network(*tensors)
    return trace.plan(outputs)


def ops_of(plan):
    return [step["op"] for step in plan.steps()]


def operands(rng, shape, kernel, filters):
    x = rng.standard_normal(shape, dtype=np.float32)
    w = rng.standard_normal((*kernel, shape[-1], filters), dtype=np.float32)
    return x, w, rng.standard_normal(filters, dtype=np.float32)


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("filters", range(1, 9))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_bits_are_those_of_one_op_after_the_other(case, filters, pool, rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", "prefer:planar")
    shape, kernel, options = case
    given = operands(rng, shape, kernel, filters)
    for level in levels():
        plan = plan_of(
            given, lambda x, w, b: [POOLS[pool](ops.tanh(ops.conv2d(x, w, b, **options)), 2)]
        )
        right = POOLS[pool](ops.tanh(ops.conv2d(*given, **options)), 2)
        assert np.array_equal(plan.run(*given)[0], right), level
        assert (ops_of(plan) == ["conv2d"]) == (filters <= MOST_FILTERS[runtime.isa()]), level


def test_lenet_begins_with_one_step(rng):
    """Without being asked, wherever its first convolution runs over the pixels of rows."""
    given = operands(rng, (1, 28, 28, 1), (5, 5), 6)
    for level in levels():
        network = lambda x, w, b: [ops.avg_pool2d(ops.tanh(ops.conv2d(x, w, b)), 2)]  # noqa: E731
        found = ops_of(plan_of(given, network))
        vectors_over_channels = level.startswith("baseline")
        assert found == (["conv2d"] * 2 + ["avg_pool2d"] if vectors_over_channels else ["conv2d"])


@pytest.mark.parametrize("activation", [ops.relu, lambda x: x])
def test_not_a_number_wins(activation, rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", "prefer:planar")
    x, w, b = operands(rng, (1, 8, 40, 1), (1, 1), 2)
    x[0, ::3, ::5] = np.nan
    x[0, 1, ::7] = np.inf
    x[0, 2, ::7] = -np.inf
    for level in levels():
        network = lambda x, w, b: [ops.max_pool2d(activation(ops.conv2d(x, w, b)), 2)]  # noqa: E731
        plan = plan_of((x, w, b), network)
        assert ops_of(plan) == ["conv2d"], level
        right = ops.max_pool2d(activation(ops.conv2d(x, w, b)), 2)
        assert np.isnan(right).any() and not np.isnan(right).all()
        assert np.array_equal(plan.run(x, w, b)[0], right, equal_nan=True), level


LEFT_ALONE = {
    "windows of 3": lambda y: [ops.avg_pool2d(y, 3)],
    "windows that overlap": lambda y: [ops.avg_pool2d(y, 2, strides=1)],
    "padding": lambda y: [ops.avg_pool2d(y, 2, padding="same")],
    "a map that others read": lambda y: [ops.avg_pool2d(y, 2), ops.sum(y)],
    "a map that is wanted": lambda y: [ops.avg_pool2d(y, 2), y],
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_left_alone(case, rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", "prefer:planar")
    given = operands(rng, (2, 9, 21, 1), (3, 3), 2)
    plan = plan_of(given, lambda x, w, b: LEFT_ALONE[case](ops.relu(ops.conv2d(x, w, b))))
    assert "avg_pool2d" in ops_of(plan)


def test_a_gradient_needs_the_places_of_the_largest(rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", "prefer:planar")
    given = operands(rng, (2, 9, 21, 1), (3, 3), 2)
    trace = _trace.Trace()
    tensors = [trace.input(a.shape, "float32", f"input {i}") for i, a in enumerate(given)]
    with trace.active():
        value = ops.sum(ops.max_pool2d(ops.relu(ops.conv2d(*tensors)), 2))
        plan = trace.plan([value, *trace.gradients(value, tensors)])
    assert "max_pool2d" in ops_of(plan)


@pytest.mark.parametrize("wish", ["force:direct", "exclude:planar", "force:winograd"])
def test_whoever_wants_another_way_gets_it(wish, rng, monkeypatch):
    monkeypatch.setenv("CNNFAST_CONV", wish)
    given = operands(rng, (2, 9, 21, 1), (3, 3), 2)
    plan = plan_of(given, lambda x, w, b: [ops.avg_pool2d(ops.conv2d(x, w, b), 2)])
    assert "avg_pool2d" in ops_of(plan)
    assert "planar [" not in plan.explain()
