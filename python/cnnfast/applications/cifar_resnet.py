"""The small residual networks for 32x32 pictures (He et al., CVPR 2016, arXiv:1512.03385,
section 4.2), and the plain ones they are compared with."""

from __future__ import annotations

from typing import Any

from cnnfast.layers import Dense, GlobalAveragePooling2D
from cnnfast.layers._arguments import whole
from cnnfast.models import Model

from ._arguments import entrance, has_top, weights_file
from ._residual import basic_block, convolution_bn


def CIFARResNet(
    depth: int = 20,
    input_shape: Any = (32, 32, 3),
    classes: int = 10,
    classifier_activation: Any = "softmax",
    include_top: bool = True,
    weights: Any = None,
    *,
    width: int = 16,
    shortcut: str = "A",
    plain: bool = False,
    batch_normalization: bool = True,
    zero_init_residual: bool = False,
    name: str | None = None,
) -> Model:
    """6n + 2 layers: a 3x3 convolution, three stages of n blocks, and a dense layer.

    ============  ===========  ==========  =========
    output size   32x32        16x16       8x8
    ============  ===========  ==========  =========
    layers        1 + 2n       2n          2n
    filters       16           32          64
    ============  ===========  ==========  =========

    20 layers have 0.27 million trainable parameters, 110 have 1.7 million (table 6).

    Args:
        depth: 6n + 2: 8, 14, 20, 32, 44, 56, 110 ...
        input_shape: (height, width, channels), at least 4x4; height and width may be None.
        classes: number of outputs.
        classifier_activation: of the last layer; ``None`` for logits.
        include_top: whether global average pooling and the dense layer stand at the end.
        weights: None, or the path of a file that ``save_weights`` wrote; no trained weights come
            with cnnfast.
        width: filters of the first stage; the paper's 16.
        shortcut: where the shape changes: "A", every second pixel and zeros for new channels,
            without parameters, as the paper has it here; or "B", a 1x1 convolution W_s.
        plain: the same layers without any shortcut.
        batch_normalization: False: biases in its place.
        zero_init_residual: the last gamma of every block begins at zero, so that blocks begin as
            identities (Goyal et al., arXiv:1706.02677).
        name: of the model; None: ``resnet20``, ``plain20`` ...

    Returns:
        A built, not yet compiled model: images (n, height, width, channels) -> (n, classes).

    Raises:
        ValueError, TypeError: another depth or shortcut, pictures that are too small, weights that
            there are not.

    Example:
        >>> from cnnfast.applications import CIFARResNet
        >>> CIFARResNet(20, plain=True).count_params() - CIFARResNet(20).count_params()
        0
    """
    network = "CIFARResNet"
    number = whole(network, "depth", depth)
    if number < 8 or number % 6 != 2:
        raise ValueError(f"{network}: depth must be 6n + 2 (8, 14, 20, 26, 32 ...), got {number}")
    if shortcut not in ("A", "B"):
        raise ValueError(f"{network}: shortcut must be 'A' or 'B', got {shortcut!r}")
    if zero_init_residual and (plain or not batch_normalization):
        raise ValueError(
            f"{network}: zero_init_residual needs shortcuts and batch normalisation; "
            "leave it out, or plain and batch_normalization"
        )
    filters = whole(network, "width", width)
    path = weights_file(network, weights)
    top = has_top(network, include_top)
    inputs = entrance(network, None, input_shape, (32, 32, 3), 4, fixed=False)
    x = convolution_bn(
        inputs, filters, 3, "conv1", activation="relu", normalise=batch_normalization
    )
    for stage in (1, 2, 3):
        for i in range(1, (number - 2) // 6 + 1):
            x = basic_block(
                x,
                filters * 2 ** (stage - 1),
                f"stage{stage}_block{i}",
                2 if stage > 1 and i == 1 else 1,
                shortcut=None if plain else shortcut,
                normalise=batch_normalization,
                zero_gamma=zero_init_residual,
            )
    if top:
        x = GlobalAveragePooling2D(name="avg_pool")(x)
        x = Dense(classes, activation=classifier_activation, name="predictions")(x)
    model = Model(inputs, x, name=name or f"{'plain' if plain else 'resnet'}{number}")
    if path is not None:
        model.load_weights(path)
    return model
