"""PNG and JPEG files as arrays, through Pillow (``pip install cnnfast[image]``)."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ._types import Bytes

SUFFIXES = (".png", ".jpg", ".jpeg")
_MAX_PIXELS = 64_000_000


def read_picture(
    path: str | os.PathLike[str], size: tuple[int, int] | None = None, channels: int = 1
) -> Bytes:
    """One picture as uint8 (height, width, channels).

    Args:
        path: a PNG or JPEG file.
        size: (height, width) to resize to; the picture's own when None.
        channels: 1 for grey, 3 for colour.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: not a picture, damaged, or of more than 64 million pixels.
        ImportError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("reading pictures needs Pillow: pip install cnnfast[image]") from None
    if channels not in (1, 3):
        raise ValueError(f"read_picture: channels must be 1 or 3, got {channels}")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"picture {path} does not exist")
    try:
        with Image.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ValueError(
                    f"picture {path} has {image.width}x{image.height} pixels, "
                    f"expected at most {_MAX_PIXELS:,}; make it smaller first"
                )
            if image.mode in ("RGBA", "LA", "P"):  # transparent means white paper
                image = image.convert("RGBA")
                paper = Image.new("RGBA", image.size, "white")
                image = Image.alpha_composite(paper, image)
            picture = image.convert("L" if channels == 1 else "RGB")
            if size is not None and picture.size != (size[1], size[0]):
                picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            array = np.array(picture, dtype=np.uint8)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"picture {path} cannot be read: {error}") from None
    return array.reshape(*array.shape[:2], channels)
