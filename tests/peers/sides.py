"""What the comparisons share: the peers, arrays and weights carried over, gradients of both sides.

The peers compute in float64, from the same float32 numbers: their result is the truth for our
float32 and our float64 alike. Keras runs on its torch backend, which tests/conftest.py
chooses before anyone imports it.
"""

from __future__ import annotations

import numpy as np
import pytest

from check import relative_error
from cnnfast import ops
from cnnfast._trace import Trace

#: Relative L2 error against torch's float64 result.
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
#: Against Keras on torch, some of whose functions round to float32 on the way (a mean, ...).
KERAS_TOLERANCE = {"float32": 1e-5, "float64": 1e-6}


def torch_module():
    """torch; the test is skipped where it is not installed."""
    return pytest.importorskip("torch", reason="torch is not installed")


def keras_module():
    """Keras on torch; the test is skipped where one of them is missing."""
    torch_module()
    keras = pytest.importorskip("keras", reason="keras is not installed")
    if keras.backend.backend() != "torch":
        pytest.skip(f"keras runs on {keras.backend.backend()}; set KERAS_BACKEND=torch")
    return keras


def draws(seed, count):
    """``count`` generators with fixed seeds: one that fails can be run alone."""
    return [np.random.default_rng((seed, number)) for number in range(count)]


def normal(rng, shape, scale=1.0):
    """float32 values, held in float64."""
    return (scale * rng.standard_normal(shape)).astype("float32").astype("float64")


def pick(rng, *choices):
    """One of ``choices``; NumPy would turn them into an array."""
    return choices[rng.integers(len(choices))]


def agree(ours, theirs, dtype, what, tolerance=TOLERANCE):
    """Every array of ``ours`` has the shape of that of ``theirs`` and is close to it."""
    assert len(ours) == len(theirs) > 0, f"{what}: {len(ours)} results, expected {len(theirs)}"
    for number, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        b = np.asarray(b, np.float64)
        assert np.asarray(a).shape == b.shape, f"{what}, result {number}: shape"
        error = relative_error(a, b)
        limit = tolerance[dtype]
        assert error <= limit, (
            f"{what}, result {number}, {dtype}: off by {error:.1e} of {limit:.0e}"
        )


# ---- torch: NCHW, OIHW -------------------------------------------------------------------------


def nchw(x):
    """(N, H, W, C) as a torch tensor (N, C, H, W) in float64 that wants a gradient."""
    return leaf(np.moveaxis(np.asarray(x, np.float64), 3, 1))


def nhwc(tensor):
    """Back to an array (N, H, W, C)."""
    return np.moveaxis(tensor.detach().numpy(), 1, 3)


def oihw(kernel):
    """(KH, KW, I, O) as torch has it, (O, I, KH, KW)."""
    return leaf(np.asarray(kernel, np.float64).transpose(3, 2, 0, 1))


def hwio(tensor):
    """Back to an array (KH, KW, I, O)."""
    return tensor.detach().numpy().transpose(2, 3, 1, 0)


def leaf(x):
    """A float64 tensor of its own that wants a gradient."""
    torch = torch_module()
    return torch.from_numpy(np.array(x, np.float64, order="C")).requires_grad_(True)


# ---- layers: cnnfast and Keras have the same shapes, names and order of weights ------------------


def our_layer_run(layer, xs, dy, training):
    """[y, d x ..., d weight ...] of the loss sum(y dy), from one plan."""
    trace = Trace()
    inputs = [trace.input(x.shape, layer.dtype) for x in xs]
    with trace.active():
        y = layer(inputs if len(inputs) > 1 else inputs[0], training=training)
        loss = ops.sum(ops.multiply(y, dy.astype(layer.dtype)))
        gradients = trace.gradients(loss, [*inputs, *layer.trainable_weights])
    types = [(x.shape, layer.dtype) for x in xs]
    return list(trace.plan([y, *gradients], types).run(*[x.astype(layer.dtype) for x in xs]))


def keras_layer_run(layer, xs, dy, training):
    """The same from a Keras layer, in its dtype."""
    torch = torch_module()
    dtype = getattr(torch, layer.compute_dtype)
    inputs = [torch.tensor(x, dtype=dtype, requires_grad=True) for x in xs]
    argument = inputs if len(inputs) > 1 else inputs[0]
    takes_training = "training" in layer._call_signature.parameters
    y = layer(argument, training=training) if takes_training else layer(argument)
    weights = [w.value for w in layer.trainable_weights]
    (y * torch.tensor(dy, dtype=dtype)).sum().backward()
    wanted = [*inputs, *weights]
    gradients = [np.zeros(t.shape) if t.grad is None else t.grad.numpy() for t in wanted]
    result = [y.detach().numpy(), *gradients]
    for weight in weights:
        weight.grad = None
    return result


def copy_weights(source, target):
    """All weights of a layer or model into its twin on the other side, shapes checked."""
    values = [np.asarray(value, np.float64) for value in source.get_weights()]
    wanted = [tuple(w.shape) for w in target.weights]
    assert [v.shape for v in values] == wanted, f"weights {[v.shape for v in values]}, {wanted}"
    target.set_weights(values)
