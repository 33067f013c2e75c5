"""PyTorch, eager, in its own layout (NCHW) or with channels_last memory format, fused Adam."""

import numpy as np
import torch
from torch import nn

from benchmarks.networks import Conv, Dense, Dropout, Flatten, Pool

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def version():
    return f"torch {torch.__version__}"


class Same(nn.Module):
    """TensorFlow's SAME for a 2x2 pooling: an odd size gets one more row and column at the end."""

    def forward(self, x):
        return nn.functional.max_pool2d(x, 2, ceil_mode=True)


def build(network, weights, variant, dropout, softmax):
    modules, at = [], iter(weights)
    for layer in network.layers:
        match layer:
            case Conv(filters, size, padding, activation, strides):
                w = next(at)
                padding = size // 2 if padding == "same" else 0
                conv = nn.Conv2d(w.kernel.shape[2], filters, size, strides, padding)
                conv.weight.data = torch.from_numpy(w.kernel.transpose(3, 2, 0, 1).copy())
                conv.bias.data = torch.from_numpy(w.bias.copy())
                modules += [conv, ACTIVATIONS[activation]()]
            case Pool("max", "same"):
                modules.append(Same())
            case Pool("max", _, size):
                modules.append(nn.MaxPool2d(size, 2))
            case Pool("average", _, size):
                modules.append(nn.AvgPool2d(size, 2))
            case Flatten():
                modules.append(nn.Flatten())
            case Dense(units, activation):
                w = next(at)
                kernel = w.kernel
                if w.map is not None:  # rows from (H, W, C) to torch's (C, H, W) order
                    kernel = kernel.reshape(*w.map, units).transpose(2, 0, 1, 3)
                    kernel = kernel.reshape(-1, units)
                dense = nn.Linear(kernel.shape[0], units)
                dense.weight.data = torch.from_numpy(kernel.T.copy())
                dense.bias.data = torch.from_numpy(w.bias.copy())
                modules += [dense] + ([ACTIVATIONS[activation]()] if activation else [])
            case Dropout(rate) if dropout:
                modules.append(nn.Dropout(rate))
    if softmax:
        modules.append(nn.Softmax(dim=1))
    model = nn.Sequential(*modules)
    return model.to(memory_format=torch.channels_last) if variant == "channels_last" else model


def images(x, variant):
    tensor = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
    if variant == "channels_last":
        tensor = tensor.to(memory_format=torch.channels_last)
    return tensor


class Trainer:
    def __init__(self, network, weights, batch, threads, variant, dropout):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.variant = variant
        self.model = build(network, weights, variant, dropout, softmax=False).train()
        self.loss = nn.CrossEntropyLoss()
        # eps as Keras has it, so that losses can be compared step by step
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), network.rate, eps=1e-7, fused=True
        )

    def prepare(self, x, y):
        return images(x, self.variant), torch.from_numpy(y)

    def step(self, prepared):
        x, y = prepared
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Predictor:
    def __init__(self, network, weights, batch, threads, variant):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        self.variant = variant
        self.model = build(network, weights, variant, dropout=False, softmax=True).eval()

    def prepare(self, x):
        return images(x, self.variant)

    def infer(self, x):
        with torch.inference_mode():
            return self.model(x).numpy()


def convolution(size, direction, threads, variant):
    """What is timed, and what makes its result an NHWC or HWIO array."""
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    x, kernel, dy = size.operands()
    x, dy = images(x, variant), images(dy, variant)
    w = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
    if variant == "channels_last":
        w = w.to(memory_format=torch.channels_last)
    stride, pad, dilation = (size.stride,) * 2, (size.pad,) * 2, (size.dilation,) * 2

    def backward(mask):
        return torch.ops.aten.convolution_backward(
            dy, x, w, None, stride, pad, dilation, False, (0, 0), size.groups, mask
        )

    def guarded(f):
        def call():
            with torch.inference_mode():
                return f()

        return call

    to_nhwc = lambda y: y.permute(0, 2, 3, 1).contiguous().numpy()  # noqa: E731
    to_hwio = lambda w: w.permute(2, 3, 1, 0).contiguous().numpy()  # noqa: E731
    forward = lambda: nn.functional.conv2d(x, w, None, stride, pad, dilation, size.groups)  # noqa: E731
    calls = {
        "forward": (forward, to_nhwc),
        "backward input": (lambda: backward([True, False, False])[0], to_nhwc),
        "backward kernel": (lambda: backward([False, True, False])[1], to_hwio),
    }
    call, to_array = calls[direction]
    return guarded(call), to_array
