"""MNIST: 60,000 training and 10,000 test images of handwritten digits (LeCun, Cortes, Burges)."""

from __future__ import annotations

import os

from ._sources import NamedDataset
from ._types import Split

_MNIST = NamedDataset(
    name="mnist",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    sha256={
        "train-images-idx3-ubyte": (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
        ),
        "train-labels-idx1-ubyte": (
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
        ),
        "t10k-images-idx3-ubyte": (
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
        ),
        "t10k-labels-idx1-ubyte": (
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
        ),
    },
    gzip_sha256={},
)


def load_data(path: str | os.PathLike[str] | None = None) -> Split:
    """Load MNIST and say in one line where it came from.

    Looks in this order: ``path``; ``$CNNFAST_DATA/mnist``; the cache (``~/.cache/cnnfast``);
    the public mirrors, checked by SHA-256. Never substitutes another data set.

    Args:
        path: a folder with the four IDX files (gzipped or not), or Keras' ``mnist.npz``.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images uint8 (n, 28, 28), labels uint8 (n,).

    Raises:
        FileNotFoundError: nothing found; the message lists what was looked for.
        ValueError: a file is damaged, truncated or lies about its size.

    Example:
        >>> import cnnfast
        >>> (x, y), (x_test, y_test) = cnnfast.datasets.mnist.load_data()  # doctest: +SKIP
        mnist: 60000 training and 10000 test images from /data/mnist ($CNNFAST_DATA)
    """
    return _MNIST.load(path)
