"""No argument can crash, hang or read out of bounds: each wrong one is a clear exception.

The classes are those that became CVEs in other libraries (division by zero from strides, groups
and empty dimensions, sizes beyond 32 and 64 bits, mismatched ranks and gradients, negative pads).
"""

import re

import numpy as np
import pytest

from cnnfast import ops

X = np.ones((2, 8, 8, 4), "float32")
W = np.ones((3, 3, 4, 5), "float32")
B = np.ones(5, "float32")
DY = np.ones((2, 6, 6, 5), "float32")
HUGE = (2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, 10**30, -(2**63), -(2**64))


def refused(op, f, *words, kinds=(ValueError, TypeError)):
    """The call raises, the message starts with the op's name and holds the words."""
    with pytest.raises(kinds) as caught:
        f()
    message = str(caught.value)
    assert re.match(rf"{op}\b", message), f"{op!r} should open the message: {message}"
    for word in words:
        assert word in message, f"{word!r} is missing: {message}"
    return message


CONVOLVERS = {
    "conv2d": lambda **o: ops.conv2d(X, W, **o),
    "conv2d_backward_input": lambda **o: ops.conv2d_backward_input(DY, W, X.shape, **o),
    "conv2d_backward_kernel": lambda **o: ops.conv2d_backward_kernel(X, DY, W.shape, **o),
    "conv2d_transpose": lambda **o: ops.conv2d_transpose(X, np.ones((3, 3, 5, 4), "float32"), **o),
    "depthwise_conv2d": lambda **o: ops.depthwise_conv2d(X, np.ones((3, 3, 4, 2), "float32"), **o),
}
POOLERS = {
    "max_pool2d": lambda **o: ops.max_pool2d(X, **o),
    "avg_pool2d": lambda **o: ops.avg_pool2d(X, **o),
    "max_pool2d_backward": lambda **o: ops.max_pool2d_backward(X, X[:, ::2, ::2], **o),
    "avg_pool2d_backward": lambda **o: ops.avg_pool2d_backward(X[:, ::2, ::2], X.shape, **o),
}
WINDOWED = {**CONVOLVERS, **POOLERS}


@pytest.mark.parametrize("op", WINDOWED)
def test_strides(op):
    call = WINDOWED[op]
    for bad in (0, -1, (1, 0), (2, -2), 2**63, 10**30, -(2**64)):
        refused(op, lambda bad=bad: call(strides=bad), "strides", kinds=ValueError)
    for bad in ((1, 2, 3), (), [2]):
        refused(op, lambda bad=bad: call(strides=bad), "strides", "two", kinds=ValueError)
    for bad in (1.5, "2", True, (1, None), np.float32(2)):
        refused(op, lambda bad=bad: call(strides=bad), "strides", "integer", kinds=TypeError)


@pytest.mark.parametrize("op", WINDOWED)
def test_padding(op):
    call = WINDOWED[op]
    for bad in ("full", "", "causal", "explicit"):
        refused(op, lambda bad=bad: call(padding=bad), "'valid', 'same'", kinds=ValueError)
    for bad in (-1, (-1, 0), ((1, 1), (0, -1)), ((1,), (2, 3)), ((1, 2),), (1, 2, 3), 2**63):
        refused(op, lambda bad=bad: call(padding=bad), "padding", kinds=ValueError)
    for bad in (None, 1.0, True, ((1, 1), 1), ((1.5, 1), (0, 0))):
        refused(op, lambda bad=bad: call(padding=bad), "padding", kinds=TypeError)


@pytest.mark.parametrize("op", CONVOLVERS)
def test_dilation(op):
    call = CONVOLVERS[op]
    for bad in (0, -2, (1, 0), (1, 2, 3), 2**64):
        refused(op, lambda bad=bad: call(dilation_rate=bad), "dilation_rate", kinds=ValueError)
    refused(op, lambda: call(dilation_rate=1.0), "dilation_rate", kinds=TypeError)


@pytest.mark.parametrize("op", list(CONVOLVERS)[:4])
def test_groups(op):
    call = CONVOLVERS[op]
    for bad in (0, -1, 3, 7, 2**62, 2**64):
        refused(op, lambda bad=bad: call(groups=bad), kinds=ValueError)
    for bad in (1.0, True, "2", None):
        refused(op, lambda bad=bad: call(groups=bad), "groups", kinds=TypeError)


@pytest.mark.parametrize("op", WINDOWED)
def test_data_format(op):
    call = WINDOWED[op]
    for bad in ("NCHW", "channels", 1):
        refused(op, lambda bad=bad: call(data_format=bad), "data_format", kinds=ValueError)


