"""Networks of the literature, built from layers, readable as their papers' tables."""

from __future__ import annotations

from .lenet5 import LeNet5
from .tutorial_cnn import TutorialCNN

__all__ = ["LeNet5", "TutorialCNN"]
