"""No float32 op is left to the reference implementation, which is one thread and no vectors.

Every op of the registry has calls here: a new op must be given some. They are shapes that fall out
of the fast cases: odd channels, axes in the middle, broadcasting, huge padding.
"""

import numpy as np
import pytest

from cnnfast import _core, _trace
from ops.levels import levels

# Ops whose values are no float32 arithmetic, or that move bytes as they are.
EXEMPT = {
    "gradients": "replaced by other ops before a plan is made",
    "increment": "one integer, a counter",
    "draw_affine": "six numbers an image, drawn from a counter",
    "draw_uniform": "a few numbers an image, drawn from a counter",
    "learning_rate_schedule": "one number a step",
    "stop_gradient": "a view",
    "identity": "a view",
    "reshape": "a view",
}


class Variable(tuple):
    """An operand that the op overwrites, by its shape."""


def f32(*shape):
    return np.linspace(0.1, 1, int(np.prod(shape)), dtype="float32").reshape(shape)


def labels(*shape):
    return np.zeros(shape, "int64")


STATE = np.array([1, 0], "int64")
IMAGE = (2, 9, 8, 5)
ONE_CHANNEL_EACH = {"groups": 5}
HUGE = {"padding": "explicit", "pads": [3, 2, 40_000_000, 7], "strides": [2, 5_000_000]}
FAR = {"dilation": [2, 3_000_000], "padding": "explicit", "pads": [1, 1, 2_999_999, 3_000_001]}
WIDE_STRIDES = {"strides": [100, 100]}

# (kernel, attributes) for a convolution of IMAGE.
CONVOLUTIONS = [
    ((3, 3, 5, 7), {}),
    ((3, 3, 5, 7), {"dilation": [3, 2]}),
    ((3, 3, 5, 1), {"padding": "explicit", "pads": [5, 4, 6, 3]}),
    ((3, 3, 1, 5), {**ONE_CHANNEL_EACH, "padding": "same"}),
    ((3, 3, 1, 15), {**ONE_CHANNEL_EACH, "strides": [2, 2]}),
    ((3, 3, 1, 320), ONE_CHANNEL_EACH),
    ((1, 1, 1, 10), ONE_CHANNEL_EACH),
    ((3, 3, 5, 7), HUGE),
    ((3, 3, 1, 10), {**ONE_CHANNEL_EACH, **HUGE}),
    ((3, 3, 5, 7), FAR),
    ((2, 2, 5, 70), {"strides": [7, 5]}),
    ((9, 8, 5, 3), WIDE_STRIDES),
]


def _output_size(length, taps, stride, dilation, pads):
    return (length + sum(pads) - (taps - 1) * dilation - 1) // stride + 1


def _convolution_calls():
    forward, backward_input, backward_kernel = [], [], []
    for kernel, attributes in CONVOLUTIONS:
        x, w = f32(*IMAGE), f32(*kernel)
        forward.append((attributes, [x, w]))
        forward.append((attributes, [x, w, f32(kernel[3])]))
        graph = _core.Graph()
        values = [graph.input(a.shape, "float32", "") for a in (x, w)]
        y = graph.type_of(graph.op("conv2d", values, attributes)[0])[0]
        dy = f32(*y)
        backward_input.append(({**attributes, "input_shape": list(IMAGE)}, [dy, w]))
        backward_kernel.append(({**attributes, "kernel_shape": list(kernel)}, [x, dy]))
    # More than 4096 phases of the strides.
    shape = (1, 128, 128, 2)
    many = {"strides": [100, 100], "input_shape": list(shape)}
    backward_input.append((many, [f32(1, 2, 2, 3), f32(2, 2, 2, 3)]))
    return forward, backward_input, backward_kernel


def _transposed_calls():
    x = f32(2, 5, 4, 6)
    return [
        ({"strides": [2, 2], "output_padding": [1, 1]}, [x, f32(3, 3, 7, 6), f32(7)]),
        ({"strides": [2, 3], "padding": "same"}, [x, f32(3, 3, 7, 6)]),
        ({"strides": [100, 100]}, [x, f32(3, 3, 7, 6), f32(7)]),
        ({"dilation": [2, 2], "groups": 3}, [x, f32(3, 3, 1, 6), f32(3)]),
        ({"groups": 6, "strides": [2, 2]}, [x, f32(3, 3, 1, 6), f32(6)]),
        ({"dilation": [1, 3_000_000]}, [f32(1, 2, 2, 3), f32(1, 2, 2, 3)]),
    ]


def _pool_calls():
    plain = {"pool_size": [3, 2], "strides": [2, 3]}
    same = {"pool_size": [3, 3], "strides": [1, 1], "padding": "same"}
    wide = {"pool_size": [9, 8], "strides": [1, 1], "padding": "explicit", "pads": [8, 8, 7, 7]}
    return [plain, same, wide, {"pool_size": [17, 17], "strides": [1, 1], "padding": "same"}]


