"""Whole networks against torch: equal weights, ten Adam steps, equal losses."""

import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks import networks  # noqa: E402
from benchmarks.sides import cnnfast_side, torch_side  # noqa: E402


@pytest.fixture(autouse=True)
def _torch_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


# The large ones are compared, forward and backward, in tests/applications.
NAMES = [name for name, network in networks.NETWORKS.items() if network.classes == 10]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [1, 9])
def test_ten_steps_give_the_same_losses(name, batch):
    network = networks.NETWORKS[name]
    weights = networks.make_weights(network)
    ours = cnnfast_side.Trainer(network, weights, batch, 2, "", dropout=False)
    theirs = torch_side.Trainer(network, weights, batch, 2, "nchw", dropout=False)
    losses = [
        (ours.step(ours.prepare(x, y)), theirs.step(theirs.prepare(x, y)))
        for x, y in networks.make_batches(network, batch, 10)
    ]
    a, b = np.array(losses).T
    np.testing.assert_allclose(a[:3], b[:3], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(a, b, rtol=3e-2, atol=1e-3)  # rounding grows through Adam
    assert np.ptp(b) > 0.05  # the losses move: equality says something


@pytest.mark.parametrize("name", NAMES)
def test_predictions_are_the_same(name):
    network = networks.NETWORKS[name]
    weights = networks.make_weights(network)
    ours = cnnfast_side.Predictor(network, weights, 7, 2, "")
    theirs = torch_side.Predictor(network, weights, 7, 2, "nchw")
    x, _ = networks.make_batches(network, 7, 1)[0]
    a, b = ours.infer(ours.prepare(x)), theirs.infer(theirs.prepare(x))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
