"""Residual networks (He, Zhang, Ren, Sun: Deep residual learning for image recognition, CVPR 2016,
arXiv:1512.03385): table 1 for ImageNet."""

from __future__ import annotations

from typing import Any

from cnnfast.layers import Dense, GlobalAveragePooling2D, MaxPooling2D
from cnnfast.models import Model

from ._arguments import entrance, has_top, pooled, weights_file
from ._residual import basic_block, bottleneck_block, convolution_bn

# Table 1 of the paper: the block, and how many of them in conv2_x ... conv5_x.
_BLOCKS = {
    "ResNet18": (basic_block, (2, 2, 2, 2)),
    "ResNet34": (basic_block, (3, 4, 6, 3)),
    "ResNet50": (bottleneck_block, (3, 4, 6, 3)),
    "ResNet101": (bottleneck_block, (3, 4, 23, 3)),
    "ResNet152": (bottleneck_block, (3, 8, 36, 3)),
}
_FILTERS = (64, 128, 256, 512)


def ResNet18(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "resnet18",
    *,
    zero_init_residual: bool = False,
) -> Model:
    """2, 2, 2 and 2 basic blocks of two 3x3 convolutions; 11,689,512 trainable parameters. See :func:`ResNet50`."""
    return _resnet("ResNet18", **locals())


def ResNet34(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "resnet34",
    *,
    zero_init_residual: bool = False,
) -> Model:
    """3, 4, 6 and 3 basic blocks of two 3x3 convolutions; 21,797,672 trainable parameters. See :func:`ResNet50`."""
    return _resnet("ResNet34", **locals())


def ResNet50(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "resnet50",
    *,
    zero_init_residual: bool = False,
) -> Model:
    """3, 4, 6 and 3 bottlenecks of 1x1, 3x3, 1x1 convolutions; 25,557,032 trainable parameters.

    Version 1.5, as torchvision has it: where a stage begins, the 3x3 convolution has the stride
    (the paper's and Keras' first 1x1 skips three quarters of its input); convolutions have no bias,
    since batch normalisation follows (epsilon 1e-5, momentum 0.9); padding is symmetric. Shortcuts
    are identities, and projections (the paper's option B) where the shape changes.

    Args:
        include_top: whether global average pooling and the dense layer stand at the end.
        weights: None, or the path of a file that ``save_weights`` wrote; no trained weights come
            with cnnfast.
        input_tensor: a Tensor of ``Input`` to build on, instead of ``input_shape``.
        input_shape: (height, width, channels), at least 32x32; None: (224, 224, 3). Height and
            width may be None.
        pooling: without the top: None gives maps, "avg" or "max" one value for each of them.
        classes: number of outputs.
        classifier_activation: of the last layer; ``None`` for logits.
        name: of the model.
        zero_init_residual: the last gamma of every block begins at zero, so that blocks begin as
            identities (Goyal et al., arXiv:1706.02677, section 5.1).

    Returns:
        A built, not yet compiled model: images (n, height, width, channels) -> (n, classes).
        Layers have Keras' names: ``conv1_conv``, ``conv2_block1_1_conv`` ...

    Raises:
        ValueError, TypeError: pictures that are too small, another ``pooling``, weights that there
            are not.

    Example:
        >>> from cnnfast.applications import ResNet50
        >>> ResNet50(include_top=False, input_shape=(64, 64, 3)).output_shape
        (None, 2, 2, 2048)
    """
    return _resnet("ResNet50", **locals())


def ResNet101(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "resnet101",
    *,
    zero_init_residual: bool = False,
) -> Model:
    """3, 4, 23 and 3 bottlenecks; 44,549,160 trainable parameters. See :func:`ResNet50`."""
    return _resnet("ResNet101", **locals())


def ResNet152(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "resnet152",
    *,
    zero_init_residual: bool = False,
) -> Model:
    """3, 8, 36 and 3 bottlenecks; 60,192,808 trainable parameters. See :func:`ResNet50`."""
    return _resnet("ResNet152", **locals())


def _resnet(
    network: str,
    *,
    include_top: bool,
    weights: Any,
    input_tensor: Any,
    input_shape: Any,
    pooling: str | None,
    classes: int,
    classifier_activation: Any,
    name: str,
    zero_init_residual: bool,
) -> Model:
    block, counts = _BLOCKS[network]
    path = weights_file(network, weights)
    top = has_top(network, include_top)
    inputs = entrance(network, input_tensor, input_shape, (224, 224, 3), 32, fixed=False)
    # 224x224 -> 112x112 -> 56x56 (conv2_x) -> 28x28 -> 14x14 -> 7x7 (conv5_x)
    x = convolution_bn(inputs, 64, 7, "conv1", strides=2, activation="relu")
    x = MaxPooling2D(3, strides=2, padding=1, name="pool1_pool")(x)
    for stage, (filters, count) in enumerate(zip(_FILTERS, counts, strict=True), start=2):
        for i in range(1, count + 1):
            strides = 2 if stage > 2 and i == 1 else 1
            x = block(x, filters, f"conv{stage}_block{i}", strides, zero_gamma=zero_init_residual)
    if top:
        x = GlobalAveragePooling2D(name="avg_pool")(x)
        x = Dense(classes, activation=classifier_activation, name="predictions")(x)
    else:
        for layer in pooled(network, pooling):
            x = layer(x)
    model = Model(inputs, x, name=name)
    if path is not None:
        model.load_weights(path)
    return model