def _pool_backward_calls(winners):
    calls = []
    for attributes in _pool_calls():
        graph = _core.Graph()
        x = graph.input(IMAGE, "float32", "")
        outputs = graph.op("max_pool2d", [x], attributes)
        shape = graph.type_of(outputs[0])[0]
        operands = [f32(*shape)]
        if winners:
            operands.append(np.zeros(shape, graph.type_of(outputs[1])[1]))
        calls.append(({**attributes, "input_shape": list(IMAGE)}, operands))
    return calls


FORWARD, BACKWARD_INPUT, BACKWARD_KERNEL = _convolution_calls()
UNARY = [({}, [f32(*IMAGE)]), ({}, [f32(3)]), ({}, [f32()])]
CURVED = (
    *("selu", "silu", "gelu", "gelu_tanh", "mish", "softplus", "softsign"),
    *("log_sigmoid", "hard_sigmoid", "hard_silu"),
)
SLOPED = [({"alpha": 0.1}, operands) for _, operands in UNARY]
BINARY = [
    ({}, [f32(*IMAGE), f32(*IMAGE)]),
    ({}, [f32(*IMAGE), f32()]),
    ({}, [f32(5), f32(*IMAGE)]),
    ({}, [f32(2, 1, 8, 1), f32(9, 1, 5)]),
    ({}, [f32(2, 9, 1, 5), f32(*IMAGE)]),
]
REDUCTIONS = [
    ({"axes": axes, "keepdims": keep}, [f32(*IMAGE)])
    for keep in (False, True)
    for axes in ([], [0], [1], [2], [3], [0, 2], [1, 3], [1, 2], [0, 1, 2], [0, 1, 2, 3])
]
EXTREMES = [
    ({"axes": axes}, [f32(*IMAGE), f32(*size)])
    for axes, size in (
        ([1], (2, 8, 5)),
        ([0, 2], (9, 5)),
        ([3], (2, 9, 8)),
        ([1, 2], (2, 5)),
        ([0, 1, 2, 3], ()),
    )
]
ROWS = [({"axis": -1}, [f32(3, 10)]), ({"axis": -1}, [f32(2, 3, 1001)]), ({}, [f32(4, 1)])]
LOGITS = [{"from_logits": True}, {"from_logits": False}]


