"""VGG (Simonyan, Zisserman: Very deep convolutional networks for large-scale image recognition,
ICLR 2015, arXiv:1409.1556)."""

from __future__ import annotations

from typing import Any

from cnnfast.layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPooling2D
from cnnfast.models import Model

from ._arguments import RELU, entrance, fraction, has_top, pooled, weights_file

# Table 1 of the paper, columns A, B, D and E: convolutions in each of the five blocks; all are 3x3.
_CONVOLUTIONS = {
    "VGG11": (1, 1, 2, 2, 2),
    "VGG13": (2, 2, 2, 2, 2),
    "VGG16": (2, 2, 3, 3, 3),
    "VGG19": (2, 2, 4, 4, 4),
}
_FILTERS = (64, 128, 256, 512, 512)


def VGG11(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "vgg11",
    *,
    dropout: float = 0.5,
) -> Model:
    """Column A of the paper's table 1: 8 convolutions; 132,863,336 parameters. See :func:`VGG16`.

    Example:
        >>> from cnnfast.applications import VGG11
        >>> VGG11(include_top=False, input_shape=(32, 32, 3)).count_params()
        9220480
    """
    return _vgg("VGG11", **locals())


def VGG13(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "vgg13",
    *,
    dropout: float = 0.5,
) -> Model:
    """Column B of the paper's table 1: 10 convolutions; 133,047,848 parameters. See :func:`VGG16`.

    Example:
        >>> from cnnfast.applications import VGG13
        >>> VGG13(include_top=False, input_shape=(32, 32, 3)).count_params()
        9404992
    """
    return _vgg("VGG13", **locals())


def VGG16(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "vgg16",
    *,
    dropout: float = 0.5,
) -> Model:
    """Column D of the paper's table 1: 13 convolutions and 3 dense layers; 138,357,544 parameters.

    All convolutions are 3x3 with padding, so that only the poolings shrink the maps; two of them
    see 5x5 pixels, three 7x7, with fewer weights than one large filter (section 2.3). Weights
    begin as He et al. 2015 have it; the paper had to train column A first.

    Args:
        include_top: whether the three dense layers stand at the end.
        weights: None, or the path of a file that ``save_weights`` wrote; no trained weights come
            with cnnfast.
        input_tensor: a Tensor of ``Input`` to build on, instead of ``input_shape``.
        input_shape: (height, width, channels), at least 32x32; None: (224, 224, 3). Without the
            top, height and width may be None.
        pooling: without the top: None gives maps, "avg" or "max" one value for each of them.
        classes: number of outputs.
        classifier_activation: of the last layer; ``None`` for logits.
        name: of the model.
        dropout: rate after the first two dense layers (section 3.1); 0 for none, as Keras has it.

    Returns:
        A built, not yet compiled model: images (n, height, width, channels) -> (n, classes).
        Layers have Keras' names: ``block1_conv1`` ... ``block5_pool``, ``fc1``, ``fc2``.

    Raises:
        ValueError, TypeError: pictures that are too small, another ``pooling``, a rate outside
            [0, 1), weights that there are not.

    Example:
        >>> from cnnfast.applications import VGG16
        >>> VGG16(include_top=False, input_shape=(32, 32, 3)).output_shape
        (None, 1, 1, 512)
    """
    return _vgg("VGG16", **locals())


def VGG19(
    include_top: bool = True,
    weights: Any = None,
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    name: str = "vgg19",
    *,
    dropout: float = 0.5,
) -> Model:
    """Column E of the paper's table 1: 16 convolutions; 143,667,240 parameters. See :func:`VGG16`.

    Example:
        >>> from cnnfast.applications import VGG19
        >>> VGG19(include_top=False, input_shape=(32, 32, 3)).count_params()
        20024384
    """
    return _vgg("VGG19", **locals())


def _vgg(
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
    dropout: float,
) -> Model:
    path = weights_file(network, weights)
    top = has_top(network, include_top)
    rate = fraction(network, "dropout", dropout)
    inputs = entrance(network, input_tensor, input_shape, (224, 224, 3), 32, fixed=top)
    stack = _blocks(_CONVOLUTIONS[network])
    if top:
        stack += _classifier(classes, classifier_activation, rate)
    else:
        stack += pooled(network, pooling)
    x = inputs
    for layer in stack:
        x = layer(x)
    model = Model(inputs, x, name=name)
    if path is not None:
        model.load_weights(path)
    return model


def _blocks(convolutions: tuple[int, ...]) -> list[Layer]:
    stack: list[Layer] = []
    for block, (count, filters) in enumerate(zip(convolutions, _FILTERS, strict=True), start=1):
        for i in range(1, count + 1):
            stack.append(Conv2D(filters, 3, padding="same", **RELU, name=f"block{block}_conv{i}"))
        stack.append(MaxPooling2D(2, name=f"block{block}_pool"))
    return stack


def _classifier(classes: int, activation: Any, dropout: float) -> list[Layer]:
    stack: list[Layer] = [Flatten(name="flatten")]
    for i in (1, 2):
        stack.append(Dense(4096, **RELU, name=f"fc{i}"))
        if dropout:
            stack.append(Dropout(dropout, name=f"drop{i}"))
    return [*stack, Dense(classes, activation=activation, name="predictions")]
