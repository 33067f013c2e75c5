"""Every kernel: GFLOP/s, GB/s and the share of what this machine can do, measured in the same run.

    python -m benchmarks.kernels [--threads 1] [--isa avx2] [--only conv] [--out now.json]
        [--against earlier.json]

The share is of the FMA peak or of the memory bandwidth, whichever the work is nearer to. Winograd
passes the former, since its operations are counted as those of direct sums, and arrays that fit a
cache pass the latter. Kernel and peaks take turns in five rounds, in which each has 20 ms, and the
best run of each counts, as in McCalpin's STREAM: other programs take their part of a machine, of its
memory half and more within seconds. A kernel's time is the plan's own (``plan.profile()``), thread
0's in the steps of the op, packing included. Operands begin on a cache line, as weights and what steps hand to
each other do; only a user's own arrays may not.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import cnnfast
from benchmarks.convolutions import CONVOLUTIONS
from benchmarks.report import processor
from cnnfast import _core, _trace, ops

Case = tuple[str, Callable[..., Any], list[np.ndarray]]

_SECONDS = 0.02  # of a kernel, and of each peak, in a round


def _floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def convolutions() -> Iterator[Case]:
    for size in CONVOLUTIONS:
        how = size.options
        x, kernel, dy = size.operands()
        yield f"conv2d {size}", lambda x, w, how=how: ops.conv2d(x, w, **how), [x, kernel]
        if size.c > 3:
            yield (
                f"conv2d_backward_input {size}",
                lambda dy, w, size=size, how=how: ops.conv2d_backward_input(dy, w, size.x, **how),
                [dy, kernel],
            )
        yield (
            f"conv2d_backward_kernel {size}",
            lambda x, dy, size=size, how=how: ops.conv2d_backward_kernel(x, dy, size.kernel, **how),
            [x, dy],
        )
    x, w = _floats(8, 56, 56, 128), _floats(3, 3, 128, 1)
    yield (
        "depthwise_conv2d 8x56x56x128, 3x3",
        lambda x, w: ops.depthwise_conv2d(x, w, padding="same"),
        [x, w],
    )
    yield (
        "conv2d_transpose 8x14x14x128, 4x4/2 to 64",
        lambda x, w: ops.conv2d_transpose(x, w, strides=2, padding="same"),
        [_floats(8, 14, 14, 128), _floats(4, 4, 64, 128)],
    )
    yield (
        "conv2d 8x28x28x64, 3x3 dilated by 2 to 64",
        lambda x, w: ops.conv2d(x, w, dilation_rate=2, padding="same"),
        [_floats(8, 28, 28, 64), _floats(3, 3, 64, 64)],
    )


def dense() -> Iterator[Case]:
    for rows, inputs, outputs in (
        (128, 3136, 1024),
        (16, 9216, 4096),
        (1, 9216, 4096),
        (128, 1600, 10),
        (512, 1024, 1024),
    ):
        name = f"{rows}x{inputs} to {outputs}"
        x, w, dy = _floats(rows, inputs), _floats(inputs, outputs), _floats(rows, outputs)
        yield f"dense {name}", ops.dense, [x, w]
        yield f"dense_backward_input {name}", ops.dense_backward_input, [dy, w]
        yield f"dense_backward_kernel {name}", ops.dense_backward_kernel, [x, dy]


def pooling() -> Iterator[Case]:
    for shape, window, strides in (((128, 26, 26, 32), 2, 2), ((16, 55, 55, 96), 3, 2)):
        x = _floats(*shape)
        name = f"{'x'.join(map(str, shape))}, {window}x{window}/{strides}"
        how = {"strides": strides}
        dy = np.ones_like(ops.max_pool2d(x, window, **how))
        for kind in ("max", "avg"):
            forward = getattr(ops, f"{kind}_pool2d")
            backward = getattr(ops, f"{kind}_pool2d_backward")
            yield f"{kind}_pool2d {name}", lambda x, f=forward, w=window, h=how: f(x, w, **h), [x]
            # Maximum pooling finds its winners again: forward and backward.
            first = x if kind == "max" else dy
            second = [dy] if kind == "max" else []
            fixed = () if kind == "max" else (shape,)
            yield (
                f"{kind}_pool2d_backward {name}",
                lambda *a, f=backward, w=window, h=how, z=fixed: f(*a, *z, w, **h),
                [first, *second],
            )


def elementwise() -> Iterator[Case]:
    x = _floats(128, 26, 26, 32)
    for name in (
        *("relu", "relu6", "leaky_relu", "elu", "selu", "tanh", "sigmoid", "hard_sigmoid", "silu"),
        *("hard_silu", "gelu", "mish", "softplus", "softsign", "exp", "sqrt", "square"),
    ):
        yield f"{name} 2.8 M", getattr(ops, name), [np.abs(x) if name == "sqrt" else x]
    yield "add 2.8 M", ops.add, [x, x]
    yield "multiply by channel 2.8 M", ops.multiply, [x, _floats(32)]
    yield "softmax 4096x1000", ops.softmax, [_floats(4096, 1000)]
    yield "sum of rows 2.8 M", lambda x: ops.sum(x, axis=(1, 2, 3)), [x]
    yield "sum by channel 2.8 M", lambda x: ops.sum(x, axis=(0, 1, 2)), [x]
    yield "transpose to channels first 2.8 M", lambda x: ops.transpose(x, (0, 3, 1, 2)), [x]
    yield "dropout 2.8 M", lambda x: ops.dropout(x, 0.5, seed=1), [x]
    labels = np.random.default_rng(0).integers(0, 1000, 4096)
    yield (
        "sparse_categorical_crossentropy 4096x1000",
        lambda z, y: ops.sparse_categorical_crossentropy(y, z, from_logits=True),
        [_floats(4096, 1000), labels],
    )


def optimizers() -> Iterator[Case]:
    for optimizer in (
        cnnfast.optimizers.SGD(0.01, momentum=0.9),
        cnnfast.optimizers.Adam(1e-3),
        cnnfast.optimizers.RMSprop(1e-3),
    ):
        yield f"{type(optimizer).__name__} 4 M", _update(optimizer), [_floats(2048, 2048)]


def _update(optimizer: Any) -> Callable[..., Any]:
    weight = _trace.Variable(_floats(2048, 2048), name="weight")

    def update(gradient: Any) -> Any:
        optimizer.trace_updates(gradient.trace, [gradient], [weight])
        return ()

    return update


def _on_a_line(array: np.ndarray) -> np.ndarray:
    """A copy that begins on a cache line."""
    room = np.empty(array.nbytes + 64, np.uint8)
    first = -room.ctypes.data % 64
    copy = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def measure(case: Case, rounds: int, repeats: int) -> dict[str, Any]:
    """One case as a plan, in turns with the peaks: seconds, operations, bytes, share, what ran."""
    name, function, arrays = case
    arrays = [_on_a_line(array) for array in arrays]
    trace = _trace.Trace()
    inputs = [trace.input(a.shape, str(a.dtype), f"input {i}") for i, a in enumerate(arrays)]
    with trace.active():
        outputs = function(*inputs)
    outputs = list(outputs) if isinstance(outputs, tuple) else [outputs]
    plan = trace.plan(outputs)
    peaks, times = [_core.peaks(_SECONDS)], []
    for _ in range(rounds):
        end, runs = time.perf_counter() + _SECONDS, 0
        while runs < repeats or time.perf_counter() < end:
            steps = plan.profile(arrays, 1)
            times.append(sum(s["seconds"] for s in steps))
            runs += 1
        peaks.append(_core.peaks(_SECONDS))
    seconds = min(times)
    flops, moved = (sum(s[what] for s in steps) for what in ("flops", "bytes"))
    most_flops, most_bytes = (max(peak) for peak in zip(*peaks, strict=True))
    work = [s for s in steps if s["flops"] or s["bytes"]]
    return {
        "name": name,
        "seconds": seconds,
        "flops": flops,
        "bytes": moved,
        "share": max(flops / seconds / most_flops, moved / seconds / most_bytes),
        "implementation": max(work or steps, key=lambda s: s["bytes"])["implementation"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels")
    parser.add_argument("--threads", type=int, default=min(2, cnnfast.runtime.get_num_threads()))
    parser.add_argument("--isa", choices=_core.supported_isas(), help="default: the best one here")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--repeats", type=int, default=5, help="runs of a kernel in each round, at least"
    )
    parser.add_argument("--only", help="kernels whose name contains this")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--against", type=Path, help="earlier JSON file to compare with")
    arguments = parser.parse_args()

    cnnfast.runtime.set_num_threads(arguments.threads)
    if arguments.isa:
        _core.set_isa(arguments.isa)
    flops, bandwidth = _core.peaks(0.5)
    print(
        f"{processor()}, {_core.isa()}, {arguments.threads} threads: "
        f"{flops / 1e9:.0f} GFLOP/s, {bandwidth / 1e9:.1f} GB/s at most"
    )
    earlier = {}
    if arguments.against:
        earlier = {k["name"]: k for k in json.loads(arguments.against.read_text())["kernels"]}
    print(f"{'':58} {'us':>9} {'GFLOP/s':>8} {'GB/s':>6} {'share':>6}" + "  before" * bool(earlier))
    found = []
    for group in (convolutions, dense, pooling, elementwise, optimizers):
        for case in group():
            if arguments.only and arguments.only not in case[0]:
                continue
            kernel = measure(case, arguments.rounds, arguments.repeats)
            seconds = kernel["seconds"]
            found.append(kernel)
            before = earlier.get(kernel["name"])
            print(
                f"{kernel['name']:58} {1e6 * seconds:9.1f} {kernel['flops'] / seconds / 1e9:8.1f} "
                f"{kernel['bytes'] / seconds / 1e9:6.1f} {kernel['share']:6.0%}"
                + (f"  {before['seconds'] / seconds:.2f}x" if before else "")
                + f"  {kernel['implementation']}",
                flush=True,
            )
    if arguments.out:
        about = {
            "processor": processor(),
            "isa": _core.isa(),
            "threads": arguments.threads,
            "flops": flops,
            "bytes": bandwidth,
            "kernels": found,
        }
        arguments.out.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
