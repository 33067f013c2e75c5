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


@dataclass(frozen=True)
class Pool:
    kind: str  # "max" | "average"
    padding: str = "valid"


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

# All take 28x28x1 images and have ten classes. Every map that is pooled with SAME has an even
# size or is handled by the side as TensorFlow pads: extra at the end.
NETWORKS: dict[str, list[Layer]] = {
    "tutorial CNN": [
        Conv(32, 3, "valid", "relu"),
        Pool("max"),
        Conv(64, 3, "valid", "relu"),
        Pool("max"),
        Flatten(),
        Dense(10, None),
    ],
    "LeNet-5": [
        Conv(6, 5, "same", "tanh"),
        Pool("average"),
        Conv(16, 5, "valid", "tanh"),
        Pool("average"),
        Flatten(),
        Dense(120, "tanh"),
        Dense(84, "tanh"),
        Dense(10, None),
    ],
    "big MNIST CNN": [
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
}
INPUT = (28, 28, 1)


@dataclass(frozen=True)
class Weights:
    kernel: np.ndarray  # (KH, KW, C, K), or (in, out) with rows in (H, W, C) order
    bias: np.ndarray
    map: tuple[int, int, int] | None  # what was flattened before this dense layer: (H, W, C)


def make_weights(layers: list[Layer], seed: int = 0) -> list[Weights]:
    """Glorot-uniform kernels (Glorot & Bengio 2010) and small biases for conv and dense layers."""
    rng = np.random.default_rng(seed)
    height, width, channels = INPUT
    features, flattened, out = 0, None, []

    def draw(shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
        limit = np.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-limit, limit, shape).astype(np.float32)

    for layer in layers:
        if isinstance(layer, Conv):
            area, k = layer.size**2, layer.filters
            kernel = draw((layer.size, layer.size, channels, k), area * channels, area * k)
            out.append(Weights(kernel, draw((k,), 100, 100), None))
            if layer.padding == "valid":
                height, width = height - layer.size + 1, width - layer.size + 1
            channels = k
        elif isinstance(layer, Pool):
            up = 1 if layer.padding == "same" else 0
            height, width = (height + up) // 2, (width + up) // 2
        elif isinstance(layer, Flatten):
            features, flattened = height * width * channels, (height, width, channels)
        elif isinstance(layer, Dense):
            kernel = draw((features, layer.units), features, layer.units)
            out.append(Weights(kernel, draw((layer.units,), 100, 100), flattened))
            features, flattened = layer.units, None
    return out


def make_batches(batch: int, count: int, seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Batches of images (n, 28, 28, 1) in [0, 1] and labels (n,) int64."""
    rng = np.random.default_rng(seed)
    return [
        (
            rng.random((batch, *INPUT), dtype=np.float32),
            rng.integers(0, 10, batch, dtype=np.int64),
        )
        for _ in range(count)
    ]