@pytest.mark.parametrize("op", POOLERS)
def test_pool_size(op):
    call = POOLERS[op]
    for bad in (0, -2, (2, 0), (1, 2, 3), 2**64):
        refused(op, lambda bad=bad: call(pool_size=bad), "pool_size", kinds=ValueError)
    refused(op, lambda: call(pool_size=2.0), "pool_size", kinds=TypeError)
    refused(op, lambda: call(pool_size=9), kinds=ValueError)


@pytest.mark.parametrize("op", WINDOWED)
def test_sizes_that_overflow(op):
    """Large numbers that are allowed one by one, but not together: an error, not an allocation."""
    call = WINDOWED[op]
    for huge in HUGE:
        for name in ("strides", "padding", "dilation_rate", "groups", "pool_size"):
            allowed = CONVOLVERS if name in ("dilation_rate", "groups") else WINDOWED
            if op not in (POOLERS if name == "pool_size" else allowed):
                continue
            if op == "depthwise_conv2d" and name == "groups":
                continue
            try:
                result = call(**{name: huge})
            except (ValueError, TypeError) as error:
                assert str(error).startswith(op), error
            else:  # a stride of 2**31 leaves one output place: right, and small
                assert name == "strides" and result.size <= 1000, (name, huge)


def test_window_larger_than_the_padded_input():
    small = np.ones((1, 2, 2, 4), "float32")
    refused("conv2d", lambda: ops.conv2d(small, W), "3", "2", kinds=ValueError)
    refused("conv2d", lambda: ops.conv2d(X, W, dilation_rate=4), kinds=ValueError)
    refused("max_pool2d", lambda: ops.max_pool2d(small, 3), kinds=ValueError)
    refused("avg_pool2d", lambda: ops.avg_pool2d(small, (1, 3)), kinds=ValueError)
    assert ops.conv2d(small, W, padding=1).shape == (1, 2, 2, 5)


def test_pooling_windows_that_see_only_padding():
    """A mean of nothing, a maximum of nothing: refused rather than NaN or -inf."""
    for op in ("max_pool2d", "avg_pool2d"):
        for padding in (2, ((2, 0), (0, 0)), ((0, 0), (0, 3))):
            call = getattr(ops, op)
            try:
                y = call(X, 2, strides=1, padding=padding)
            except ValueError as error:
                assert str(error).startswith(op)
            else:
                assert np.isfinite(y).all(), (op, padding)


def test_ranks():
    first = {"data_format": "channels_first"}
    for bad in (X[0], X[None], X[0, 0, 0], np.float32(1), X[0, 0]):
        refused("conv2d", lambda bad=bad: ops.conv2d(bad, W), kinds=ValueError)
        refused("conv2d", lambda bad=bad: ops.conv2d(X, bad), kinds=ValueError)
        refused("max_pool2d", lambda bad=bad: ops.max_pool2d(bad), kinds=ValueError)
        refused("avg_pool2d", lambda bad=bad: ops.avg_pool2d(bad), kinds=ValueError)
        refused("conv2d", lambda bad=bad: ops.conv2d(bad, W, **first), kinds=ValueError)
        refused("max_pool2d", lambda bad=bad: ops.max_pool2d(bad, **first), kinds=ValueError)
    refused("dense", lambda: ops.dense(np.ones(3, "float32"), np.ones((3, 2), "float32")))
    refused("dense", lambda: ops.dense(np.ones((1, 3), "float32"), np.ones(3, "float32")))
    refused("dense", lambda: ops.dense(np.ones((1, 3), "float32"), np.ones((3, 2, 1), "float32")))
    refused("flatten", lambda: ops.flatten(np.float32(1)))
    refused("softmax", lambda: ops.softmax(np.float32(1)))


def test_channels():
    message = refused("conv2d", lambda: ops.conv2d(X[..., :1], W), kinds=ValueError)
    assert "1" in message and "4" in message
    refused("conv2d", lambda: ops.conv2d(X, W, groups=2), kinds=ValueError)
    refused("conv2d", lambda: ops.conv2d(X, W[:, :, :2], groups=2), kinds=ValueError)  # 5 filters
    refused("depthwise_conv2d", lambda: ops.depthwise_conv2d(X, np.ones((3, 3, 3, 1), "float32")))
    refused("dense", lambda: ops.dense(np.ones((2, 4), "float32"), np.ones((3, 2), "float32")))


