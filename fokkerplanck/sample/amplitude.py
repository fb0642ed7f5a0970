"""Factors ``B`` with ``B B^T = S`` of semidefinite covariances, for many paths at once.

Arrays have one row of `LANES` numbers an entry, one lane a path; a symmetric matrix is stored as
the rows of its lower triangle, entry ``(r, c)`` in row ``r (r + 1)/2 + c``.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES

__all__ = ["clip_negative", "factor"]

Array = NDArray[np.float64]
Marks = NDArray[np.int64]

# A pivot below this share of its diagonal entry is rounding, not variance: a covariance carries
# an error of some units in the last place, 2e-16, more after cancellations in its entries.
ROUNDING = 1e-14


@njit(cache=True, nogil=True, error_model="numpy")
def factor(
    covariance: Array, size: int, lanes: int, x: Array, scale: float, result: Array, marks: Marks
) -> int:
    """Cholesky factor, with zero columns where a covariance has no rank.

    Parameters
    ----------
    covariance, result : rows of lower triangles
        `result` has one row more, for work.
    x : rows of states
    scale : float
        Size of a variance.  What is negative within rounding of it, or of the square of a state,
        counts as zero: entries that cancel, as in ``mean(g g) - mean(g)^2`` where every ``g``
        vanishes, leave nothing else to compare with.
    marks : (LANES,)
        Left nonzero for paths whose covariance has a negative eigenvalue.

    Returns
    -------
    int
        How many paths are marked.
    """
    doubtful = _factor_lanes(covariance, size, lanes, result, marks)
    if doubtful == 0:
        return 0
    failed = 0
    for i in range(lanes):
        if marks[i] != 0:
            largest = scale
            for r in range(size):
                largest = max(largest, x[r * LANES + i] ** 2)
            marks[i] = 0 if _factor_lane(covariance, size, i, largest, result) else 1
            failed += marks[i]
    return failed


@njit(cache=True, nogil=True, error_model="numpy")
def _factor_lanes(covariance: Array, size: int, lanes: int, result: Array, marks: Marks) -> int:
    """Factor every lane without branches; mark those that need a closer look."""
    inverse = result[size * (size + 1) // 2 * LANES :]
    for row in range(size * (size + 1) // 2):
        for i in range(lanes):
            result[row * LANES + i] = covariance[row * LANES + i]
    for i in range(lanes):
        marks[i] = 0
    for c in range(size):
        diagonal = (c * (c + 1) // 2 + c) * LANES
        for i in range(lanes):
            pivot = result[diagonal + i]
            threshold = ROUNDING * abs(covariance[diagonal + i])
            root = np.sqrt(pivot) if pivot > threshold else 0.0
            inverse[i] = 1.0 / root if pivot > threshold else 0.0
            result[diagonal + i] = root
            marks[i] |= 0 if pivot >= -threshold else 1
        for r in range(c + 1, size):
            entry = (r * (r + 1) // 2 + c) * LANES
            below = (r * (r + 1) // 2 + r) * LANES
            for i in range(lanes):
                rest = result[entry + i]
                # Semidefinite: rest^2 <= pivot * S_rr; a pivot taken as zero leaves this much.
                allowed = 4.0 * ROUNDING * covariance[diagonal + i] * covariance[below + i]
                marks[i] |= 1 if (inverse[i] == 0.0 and not rest * rest <= allowed) else 0
                result[entry + i] = rest * inverse[i]
            for s in range(c + 1, r + 1):
                target = (r * (r + 1) // 2 + s) * LANES
                other = (s * (s + 1) // 2 + c) * LANES
                for i in range(lanes):
                    result[target + i] -= result[entry + i] * result[other + i]
    doubtful = 0
    for i in range(lanes):
        doubtful += marks[i]
    return doubtful


@njit(cache=True, nogil=True, error_model="numpy")
def _factor_lane(covariance: Array, size: int, i: int, scale: float, result: Array) -> bool:
    """Factor one lane, what is within rounding of `scale` taken as zero; False when negative.

    By eigenvectors: eliminating a tiny pivot first, as above, magnifies its rounding error.
    Entries that are not finite pass: the step itself reports them.
    """
    matrix = _unpack(covariance, size, i)
    if not np.isfinite(matrix).all():
        result[i] = np.nan
        return True
    values, vectors = np.linalg.eigh(matrix)
    if values[0] < -ROUNDING * max(scale, np.abs(matrix).max()):
        return False
    roots = vectors * np.sqrt(np.maximum(values, 0.0))
    _, triangle = np.linalg.qr(roots.T)
    for r in range(size):
        for c in range(r + 1):
            result[(r * (r + 1) // 2 + c) * LANES + i] = triangle[c, r]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _unpack(covariance: Array, size: int, i: int) -> Array:
    matrix = np.empty((size, size))
    for r in range(size):
        for c in range(r + 1):
            matrix[r, c] = matrix[c, r] = covariance[(r * (r + 1) // 2 + c) * LANES + i]
    return matrix


@njit(cache=True, nogil=True, error_model="numpy")
def clip_negative(
    covariance: Array, size: int, lanes: int, floor: Array, work: Array, marks: Marks
) -> None:
    """Replace ``S`` by ``[S - floor I]_+ + floor I`` in place."""
    for c in range(size):
        diagonal = (c * (c + 1) // 2 + c) * LANES
        for i in range(lanes):
            covariance[diagonal + i] -= floor[i]
    if _factor_lanes(covariance, size, lanes, work, marks) > 0:
        for i in range(lanes):
            if marks[i] != 0:
                _project(covariance, size, i)
    for c in range(size):
        diagonal = (c * (c + 1) // 2 + c) * LANES
        for i in range(lanes):
            covariance[diagonal + i] += floor[i]


@njit(cache=True, nogil=True, error_model="numpy")
def _project(covariance: Array, size: int, i: int) -> None:
    """The nearest semidefinite matrix: negative eigenvalues set to zero."""
    if size == 1:
        if covariance[i] < 0.0:
            covariance[i] = 0.0
    elif size == 2:
        a, b, c = covariance[i], covariance[LANES + i], covariance[2 * LANES + i]
        mean, radius = 0.5 * (a + c), np.hypot(0.5 * (a - c), b)
        low, high = mean - radius, mean + radius
        if low >= 0.0:
            return
        # What stays is high v v^T, where v v^T = (S - low I)/(high - low) has these entries; the
        # smaller one on the diagonal would cancel.
        share = high / (2.0 * radius) if high > 0.0 else 0.0
        major = 0.5 * abs(a - c) + radius
        minor = b * b / major if major > 0.0 else 0.0
        covariance[i] = share * (major if a >= c else minor)
        covariance[LANES + i] = share * b
        covariance[2 * LANES + i] = share * (minor if a >= c else major)
    else:
        matrix = _unpack(covariance, size, i)
        if not np.isfinite(matrix).all():
            return
        values, vectors = np.linalg.eigh(matrix)
        roots = vectors * np.sqrt(np.maximum(values, 0.0))
        projected = roots @ roots.T
        for r in range(size):
            for c in range(r + 1):
                covariance[(r * (r + 1) // 2 + c) * LANES + i] = projected[r, c]
