"""Ops on Tensors: shapes with an open batch, planned for any batch, equal to ops on arrays."""

import numpy as np
import pytest

import cnnfast
from check import assert_close
from cnnfast import ops
from cnnfast._trace import Tensor, Trace, Variable

IMAGES = (None, 6, 8, 4)
W = np.random.default_rng(3).standard_normal((3, 3, 4, 5)).astype("float32")

FUNCTIONS = {
    "conv2d": (lambda x: ops.conv2d(x, W, strides=2, padding="same"), (None, 3, 4, 5)),
    "channels_first": (
        lambda x: ops.conv2d(ops.transpose(x, (0, 3, 1, 2)), W, data_format="channels_first"),
        (None, 5, 4, 6),
    ),
    "transposed": (
        lambda x: ops.conv2d_transpose(x, W[:, :, :3, :4], strides=2),
        (None, 13, 17, 3),
    ),
    "depthwise": (lambda x: ops.depthwise_conv2d(x, W[..., :2]), (None, 4, 6, 8)),
    "backward_input": (
        lambda x: ops.conv2d_backward_input(x, W[:, :, :2, :4], (None, 8, 10, 2)),
        (None, 8, 10, 2),
    ),
    "backward_kernel": (
        lambda x: ops.conv2d_backward_kernel(x, ops.conv2d(x, W), W.shape),
        (3, 3, 4, 5),
    ),
    "max_pool2d": (ops.max_pool2d, (None, 3, 4, 4)),
    "max_pool2d_backward": (lambda x: ops.max_pool2d_backward(x, ops.max_pool2d(x)), IMAGES),
    "avg_pool2d_backward": (
        lambda x: ops.avg_pool2d_backward(x, (None, 12, 16, 4)),
        (None, 12, 16, 4),
    ),
    "flatten": (ops.flatten, (None, 192)),
    "reshape": (lambda x: ops.reshape(x, (-1, 48, 4)), (None, 48, 4)),
    "expand_dims": (lambda x: ops.expand_dims(x, (0, -1)), (1, None, 6, 8, 4, 1)),
    "squeeze": (lambda x: ops.squeeze(ops.mean(x, 1, keepdims=True), 1), (None, 8, 4)),
    "softmax": (lambda x: ops.softmax(x, axis=1), IMAGES),
    "dense": (lambda x: ops.dense(x, W[0, 0], np.ones(5, "float32")), (None, 6, 8, 5)),
    "means": (lambda x: x - ops.mean(x, (1, 2), keepdims=True), IMAGES),
    "over the batch": (lambda x: ops.sum(x, 0), (6, 8, 4)),
    "everything": (lambda x: ops.max(x), ()),
    "argmax": (lambda x: ops.argmax(x, -1), (None, 6, 8)),
    "one_hot": (lambda x: ops.one_hot(ops.argmax(x, -1), 4), IMAGES),
    "where": (lambda x: ops.where(x > 0, x, 0.5), IMAGES),
    "dropout": (lambda x: ops.dropout(x, 0.5, 3), IMAGES),
    "crossentropy": (
        lambda x: ops.sparse_categorical_crossentropy(ops.argmax(x, -1), x, True),
        (None, 6, 8),
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_open_batch(name, rng):
    function, shape = FUNCTIONS[name]
    trace = Trace()
    y = function(trace.input(IMAGES))
    assert isinstance(y, Tensor)
    assert y.shape == shape
    for batch in (1, 3, 0):
        if batch == 0 and name == "everything":
            continue  # no largest of none
        x = rng.standard_normal((batch, *IMAGES[1:])).astype("float32")
        (planned,) = trace.plan([y], [(x.shape, "float32")]).run(x)
        assert_close(planned, function(x), 1e-5, 1e-6, planned.dtype, f"{name}, batch {batch}")


def test_errors_while_tracing():
    x = Trace().input(IMAGES)
    with pytest.raises(ValueError, match=r"conv2d: .*4.*3"):
        ops.conv2d(x, W[:, :, :3])
    with pytest.raises(TypeError, match="float32.*float64"):
        ops.add(x, np.ones(4))
    with pytest.raises(ValueError, match="add: "):
        ops.add(x, np.ones(5, "float32"))
    with pytest.raises(ValueError, match="another graph"):
        ops.add(x, Trace().input(IMAGES))
    with pytest.raises(TypeError, match="symbolic"):
        np.asarray(x)


def test_variables_count_as_arrays(rng):
    """Outside of a trace a Variable stands for its value, now."""
    w = Variable(W, name="w")
    x = rng.standard_normal((2, 6, 8, 4)).astype("float32")
    assert np.array_equal(ops.conv2d(x, w), ops.conv2d(x, W))
    w.assign(2 * W)
    assert np.array_equal(ops.conv2d(x, w), ops.conv2d(x, 2 * W))
    assert_close(ops.sum(w * 0.5), W.sum(), 1e-4, 1e-4)


def test_compiled_functions_read_variables_anew(rng):
    w = Variable(W, name="w")
    x = rng.standard_normal((2, 6, 8, 4)).astype("float32")
    planned = cnnfast.compile(lambda v: ops.conv2d(v, w))
    assert np.array_equal(planned(x), ops.conv2d(x, W))
    w.assign(-W)
    assert np.array_equal(planned(x), ops.conv2d(x, -W))


def test_static_arguments_of_different_types_are_told_apart():
    kinds = []

    def function(x, flag):
        kinds.append(type(flag))
        return x * 2.0 if flag is True else x

    planned = cnnfast.compile(function)
    x = np.ones(3, "float32")
    assert planned(x, 1)[0] == 1
    assert planned(x, True)[0] == 2
    assert planned(x, 1.0)[0] == 1
    assert kinds == [int, bool, float]