CALLS = {
    "conv2d": FORWARD,
    "conv2d_backward_input": BACKWARD_INPUT,
    "conv2d_backward_kernel": BACKWARD_KERNEL
    + [({**a, "bias": True}, o) for a, o in BACKWARD_KERNEL],
    "conv2d_transpose": _transposed_calls(),
    "max_pool2d": [(a, [f32(*IMAGE)]) for a in _pool_calls()],
    "avg_pool2d": [(a, [f32(*IMAGE)]) for a in _pool_calls()],
    "max_pool2d_backward": _pool_backward_calls(True),
    "avg_pool2d_backward": _pool_backward_calls(False),
    "dense": [
        ({}, [f32(7, 5), f32(5, 3)]),
        ({}, [f32(1, 784), f32(784, 10), f32(10)]),
        ({"activation": "tanh"}, [f32(2, 3, 4, 5), f32(5, 33), f32(33)]),
    ],
    "dense_backward_input": [({}, [f32(7, 3), f32(5, 3)]), ({}, [f32(2, 3, 33), f32(5, 33)])],
    "dense_backward_kernel": [
        ({}, [f32(7, 5), f32(7, 3)]),
        ({"bias": True}, [f32(7, 5), f32(7, 3)]),
    ],
    "relu": UNARY,
    "leaky_relu": SLOPED,
    "elu": SLOPED,
    "elu_backward": [(a, [*o, *o]) for a, o in SLOPED],
    "clip": [({"low": -1.0, "high": 2.0}, o) for _, o in UNARY],
    "clip_backward": [({"low": -1.0, "high": 2.0}, [*o, *o]) for _, o in UNARY],
    **dict.fromkeys(CURVED, UNARY),
    **{f"{name}_backward": [(a, [*o, *o]) for a, o in UNARY] for name in CURVED},
    "activation_backward": [
        ({"activation": name, "alpha": 0.1}, [f32(*IMAGE), f32(*IMAGE)])
        for name in ("relu", "leaky_relu", "tanh", "sigmoid")
    ],
    **dict.fromkeys(("tanh", "sigmoid", "exp", "log", "sqrt", "square", "abs", "negative"), UNARY),
    **dict.fromkeys(("reciprocal", "sign", "erf"), UNARY),
    **dict.fromkeys(
        ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power"), BINARY
    ),
    **dict.fromkeys(
        ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal"), BINARY
    ),
    "select": [
        ({}, [f32(*IMAGE) > 0.5, f32(*IMAGE), f32(*IMAGE)]),
        ({}, [f32(5) > 0.5, f32(*IMAGE), f32()]),
        ({}, [f32(2, 9, 1, 1) > 0.5, f32(*IMAGE), f32(8, 5)]),
    ],
    **dict.fromkeys(("sum", "mean", "max", "min"), REDUCTIONS),
    **dict.fromkeys(("max_backward", "min_backward"), EXTREMES),
    "argmax": [({"axis": axis}, [f32(*IMAGE)]) for axis in range(4)],
    "softmax": ROWS,
    "log_softmax": ROWS,
    "softmax_backward": [(a, [*o, *o]) for a, o in ROWS],
    "transpose": [
        ({"permutation": list(order)}, [f32(*IMAGE)])
        for order in ((0, 3, 1, 2), (0, 2, 3, 1), (3, 2, 1, 0), (1, 0, 2, 3), (2, 0, 3, 1))
    ],
    "broadcast_to": [
        ({"shape": list(IMAGE)}, [f32(*shape)]) for shape in ((), (5,), (8, 1), (2, 1, 8, 1))
    ],
    "cast": [
        ({"dtype": "float32"}, [np.zeros(IMAGE, kind)])
        for kind in ("uint8", "int32", "int64", "bool", "float64")
    ]
    + [({"dtype": kind}, [f32(*IMAGE)]) for kind in ("int32", "int64", "uint8", "bool", "float64")],
    "gather": [
        ({"dtype": ""}, [f32(*IMAGE), labels(3)]),
        ({"dtype": "float32"}, [np.zeros((4, 7), "uint8"), labels(3)]),
        ({"dtype": "float32"}, [np.zeros((4, 7), "int64"), labels(3)]),
        ({"dtype": "float32"}, [np.zeros((4, 7), "float64"), labels(3)]),
    ],
    "fill": [({"shape": list(IMAGE), "dtype": "float32", "value": 0.5}, [])],
    "dropout": [({"rate": 0.3, "stream": 1}, [f32(*IMAGE), STATE])],
    "dropout_backward": [({"rate": 0.3, "stream": 1}, [f32(*IMAGE), STATE])],
    "categorical_crossentropy": [
        ({**a, "label_smoothing": 0.1}, [f32(6, 7), f32(6, 7)]) for a in LOGITS
    ],
    "categorical_crossentropy_backward": [(a, [f32(6, 7), f32(6, 7), f32(6)]) for a in LOGITS],
    "sparse_categorical_crossentropy": [(a, [f32(6, 7), labels(6)]) for a in LOGITS],
    "sparse_categorical_crossentropy_backward": [
        (a, [f32(6, 7), labels(6), f32(6)]) for a in LOGITS
    ],
    "categorical_accuracy": [({}, [f32(6, 7), f32(6, 7)])],
    "sparse_categorical_accuracy": [({}, [f32(6, 7), labels(6)])],
    "sgd_update": [
        ({}, [Variable((5, 3)), f32(5, 3), f32()]),
        (
            {"momentum": 0.9, "nesterov": True},
            [Variable((5, 3)), f32(5, 3), f32(), Variable((5, 3))],
        ),
    ],
    "adam_update": [
        (
            {},
            [
                Variable((5, 3)),
                f32(5, 3),
                f32(),
                Variable((5, 3)),
                Variable((5, 3)),
                np.zeros((), "int64"),
            ],
        )
    ],
    "binary_crossentropy": [(a, [f32(6, 7), f32(6, 7)]) for a in LOGITS],
    "binary_crossentropy_backward": [(a, [f32(6, 7), f32(6, 7), f32(6, 7)]) for a in LOGITS],
    "in_top_k": [({"k": 2}, [f32(6, 7), labels(6)])],
    "adagrad_update": [({}, [Variable((5, 3)), f32(5, 3), f32(), Variable((5, 3))])],
    "rmsprop_update": [({}, [Variable((5, 3)), f32(5, 3), f32(), Variable((5, 3))])],
    "ema_update": [({}, [Variable((5, 3)), Variable((5, 3)), labels()])],
    "accumulate_gradient": [({"every": 2}, [Variable((5, 3)), f32(5, 3), labels()])],
    # Normalisation.
    "batch_norm": [
        (a, [f32(*IMAGE), *[f32(5)] * 4])
        for a in ({}, {"activation": "relu"}, {"activation": "tanh"})
    ],
    "batch_norm_training": [
        (a, [f32(*IMAGE), f32(5), f32(5)]) for a in ({}, {"activation": "relu"})
    ],
    "batch_norm_backward": [
        ({"training": training}, [f32(*IMAGE), f32(*IMAGE), *[f32(5)] * 5])
        for training in (False, True)
    ],
    "moving_average": [({"momentum": 0.9}, [Variable((5,)), f32(5)])],
    "layer_norm": [({}, [f32(*IMAGE), f32(5), f32(5)]), ({}, [f32(3, 1001), f32(1001), f32(1001)])],
    "layer_norm_backward": [({}, [f32(*IMAGE), f32(*IMAGE), f32(5), *[f32(2, 9, 8)] * 3])],
    "group_norm": [({"groups": g}, [f32(*IMAGE), f32(5), f32(5)]) for g in (1, 5)],
    "group_norm_backward": [
        ({"groups": g}, [f32(*IMAGE), f32(*IMAGE), f32(5), *[f32(2, g)] * 3]) for g in (1, 5)
    ],
    "local_response_norm": [({"size": size}, [f32(*IMAGE)]) for size in (1, 5, 9)],
    "local_response_norm_backward": [({"size": 5}, [f32(*IMAGE), f32(*IMAGE)])],
    # Rearranging.
    "concatenate": [
        ({"axis": 3}, [f32(*IMAGE), f32(2, 9, 8, 3)]),
        ({"axis": 1}, [f32(*IMAGE), f32(2, 1, 8, 5), f32(*IMAGE)]),
    ],
    "slice": [({"begin": [0, 1, 2, 1], "size": [2, 4, 3, 2], "step": [1, 2, 2, 3]}, [f32(*IMAGE)])],
    "slice_backward": [
        ({"shape": list(IMAGE), "begin": [0, 1, 2, 0], "step": [1, 2, 2, 1]}, [f32(2, 4, 3, 5)])
    ],
    "pad": [({"before": [0, 1, 2, 0], "after": [0, 0, 1, 3], "value": 0.5}, [f32(*IMAGE)])],
    "take": [({"axis": axis, "indices": [0, 0, 1, 3]}, [f32(*IMAGE)]) for axis in (1, 2, 3)],
    "take_backward": [({"axis": 1, "indices": [0, 0, 1, 8], "size": 9}, [f32(2, 4, 8, 5)])],
    "interpolate": [
        ({"axis": axis, "size": size}, [f32(*IMAGE)]) for axis, size in ((1, 18), (2, 3))
    ],
    "interpolate_backward": [({"axis": 1, "size": 9}, [f32(2, 18, 8, 5)])],
    "affine_transform": [
        (
            {"height": 7, "width": 6, "fill_mode": mode, "interpolation": "bilinear"},
            [f32(*IMAGE), f32(2, 6)],
        )
        for mode in ("constant", "reflect", "wrap", "nearest")
    ],
    "affine_transform_backward": [
        ({"height": 9, "width": 8, "fill_mode": "constant"}, [f32(2, 7, 6, 5), f32(1, 6)])
    ],
    "prelu": [({}, [f32(*IMAGE), f32(*slope)]) for slope in ((5,), (9, 8, 5), (1, 1, 5))],
    "prelu_backward": [({}, [f32(*IMAGE), f32(5), f32(*IMAGE)])],
    "accumulate": [({}, [Variable((5, 3)), f32(5, 3)])],
    "assign": [({}, [Variable((5, 3)), f32(5, 3)])],
}


