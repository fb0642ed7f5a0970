r"""Weights of edges near reflecting walls that make a stencil of any reach second order there.

Rows of cells run parallel to a wall, ``s = 0, 1, ...`` from it.  An edge along an offset that spans
``m`` rows and starts in row ``s`` carries ``c_m(s)`` times the weight of its offset; offsets that
leave the grid are missing, and far from the wall ``c_m = 1``.  Two conditions on ``c``:

1. A function with constant gradient and no flux through the wall (``n . D grad u = 0``) must be
   without net flux from every row.  The edges that cross the line between rows r and r + 1 sum to a
   vector along ``D n`` when ``c_m(r - m + 1) + ... + c_m(r) = m beta(r)`` with one ``beta`` for all
   m; with generating functions ``c_m(z) = m b(z) / (1 - z^m)``, ``b = (1 - z) beta``.
2. The energy ``sum c w (e . grad u)^2 / 2`` must be that of the cells, the half offsets missing at
   the wall included: ``sum_s (c_m(s) - 1) = m/2`` for every m, which is ``b'(1) = -1/2``.

``c_m`` tends to 1 when ``b(1) = 1`` and ``b`` vanishes at the other m-th roots of unity, so that ::

    b = Phi (1 + k - k z),   Phi = prod_m (1 + z + ... + z^(m-1)) / m,   k = (deg Phi + 1) / 2

and then ``c >= 0``: it is the sum of the first s coefficients of a product like ``Phi``, and k
times the last of them.  For m = 1 alone, c = 3/2, 1, 1, ...; for m = 1 and 2, c_1 = 1, 3/2, 1, ...
and c_2 = 2, 1, 1, ....  Leaving the missing edges out without more is of first order, and so is 3/2
for all m as soon as an offset spans two rows (measured: `benchmarks/schemes_walls.py`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.selling import longest_offsets

__all__ = ["wall_tapers"]

Array = NDArray[np.float64]
Offsets = NDArray[np.int16]

# Tapers may take this share of the cells along an axis at each wall; longer offsets go without.
SHARE = 0.25


def taper(spans: list[int]) -> Array:
    """``c_m(s)``, shape (rows, largest span + 1); column 0 and the last row are 1.

    Examples
    --------
    >>> taper([1, 2])
    array([[1. , 1. , 2. ],
           [1. , 1.5, 1. ],
           [1. , 1. , 1. ]])
    """
    largest = max(spans, default=0)
    polynomial = np.ones(1)
    for m in _maximal(spans):
        polynomial = np.convolve(polynomial, np.ones(m) / m)
    slope = 0.5 * polynomial.size
    b = np.convolve(polynomial, [1.0 + slope, -slope])
    result = np.ones((b.size, largest + 1))
    for m in spans:
        for s in range(b.size - 1):
            result[s, m] = m * b[s] + (result[s - m, m] if s >= m else 0.0)
    return result


def _maximal(spans: list[int]) -> list[int]:
    """Spans above 1 that divide no other."""
    return [m for m in spans if m > 1 and not any(n > m and n % m == 0 for n in spans)]


def _rows(spans: list[int]) -> int:
    return sum(m - 1 for m in _maximal(spans)) + 2


def wall_tapers(grid: Grid, offsets: Offsets, weights: Array) -> Array:
    """Factors ``[axis, side, row, span]`` for the edges near each wall, all 1 at other walls.

    The last row holds for all rows beyond.

    Parameters
    ----------
    offsets, weights : of `decompose`, for every cell or one for all
    """
    spans = {
        (a, side): _spans(grid, a, side, offsets, weights)
        for a, axis in enumerate(grid.axes)
        for side in range(2)
        if axis.boundary[side] == "reflecting"
    }
    tables = {wall: taper(found) for wall, found in spans.items()}
    largest = max(1, int(longest_offsets(offsets, weights).max()))
    height = max((len(table) for table in tables.values()), default=1)
    result = np.ones((grid.dimension, 2, height, largest + 1))
    for (a, side), table in tables.items():
        result[a, side, : len(table), : table.shape[1]] = table
    return result


def _spans(grid: Grid, a: int, side: int, offsets: Offsets, weights: Array) -> list[int]:
    """Spans of the offsets in use at a wall, as far as there are rows to taper them."""
    span, used = offsets[:, :, a], weights > 0.0
    if len(span) > 1:
        reach = max(1, int(longest_offsets(offsets, weights)[a]))
        rows = np.arange(min(reach, grid.shape[a]))
        cells = rows if side == 0 else grid.shape[a] - 1 - rows
        span = np.take(span.reshape(*grid.shape, -1), cells, axis=a)
        used = np.take(used.reshape(*grid.shape, -1), cells, axis=a)
    spans = sorted({int(m) for m in np.unique(np.abs(span[used]))} - {0})
    while spans and _rows(spans) > max(2.0, SHARE * grid.shape[a]):
        spans.pop()
    return spans