def test_bias_of_the_wrong_length():
    for bad in (B[:4], np.ones(6, "float32"), np.ones((1, 5), "float32"), np.float32(1), B[:0]):
        refused("conv2d", lambda bad=bad: ops.conv2d(X, W, bad), "bias", kinds=ValueError)
    for bad in (np.ones(3, "float32"), np.ones((1, 2), "float32"), np.float32(1)):
        refused(
            "dense",
            lambda bad=bad: ops.dense(np.ones((2, 4), "float32"), np.ones((4, 2), "float32"), bad),
            "bias",
            kinds=ValueError,
        )


def test_empty_dimensions():
    """Batch 0 is a batch; images, windows and channels of size 0 are mistakes."""
    for shape in ((2, 0, 8, 4), (2, 8, 0, 4), (2, 8, 8, 0)):
        empty = np.ones(shape, "float32")
        refused("conv2d", lambda e=empty: ops.conv2d(e, W), kinds=ValueError)
        for op in (ops.max_pool2d, ops.avg_pool2d):
            try:
                assert op(empty, 2).size == 0
            except ValueError as error:
                assert str(error).startswith(op.__name__)
    nothing, dy = np.ones((2, 8, 8, 0), "float32"), np.ones((2, 4, 4, 0), "float32")
    assert ops.max_pool2d_backward(nothing, dy).shape == nothing.shape
    assert ops.avg_pool2d_backward(dy, nothing.shape).shape == nothing.shape
    assert ops.softmax(nothing[0, 0]).shape == (8, 0)
    assert not ops.dense(nothing[0, 0], np.ones((0, 3), "float32")).any()
    for shape in ((0, 3, 4, 5), (3, 0, 4, 5), (3, 3, 0, 5), (3, 3, 4, 0)):
        empty = np.ones(shape, "float32")
        refused("conv2d", lambda e=empty: ops.conv2d(X, e), kinds=ValueError)
        refused(
            "conv2d_backward_kernel",
            lambda s=shape: ops.conv2d_backward_kernel(X, DY, s),
            kinds=ValueError,
        )


def test_gradients_that_do_not_fit():
    f = ops.conv2d_backward_input
    for shape in ((2, 9, 8, 4), (2, 8, 7, 4), (3, 8, 8, 4), (2, 8, 8, 3), (2, 2, 2, 4)):
        refused("conv2d_backward_input", lambda s=shape: f(DY, W, s), kinds=ValueError)
    for shape in ((2, 8, 8), (2, 8, 8, 4, 1), (), (2, -1, 8, 4), (2, None, 8, 4), (2, 8, 8, -4)):
        refused("conv2d_backward_input", lambda s=shape: f(DY, W, s), kinds=ValueError)
    for shape in (None, 4, "2884", (2, 8.0, 8, 4), (2, True, 8, 4)):
        refused("conv2d_backward_input", lambda s=shape: f(DY, W, s), kinds=TypeError)
    g = ops.conv2d_backward_kernel
    for shape in ((4, 3, 4, 5), (3, 3, 3, 5), (3, 3, 4, 6), (3, 3, 4), (3, 3, 4, 0), (3, -3, 4, 5)):
        refused("conv2d_backward_kernel", lambda s=shape: g(X, DY, s), kinds=ValueError)
    refused("conv2d_backward_kernel", lambda: g(X[:1], DY, W.shape), kinds=ValueError)
    refused("conv2d_backward_kernel", lambda: g(X, DY[0], W.shape), kinds=ValueError)
    for wrong in (X[:, :3, ::2], X[:1, ::2, ::2], X[:, ::2, ::2, :3], X[0]):
        refused(
            "max_pool2d_backward", lambda w=wrong: ops.max_pool2d_backward(X, w), kinds=ValueError
        )
        refused(
            "avg_pool2d_backward",
            lambda w=wrong: ops.avg_pool2d_backward(w, X.shape),
            kinds=ValueError,
        )
    two, three = np.ones((2, 4), "float32"), np.ones((3, 5), "float32")
    refused("dense_backward_input", lambda: ops.dense_backward_input(two, three), kinds=ValueError)
    refused(
        "dense_backward_kernel", lambda: ops.dense_backward_kernel(two, three), kinds=ValueError
    )


