"""Whoever observes is shown every layer's output, in models of every kind."""

import numpy as np

import cnnfast
from cnnfast import layers, ops
from cnnfast.layers import _context


def observed(function, *arrays):
    """(names of the layers seen in order, their outputs as arrays)."""
    names = []

    @cnnfast.compile
    def run(*inputs):
        seen = []
        with _context.observed_by(lambda layer, output: seen.append((layer.name, output))):
            function(*inputs)
        names.extend(name for name, _ in seen)
        return [output for _, output in seen]

    return names, run(*arrays)


def test_layers_inside_layers(rng):
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = layers.Dense(3, name="inner")

        def call(self, x):
            return ops.relu(self.inner(x))

    model = cnnfast.Sequential([layers.Dense(4, name="first"), Block(name="block")], name="whole")
    x = rng.standard_normal((2, 5), dtype="float32")
    model.build(x.shape)
    names, outputs = observed(model, x)
    assert names == ["first", "inner", "block", "whole"]
    np.testing.assert_allclose(outputs[0], model.layers[0](x), rtol=1e-6)
    np.testing.assert_array_equal(outputs[2], np.maximum(outputs[1], 0))
    np.testing.assert_array_equal(outputs[3], outputs[2])


def test_nobody_is_shown_anything_afterwards(rng):
    seen = []
    layer = layers.Dense(2)
    with _context.observed_by(lambda layer, output: seen.append(output)):
        layer(np.ones((1, 3), "float32"))
    layer(np.ones((1, 3), "float32"))
    assert len(seen) == 1
