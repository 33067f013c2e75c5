"""Networks of the literature, built from layers, readable as their papers' tables."""

from __future__ import annotations

from .alexnet import AlexNet
from .cifar_resnet import CIFARResNet
from .lenet5 import LeNet5
from .resnet import ResNet18, ResNet34, ResNet50, ResNet101, ResNet152
from .tutorial_cnn import TutorialCNN
from .vgg import VGG11, VGG13, VGG16, VGG19

__all__ = [
    "AlexNet",
    "CIFARResNet",
    "LeNet5",
    "ResNet18",
    "ResNet34",
    "ResNet50",
    "ResNet101",
    "ResNet152",
    "TutorialCNN",
    "VGG11",
    "VGG13",
    "VGG16",
    "VGG19",
]
