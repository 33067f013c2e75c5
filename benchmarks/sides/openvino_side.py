"""OpenVINO: inference only, in float32, from the same ONNX graph as ONNX Runtime's."""

import io

import numpy as np
import openvino

from benchmarks.sides.onnx_graph import graph


def version():
    return f"openvino {openvino.__version__.split('-')[0]}"


def Trainer(*_, **__):
    raise NotImplementedError("openvino does not train")


class Predictor:
    def __init__(self, network, weights, batch, threads, variant):
        core = openvino.Core()
        model = core.read_model(io.BytesIO(graph(network, weights)))
        height, width, channels = network.input
        model.reshape([batch, channels, height, width])
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": "f32",
                "PERFORMANCE_HINT": "LATENCY",
            },
        )
        self.request = compiled.create_infer_request()

    def prepare(self, x):
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))

    def infer(self, x):
        return self.request.infer([x], share_inputs=True, share_outputs=False)[0]
