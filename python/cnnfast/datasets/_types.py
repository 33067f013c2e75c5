"""What every ``load_data`` returns."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Split: TypeAlias = tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]
