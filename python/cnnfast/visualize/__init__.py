"""Pictures of a model and its work, as matplotlib figures (``pip install cnnfast[plot]``).

Each function returns a ``matplotlib.figure.Figure`` that belongs to the caller: ``figure.savefig(
"curves.png")`` writes it, a notebook shows it. matplotlib is imported when a figure is drawn.
"""

from __future__ import annotations

from .confusion_matrix import confusion_matrix
from .filters import filters
from .images import images
from .mistakes import mistakes
from .training_curves import training_curves

__all__ = ["confusion_matrix", "filters", "images", "mistakes", "training_curves"]
