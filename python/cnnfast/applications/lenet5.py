"""LeNet-5 (LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document
recognition, Proc. IEEE 1998)."""

from __future__ import annotations

from cnnfast import layers
from cnnfast.models import Sequential


def LeNet5(
    input_shape: tuple[int, int, int] = (32, 32, 1),
    classes: int = 10,
    classifier_activation: str | None = "softmax",
) -> Sequential:
    """LeNet-5 as it is taught today: tanh, plain average pooling, softmax; 61,706 parameters.

    The paper's partial connections in the second convolution, its trainable pooling and its
    radial-basis output are left out, as everywhere else.

    Args:
        input_shape: (height, width, channels). 28x28 images are padded to the paper's 32x32 by
            the first convolution (``padding="same"``).
        classes: number of outputs.
        classifier_activation: of the last layer; ``None`` for logits.

    Returns:
        A built, not yet compiled model: images (n, height, width, channels) -> (n, classes).

    Example:
        >>> from cnnfast.applications import LeNet5
        >>> LeNet5((28, 28, 1)).count_params()
        61706
    """
    same = tuple(input_shape[:2]) == (28, 28)
    return Sequential(
        [
            layers.Input(shape=input_shape),
            layers.Conv2D(6, 5, padding="same" if same else "valid", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dense(120, activation="tanh"),
            layers.Dense(84, activation="tanh"),
            layers.Dense(classes, activation=classifier_activation),
        ],
        name="lenet5",
    )
