"""Stationary densities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["StationarySolver", "stationary_density"]

Array = NDArray[np.float64]
