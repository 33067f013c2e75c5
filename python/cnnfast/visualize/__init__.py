"""Pictures of a model and its work, as matplotlib figures (``pip install cnnfast[plot]``).

Each drawing function returns a ``matplotlib.figure.Figure`` that belongs to the caller:
``figure.savefig("curves.png")`` writes it, a notebook shows it. matplotlib is imported when a
figure is drawn. What is drawn of a network can be had as arrays:

=============================  ============================
figure                         arrays
=============================  ============================
``feature_maps``               ``layer_outputs``
``activation_maximization``    ``maximal_inputs``
``saliency``                   ``saliency_maps``
``grad_cam``                   ``grad_cam_maps``
``occlusion``                  ``occlusion_maps``
``augmentations``              ``augmented_images``
=============================  ============================
"""

from __future__ import annotations

from .activation_maximization import activation_maximization, maximal_inputs
from .animate_convolution import animate_convolution
from .augmentations import augmentations, augmented_images
from .confusion_matrix import confusion_matrix
from .feature_maps import feature_maps, layer_outputs
from .filters import filters
from .grad_cam import grad_cam, grad_cam_maps
from .images import images
from .mistakes import mistakes
from .occlusion import occlusion, occlusion_maps
from .saliency import saliency, saliency_maps
from .training_curves import training_curves

__all__ = [
    "activation_maximization",
    "animate_convolution",
    "augmentations",
    "augmented_images",
    "confusion_matrix",
    "feature_maps",
    "filters",
    "grad_cam",
    "grad_cam_maps",
    "images",
    "layer_outputs",
    "maximal_inputs",
    "mistakes",
    "occlusion",
    "occlusion_maps",
    "saliency",
    "saliency_maps",
    "training_curves",
]
