"""Threads, instruction sets, switches, forked children, and life beside other OpenMP users."""

import multiprocessing
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import cnnfast
from cnnfast import _core, _trace, layers, ops, runtime


def run_python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def convolve():
    x = np.random.default_rng(0).standard_normal((8, 20, 20, 16), dtype=np.float32)
    kernel = np.random.default_rng(1).standard_normal((3, 3, 16, 32), dtype=np.float32)
    return ops.conv2d(x, kernel)


def test_show_config_names_what_matters(capsys):
    runtime.show_config()
    text = capsys.readouterr().out
    for word in ("cnnfast", cnnfast.__version__, "isa", runtime.isa(), "num_threads"):
        assert word in text


def test_set_num_threads_checks_its_argument():
    before = runtime.get_num_threads()
    try:
        runtime.set_num_threads(3)
        assert runtime.get_num_threads() == 3
        for wrong in (0, -1, 5000):
            with pytest.raises(ValueError, match="1 to 1024"):
                runtime.set_num_threads(wrong)
        for wrong in (1.5, "2", True, None):
            with pytest.raises(TypeError, match="integer"):
                runtime.set_num_threads(wrong)
        assert runtime.get_num_threads() == 3
    finally:
        runtime.set_num_threads(before)


def test_switches_refuse_other_values():
    with pytest.raises(ValueError, match="'default' or 'strict'"):
        runtime.set_math("fast")
    with pytest.raises(TypeError, match="True or False"):
        runtime.set_deterministic("yes")
    with pytest.raises(ValueError, match="cannot be used on this machine"):
        runtime.set_isa("avx9000")


def test_environment_chooses_the_isa():
    for isa in _core.supported_isas():
        result = run_python("import cnnfast; print(cnnfast.runtime.isa())", CNNFAST_ISA=isa)
        assert result.stdout.strip() == isa, result.stderr


def test_unknown_isa_in_the_environment_fails_loudly():
    result = run_python("import cnnfast; cnnfast.runtime.isa()", CNNFAST_ISA="mmx")
    assert result.returncode != 0
    assert "CNNFAST_ISA: 'mmx' cannot be used on this machine" in result.stderr


def test_omp_num_threads_limits_the_default():
    code = "import cnnfast; print(cnnfast.runtime.get_num_threads())"
    assert run_python(code, OMP_NUM_THREADS="1").stdout.strip() == "1"


def test_affinity_limits_the_default():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this platform")
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "import cnnfast; print(cnnfast.runtime.get_num_threads())"
    )
    assert run_python(code).stdout.strip() == "1"


def _child(queue):
    queue.put(convolve())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_forked_child_computes():
    before = runtime.get_num_threads()
    runtime.set_num_threads(2)
    try:
        expected = convolve()  # the parent's workers exist
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_child, args=(queue,))
        child.start()
        result = queue.get(timeout=60)
        child.join(timeout=60)
        assert child.exitcode == 0
        np.testing.assert_array_equal(result, expected)
    finally:
        runtime.set_num_threads(before)


@pytest.mark.parametrize("order", ["torch, cnnfast", "cnnfast, torch"])
def test_beside_torch_in_both_import_orders(order):
    pytest.importorskip("torch")
    code = f"""
import numpy as np
import {order}
from cnnfast import ops
import torch
x = np.ones((4, 9, 9, 3), np.float32); w = np.ones((3, 3, 3, 8), np.float32)
for _ in range(3):
    ours = ops.conv2d(x, w)
    theirs = torch.nn.functional.conv2d(
        torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(w).permute(3, 2, 0, 1))
assert np.array_equal(ours.transpose(0, 3, 1, 2), theirs.numpy())
print("equal")
"""
    result = run_python(code)
    assert result.stdout.strip() == "equal", result.stderr


def test_several_python_threads_at_once():
    from concurrent.futures import ThreadPoolExecutor

    expected = convolve()
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: convolve(), range(16)):
            np.testing.assert_array_equal(result, expected)


def barriers(outputs, inputs):
    """(op, whether the threads meet in front of it) for the steps of a plan on two threads."""
    trace, values = _trace.Trace(), []
    for i, shape in enumerate(inputs):
        values.append(trace.input(shape, "float32", f"x{i}"))
    runtime.set_num_threads(2)
    plan = trace.plan([outputs(*values)], [(shape, "float32") for shape in inputs])
    assert plan.explain().startswith(f"plan: {runtime.isa()}, 2 threads")
    return [(step["op"], step["barrier"]) for step in plan.steps()]


def test_threads_meet_before_weights_that_others_made_by_rows():
    """As many rows as the batch has: the same division, yet each thread reads all of them."""
    steps = barriers(lambda x, w: ops.matmul(x, ops.exp(w)), [(128, 128), (128, 500)])
    assert steps[0][0] == "exp"
    assert any(meet for op, meet in steps if op != "exp"), steps
    by_rows = barriers(lambda x: ops.exp(ops.sqrt(x)), [(128, 4096)])
    assert not any(meet for _, meet in by_rows), by_rows


def test_threads_do_not_meet_between_steps_that_share_nothing():
    steps = barriers(
        lambda x, y: ops.concatenate([ops.exp(x), ops.softmax(y, axis=1)], axis=1),
        [(3, 100_000), (3, 120_000)],
    )
    assert [op for op, _ in steps] == ["exp", "softmax", "concatenate"]
    assert [meet for _, meet in steps] == [False, False, True], steps


def test_a_brief_plan_gives_the_same_alone_and_in_a_series():
    """After a pause the caller computes everybody's share, in a series of calls the threads do."""
    rng = np.random.default_rng(0)
    x, y = rng.random((4, 28, 28, 1), "float32"), np.array([3, 1, 4, 1])

    def train(pause):
        cnnfast.utils.set_random_seed(0)
        model = cnnfast.Sequential(
            [
                cnnfast.Input((28, 28, 1)),
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(64, 3, activation="relu"),
                layers.Flatten(),
                layers.Dense(10),
            ]
        )
        model.compile("adam", cnnfast.losses.SparseCategoricalCrossentropy(from_logits=True))
        for _ in range(30):
            model.train_on_batch(x, y)
            time.sleep(pause)
        assert "2 threads" in model.plan(4, mode="train").explain()
        return model

    runtime.set_num_threads(2)
    alone, series = train(0.003), train(0)
    for a, b in zip(alone.get_weights(), series.get_weights(), strict=True):
        assert np.array_equal(a, b)
    results = [series.predict_on_batch(x) for _ in range(30)]
    assert all(np.array_equal(r, results[0]) for r in results)


def test_thousand_shapes_do_not_grow_memory():
    resource = pytest.importorskip("resource")
    kernel = np.ones((3, 3, 1, 4), np.float32)
    for i in range(3, 700):
        ops.conv2d(np.ones((1, i, 3, 1), np.float32), kernel)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for i in range(700, 1700):
        ops.conv2d(np.ones((1, i, 3, 1), np.float32), kernel)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 30 << 10  # KiB
