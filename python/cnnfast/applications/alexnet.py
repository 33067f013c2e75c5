"""AlexNet (Krizhevsky, Sutskever, Hinton: ImageNet classification with deep convolutional neural
networks, NIPS 2012), and the narrower one that torchvision has."""

from __future__ import annotations

from typing import Any

from cnnfast import layers
from cnnfast.layers import (
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LocalResponseNormalization,
    MaxPooling2D,
)
from cnnfast.models import Sequential

from ._arguments import RELU, fraction, has_top, image_shape, weights_file

_VARIANTS = ("paper", "torchvision")


def AlexNet(
    input_shape: tuple[int, int, int] = (227, 227, 3),
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    include_top: bool = True,
    weights: Any = None,
    *,
    lrn: bool = False,
    dropout: float = 0.5,
    variant: str = "paper",
    name: str = "alexnet",
) -> Sequential:
    """Five convolutions and three dense layers; 62,378,344 parameters.

    The paper's figure 2 in one tower: its two GPUs each saw half of the maps in the second, fourth
    and fifth convolution (60,965,224 parameters); here every filter sees all of them, as it is
    taught today. The figure says 224x224, its arithmetic needs 227x227.

    Args:
        input_shape: (height, width, channels), at least 67x67 (63x63 for torchvision's).
        classes: number of outputs.
        classifier_activation: of the last layer; ``None`` for logits.
        include_top: whether the dense layers stand at the end; without them the output is the
            last pooling's maps, 6x6x256 for 227x227.
        weights: None, or the path of a file that ``save_weights`` wrote; no trained weights come
            with cnnfast.
        lrn: local response normalisation after the first two convolutions (section 3.3: five
            neighbours, k = 2, alpha = 1e-4, beta = 0.75), which later networks left out. It has no
            parameters.
        dropout: rate on the first two dense layers (section 4.2); 0 for none.
        variant: "paper"; or "torchvision": 64 and 192 instead of 96 and 256 filters and padding
            in front, from section 5 of Krizhevsky, One weird trick for parallelizing convolutional
            neural networks, arXiv:1404.5997. It has 61,100,840 parameters, drops before the dense
            layers, and takes 224x224 as well as 227x227 to 6x6 maps.
        name: of the model.

    Returns:
        A built, not yet compiled model: images (n, height, width, channels) -> (n, classes).

    Raises:
        ValueError, TypeError: pictures that are too small, another variant, a rate outside [0, 1),
            weights that there are not.

    Example:
        >>> from cnnfast.applications import AlexNet
        >>> AlexNet((67, 67, 3), classes=10).output_shape
        (None, 10)
    """
    if variant not in _VARIANTS:
        raise ValueError(f"AlexNet: variant must be one of {_VARIANTS}, got {variant!r}")
    rate = fraction("AlexNet", "dropout", dropout)
    path = weights_file("AlexNet", weights)
    top = has_top("AlexNet", include_top)
    paper = variant == "paper"
    shape = image_shape("AlexNet", input_shape, 67 if paper else 63, fixed=top)
    features = _paper_features(lrn) if paper else _torchvision_features(lrn)
    # With (227, 227, 3) each line's output is the paper's; so are the names of its figure.
    model = Sequential([layers.Input(shape=shape), *features], name=name)
    if top:
        for layer in _classifier(classes, classifier_activation, rate, drop_first=not paper):
            model.add(layer)
    if path is not None:
        model.load_weights(path)
    return model


def _paper_features(lrn: bool) -> list[Layer]:
    return [
        Conv2D(96, 11, strides=4, **RELU, name="conv1"),  # 55x55x96
        *_response_normalisation(lrn, "norm1"),
        MaxPooling2D(3, strides=2, name="pool1"),  # 27x27: windows overlap (section 3.4)
        Conv2D(256, 5, padding="same", **RELU, name="conv2"),
        *_response_normalisation(lrn, "norm2"),
        MaxPooling2D(3, strides=2, name="pool2"),  # 13x13x256
        Conv2D(384, 3, padding="same", **RELU, name="conv3"),
        Conv2D(384, 3, padding="same", **RELU, name="conv4"),
        Conv2D(256, 3, padding="same", **RELU, name="conv5"),
        MaxPooling2D(3, strides=2, name="pool5"),  # 6x6x256
    ]


def _torchvision_features(lrn: bool) -> list[Layer]:
    return [
        Conv2D(64, 11, strides=4, padding=2, **RELU, name="conv1"),
        *_response_normalisation(lrn, "norm1"),
        MaxPooling2D(3, strides=2, name="pool1"),
        Conv2D(192, 5, padding="same", **RELU, name="conv2"),
        *_response_normalisation(lrn, "norm2"),
        MaxPooling2D(3, strides=2, name="pool2"),
        Conv2D(384, 3, padding="same", **RELU, name="conv3"),
        Conv2D(256, 3, padding="same", **RELU, name="conv4"),
        Conv2D(256, 3, padding="same", **RELU, name="conv5"),
        MaxPooling2D(3, strides=2, name="pool5"),
    ]


def _response_normalisation(wanted: bool, name: str) -> list[Layer]:
    # The layer divides alpha by the number of neighbours, the paper does not.
    if not wanted:
        return []
    return [LocalResponseNormalization(5, alpha=5 * 1e-4, beta=0.75, k=2.0, name=name)]


def _classifier(classes: int, activation: Any, dropout: float, drop_first: bool) -> list[Layer]:
    drops: list[Layer] = [Dropout(dropout, name=f"drop{i}") for i in (6, 7)] if dropout else []
    dense = [Dense(4096, **RELU, name=f"fc{i}") for i in (6, 7)]
    hidden: list[Layer] = list(dense)
    if drops:
        pairs = zip(drops, dense, strict=True) if drop_first else zip(dense, drops, strict=True)
        hidden = [layer for pair in pairs for layer in pair]
    return [
        Flatten(name="flatten"),
        *hidden,
        Dense(classes, activation=activation, name="predictions"),
    ]
