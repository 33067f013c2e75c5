"""What every test finds: `check` and `oracle` importable, and the runtime as it was before it."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
# Keras reads it when it is imported; where it is installed, it is a peer on torch.
os.environ.setdefault("KERAS_BACKEND", "torch")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _runtime_as_it_was():
    """A test that sets the instruction set or the thread count leaves no trace."""
    from cnnfast import runtime

    isa, threads = runtime.isa(), runtime.get_num_threads()
    yield
    if runtime.isa() != isa:
        runtime.set_isa(isa)
    if runtime.get_num_threads() != threads:
        runtime.set_num_threads(threads)
