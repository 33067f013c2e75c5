"""Transposed, dilated, grouped, depthwise, separable and one-dimensional convolution."""

import numpy as np
import pytest

import cnnfast
from check import assert_accurate, assert_close, numeric_gradient
from cnnfast import _trace, ops
from ops.levels import levels
from oracle import convolution

# (N, H, W, C), (KH, KW, K / groups, C), keywords.
TRANSPOSED = [
    ((1, 4, 3, 2), (3, 3, 3, 2), {}),
    ((2, 4, 5, 6), (4, 4, 5, 6), {"strides": 2, "padding": 1}),
    ((1, 5, 4, 3), (2, 2, 17, 3), {"strides": 2}),
    ((1, 4, 5, 9), (3, 3, 4, 9), {"strides": 2, "padding": 1, "output_padding": 1}),
    ((2, 3, 4, 4), (3, 3, 2, 4), {"strides": (2, 3), "output_padding": (0, 2), "padding": 1}),
    ((1, 5, 6, 3), (3, 3, 8, 3), {"strides": 2, "padding": "same"}),
    ((1, 4, 4, 3), (4, 5, 3, 3), {"strides": 3, "padding": "same"}),
    ((1, 4, 4, 3), (2, 2, 3, 3), {"strides": 3, "padding": "same"}),
    ((1, 3, 4, 2), (1, 2, 3, 2), {"strides": 3}),
    ((1, 4, 4, 2), (3, 3, 3, 2), {"dilation_rate": 2, "padding": 2}),
    ((1, 4, 5, 2), (3, 2, 3, 2), {"dilation_rate": (2, 3), "strides": 2, "padding": "same"}),
    ((1, 4, 4, 6), (3, 3, 2, 6), {"groups": 3, "strides": 2}),
    ((1, 4, 4, 4), (3, 3, 1, 4), {"groups": 2, "strides": 2, "padding": "same"}),
    ((1, 4, 4, 5), (3, 3, 1, 5), {"groups": 5, "strides": 2, "padding": 1}),
    ((1, 6, 5, 12), (3, 3, 1, 12), {"groups": 3, "strides": 2, "padding": "same"}),
    ((2, 4, 7, 12), (2, 2, 40, 12), {"strides": 2}),
    ((1, 5, 4, 6), (2, 3, 20, 6), {"strides": (3, 4), "groups": 2}),
    ((1, 3, 5, 4), (2, 1, 18, 4), {"strides": (2, 1)}),
    ((1, 6, 6, 8), (3, 3, 8, 8), {"padding": "same"}),
    ((1, 5, 5, 4), (5, 5, 3, 4), {"padding": 2}),
]


