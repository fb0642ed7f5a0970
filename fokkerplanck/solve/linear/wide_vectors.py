"""Sums of products with vectors of unlimited range, at the speed of doubles where that is enough.

A vector entry is ``m * 2**e``. Neighbouring entries mostly have neighbouring exponents: as long
as these stay within a window, plain doubles relative to one exponent do the work.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.wide import INFINITE_EXPONENT, normalized, wide_sum

__all__ = ["add_multiple", "add_wide_multiple", "append_run", "dot", "take", "wide_dot"]

Vector = NDArray[np.float64]
Long = NDArray[np.int64]
Exponents = NDArray[np.int32]

# Width of the window in binary orders. Matrix entries are at least 2**-900, so that products
# stay above 2**-940, in the range of doubles.
_WINDOW = 40


@njit(cache=True, nogil=True)
def take(m: Vector, e: Long, partial: Vector, reference: Long, j: int) -> tuple[float, int]:
    """Entry j of the sum ``m * 2**e + partial * 2**reference``; moves the second into the first."""
    if partial[j] > 0.0:
        xm, xe = normalized(partial[j], reference[0])
        m[j], e[j] = wide_sum(m[j], e[j], xm, xe)
        partial[j] = 0.0
    m[j], e[j] = normalized(m[j], e[j])
    return m[j], e[j]


@njit(cache=True, nogil=True)
def add_multiple(
    m: Vector, e: Long, partial: Vector, reference: Long, xm: float, xe: int, row: Vector
) -> None:
    """Add ``xm * 2**xe * row`` to the first entries of the sum that `take` describes."""
    if xm == 0.0:
        return
    if math.isinf(xm):
        for j in range(len(row)):
            if row[j] > 0.0:
                m[j] = np.inf
                e[j] = INFINITE_EXPONENT
        return
    if abs(xe - reference[0]) > _WINDOW:
        for j in range(len(partial)):
            take(m, e, partial, reference, j)
        reference[0] = xe
    factor = math.ldexp(xm, xe - reference[0])
    for j in range(len(row)):
        partial[j] += factor * row[j]


@njit(cache=True, nogil=True)
def add_wide_multiple(
    m: Vector, e: Long, xm: float, xe: int, row: Vector, exponent: Exponents
) -> None:
    """Add ``xm * 2**xe * row * 2**exponent`` to the first entries of ``m * 2**e``."""
    if xm == 0.0:
        return
    for j in range(len(row)):
        if row[j] > 0.0:
            m[j], e[j] = wide_sum(m[j], e[j], xm * row[j], xe + exponent[j])


@njit(cache=True, nogil=True)
def append_run(z: Vector, runs: Long, count: int, index: int, m: float, e: int) -> int:
    """Append entry ``index`` to a vector cut into runs with one exponent each.

    Indices come one after the other, upwards or downwards. Run k is ``runs[k] = (first, end,
    exponent)``. Returns the new number of runs.
    """
    exponent = e if m > 0.0 or count == 0 else runs[count - 1, 2]
    if count > 0 and abs(exponent - runs[count - 1, 2]) <= _WINDOW:
        runs[count - 1, 0] = min(runs[count - 1, 0], index)
        runs[count - 1, 1] = max(runs[count - 1, 1], index + 1)
    else:
        runs[count, 0] = index
        runs[count, 1] = index + 1
        runs[count, 2] = exponent
        count += 1
    z[index] = math.ldexp(m, exponent - runs[count - 1, 2]) if m < np.inf else m
    return count


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _plain_dot(a: Vector, b: Vector) -> float:
    total = 0.0
    for j in range(len(a)):
        total += a[j] * b[j]
    return total


@njit(cache=True, nogil=True)
def dot(row: Vector, z: Vector, runs: Long, count: int, m: float, e: int) -> tuple[float, int]:
    """``m * 2**e`` plus the product of ``row`` with the vector that the runs describe."""
    for k in range(count):
        first = runs[k, 0]
        end = runs[k, 1]
        if runs[k, 2] == INFINITE_EXPONENT:
            for j in range(first, end):
                if z[j] > 0.0 and row[j] > 0.0:
                    return np.inf, INFINITE_EXPONENT
        else:
            xm, xe = normalized(_plain_dot(row[first:end], z[first:end]), runs[k, 2])
            m, e = wide_sum(m, e, xm, xe)
    return m, e


@njit(cache=True, nogil=True)
def wide_dot(
    row: Vector, exponent: Exponents, xm: Vector, xe: Long, m: float, e: int
) -> tuple[float, int]:
    """``m * 2**e`` plus the product of ``row * 2**exponent`` with ``xm * 2**xe``."""
    for j in range(len(row)):
        if row[j] > 0.0 and xm[j] > 0.0:
            m, e = wide_sum(m, e, row[j] * xm[j], exponent[j] + xe[j])
    return m, e
