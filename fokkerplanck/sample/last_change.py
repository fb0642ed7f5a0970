"""When paths change from one side of a region to the other for the last time, and where."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES

__all__ = ["mark_changes"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def mark_changes(
    before: Array,
    now: Array,
    x: Array,
    size: int,
    lanes: int,
    step: int,
    order: Integers,
    changed: Integers,
    changed_at: Array,
) -> None:
    """Note the step and the state after it of paths whose level has changed sign.

    Parameters
    ----------
    before, now : rows
        The level, positive inside; `before` is overwritten by `now`.
    changed : (LANES,); changed_at : (LANES, size)
        Of every path, changed in place.
    """
    for i in range(lanes):
        if (before[i] > 0.0) != (now[i] > 0.0):
            path = order[i]
            changed[path] = step + 1
            for k in range(size):
                changed_at[path, k] = x[k * LANES + i]
        before[i] = now[i]
