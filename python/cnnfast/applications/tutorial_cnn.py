"""The convolutional network of Keras' introductory example for MNIST."""

from __future__ import annotations

from cnnfast import layers
from cnnfast.models import Sequential


def TutorialCNN(
    input_shape: tuple[int, int, int] = (28, 28, 1),
    classes: int = 10,
    classifier_activation: str | None = "softmax",
) -> Sequential:
    """Two convolutions of 32 and 64 filters 3x3, each with max pooling, and one dense layer.

    Args:
        input_shape: (height, width, channels).
        classes: number of outputs.
        classifier_activation: of the last layer; ``None`` for logits.

    Returns:
        A built, not yet compiled model: images (n, height, width, channels) -> (n, classes).

    Example:
        >>> from cnnfast.applications import TutorialCNN
        >>> TutorialCNN().count_params()
        34826
    """
    return Sequential(
        [
            layers.Input(shape=input_shape),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(classes, activation=classifier_activation),
        ],
        name="tutorial_cnn",
    )
