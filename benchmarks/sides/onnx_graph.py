"""A network as an ONNX graph in NCHW, for the run times that read one."""

import numpy as np

from benchmarks.networks import Conv, Dense, Flatten, Pool
from benchmarks.sides import onnx_file


def graph(network, weights):
    nodes, tensors, at = [], {}, iter(weights)
    value = "x"

    def node(kind, inputs, **attributes):
        nonlocal value
        value = f"v{len(nodes)}"
        nodes.append(onnx_file.node(kind, inputs, [value], attributes))

    def store(array):
        name = f"w{len(tensors)}"
        tensors[name] = np.ascontiguousarray(array, dtype=np.float32)
        return name

    for layer in network.layers:
        match layer:
            case Conv(_, size, padding, activation, strides):
                w = next(at)
                kernel, bias = store(w.kernel.transpose(3, 2, 0, 1)), store(w.bias)
                pads = [size // 2] * 4 if padding == "same" else [0] * 4
                node(
                    "Conv",
                    [value, kernel, bias],
                    kernel_shape=[size, size],
                    strides=[strides, strides],
                    pads=pads,
                )
                node(activation.capitalize(), [value])
            case Pool(kind, padding, size):
                node(
                    "MaxPool" if kind == "max" else "AveragePool",
                    [value],
                    kernel_shape=[size, size],
                    strides=[2, 2],
                    ceil_mode=int(padding == "same"),
                )
            case Flatten():
                node("Flatten", [value], axis=1)
            case Dense(units, activation):
                w = next(at)
                kernel = w.kernel
                if w.map is not None:
                    kernel = kernel.reshape(*w.map, units).transpose(2, 0, 1, 3)
                    kernel = kernel.reshape(-1, units)
                node("Gemm", [value, store(kernel), store(w.bias)])
                if activation:
                    node(activation.capitalize(), [value])
    node("Softmax", [value], axis=1)
    height, width, channels = network.input
    return onnx_file.model(
        nodes, tensors, ("x", ["n", channels, height, width]), (value, ["n", network.classes])
    )