def _forward_options(options, taps, result):
    """The convolution that a transposed one turns around, its padding worked out from the sizes.

    ``result``: (H, W) of the transposed convolution's input and of its result.
    """

    def both(value):
        return value if isinstance(value, tuple) else (value, value)

    strides, dilation = both(options.get("strides", 1)), both(options.get("dilation_rate", 1))
    padding, pads = options.get("padding", "valid"), []
    for axis, (length, size) in enumerate(zip(*result, strict=True)):
        extent = (taps[axis] - 1) * dilation[axis] + 1
        if padding == "same":  # what tf.nn.conv2d with SAME pads an input of that size by
            total = max((length - 1) * strides[axis] + extent - size, 0)
            pads.append((total // 2, total - total // 2))
        else:
            pads.append((0, 0) if padding == "valid" else (padding, padding))
    return {
        "strides": strides,
        "dilation_rate": dilation,
        "padding": tuple(pads),
        "groups": options.get("groups", 1),
    }


def _matrix(shape, w, options):
    """V of the convolution: column j is the convolution of the j-th unit image."""
    size = int(np.prod(shape[1:]))
    units = np.eye(size).reshape(size, *shape[1:])
    return convolution.conv2d(units, w, **options).reshape(size, -1).T


@pytest.mark.parametrize("case", TRANSPOSED, ids=str)
def test_transposed_is_the_transposed_matrix(case, rng):
    shape, kernel, options = case
    x, w = rng.standard_normal(shape), rng.standard_normal(kernel)
    bias = rng.standard_normal(kernel[2] * options.get("groups", 1))
    y = ops.conv2d_transpose(x, w, bias, **options)
    forward = _forward_options(options, kernel[:2], (shape[1:3], y.shape[1:3]))
    v = _matrix(y.shape, w, forward)
    right = (x.reshape(shape[0], -1) @ v).reshape(y.shape) + bias
    assert_accurate(y, right, "float64", str(case))


def test_transposed_at_every_level(rng):
    """With a bias and an activation in the same step, forward and backward."""
    prepared = []
    for shape, kernel, options in TRANSPOSED:
        x = rng.standard_normal(shape).astype("float32")
        w = (rng.standard_normal(kernel) / np.sqrt(np.prod(kernel[:3]))).astype("float32")
        b = rng.standard_normal(kernel[2] * options.get("groups", 1)).astype("float32")
        y = ops.conv2d_transpose(*(v.astype("float64") for v in (x, w, b)), **options)
        dy = rng.standard_normal(y.shape).astype("float32")
        forward = _forward_options(options, kernel[:2], (shape[1:3], y.shape[1:3]))
        dz = dy.astype("float64") * (1 - np.tanh(y) ** 2)
        right = {
            "y": np.tanh(y),
            "dx": convolution.conv2d(dz, w, **forward),
            "dw": convolution.conv2d_backward_kernel(dz, x, w.shape, **forward),
            "db": dz.sum((0, 1, 2)),
        }
        prepared.append(((shape, kernel, options), (x, w, b, dy), right))
    for level in levels():
        for case, (x, w, b, dy), right in prepared:
            options = case[2]

            def loss(x, w, b, dy=dy, options=options):
                return ops.sum(ops.tanh(ops.conv2d_transpose(x, w, b, **options)) * dy)

            y = ops.tanh(ops.conv2d_transpose(x, w, b, **options))
            _, (dx, dw, db) = cnnfast.value_and_grad(loss, argnums=(0, 1, 2))(x, w, b)
            for name, ours in {"y": y, "dx": dx, "dw": dw, "db": db}.items():
                what = f"{name}, {case}, {level}"
                assert_accurate(ours, right[name], "float32", what, factor=2)


def test_bias_and_activation_of_a_transposed_convolution_cost_no_step(rng):
    trace = _trace.Trace()
    x = trace.input((None, 6, 6, 8), "float32", "x")
    w = rng.standard_normal((4, 4, 16, 8)).astype("float32")
    y = ops.relu(ops.conv2d_transpose(x, w, np.ones(16, "float32"), strides=2, padding=1))
    assert y.shape == (None, 12, 12, 16)
    plan = trace.plan([y], [((3, 6, 6, 8), "float32")])
    computing = [step for step in plan.steps() if step["kernel"] != "pack"]
    assert [step["op"] for step in computing] == ["conv2d_transpose"], plan.explain()
    array = rng.standard_normal((3, 6, 6, 8)).astype("float32")
    right = ops.conv2d_transpose(array.astype("float64"), w.astype("float64"), strides=2, padding=1)
    assert_accurate(plan.run(array)[0], np.maximum(right + 1, 0), "float32")


def test_transposed_over_unknown_sizes(rng):
    trace = _trace.Trace()
    x = trace.input((None, None, None, 2), "float32", "x")
    w = rng.standard_normal((3, 3, 4, 2)).astype("float32")
    y = ops.conv2d_transpose(x, w, strides=2, padding="same")
    assert y.shape == (None, None, None, 4)
    plan = trace.plan([y], [((1, 5, 7, 2), "float32")])
    assert plan.output_types[0][0] == (1, 10, 14, 4)


def test_transposed_channels_first(rng):
    x, w = rng.standard_normal((2, 4, 5, 3)), rng.standard_normal((3, 3, 2, 3))
    y = ops.conv2d_transpose(x, w, strides=2, padding="same")
    first = ops.conv2d_transpose(
        np.moveaxis(x, 3, 1), w, strides=2, padding="same", data_format="channels_first"
    )
    assert_close(np.moveaxis(first, 1, 3), y, 0, 0)


def test_dilated_is_a_kernel_with_zeros_inserted(rng):
    """Forward and backward, at every level, in float32."""
    for dilation in ((2, 2), (3, 1), (4, 4)):
        x = rng.standard_normal((2, 11, 12, 5)).astype("float32")
        w = (rng.standard_normal((3, 3, 5, 9)) / 7).astype("float32")
        wide = np.zeros((2 * dilation[0] + 1, 2 * dilation[1] + 1, 5, 9))
        wide[:: dilation[0], :: dilation[1]] = w
        y = convolution.conv2d(x, wide, padding="same")
        dy = rng.standard_normal(y.shape).astype("float32")
        dx = convolution.conv2d_backward_input(dy, wide, x.shape, padding="same")
        dw = convolution.conv2d_backward_kernel(x, dy, wide.shape, padding="same")
        options = {"dilation_rate": dilation, "padding": "same"}
        for level in levels():
            what = f"dilation {dilation}, {level}"
            assert_accurate(ops.conv2d(x, w, **options), y, "float32", what)
            ours = ops.conv2d_backward_input(dy, w, x.shape, **options)
            assert_accurate(ours, dx, "float32", f"dx, {what}")
            ours = ops.conv2d_backward_kernel(x, dy, w.shape, **options)
            taps = dw[:: dilation[0], :: dilation[1]]
            assert_accurate(ours, taps, "float32", f"dw, {what}")


@pytest.mark.parametrize("options", [{}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2}])
@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_depthwise_and_separable_against_torch(rng, multiplier, options):
    torch = pytest.importorskip("torch")
    channels = 4
    x = rng.standard_normal((2, 9, 9, channels))
    deep = rng.standard_normal((3, 3, channels, multiplier))
    point = rng.standard_normal((1, 1, channels * multiplier, 5))
    b = rng.standard_normal(5)

    def loss(x, deep, point, b):
        return ops.sum(ops.square(ops.separable_conv2d(x, deep, point, b, **options)))

    value, gradients = cnnfast.value_and_grad(loss, argnums=(0, 1, 2, 3))(x, deep, point, b)
    tensors = [torch.from_numpy(v.copy()).requires_grad_() for v in (x, deep, point, b)]
    tx, tdeep, tpoint, tb = tensors
    image = tx.permute(0, 3, 1, 2)
    if options.get("padding") == "same":  # an odd size and stride 2: one zero on each side
        image = torch.nn.functional.pad(image, (1, 1, 1, 1))
    between = torch.nn.functional.conv2d(
        image,
        tdeep.permute(2, 3, 0, 1).reshape(channels * multiplier, 1, 3, 3),
        stride=options.get("strides", 1),
        dilation=options.get("dilation_rate", 1),
        groups=channels,
    )
    y = torch.nn.functional.conv2d(between, tpoint.permute(3, 2, 0, 1), tb)
    (y**2).sum().backward()
    assert_close(value, (y**2).sum().item(), 1e-11, 0)
    for ours, tensor, name in zip(gradients, tensors, ("x", "deep", "point", "b"), strict=True):
        assert_close(ours, tensor.grad.numpy(), 1e-10, 1e-9, what=name)


@pytest.mark.parametrize("groups", [2, 4])
def test_grouped_against_torch(rng, groups):
    torch = pytest.importorskip("torch")
    x = rng.standard_normal((2, 7, 8, 12))
    w = rng.standard_normal((3, 3, 12 // groups, 8))
    for name, options in {
        "plain": {"padding": 1},
        "strided": {"padding": 1, "strides": 2},
        "dilated": {"padding": 2, "dilation_rate": 2},
    }.items():
        tx = torch.from_numpy(np.moveaxis(x, 3, 1).copy()).requires_grad_()
        tw = torch.from_numpy(w.transpose(3, 2, 0, 1).copy()).requires_grad_()
        y = torch.nn.functional.conv2d(
            tx,
            tw,
            stride=options.get("strides", 1),
            padding=options["padding"],
            dilation=options.get("dilation_rate", 1),
            groups=groups,
        )
        dy = rng.standard_normal(tuple(y.shape))
        y.backward(torch.from_numpy(dy))
        ours = ops.conv2d(x, w, groups=groups, **options)
        assert_close(ours, np.moveaxis(y.detach().numpy(), 1, 3), 1e-10, 1e-10, what=name)
        dy = np.moveaxis(dy, 1, 3)
        dx = ops.conv2d_backward_input(dy, w, x.shape, groups=groups, **options)
        assert_close(dx, np.moveaxis(tx.grad.numpy(), 1, 3), 1e-10, 1e-10, what=name)
        dw = ops.conv2d_backward_kernel(x, dy, w.shape, groups=groups, **options)
        assert_close(dw, tw.grad.numpy().transpose(2, 3, 1, 0), 1e-10, 1e-10, what=name)


LINES = [
    ((2, 9, 3), (3, 3, 4), {}),
    ((1, 10, 4), (3, 4, 5), {"padding": "same", "strides": 2}),
    ((2, 8, 4), (2, 2, 6), {"groups": 2, "padding": "same"}),
    ((1, 12, 3), (3, 3, 2), {"padding": "causal", "dilation_rate": 3}),
    ((1, 9, 2), (4, 2, 3), {"padding": "causal", "strides": 2}),
    ((1, 7, 2), (3, 2, 3), {"padding": 2}),
    ((1, 7, 2), (3, 2, 3), {"padding": (3, 1)}),
]


@pytest.mark.parametrize("case", LINES, ids=str)
def test_conv1d(case, rng):
    shape, kernel, options = case
    x, w = rng.standard_normal(shape), rng.standard_normal(kernel)
    b = rng.standard_normal(kernel[2])
    taps, dilation = kernel[0], options.get("dilation_rate", 1)
    padding = options.get("padding", "valid")
    if padding == "causal":
        padding = ((taps - 1) * dilation, 0)
    if isinstance(padding, int):
        padding = (padding, padding)
    if not isinstance(padding, str):
        padding = ((0, 0), padding)
    right = convolution.conv2d(
        x[:, None],
        w[None],
        b,
        strides=(1, options.get("strides", 1)),
        dilation_rate=(1, dilation),
        padding=padding,
        groups=options.get("groups", 1),
    )[:, 0]
    assert_accurate(ops.conv1d(x, w, b, **options), right, "float64", str(case))
    first = ops.conv1d(x.transpose(0, 2, 1), w, b, data_format="channels_first", **options)
    assert_accurate(first.transpose(0, 2, 1), right, "float64", str(case))
    operands = [v.astype("float32") for v in (x, w, b)]
    for level in levels():
        assert_accurate(ops.conv1d(*operands, **options), right, "float32", f"{case}, {level}")


def test_causal_sees_nothing_later(rng):
    x, w = rng.standard_normal((1, 12, 2)), rng.standard_normal((3, 2, 4))
    y = ops.conv1d(x, w, padding="causal", dilation_rate=2)
    x[:, 7:] += 1
    changed = ops.conv1d(x, w, padding="causal", dilation_rate=2)
    assert y.shape == (1, 12, 4)
    assert np.array_equal(changed[:, :7], y[:, :7])
    assert not np.isclose(changed[:, 7:], y[:, 7:]).any()


def _finite_difference_cases(rng):
    x, line = rng.standard_normal((1, 4, 3, 4)), rng.standard_normal((1, 6, 2))
    return {
        "conv2d_transpose": (
            lambda x, w, b: ops.conv2d_transpose(
                x, w, b, strides=(2, 1), padding=1, output_padding=(1, 0), groups=2
            ),
            [x, rng.standard_normal((3, 3, 2, 4)), rng.standard_normal(4)],
        ),
        "conv2d_transpose, dilated": (
            lambda x, w: ops.conv2d_transpose(x, w, dilation_rate=2, padding="same"),
            [x, rng.standard_normal((2, 3, 2, 4))],
        ),
        "separable_conv2d": (
            lambda x, d, p, b: ops.separable_conv2d(x, d, p, b, padding="same"),
            [
                x,
                rng.standard_normal((3, 2, 4, 2)),
                rng.standard_normal((1, 1, 8, 3)),
                rng.standard_normal(3),
            ],
        ),
        "conv1d": (
            lambda x, w, b: ops.conv1d(x, w, b, padding="causal", strides=2),
            [line, rng.standard_normal((3, 2, 2)), rng.standard_normal(2)],
        ),
    }


@pytest.mark.parametrize(
    "name", ["conv2d_transpose", "conv2d_transpose, dilated", "separable_conv2d", "conv1d"]
)
def test_finite_differences(name, rng):
    function, arrays = _finite_difference_cases(rng)[name]
    weight = rng.standard_normal(function(*arrays).shape)

    def loss(*arrays):
        return ops.sum(ops.tanh(function(*arrays)) * weight)

    places = tuple(range(len(arrays)))
    _, gradients = cnnfast.value_and_grad(loss, argnums=places)(*arrays)
    for i in places:
        expected = numeric_gradient(loss, arrays, i)
        assert_close(gradients[i], expected, 1e-6, 1e-7, what=f"{name}, operand {i}")


def test_second_derivative_of_a_transposed_convolution(rng):
    """A gradient's gradient: what backward ops derive of themselves."""
    x, w = rng.standard_normal((1, 3, 3, 2)), rng.standard_normal((3, 3, 2, 2))

    def slope(w):
        trace = _trace.Trace()
        kernel = trace.input(w.shape, "float64", "w")
        image = trace.input(x.shape, "float64", "x")
        loss = ops.sum(ops.square(ops.conv2d_transpose(image, kernel, strides=2)))
        (dx,) = trace.gradients(loss, [image])
        total = ops.sum(ops.square(dx))
        return trace.plan([total, *trace.gradients(total, [kernel])]).run(w, x)

    gradient = slope(w)[1]
    assert_close(gradient, numeric_gradient(lambda w: slope(w)[0], [w], 0), 1e-5, 1e-5)


def test_keras_names_against_keras(rng):
    keras = pytest.importorskip("keras")
    x, line = rng.standard_normal((2, 8, 9, 4)), rng.standard_normal((2, 9, 4))
    deep, point = rng.standard_normal((3, 3, 4, 2)), rng.standard_normal((1, 1, 8, 5))
    up = rng.standard_normal((4, 4, 3, 4))
    calls = [
        ("conv", (x, rng.standard_normal((3, 3, 2, 6)), 2, "same"), {}),
        ("conv", (line, rng.standard_normal((3, 4, 6)), 1, "valid"), {"dilation_rate": 2}),
        ("conv_transpose", (x, up, 2, "same"), {}),
        ("conv_transpose", (x, up, 2, "valid"), {"output_padding": 1}),
        ("conv_transpose", (x, up, 3, "valid"), {}),
        ("conv_transpose", (line, up[0], 2, "same"), {}),
        ("depthwise_conv", (x, deep, 2, "same"), {}),
        ("depthwise_conv", (line, deep[0], 1, "same"), {"dilation_rate": 2}),
        ("separable_conv", (x, deep, point), {}),
        ("separable_conv", (line, deep[0], point[0], 1, "same"), {}),
    ]
    for name, operands, options in calls:
        if keras.backend.backend() != "torch" and name == "conv_transpose":
            continue
        theirs = keras.ops.convert_to_numpy(getattr(keras.ops, name)(*operands, **options))
        ours = getattr(ops, name)(*operands, **options)
        assert_close(ours, theirs, 1e-10, 1e-10, what=f"{name} {options}")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x, w: ops.conv2d_transpose(x, w, output_padding=1), ("output_padding", "stride 1")),
        (lambda x, w: ops.conv2d_transpose(x, w, padding=9), ("height", "less padding")),
        (lambda x, w: ops.conv2d_transpose(x, w, np.ones(3)), ("bias", "5 output channels")),
        (lambda x, w: ops.conv2d_transpose(x[..., :2], w), ("2 channels", "expects 4")),
        (lambda x, w: ops.conv2d_transpose(x, w, groups=3), ("groups=3",)),
        (lambda x, w: ops.conv2d_transpose(x, w, output_padding=-1), ("output_padding", "0")),
        (lambda x, w: ops.conv2d_transpose(x[:, :0], w), ("height", "at least one")),
        (lambda x, w: ops.separable_conv2d(x, w[..., :1, :], w), ("separable_conv2d",)),
        (lambda x, w: ops.conv1d(x, w), ("conv1d", "(N, L, C)")),
        (lambda x, w: ops.conv1d(x[0], w[0], padding="circular"), ("causal", "circular")),
        (lambda x, w: ops.conv1d(x[0], w[0], padding=(1, 2, 3)), ("front, back",)),
        (lambda x, w: ops.conv1d(x[0], w[0], strides=(1, 2)), ("strides", "one integer")),
        (lambda x, w: ops.depthwise_conv(x[0, 0], w), ("4 axes", "sequences")),
    ],
)
def test_bad_input(call, words):
    x, w = np.ones((2, 6, 6, 4)), np.ones((3, 3, 5, 4))
    with pytest.raises(ValueError) as caught:
        call(x, w)
    for word in words:
        assert word in str(caught.value), str(caught.value)


