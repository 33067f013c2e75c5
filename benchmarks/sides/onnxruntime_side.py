"""ONNX Runtime: inference only, the graph in its own layout (NCHW)."""

import numpy as np
import onnxruntime

from benchmarks.networks import Conv, Dense, Flatten, Pool
from benchmarks.sides import onnx_file


def version():
    return f"onnxruntime {onnxruntime.__version__}"


def Trainer(*_, **__):
    raise NotImplementedError("onnxruntime does not train")


def graph(layers, weights):
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

    for layer in layers:
        match layer:
            case Conv(_, size, padding, activation):
                w = next(at)
                kernel, bias = store(w.kernel.transpose(3, 2, 0, 1)), store(w.bias)
                pads = [size // 2] * 4 if padding == "same" else [0] * 4
                node("Conv", [value, kernel, bias], kernel_shape=[size, size], pads=pads)
                node(activation.capitalize(), [value])
            case Pool(kind, padding):
                node(
                    "MaxPool" if kind == "max" else "AveragePool",
                    [value],
                    kernel_shape=[2, 2],
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
    return onnx_file.model(nodes, tensors, ("x", ["n", 1, 28, 28]), (value, ["n", 10]))


class Predictor:
    def __init__(self, layers, weights, batch, threads, variant):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            graph(layers, weights), options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, x):
        return {"x": np.ascontiguousarray(x.transpose(0, 3, 1, 2))}

    def infer(self, feed):
        return self.session.run(None, feed)[0]
