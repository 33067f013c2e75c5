"""Layers: names, arguments, defaults and meanings of Keras; ``Layer`` to write your own.

Images are (N, H, W, C); ``data_format="channels_first"`` is accepted where axes have a meaning.
"""

from __future__ import annotations

from typing import Any

from cnnfast import _resolve
from cnnfast.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from cnnfast.layers.activity import ActivityRegularization
from cnnfast.layers.alpha_dropout import AlphaDropout
from cnnfast.layers.augmentation import (
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
)
from cnnfast.layers.batch_normalization import BatchNormalization
from cnnfast.layers.borders import Cropping2D, UpSampling2D, ZeroPadding2D
from cnnfast.layers.conv1d import Conv1D
from cnnfast.layers.conv2d import Conv2D
from cnnfast.layers.conv2d_transpose import Conv2DTranspose
from cnnfast.layers.dense import Dense
from cnnfast.layers.depthwise_conv2d import DepthwiseConv2D
from cnnfast.layers.dot import Dot, dot
from cnnfast.layers.dropout import Dropout, SpatialDropout2D
from cnnfast.layers.gaussian_noise import GaussianNoise
from cnnfast.layers.input_layer import Input, InputLayer
from cnnfast.layers.layer import Layer
from cnnfast.layers.merging import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    maximum,
    minimum,
    multiply,
    subtract,
)
from cnnfast.layers.pooling import (
    AveragePooling2D,
    AvgPool2D,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
    MaxPool2D,
    MaxPooling2D,
)
from cnnfast.layers.prelu import PReLU
from cnnfast.layers.rescaling import Rescaling
from cnnfast.layers.reshaping import Flatten, Permute, Reshape
from cnnfast.layers.sample_normalization import (
    GroupNormalization,
    LayerNormalization,
    LocalResponseNormalization,
)
from cnnfast.layers.separable_conv2d import SeparableConv2D
from cnnfast.layers.standardizing import Normalization

# Keras' other names for the same layers.
Convolution1D = Conv1D
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
SeparableConvolution2D = SeparableConv2D

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "AlphaDropout",
    "Average",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Convolution1D",
    "Convolution2D",
    "Cropping2D",
    "Convolution2DTranspose",
    "Dense",
    "DepthwiseConv2D",
    "Dot",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "LocalResponseNormalization",
    "MaxPool2D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "Softmax",
    "SpatialDropout2D",
    "Subtract",
    "UpSampling2D",
    "ZeroPadding2D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]


def table() -> dict[str, type[Layer]]:
    """Names of the layer classes a model file may hold."""
    from cnnfast.models import Model, Sequential  # models are layers too

    found = {name: globals()[name] for name in __all__}
    layers = {n: c for n, c in found.items() if isinstance(c, type) and c is not Layer}
    return {**layers, "Model": Model, "Sequential": Sequential}


def serialize(layer: Layer) -> dict[str, Any]:
    """Class name and configuration of a layer, without its weights."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Layer:
    """A new layer from :func:`serialize`.

    Args:
        custom_objects: your own classes by name; no other class is ever looked up or imported.

    Raises:
        ValueError: an unknown class, arguments that the class refuses.
    """
    with _resolve.custom_object_scope(custom_objects):
        found = _resolve.from_config("layer", config, table())
    if not isinstance(found, Layer):
        raise ValueError(f"layer: {config.get('class_name')!r} is not a Layer")
    return found
