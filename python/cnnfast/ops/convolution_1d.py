"""One-dimensional convolution: conv2d over images one row high.

Sequences are (N, L, C); kernels (KL, C / groups, K) in either ``data_format``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from cnnfast._trace import apply
from cnnfast.ops import _arguments as arguments
from cnnfast.ops._arguments import Node, PaddingArgument, Result, Value
from cnnfast.ops.convolution import conv2d

#: "valid", "same", "causal", one integer or (front, back).
LinePadding: TypeAlias = str | int | Sequence[int]


def conv1d(
    x: Value,
    kernel: Value,
    bias: Value | None = None,
    *,
    strides: int = 1,
    padding: LinePadding = "valid",
    dilation_rate: int = 1,
    groups: int = 1,
    data_format: str | None = "channels_last",
) -> Result:
    """y[n,i,k] = bias[k] + sum over a, c of x[n, i s + a d, c] kernel[a,c,k].

    Args:
        x: (N, L, C), float32 or float64; (N, C, L) with ``data_format="channels_first"``.
        kernel: (KL, C / groups, K), of x's dtype.
        bias: (K,) or None.
        strides: distance between neighbouring windows.
        padding: "valid"; "same" (the output is ceil(L / stride), an odd zero goes to the end);
            "causal": (KL - 1) d zeros in front, so that output i sees nothing after input i s;
            an integer for both ends, or (front, back).
        dilation_rate: distance between the taps of the kernel.
        groups: divides C and K; group g of the outputs sees group g of the inputs only.

    Returns:
        (N, OL, K) with OL = (L + front + back - (KL - 1) d - 1) // s + 1.

    Raises:
        ValueError: sizes that do not go together, a window larger than the padded input.
        TypeError: mixed or unsupported dtypes.

    >>> import numpy as np
    >>> from cnnfast import ops
    >>> x, kernel = np.ones((1, 4, 1), "float32"), np.ones((3, 1, 1), "float32")
    >>> ops.conv1d(x, kernel, padding="causal")[0, :, 0]
    array([1., 2., 3., 3.], dtype=float32)
    """
    op = "conv1d"
    first = arguments.channels_first(op, data_format)
    node, weights, *rest = arguments.same_dtype(op, x=x, kernel=kernel, bias=bias)
    for name, each, axes in (
        ("x", node, "(N, C, L)" if first else "(N, L, C)"),
        ("kernel", weights, "(KL, C / groups, K)"),
    ):
        if arguments.rank(each) != 3:
            raise ValueError(f"{op}: {name} must be {axes}, got {arguments.shown_shape(each)}")
    step = arguments.single(op, "strides", strides)
    dilation = arguments.single(op, "dilation_rate", dilation_rate)
    taps = arguments.known_shape(op, "kernel", weights)[0]
    with arguments.named(op):
        y = conv2d(
            as_image(to_steps_first(node) if first else node),
            apply(
                "reshape", [weights], {"shape": [1, *arguments.known_shape(op, "kernel", weights)]}
            )[0],
            rest[0] if rest else None,
            strides=(1, step),
            padding=_as_image_padding(op, padding, (taps - 1) * dilation),
            dilation_rate=(1, dilation),
            groups=groups,
        )
        y = as_line(y)
    return to_channels_second(y) if first else y


def to_steps_first(x: Node) -> Node:
    """(N, C, L) to (N, L, C)."""
    turned: Node = apply("transpose", [x], {"permutation": [0, 2, 1]})[0]
    return turned


to_channels_second = to_steps_first  # the same exchange of two axes


def as_image(x: Node) -> Node:
    """(N, L, C) to (N, 1, L, C)."""
    return _reshaped(x, [x.shape[0], 1, x.shape[1], x.shape[2]])


def as_line(x: Node) -> Node:
    """(N, 1, L, C) to (N, L, C)."""
    return _reshaped(x, [x.shape[0], x.shape[2], x.shape[3]])


def _reshaped(x: Node, shape: list[int | None]) -> Node:
    sizes = [-1 if size is None else int(size) for size in shape]
    made: Node = apply("reshape", [x], {"shape": sizes})[0]
    return made


def _as_image_padding(op: str, padding: LinePadding, causal: int) -> PaddingArgument:
    if isinstance(padding, str):
        mode = padding.lower()
        if mode == "causal":
            return ((0, 0), (causal, 0))
        if mode not in ("valid", "same"):
            raise ValueError(
                f"{op}: padding must be 'valid', 'same', 'causal', an integer or (front, back), "
                f"got {padding!r}"
            )
        return mode
    if isinstance(padding, (list, tuple, np.ndarray)):
        if len(padding) != 2:
            raise ValueError(f"{op}: padding must be an integer or (front, back), got {padding!r}")
        return ((0, 0), arguments.pair(op, "padding", padding, 0))
    both = arguments.integer(op, "padding", padding, 0)
    return ((0, 0), (both, both))
