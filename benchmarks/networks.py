"""The networks that are compared, described once for every side, and weights all start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Conv:
    filters: int
    size: int
    padding: str  # "valid" | "same"
    activation: str  # "relu" | "tanh"
    strides: int = 1


@dataclass(frozen=True)
class Pool:
    kind: str  # "max" | "average"
    padding: str = "valid"
    size: int = 2  # with strides of 2


@dataclass(frozen=True)
class Flatten:
    pass


@dataclass(frozen=True)
class Dense:
    units: int
    activation: str | None  # the last layer gives logits


@dataclass(frozen=True)
class Dropout:
    rate: float


Layer = Conv | Pool | Flatten | Dense | Dropout


@dataclass(frozen=True)
class Network:
    layers: list[Layer]
    input: tuple[int, int, int]  # (H, W, C)
    classes: int
    rate: float = 1e-3  # of Adam: deep ones explode with more, and then no two libraries agree


def _vgg_block(filters: int, count: int) -> list[Layer]:
    return [*(Conv(filters, 3, "same", "relu") for _ in range(count)), Pool("max")]


# Strides greater than one stand with "valid" only, and every SAME pooling meets an even size or is
# handled by the side as TensorFlow pads, extra at the end: the peers need no padding of their own.
NETWORKS: dict[str, Network] = {
    "tutorial CNN": Network(
        [
            Conv(32, 3, "valid", "relu"),
            Pool("max"),
            Conv(64, 3, "valid", "relu"),
            Pool("max"),
            Flatten(),
            Dense(10, None),
        ],
        (28, 28, 1),
        10,
    ),
    "LeNet-5": Network(
        [
            Conv(6, 5, "same", "tanh"),
            Pool("average"),
            Conv(16, 5, "valid", "tanh"),
            Pool("average"),
            Flatten(),
            Dense(120, "tanh"),
            Dense(84, "tanh"),
            Dense(10, None),
        ],
        (28, 28, 1),
        10,
    ),
    "big MNIST CNN": Network(
        [
            Conv(32, 5, "same", "relu"),
            Pool("max", "same"),
            Conv(64, 5, "same", "relu"),
            Pool("max", "same"),
            Conv(64, 5, "same", "relu"),
            Pool("max", "same"),
            Flatten(),
            Dense(1024, "relu"),
            Dropout(0.5),
            Dense(10, None),
        ],
        (28, 28, 1),
        10,
    ),
    # Krizhevsky et al. 2012 as one tower, without response normalisation.
    "AlexNet": Network(
        [
            Conv(96, 11, "valid", "relu", strides=4),
            Pool("max", size=3),
            Conv(256, 5, "same", "relu"),
            Pool("max", size=3),
            Conv(384, 3, "same", "relu"),
            Conv(384, 3, "same", "relu"),
            Conv(256, 3, "same", "relu"),
            Pool("max", size=3),
            Flatten(),
            Dense(4096, "relu"),
            Dropout(0.5),
            Dense(4096, "relu"),
            Dropout(0.5),
            Dense(1000, None),
        ],
        (227, 227, 3),
        1000,
        1e-5,
    ),
    # Simonyan and Zisserman 2015, configuration D.
    "VGG-16": Network(
        [
            *_vgg_block(64, 2),
            *_vgg_block(128, 2),
            *_vgg_block(256, 3),
            *_vgg_block(512, 3),
            *_vgg_block(512, 3),
            Flatten(),
            Dense(4096, "relu"),
            Dropout(0.5),
            Dense(4096, "relu"),
            Dropout(0.5),
            Dense(1000, None),
        ],
        (224, 224, 3),
        1000,
        1e-5,
    ),
}


@dataclass(frozen=True)
class Weights:
    kernel: np.ndarray  # (KH, KW, C, K), or (in, out) with rows in (H, W, C) order
    bias: np.ndarray
    map: tuple[int, int, int] | None  # what was flattened before this dense layer: (H, W, C)


def make_weights(network: Network, seed: int = 0) -> list[Weights]:
    """Glorot-uniform kernels (Glorot & Bengio 2010) and small biases for conv and dense layers."""
    rng = np.random.default_rng(seed)
    height, width, channels = network.input
    features, flattened, out = 0, None, []

    def draw(shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        limit = np.float32(np.sqrt(6 / (fan_in + fan_out)))
        return (2 * rng.random(shape, dtype=np.float32) - 1) * limit

    for layer in network.layers:
        if isinstance(layer, Conv):
            area, k = layer.size**2, layer.filters
            kernel = draw((layer.size, layer.size, channels, k), area * channels, area * k)
            out.append(Weights(kernel, draw((k,), 100, 100), None))
            if layer.padding == "valid":
                height = (height - layer.size) // layer.strides + 1
                width = (width - layer.size) // layer.strides + 1
            channels = k
        elif isinstance(layer, Pool):
            if layer.padding == "same":
                height, width = (height + 1) // 2, (width + 1) // 2
            else:
                height, width = (height - layer.size) // 2 + 1, (width - layer.size) // 2 + 1
        elif isinstance(layer, Flatten):
            features, flattened = height * width * channels, (height, width, channels)
        elif isinstance(layer, Dense):
            kernel = draw((features, layer.units), features, layer.units)
            out.append(Weights(kernel, draw((layer.units,), 100, 100), flattened))
            features, flattened = layer.units, None
    return out


def make_batches(
    network: Network, batch: int, count: int, seed: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of images (n, H, W, C) in [0, 1] and labels (n,) int64."""
    rng = np.random.default_rng(seed)
    return [
        (
            rng.random((batch, *network.input), dtype=np.float32),
            rng.integers(0, network.classes, batch, dtype=np.int64),
        )
        for _ in range(count)
    ]
