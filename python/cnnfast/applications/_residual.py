"""Blocks of residual networks: y = relu(F(x) + shortcut(x))."""

from __future__ import annotations

from typing import Any

from cnnfast.layers import Activation, Add, BatchNormalization, Conv2D, MaxPooling2D, ZeroPadding2D


def convolution_bn(
    x: Any,
    filters: int,
    size: int,
    name: str,
    *,
    strides: int = 1,
    activation: str | None = None,
    normalise: bool = True,
    zero_gamma: bool = False,
) -> Any:
    """Convolution with ``size // 2`` zeros on each side, batch normalisation, activation.

    Args:
        x: Tensor (N, H, W, C).
        normalise: without, the convolution has a bias instead.
        zero_gamma: the normalisation's factor begins at zero.

    Returns:
        Tensor (N, ceil(H / strides), ceil(W / strides), filters). Layers are called ``name_conv``,
        ``name_bn`` and ``name_relu``.
    """
    x = Conv2D(
        filters,
        size,
        strides=strides,
        padding=size // 2,
        use_bias=not normalise,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    if normalise:
        x = BatchNormalization(
            momentum=0.9,
            epsilon=1e-5,
            gamma_initializer="zeros" if zero_gamma else "ones",
            name=f"{name}_bn",
        )(x)
    return x if activation is None else Activation(activation, name=f"{name}_{activation}")(x)


def basic_block(
    x: Any,
    filters: int,
    name: str,
    strides: int = 1,
    *,
    shortcut: str | None = "B",
    normalise: bool = True,
    zero_gamma: bool = False,
) -> Any:
    """Two 3x3 convolutions (the paper's figure 5, left).

    Args:
        x: Tensor (N, H, W, C).
        filters: of both convolutions.
        name: in front of the layers' names.
        strides: of the first convolution.
        shortcut: "B": projection W_s where the shape changes; "A": zeros for new channels; None:
            no shortcut at all, a plain network's two layers.
        normalise: with batch normalisation.
        zero_gamma: the last gamma begins at zero, the block as its shortcut.

    Returns:
        Tensor (N, ceil(H / strides), ceil(W / strides), filters).
    """
    y = convolution_bn(
        x, filters, 3, f"{name}_1", strides=strides, activation="relu", normalise=normalise
    )
    y = convolution_bn(y, filters, 3, f"{name}_2", normalise=normalise, zero_gamma=zero_gamma)
    return _joined(x, y, name, strides, shortcut, normalise)


def bottleneck_block(
    x: Any,
    filters: int,
    name: str,
    strides: int = 1,
    *,
    shortcut: str | None = "B",
    normalise: bool = True,
    zero_gamma: bool = False,
) -> Any:
    """1x1, 3x3 and 1x1 convolutions (the paper's figure 5, right), 4 x ``filters`` wide at the end.

    Arguments are those of :func:`basic_block`; the stride stands on the 3x3 convolution.
    """
    y = convolution_bn(x, filters, 1, f"{name}_1", activation="relu", normalise=normalise)
    y = convolution_bn(
        y, filters, 3, f"{name}_2", strides=strides, activation="relu", normalise=normalise
    )
    y = convolution_bn(y, 4 * filters, 1, f"{name}_3", normalise=normalise, zero_gamma=zero_gamma)
    return _joined(x, y, name, strides, shortcut, normalise)


def _joined(x: Any, y: Any, name: str, strides: int, shortcut: str | None, normalise: bool) -> Any:
    """relu(y + shortcut(x)), in the shape of y."""
    if shortcut is not None:
        channels, filters = x.shape[-1], y.shape[-1]
        if strides != 1 or channels != filters:
            if shortcut == "B":
                x = convolution_bn(x, filters, 1, f"{name}_0", strides=strides, normalise=normalise)
            else:
                x = _subsampled_and_padded(x, filters - channels, name, strides)
        y = Add(name=f"{name}_add")([x, y])
    return Activation("relu", name=f"{name}_out")(y)


def _subsampled_and_padded(x: Any, missing: int, name: str, strides: int) -> Any:
    """Option A of section 4.1: every second pixel, and maps of zeros on both sides."""
    if strides != 1:
        x = MaxPooling2D(1, strides=strides, name=f"{name}_0_pick")(x)
    if not missing:
        return x
    # ZeroPadding2D pads the last two axes of what it takes for channels first: width and channels.
    sides = ((0, 0), (missing // 2, missing - missing // 2))
    return ZeroPadding2D(sides, data_format="channels_first", name=f"{name}_0_pad")(x)