def test_shapes_that_overflow():
    for shape in ((2**62, 8, 8, 4), (2, 2**31, 2**31, 4), (2, 2**62, 8, 4), (2, 8, 8, 2**63 - 1)):
        refused(
            "conv2d_backward_input",
            lambda s=shape: ops.conv2d_backward_input(DY, W, s),
            kinds=ValueError,
        )
        refused(
            "avg_pool2d_backward",
            lambda s=shape: ops.avg_pool2d_backward(X[:, ::2, ::2], s),
            kinds=ValueError,
        )
        refused(
            "conv2d_backward_kernel",
            lambda s=shape: ops.conv2d_backward_kernel(X, DY, s),
            kinds=ValueError,
        )
    one = np.ones(1, "float32")
    for shape in ((2**62,), (2**32, 2**32), (2**63,), (2**40, 2**40, 0)):
        refused("broadcast_to", lambda s=shape: ops.broadcast_to(one, s), kinds=ValueError)
        refused("reshape", lambda s=shape: ops.reshape(one, s), kinds=ValueError)


@pytest.mark.parametrize("dtype", ["float16", "int16", "complex64", "object", "U3", "M8[s]"])
def test_dtypes_the_core_has_not(dtype):
    x = np.zeros((2, 8, 8, 4)).astype(dtype) if dtype != "M8[s]" else np.zeros(3, "M8[s]")
    for op in (
        lambda v: ops.conv2d(v, W),
        lambda v: ops.dense(v, W),
        ops.relu,
        ops.sum,
        ops.flatten,
    ):
        with pytest.raises(TypeError, match="dtype"):
            op(x)


def test_integers_where_floats_are_meant():
    for dtype in ("uint8", "int32", "int64", "bool"):
        x = X.astype(dtype)
        refused("conv2d", lambda x=x: ops.conv2d(x, W), dtype, "ops.cast", kinds=TypeError)
        refused("max_pool2d", lambda x=x: ops.max_pool2d(x), dtype, kinds=TypeError)
        refused("relu", lambda x=x: ops.relu(x), dtype, kinds=TypeError)
        refused("dense", lambda x=x: ops.dense(x, x[0, 0]), dtype, kinds=TypeError)
        refused("mean", lambda x=x: ops.mean(x), kinds=TypeError)


def test_mixed_dtypes_are_both_named():
    x64 = X.astype("float64")
    calls = {
        "conv2d": lambda: ops.conv2d(x64, W),
        "conv2d_backward_input": lambda: ops.conv2d_backward_input(
            DY.astype("float64"), W, X.shape
        ),
        "conv2d_backward_kernel": lambda: ops.conv2d_backward_kernel(x64, DY, W.shape),
        "max_pool2d_backward": lambda: ops.max_pool2d_backward(x64, X[:, ::2, ::2]),
        "dense": lambda: ops.dense(x64[0, 0], W[0, 0]),
        "add": lambda: ops.add(X, x64),
        "where": lambda: ops.where(X > 0, X, x64),
        "mean_squared_error": lambda: ops.mean_squared_error(X, x64),
        "categorical_crossentropy": lambda: ops.categorical_crossentropy(X, x64),
    }
    for op, call in calls.items():
        refused(op, call, "float32", "float64", kinds=TypeError)
    refused("conv2d", lambda: ops.conv2d(X, W, B.astype("float64")), "bias", kinds=TypeError)


def test_python_numbers_that_do_not_fit():
    integers = np.arange(3)
    refused("add", lambda: ops.add(integers, 0.5), "int64", kinds=TypeError)
    refused("add", lambda: ops.add(integers, 2**70), kinds=ValueError)
    refused("maximum", lambda: ops.maximum(integers.astype("uint8"), -1), "uint8", kinds=ValueError)
    refused("multiply", lambda: ops.multiply(X, 10**400), kinds=ValueError)


def test_shapes_that_do_not_broadcast():
    for a, b in [((3,), (4,)), ((2, 3), (3, 2)), ((5, 1, 2), (3, 4)), ((0,), (2,))]:
        a, b = np.ones(a, "float32"), np.ones(b, "float32")
        refused("add", lambda a=a, b=b: ops.add(a, b), kinds=ValueError)
        refused("less", lambda a=a, b=b: ops.less(a, b), kinds=ValueError)
    refused("where", lambda: ops.where(X, X, X), "bool", kinds=TypeError)
    with pytest.raises(ValueError):
        ops.where(np.ones((3,), bool), np.ones(4, "float32"), 0)


