"""ONNX Runtime: inference only, the graph in its own layout (NCHW)."""

import numpy as np
import onnxruntime

from benchmarks.sides.onnx_graph import graph


def version():
    return f"onnxruntime {onnxruntime.__version__}"


def Trainer(*_, **__):
    raise NotImplementedError("onnxruntime does not train")


class Predictor:
    def __init__(self, network, weights, batch, threads, variant):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            graph(network, weights), options, providers=["CPUExecutionProvider"]
        )

    def prepare(self, x):
        return {"x": np.ascontiguousarray(x.transpose(0, 3, 1, 2))}

    def infer(self, feed):
        return self.session.run(None, feed)[0]