def test_every_op_has_calls():
    registered = set(_core.op_names())
    missing = registered - set(CALLS) - set(EXEMPT)
    assert not missing, f"give {sorted(missing)} calls in CALLS, or a reason in EXEMPT"


def _steps(op, attributes, operands):
    trace = _trace.Trace()
    values, types = [], []
    for i, operand in enumerate(operands):
        if isinstance(operand, Variable):
            values.append(_trace.Variable(np.zeros(operand, "float32"), name=f"v{i}"))
        else:
            values.append(trace.input(operand.shape, str(operand.dtype), f"x{i}"))
            types.append((operand.shape, str(operand.dtype)))
    if operands:
        outputs = trace.apply(op, values, attributes, "")
    else:
        outputs = tuple(_trace.Tensor(trace, v) for v in trace.graph.op(op, [], attributes))
    # Every output is asked for: an optional one that nobody reads may be left out.
    return trace.plan(outputs, types).steps()


@pytest.mark.parametrize("op", sorted(set(CALLS) & set(_core.op_names())))
def test_no_call_is_left_to_the_reference(op):
    for level in levels():
        for attributes, operands in CALLS[op]:
            for step in _steps(op, attributes, operands):
                shapes = ", ".join(
                    str(tuple(o) if isinstance(o, Variable) else o.shape) for o in operands
                )
                assert step["implementation"] != "reference", (
                    f"{op}({shapes}) {attributes}, {level}: {step['declined']}"
                )