def test_axes():
    for op in ("sum", "mean", "max", "min", "argmax", "softmax", "log_softmax", "squeeze"):
        for bad in (4, -5, 2**40, 2**64):
            refused(op, lambda op=op, bad=bad: getattr(ops, op)(X, bad), "axis", kinds=ValueError)
        for bad in (1.0, "0", True):
            refused(op, lambda op=op, bad=bad: getattr(ops, op)(X, bad), "axis", kinds=TypeError)
    refused("sum", lambda: ops.sum(X, (0, -4)), "twice", kinds=ValueError)
    refused("sum", lambda: ops.sum(X, 0, 1), "keepdims", kinds=TypeError)
    for bad in ((0, 1), (0, 1, 2, 2), (0, 1, 2, 4), (0, 1, 2, 3, 4), (0, 1, 2, -5)):
        refused("transpose", lambda bad=bad: ops.transpose(X, bad), "axes", kinds=ValueError)
    refused("squeeze", lambda: ops.squeeze(X, 0), "size 1", kinds=ValueError)
    refused("expand_dims", lambda: ops.expand_dims(X, 6), kinds=ValueError)


def test_reshape():
    for bad in ((3, -1), (-1, -1), (511,), (0,), (513,), (-2, -256)):
        refused("reshape", lambda bad=bad: ops.reshape(X, bad), kinds=ValueError)
    refused("reshape", lambda: ops.reshape(X, (2.0, 256)), kinds=TypeError)
    refused("reshape", lambda: ops.reshape(np.ones((0, 3), "float32"), (-1, 0)), kinds=ValueError)
    for bad in ((3, 8, 8, 4), (8, 8, 4), (1,), (2, 8, 8, -1)):
        refused("broadcast_to", lambda bad=bad: ops.broadcast_to(X, bad), kinds=ValueError)


def test_unknown_dtype_names():
    for bad in ("float16", "bfloat16", "int", "nonsense", None, 3, object()):
        if bad == "int" and np.dtype(int).name == "int64":
            continue
        refused("cast", lambda bad=bad: ops.cast(X, bad), "dtype", kinds=(ValueError, TypeError))


def test_losses():
    z = np.ones((4, 3), "float32")
    crossentropy = ops.sparse_categorical_crossentropy
    name = "sparse_categorical_crossentropy"
    refused(name, lambda: crossentropy(np.zeros(5, int), z, True), kinds=ValueError)
    refused(name, lambda: crossentropy(np.zeros((4, 2), int), z, True), kinds=ValueError)
    refused(name, lambda: crossentropy(np.zeros(4), z, True), "integer", kinds=TypeError)
    refused(name, lambda: crossentropy(np.zeros(4, int), z, 1), "from_logits", kinds=TypeError)
    refused(name, lambda: crossentropy(np.zeros(4, int), z.astype(int)), kinds=TypeError)
    refused(name, lambda: crossentropy(np.full(4, 2**64 - 1, "uint64"), z), kinds=ValueError)
    dense, name = ops.categorical_crossentropy, "categorical_crossentropy"
    refused(name, lambda: dense(z[:3], z), kinds=ValueError)
    refused(name, lambda: dense(z[:, :2], z), kinds=ValueError)
    refused(name, lambda: dense(z[0], z), kinds=ValueError)
    for bad in (-0.1, 1.1, float("nan")):
        refused(name, lambda bad=bad: dense(z, z, True, bad), "label_smoothing", kinds=ValueError)
    for f in (ops.mean_squared_error, ops.mean_absolute_error, ops.binary_crossentropy):
        # (4,) against (4, 1) would broadcast to (4, 4).
        one = np.ones((4, 1), "float32")
        refused(f.__name__, lambda f=f, o=one: f(np.ones(4, "float32"), o), "(4, 1)")


def test_numbers_of_activations():
    refused("leaky_relu", lambda: ops.leaky_relu(X, -0.1), "negative_slope", kinds=ValueError)
    for bad in (float("nan"), float("inf")):
        refused("leaky_relu", lambda bad=bad: ops.leaky_relu(X, bad), "negative_slope")
        refused("elu", lambda bad=bad: ops.elu(X, bad), "alpha")
    refused("leaky_relu", lambda: ops.leaky_relu(X, "0.2"), "negative_slope", kinds=TypeError)
    refused("leaky_relu", lambda: ops.leaky_relu(X, True), "negative_slope", kinds=TypeError)


def test_nothing_where_arrays_are_meant():
    refused("conv2d", lambda: ops.conv2d(X, None), "kernel", kinds=TypeError)
    refused("relu", lambda: ops.relu(None), kinds=TypeError)
    refused("relu", lambda: ops.relu("x"), kinds=TypeError)
    refused("add", lambda: ops.add(X, None), kinds=TypeError)
    refused("add", lambda: ops.add(X, [[1.0], [1.0, 2.0]]), kinds=TypeError)
    refused("dense", lambda: ops.dense({}, X), kinds=TypeError)
