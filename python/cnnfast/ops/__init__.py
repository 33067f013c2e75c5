"""Every kernel as a plain function: on NumPy arrays it computes at once, on Tensors it traces.

Images are (N, H, W, C), convolution kernels (KH, KW, C / groups, K), dense kernels (in, out).
float32 is fast; float64 works everywhere, slowly, and is meant for checking gradients.

>>> import numpy as np
>>> from cnnfast import ops
>>> ops.relu(ops.dense(np.array([[1.0, -2.0]], "float32"), np.eye(2, dtype="float32")))
array([[1., 0.]], dtype=float32)
"""

from __future__ import annotations

from cnnfast.ops.activation import (
    elu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from cnnfast.ops.activation_variants import (
    celu,
    erf,
    gelu,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    log_sigmoid,
    mish,
    prelu,
    relu6,
    selu,
    softsign,
)
from cnnfast.ops.affine import affine_transform, random_affine, random_uniform
from cnnfast.ops.arithmetic import (
    abs,
    add,
    clip,
    divide,
    equal,
    exp,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    reciprocal,
    sign,
    sqrt,
    square,
    subtract,
    where,
)
from cnnfast.ops.convolution import conv2d, conv2d_backward_input, conv2d_backward_kernel
from cnnfast.ops.convolution_1d import conv1d
from cnnfast.ops.convolution_keras import conv, conv_transpose, depthwise_conv, separable_conv
from cnnfast.ops.convolution_variants import (
    conv2d_transpose,
    depthwise_conv2d,
    separable_conv2d,
)
from cnnfast.ops.dense import dense, dense_backward_input, dense_backward_kernel, matmul
from cnnfast.ops.dropout import dropout, dropout_backward
from cnnfast.ops.loss import (
    binary_crossentropy,
    categorical_crossentropy,
    mean_absolute_error,
    mean_squared_error,
    sparse_categorical_crossentropy,
)
from cnnfast.ops.normalization import batch_norm, batch_norm_backward, batch_normalization
from cnnfast.ops.pooling import (
    average_pool,
    avg_pool2d,
    avg_pool2d_backward,
    max_pool,
    max_pool2d,
    max_pool2d_backward,
)
from cnnfast.ops.random_numbers import random_normal
from cnnfast.ops.ranking import in_top_k
from cnnfast.ops.rearrange import (
    concatenate,
    flip,
    pad,
    repeat,
    roll,
    slice,
    split,
    stack,
    take,
    tile,
    unstack,
)
from cnnfast.ops.reduction import argmax, max, mean, min, std, sum, var
from cnnfast.ops.resize import resize
from cnnfast.ops.sample_normalization import (
    group_norm,
    layer_norm,
    local_response_normalization,
)
from cnnfast.ops.shape import (
    broadcast_to,
    cast,
    expand_dims,
    flatten,
    one_hot,
    ravel,
    reshape,
    squeeze,
    stop_gradient,
    transpose,
)

# Keras' and NumPy's other names for the same functions.
absolute = abs
true_divide = divide
amax = max
amin = min
swish = silu
hard_swish = hard_silu

__all__ = [
    "abs",
    "absolute",
    "add",
    "affine_transform",
    "amax",
    "amin",
    "argmax",
    "average_pool",
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_normalization",
    "binary_crossentropy",
    "broadcast_to",
    "cast",
    "categorical_crossentropy",
    "celu",
    "clip",
    "concatenate",
    "conv",
    "conv1d",
    "conv2d",
    "conv2d_backward_input",
    "conv2d_backward_kernel",
    "conv2d_transpose",
    "conv_transpose",
    "dense",
    "dense_backward_input",
    "dense_backward_kernel",
    "depthwise_conv",
    "depthwise_conv2d",
    "divide",
    "dropout",
    "dropout_backward",
    "elu",
    "equal",
    "erf",
    "exp",
    "expand_dims",
    "flatten",
    "flip",
    "gelu",
    "greater",
    "greater_equal",
    "group_norm",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "in_top_k",
    "layer_norm",
    "leaky_relu",
    "less",
    "less_equal",
    "local_response_normalization",
    "log",
    "log_sigmoid",
    "log_softmax",
    "matmul",
    "max",
    "max_pool",
    "max_pool2d",
    "max_pool2d_backward",
    "maximum",
    "mean",
    "mean_absolute_error",
    "mean_squared_error",
    "min",
    "minimum",
    "mish",
    "multiply",
    "negative",
    "not_equal",
    "one_hot",
    "pad",
    "power",
    "prelu",
    "random_affine",
    "random_normal",
    "random_uniform",
    "ravel",
    "reciprocal",
    "relu",
    "relu6",
    "repeat",
    "reshape",
    "resize",
    "roll",
    "selu",
    "separable_conv",
    "separable_conv2d",
    "sigmoid",
    "sign",
    "silu",
    "slice",
    "softmax",
    "softplus",
    "softsign",
    "sparse_categorical_crossentropy",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "stop_gradient",
    "subtract",
    "sum",
    "swish",
    "take",
    "tanh",
    "tile",
    "transpose",
    "true_divide",
    "unstack",
    "var",
    "where",
]