@pytest.mark.parametrize("channels", [32, 512, 528])
@pytest.mark.parametrize(
    ("kernel", "strides"), [((3, 3), 1), ((5, 5), 1), ((3, 3), 2), ((2, 4), 1)]
)
def test_depthwise_wherever_arrays_begin(channels, kernel, strides, rng):
    """Vectors are cache lines where x begins on one; elsewhere other ways are taken."""
    shape = (1, 7, 11, channels)
    w = rng.standard_normal((*kernel, 1, channels)).astype("float32")
    how = {"groups": channels, "padding": "same", "strides": strides}
    values = rng.standard_normal(shape).astype("float32")
    y = convolution.conv2d(values, w, **how)
    gradient = rng.standard_normal(y.shape).astype("float32")
    dx = convolution.conv2d_backward_input(gradient, w, shape, **how)
    dw = convolution.conv2d_backward_kernel(values, gradient, w.shape, **how)
    for level in levels():
        for x_past, dy_past in ((0, 0), (4, 4), (16, 32), (60, 16)):
            x, dy = _placed(values, x_past), _placed(gradient, dy_past)
            what = f"{level}, {x_past} and {dy_past} bytes past a line"
            ours = (
                ops.conv2d(x, w, **how),
                ops.conv2d_backward_input(dy, w, shape, **how),
                ops.conv2d_backward_kernel(x, dy, w.shape, **how),
            )
            for name, result, right in zip(("y", "dx", "dw"), ours, (y, dx, dw), strict=True):
                assert_accurate(result, right, "float32", f"{name}, {what}")
            if x_past == 0:
                first = ours
            for result, same in zip(ours, first, strict=True):
                np.testing.assert_array_equal(result, same, what)  # bit for bit


@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("taps", [3, 5])
def test_depthwise_of_every_width(taps, strides, rng):
    """Tiles are as wide as leaves the fewest columns to make twice."""
    w = rng.standard_normal((taps, taps, 1, 32)).astype("float32")
    how = {"groups": 32, "padding": "same", "strides": strides}
    for width in range(1, 31):
        x = rng.standard_normal((1, 6, width, 32)).astype("float32")
        y = convolution.conv2d(x, w, **how)
        for level in levels():
            ours = ops.conv2d(_placed(x, 16), w, **how)
            assert_accurate(ours, y, "float32", f"{level}, width {width}")


def _placed(values, bytes_past):
    """A copy that begins so many bytes behind a cache line's begin."""
    room = np.empty(values.nbytes + 128, np.uint8)
    begin = -room.ctypes.data % 64 + bytes_past
    copy = room[begin : begin + values.nbytes].view(values.dtype).reshape(values.shape)
    copy[...] = values
    return copy
