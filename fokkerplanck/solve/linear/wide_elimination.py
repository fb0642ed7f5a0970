"""The elimination of one front in numbers of unlimited range, for fronts that leave doubles.

Each entry is ``mantissa * 2**exponent``. Some ten times slower than BLAS per operation; only
fronts that need it get here (barriers of several hundred noise strengths inside one front).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.wide import LOST, POWERS, normalized, wide_sum

__all__ = ["eliminate_wide"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Exponents = NDArray[np.int32]


@njit(cache=True, nogil=True)
def _add_scaled_row(
    m: Matrix, e: NDArray[np.int32], r: int, i: int, rate: float, shift: int, first: int
) -> None:
    """Row r += rate * 2**shift * row i, from column ``first`` on."""
    for j in range(first, m.shape[1]):
        p = m[i, j]
        if p == 0.0:
            continue
        term = rate * p
        exponent = shift + e[i, j]
        old = m[r, j]
        distance = exponent - e[r, j]
        if old == 0.0:
            m[r, j] = term
            e[r, j] = exponent
        elif distance <= 0:
            if distance >= -LOST:
                m[r, j] = old + term * POWERS[-distance]
        else:
            m[r, j] = term + old * POWERS[distance] if distance <= LOST else term
            e[r, j] = exponent


@njit(cache=True, nogil=True)
def eliminate_wide(
    m: Matrix, e: NDArray[np.int32], pivots: int, d: Vector, de: NDArray[np.int64]
) -> int:
    """Eliminate the first ``pivots`` states of the front ``m * 2**e`` in place.

    A pivot without any way out closes a class of states that the chain never leaves: its outflow
    is recorded as zero, and rates into it become killing rates of the states that are left.

    Parameters
    ----------
    m, e : (rows, rows + 1) mantissas and exponents, as in `eliminate`.
    pivots : how many states to eliminate.
    d, de : (pivots,) receive the outflow of each pivot.

    Returns
    -------
    int
        Number of pivots without a way out.
    """
    rows, columns = m.shape
    closed = 0
    for i in range(pivots):
        total = 0.0
        exponent = 0
        for j in range(i + 1, columns):
            m[i, j], shift = normalized(m[i, j], e[i, j])
            e[i, j] = shift
            total, exponent = wide_sum(total, exponent, m[i, j], shift)
        total, exponent = normalized(total, exponent)
        d[i] = total
        de[i] = exponent
        if total > 0.0:
            for j in range(i + 1, columns):
                m[i, j], shift = normalized(m[i, j] / total, e[i, j] - exponent)
                e[i, j] = shift
        else:
            closed += 1
        for r in range(i + 1, rows):
            rate, shift = normalized(m[r, i], e[r, i])
            m[r, i] = rate
            e[r, i] = shift
            if rate == 0.0:
                continue
            if total > 0.0:
                _add_scaled_row(m, e, r, i, rate, shift, i + 1)
            else:
                m[r, rows], shift = wide_sum(m[r, rows], e[r, rows], rate, shift)
                e[r, rows] = shift
    return closed
