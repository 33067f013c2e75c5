"""Shapes that break kernels: odd sizes, tails of vectors, windows larger than the image."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Conv:
    x: tuple  # (N, H, W, C)
    w: tuple  # (KH, KW, C / groups, K)
    options: dict = field(default_factory=dict)

    def __str__(self):
        return f"conv x{self.x} w{self.w} {self.options}"


@dataclass(frozen=True)
class Pool:
    x: tuple
    options: dict

    def __str__(self):
        return f"pool x{self.x} {self.options}"


def conv(x, w, **options):
    return Conv(x, w, options)


def pool(x, **options):
    return Pool(x, options)


CONVOLUTIONS = [
    # Plain, channels that are no multiple of any vector.
    conv((1, 5, 5, 1), (3, 3, 1, 1)),
    conv((3, 7, 6, 3), (3, 3, 3, 5)),
    conv((1, 9, 8, 17), (3, 3, 17, 33), padding="same"),
    conv((3, 6, 7, 16), (3, 3, 16, 32), padding="same"),
    conv((2, 12, 13, 8), (3, 3, 8, 16), padding=1),
    conv((1, 10, 10, 13), (3, 3, 13, 70)),
    conv((1, 6, 6, 130), (3, 3, 130, 7), padding="same"),
    conv((2, 28, 28, 1), (5, 5, 1, 6), padding="same"),
    conv((2, 14, 14, 6), (5, 5, 6, 16)),
    conv((3, 11, 9, 3), (7, 7, 3, 10), strides=2, padding="same"),
    # 1x1 kernels, 1x1 maps, one row, one column.
    conv((3, 7, 5, 19), (1, 1, 19, 23)),
    conv((2, 8, 8, 32), (1, 1, 32, 48), strides=2),
    conv((3, 1, 1, 7), (1, 1, 7, 9)),
    conv((2, 1, 1, 5), (3, 3, 5, 4), padding="same"),
    conv((1, 1, 20, 4), (1, 5, 4, 3)),
    conv((3, 17, 1, 3), (4, 1, 3, 2), padding="same"),
    conv((3, 4, 4, 6), (4, 4, 6, 11)),
    # Strides, rectangular and larger than the kernel.
    conv((1, 9, 9, 3), (3, 3, 3, 8), strides=2),
    conv((2, 9, 10, 5), (3, 2, 5, 7), strides=(2, 3), padding="same"),
    conv((1, 13, 11, 4), (2, 2, 4, 3), strides=5),
    conv((1, 8, 7, 2), (1, 1, 2, 3), strides=(3, 4), padding="same"),
    conv((1, 35, 35, 3), (11, 11, 3, 16), strides=4),
    # Padding as large as the kernel or larger, asymmetric.
    conv((2, 5, 4, 3), (3, 3, 3, 4), padding=3),
    conv((1, 2, 2, 3), (3, 3, 3, 5), padding=((4, 0), (1, 5))),
    conv((1, 6, 7, 3), (3, 2, 3, 9), padding=((0, 2), (1, 0)), strides=(1, 2)),
    conv((1, 3, 3, 2), (5, 5, 2, 3), padding=((2, 2), (3, 1)), strides=3),
    conv((2, 8, 8, 2), (4, 4, 2, 3), padding="same"),
    # Dilation.
    conv((1, 11, 12, 3), (3, 3, 3, 5), dilation_rate=2),
    conv((2, 9, 9, 4), (3, 3, 4, 17), dilation_rate=(3, 2), padding="same"),
    conv((1, 10, 11, 2), (2, 3, 2, 3), dilation_rate=2, strides=2, padding=((3, 1), (0, 2))),
    # Groups, depthwise, depthwise with a multiplier.
    conv((2, 7, 7, 6), (3, 3, 3, 8), groups=2),
    conv((1, 8, 6, 12), (3, 3, 4, 9), groups=3, strides=2, padding="same"),
    conv((2, 6, 6, 20), (3, 3, 1, 20), groups=20, padding="same"),
    conv((1, 6, 5, 5), (3, 3, 1, 10), groups=5, dilation_rate=2, padding=2),
    conv((1, 5, 5, 34), (1, 1, 17, 38), groups=2),
    # Depthwise with several outputs a channel: pairs, fours, others, as many as a vector holds.
    conv((2, 9, 8, 5), (3, 3, 1, 10), groups=5, padding="same"),
    conv((2, 7, 9, 24), (3, 3, 1, 48), groups=24, strides=2, padding="same"),
    conv((1, 8, 7, 9), (3, 2, 1, 36), groups=9),
    conv((1, 6, 7, 17), (5, 5, 1, 51), groups=17, padding=2),
    conv((2, 7, 6, 3), (3, 3, 1, 15), groups=3, strides=(1, 2), dilation_rate=(2, 1), padding=2),
    conv((1, 5, 6, 4), (1, 1, 1, 8), groups=4),
    conv((1, 6, 5, 2), (3, 3, 1, 34), groups=2, padding="same"),
    conv((1, 6, 6, 2), (4, 4, 1, 32), groups=2, strides=3),
    # Depthwise kernels that are no 3x3.
    conv((2, 9, 8, 19), (7, 7, 1, 19), groups=19, padding="same"),
    conv((1, 8, 9, 8), (2, 4, 1, 8), groups=8, strides=2),
    conv((1, 12, 11, 10), (3, 3, 1, 10), groups=10, dilation_rate=3),
    # Depthwise, strided, of whole vectors.
    conv((2, 11, 10, 32), (3, 3, 1, 32), groups=32, strides=2, padding="same"),
    conv((3, 9, 12, 16), (4, 5, 1, 16), groups=16, strides=(1, 3), padding=((5, 0), (2, 6))),
    # The same of 3x3 taps and strides of 2, whose gradient makes four pixels at a time.
    conv((2, 8, 40, 19), (3, 3, 1, 19), groups=19, strides=2),
    conv((3, 9, 22, 48), (3, 3, 1, 48), groups=48, strides=2, padding=1),
    conv((1, 6, 7, 40), (3, 3, 1, 40), groups=40, strides=2, padding=((3, 0), (0, 2))),
    conv((1, 3, 4, 5), (3, 3, 1, 5), groups=5, strides=2, padding=((0, 5), (4, 3))),
    conv((1, 2, 1, 16), (3, 3, 1, 16), groups=16, strides=2, padding="same"),
]

POOLINGS = [
    pool((1, 4, 4, 1), pool_size=2),
    pool((3, 6, 8, 17), pool_size=2),
    pool((2, 28, 28, 6), pool_size=2),
    pool((3, 7, 5, 3), pool_size=2),  # a row and a column left over
    pool((3, 7, 5, 3), pool_size=2, padding="same"),
    pool((1, 9, 9, 33), pool_size=3, strides=2),  # overlapping
    pool((2, 8, 9, 16), pool_size=3, strides=2, padding="same"),
    pool((2, 6, 6, 5), pool_size=3, strides=1, padding="same"),
    pool((1, 10, 7, 4), pool_size=(3, 2), strides=(2, 3)),
    pool((1, 9, 11, 2), pool_size=2, strides=4),  # gaps
    pool((1, 8, 7, 3), pool_size=(2, 3), strides=(3, 5), padding="same"),
    pool((3, 1, 1, 7), pool_size=1),
    pool((2, 1, 1, 3), pool_size=3, padding="same"),
    pool((2, 5, 6, 9), pool_size=(5, 6)),  # the whole map
    pool((1, 5, 5, 3), pool_size=3, strides=2, padding=1),
    pool((1, 4, 6, 3), pool_size=(3, 4), strides=(2, 1), padding=((2, 0), (1, 3))),
    pool((1, 20, 20, 2), pool_size=17, strides=3),  # more than 256 places
]
