"""The convolutions that are compared layer by layer: those of LeNet-5, the MNIST CNN, AlexNet,
VGG-16, ResNet-18 and ResNet-50 at their usual batch sizes, and the variants: depthwise, grouped,
dilated, and the strided ones whose gradient of the input is a transposed convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

DIRECTIONS = ("forward", "backward input", "backward kernel")


@dataclass(frozen=True)
class Convolution:
    n: int
    c: int
    size: int  # height and width
    k: int
    taps: int
    stride: int
    pad: int
    dilation: int = 1
    groups: int = 1

    @property
    def out(self) -> int:
        reach = self.dilation * (self.taps - 1) + 1
        return (self.size + 2 * self.pad - reach) // self.stride + 1

    @property
    def x(self) -> tuple[int, int, int, int]:
        return self.n, self.size, self.size, self.c

    @property
    def kernel(self) -> tuple[int, int, int, int]:
        return self.taps, self.taps, self.c // self.groups, self.k

    @property
    def y(self) -> tuple[int, int, int, int]:
        return self.n, self.out, self.out, self.k

    @property
    def flops(self) -> float:
        return 2.0 * self.n * self.out**2 * self.k * (self.c // self.groups) * self.taps**2

    @property
    def options(self) -> dict[str, int]:
        """How ``cnnfast.ops`` is told."""
        return {
            "strides": self.stride,
            "padding": self.pad,
            "dilation_rate": self.dilation,
            "groups": self.groups,
        }

    @property
    def directions(self) -> tuple[str, ...]:
        """A network's input needs no gradient: layers of one or three channels have two."""
        return DIRECTIONS if self.c > 3 else (DIRECTIONS[0], DIRECTIONS[2])

    def __str__(self) -> str:
        step = f"/{self.stride}" if self.stride > 1 else ""
        name = (
            f"{self.n}x{self.size}x{self.size}x{self.c}, {self.taps}x{self.taps}{step} to {self.k}"
        )
        if self.dilation > 1:
            name += f", dilation {self.dilation}"
        if self.groups > 1:
            name += ", depthwise" if self.groups == self.c else f", {self.groups} groups"
        return name

    def operands(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """x as a ReLU leaves it, kernel, dy."""
        rng = np.random.default_rng(0)
        x = np.maximum(rng.standard_normal(self.x, dtype=np.float32), 0)
        kernel = rng.standard_normal(self.kernel, dtype=np.float32)
        return x, kernel, rng.standard_normal(self.y, dtype=np.float32)


CONVOLUTIONS = [
    Convolution(*sizes)
    for sizes in (
        (128, 1, 28, 32, 5, 1, 2),
        (128, 32, 14, 64, 5, 1, 2),
        (128, 1, 32, 6, 5, 1, 0),
        (128, 6, 14, 16, 5, 1, 0),
        (16, 3, 227, 96, 11, 4, 0),
        (16, 96, 27, 256, 5, 1, 2),
        (16, 256, 13, 384, 3, 1, 1),
        (4, 3, 224, 64, 3, 1, 1),
        (4, 64, 224, 64, 3, 1, 1),
        (4, 128, 112, 128, 3, 1, 1),
        (4, 256, 56, 256, 3, 1, 1),
        (4, 512, 28, 512, 3, 1, 1),
        (4, 512, 14, 512, 3, 1, 1),
        (16, 3, 224, 64, 7, 2, 3),
        (16, 64, 56, 64, 3, 1, 1),
        (16, 128, 28, 128, 3, 1, 1),
        (16, 256, 14, 256, 3, 1, 1),
        (16, 512, 7, 512, 3, 1, 1),
        (16, 64, 56, 256, 1, 1, 0),
        (16, 256, 56, 64, 1, 1, 0),
        (16, 1024, 14, 256, 1, 1, 0),
        (16, 256, 56, 512, 1, 2, 0),
    )
]

VARIANTS = [
    Convolution(*sizes)
    for sizes in (
        (8, 128, 56, 128, 3, 1, 1, 1, 128),
        (8, 128, 56, 128, 5, 1, 2, 1, 128),
        (8, 256, 28, 256, 3, 2, 1, 1, 256),
        (8, 512, 14, 512, 3, 1, 1, 1, 512),
        (8, 128, 28, 256, 3, 1, 1, 1, 128),
        (8, 128, 28, 128, 3, 1, 1, 1, 4),
        (8, 64, 28, 64, 3, 1, 2, 2, 1),
        (8, 64, 28, 64, 3, 1, 4, 4, 1),
        (8, 64, 56, 128, 4, 2, 1, 1, 1),
        (8, 64, 56, 128, 2, 2, 0, 1, 1),
        (8, 64, 57, 128, 3, 2, 1, 1, 1),
    )
]
