"""Subtraction-free elimination of the pivots of one dense front, blocked for BLAS 3.

The front holds the rates F[i, j] from state i to state j and, in one more column, the rate at
which i is killed. Removing state i sends whoever is in i to where i leads next:

    d_i = sum of F[i, j] over all j > i,    p_ij = F[i, j] / d_i,    F[r, j] += F[r, i] p_ij

Every operation adds, multiplies or divides positive numbers, so each entry keeps its relative
accuracy whatever the condition of the matrix (Grassmann, Taksar, Heyman 1985; O'Cinneide 1993).
The diagonal is never read: d_i is the sum of the rates out of i that are left, which for a block
of pivots needs the rates that leave the block, lumped into one number per row, only.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.blas import add_product

__all__ = ["BLOCK", "SMALLEST", "eliminate"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

# Pivots eliminated between two products with the trailing matrix (measured: 32 to 64 are equal).
BLOCK = 48
# Entries below 2**-900 may have lost terms to underflow, which begins at 2**-1022: above, a lost
# term is 2**-122 of its sum, and however many of them do not reach its 53 bits.
SMALLEST = 2.0**-900


@njit(cache=True, nogil=True)
def _eliminate_block(f: Matrix, k0: int, k1: int, d: Vector, out: Vector) -> bool:
    """Eliminate pivots k0:k1 among themselves; p above, F below the diagonal, in place.

    ``out`` is the rate from each row out of the block. False where a pivot has (almost) no
    way out, which only exponents of unlimited range can tell from none.
    """
    rows, columns = f.shape
    for i in range(k0, k1):
        total = 0.0
        for j in range(k1, columns):
            total += f[i, j]
        out[i - k0] = total
    for i in range(k0, k1):
        total = out[i - k0]
        for j in range(i + 1, k1):
            total += f[i, j]
        d[i] = total
        if total < SMALLEST:
            # The last state of a chain without killing has nowhere left to go.
            return bool(total == 0.0 and i == rows - 1)
        for j in range(i + 1, k1):
            f[i, j] /= total
        out[i - k0] /= total
        leaving = out[i - k0]
        for r in range(i + 1, k1):
            rate = f[r, i]
            if rate > 0.0:
                for j in range(i + 1, k1):
                    f[r, j] += rate * f[i, j]
                out[r - k0] += rate * leaving
    return True


@njit(cache=True, nogil=True)
def _visits(f: Matrix, k0: int, k1: int, v: Matrix) -> None:
    """v = (I - P)^-1: chance to come through j, from i, moving up through the block."""
    w = k1 - k0
    for i in range(w - 1, -1, -1):
        for j in range(w):
            v[i, j] = 0.0
        v[i, i] = 1.0
        for k in range(i + 1, w):
            p = f[k0 + i, k0 + k]
            if p > 0.0:
                for j in range(k, w):
                    v[i, j] += p * v[k, j]


@njit(cache=True, nogil=True)
def _arrivals(f: Matrix, k0: int, k1: int, d: Vector, a: Matrix) -> bool:
    """a = (D - L)^-1, so that a times the rates out of the block are the p of its rows."""
    w = k1 - k0
    largest = 0.0
    for r in range(w):
        for j in range(w):
            a[r, j] = 0.0
        a[r, r] = 1.0
        for k in range(r):
            rate = f[k0 + r, k0 + k]
            if rate > 0.0:
                for j in range(k + 1):
                    a[r, j] += rate * a[k, j]
        if d[k0 + r] > 0.0:
            for j in range(r + 1):
                a[r, j] /= d[k0 + r]
                largest = max(largest, a[r, j])
    return largest * SMALLEST < 1.0


@njit(cache=True, nogil=True)
def eliminate(f: Matrix, pivots: int, d: Vector, scratch: Vector) -> bool:
    """Eliminate the first ``pivots`` states of a front in place.

    Parameters
    ----------
    f : (m, m + 1) rates; on return p_ij right of the diagonal in the pivot rows, F[r, i] below
        the diagonal in the pivot columns, and the update matrix behind them. Rows may carry
        any positive factor.
    pivots : how many states to eliminate.
    d : (pivots,) receives the outflow of each pivot.
    scratch : at least ``(m + 1 + BLOCK) * BLOCK * 2`` numbers.

    Returns
    -------
    bool
        False where numbers left the range of doubles; ``f`` is then useless.
    """
    rows, columns = f.shape
    out = np.empty(BLOCK)
    for k0 in range(0, pivots, BLOCK):
        k1 = min(k0 + BLOCK, pivots)
        w = k1 - k0
        if not _eliminate_block(f, k0, k1, d, out):
            return False
        small = scratch[: w * w].reshape(w, w)
        below = rows - k1
        if below > 0:
            _visits(f, k0, k1, small)
            left = scratch[w * w : w * w + below * w].reshape(below, w)
            left[:, :] = f[k1:, k0:k1]
            add_product(left, small, f[k1:, k0:k1], 0.0)
        if not _arrivals(f, k0, k1, d, small):
            return False
        right = scratch[w * w : w * w + w * (columns - k1)].reshape(w, columns - k1)
        right[:, :] = f[k0:k1, k1:]
        add_product(small, right, f[k0:k1, k1:], 0.0)
        if below > 0:
            add_product(f[k1:, k0:k1], f[k0:k1, k1:], f[k1:, k1:], 1.0)
    return True
