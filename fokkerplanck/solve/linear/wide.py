"""Positive numbers ``m * 2**e`` with an integer exponent of their own.

Stationary weights and passage times across a barrier of height V span exp(-V) to exp(V), and
products of them more; doubles end at exp(709). Mantissas are kept in [1/2, 1) or at 0, or are
infinite (an expected time that is infinite); infinity carries an exponent above all others.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["INFINITE_EXPONENT", "LOST", "POWERS", "normalized", "wide_sum"]

INFINITE_EXPONENT = 1 << 40
# Terms this many binary orders below their sum change none of its 53 bits, however many.
LOST = 200
# Powers of one half; a table, because ldexp is a library call.
POWERS: NDArray[np.float64] = np.ldexp(1.0, -np.arange(LOST + 1))


@njit(cache=True, nogil=True)
def normalized(m: float, e: int) -> tuple[float, int]:
    """The same number with mantissa in [1/2, 1), zero or infinity."""
    if m == 0.0:
        return 0.0, 0
    if math.isinf(m):
        return m, INFINITE_EXPONENT
    mantissa, shift = math.frexp(m)
    return mantissa, e + shift


@njit(cache=True, nogil=True)
def wide_sum(m1: float, e1: int, m2: float, e2: int) -> tuple[float, int]:
    """Sum of two numbers whose mantissas are of order one; that of the sum is not normalised."""
    if m1 == 0.0:
        return m2, e2
    if m2 == 0.0:
        return m1, e1
    if e1 >= e2:
        if e1 - e2 > LOST:
            return m1, e1
        return m1 + m2 * POWERS[e1 - e2], e1
    if e2 - e1 > LOST:
        return m2, e2
    return m2 + m1 * POWERS[e2 - e1], e2
