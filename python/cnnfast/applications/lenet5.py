"""LeNet-5 (LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document
recognition, Proc. IEEE 1998)."""

from __future__ import annotations

from typing import Any

from cnnfast import layers
from cnnfast.models import Sequential

from ._arguments import has_top, image_shape, weights_file


def LeNet5(
    input_shape: tuple[int, int, int] = (32, 32, 1),
    classes: int = 10,
    classifier_activation: Any = "softmax",
    include_top: bool = True,
    weights: Any = None,
) -> Sequential:
    """LeNet-5 as it is taught today: tanh, plain average pooling, softmax; 61,706 parameters.

    The paper's partial connections in the second convolution, its trainable pooling and its
    radial-basis output are left out, as everywhere else.

    Args:
        input_shape: (height, width, channels), at least 16x16. 28x28 images are padded to the
            paper's 32x32 by the first convolution (``padding="same"``).
        classes: number of outputs.
        classifier_activation: of the last layer; ``None`` for logits.
        include_top: whether the three dense layers stand at the end; without them the output is
            the second pooling's maps, 5x5x16 for 32x32.
        weights: None, or the path of a file that ``save_weights`` wrote; no trained weights come
            with cnnfast.

    Returns:
        A built, not yet compiled model: images (n, height, width, channels) -> (n, classes).

    Raises:
        ValueError, TypeError: pictures that are too small, weights that there are not.

    Example:
        >>> from cnnfast.applications import LeNet5
        >>> LeNet5((28, 28, 1)).count_params()
        61706
    """
    path = weights_file("LeNet5", weights)
    top = has_top("LeNet5", include_top)
    height, width, _ = shape = image_shape("LeNet5", input_shape, 16, fixed=top)
    same = (height, width) == (28, 28)
    model = Sequential(
        [
            layers.Input(shape=shape),
            layers.Conv2D(6, 5, padding="same" if same else "valid", activation="tanh"),  # C1
            layers.AveragePooling2D(2),  # S2: 14x14x6
            layers.Conv2D(16, 5, activation="tanh"),  # C3: 10x10x16
            layers.AveragePooling2D(2),  # S4: 5x5x16
        ],
        name="lenet5",
    )
    if top:
        model.add(layers.Flatten())
        model.add(layers.Dense(120, activation="tanh"))  # C5, a 5x5 convolution on a 5x5 map
        model.add(layers.Dense(84, activation="tanh"))  # F6
        model.add(layers.Dense(classes, activation=classifier_activation))
    if path is not None:
        model.load_weights(path)
    return model
