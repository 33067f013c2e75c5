"""One file for each library: the same networks, built and called as its users would.

A side has ``Trainer(network, weights, batch, threads, variant)`` with ``prepare(x, y)`` (once, not
timed: the library's own array type and layout) and ``step(prepared) -> loss``; and ``Predictor``
with ``prepare(x)`` and ``infer(prepared) -> probabilities (n, classes)``. ``version()`` names it.
Constructors raise ``NotImplementedError`` for what a library does not do. ``convolution(size,
direction, threads, variant)``, where a side has it, gives a function to time and one that makes its
result an NHWC or HWIO array.
"""

# name in the tables -> (module, variant, pip name of what must be installed)
SIDES = {
    "cnnfast": ("cnnfast_side", "", "cnnfast"),
    "torch NCHW": ("torch_side", "nchw", "torch"),
    "torch NHWC": ("torch_side", "channels_last", "torch"),
    "keras": ("keras_side", "", "keras"),
    "jax": ("jax_side", "", "jax"),
    "onnxruntime": ("onnxruntime_side", "", "onnxruntime"),
    "openvino": ("openvino_side", "", "openvino"),
}
