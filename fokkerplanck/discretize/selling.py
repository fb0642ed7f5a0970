r"""Selling's decomposition: a tensor as a sum of nonnegative weights on integer offsets.

``D = sum_k w_k e_k e_k^T`` with ``w_k >= 0`` and integer ``e_k``: 1 offset in one dimension, 3 in
two, 6 in three.  Starting from the superbase ``e_1 .. e_d, -sum e_i``, a pair with ``<b_i, D b_j>
> 0`` is flipped until none is left (the superbase is obtuse); the weights are then ``-<b_i, D
b_j>``.

Sources: E. Selling, J. reine angew. Math. 77, 143 (1874); J. H. Conway and N. J. A. Sloane, Proc.
R. Soc. A 436, 55 (1992); J. Fehrenbach and J.-M. Mirebeau, J. Math. Imaging Vis. 49, 123 (2014).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["decompose"]

Array = NDArray[np.float64]
Offsets = NDArray[np.int16]

# A pair counts as obtuse when its product is below this share of the trace: the rounding of the
# products, and the flips that it would ask for, change the weights by no more.
OBTUSE = 1e-14
# First share of the largest eigenvalue's bound (the trace) added when offsets grow too long, and
# its growth; 4 steps a decade waste at most a factor 1.8 of isotropic noise.
FIRST_SHIFT = 1e-10
SHIFT_GROWTH = 1.7782794100389228
# Each flip lowers the sum of squared lengths; 2000 exceed what any double-precision tensor needs.
FLIPS = 2000


@njit(cache=True)
def _product(d: Array, a: Offsets, b: Offsets) -> float:
    total = 0.0
    for i in range(d.shape[0]):
        for j in range(d.shape[0]):
            total += a[i] * d[i, j] * b[j]
    return total


@njit(cache=True)
def _flip_two(base: Offsets, i: int, j: int) -> None:
    k = 3 - i - j
    for a in range(2):
        bi, bj = base[i, a], base[j, a]
        base[i, a], base[k, a] = -bi, bi - bj


@njit(cache=True)
def _flip_three(base: Offsets, i: int, j: int) -> None:
    for a in range(3):
        bi = base[i, a]
        for k in range(4):
            if k != i and k != j:
                base[k, a] += bi
        base[i, a] = -bi


@njit(cache=True)
def _obtuse(d: Array, base: Offsets, reach: int) -> bool:
    """Flip `base` in place until obtuse; False when an entry would exceed `reach`."""
    size = d.shape[0]
    trace = 0.0
    for a in range(size):
        trace += d[a, a]
    for _ in range(FLIPS):
        worst, at_i, at_j = OBTUSE * trace, -1, -1
        for i in range(size + 1):
            for j in range(i):
                value = _product(d, base[i], base[j])
                if value > worst:
                    worst, at_i, at_j = value, i, j
        if at_i < 0:
            return True
        if size == 2:
            _flip_two(base, at_i, at_j)
        else:
            _flip_three(base, at_i, at_j)
        for i in range(size + 1):
            for a in range(size):
                # Edge offsets are differences and cross products of base vectors: of their size
                # in two dimensions, checked exactly afterwards in three.
                if abs(base[i, a]) > reach:
                    return False
    return False


@njit(cache=True)
def _read_off(d: Array, base: Offsets, offsets: Offsets, weights: Array) -> int:
    """Weights and offsets of an obtuse superbase; returns the largest offset entry."""
    size = d.shape[0]
    longest = 0
    k = 0
    for i in range(size + 1):
        for j in range(i):
            weights[k] = max(-_product(d, base[i], base[j]), 0.0)
            if size == 2:
                other = base[3 - i - j]
                offsets[k, 0], offsets[k, 1] = -other[1], other[0]
            else:
                p, q = 0, 0
                rest = np.empty(2, np.int64)
                for m in range(4):
                    if m != i and m != j:
                        rest[p] = m
                        p += 1
                p, q = rest[0], rest[1]
                offsets[k, 0] = base[p, 1] * base[q, 2] - base[p, 2] * base[q, 1]
                offsets[k, 1] = base[p, 2] * base[q, 0] - base[p, 0] * base[q, 2]
                offsets[k, 2] = base[p, 0] * base[q, 1] - base[p, 1] * base[q, 0]
            if weights[k] > 0.0:
                for a in range(size):
                    longest = max(longest, abs(offsets[k, a]))
            k += 1
    return longest


@njit(cache=True, nogil=True)
def _decompose_all(
    tensors: Array, reach: int, offsets: Offsets, weights: Array, shifts: Array
) -> None:
    size = tensors.shape[1]
    base = np.empty((size + 1, size), np.int16)
    d = np.empty((size, size))
    for n in range(tensors.shape[0]):
        trace = 0.0
        for a in range(size):
            trace += tensors[n, a, a]
        shift = 0.0
        while True:
            for a in range(size):
                for b in range(size):
                    d[a, b] = tensors[n, a, b]
                    base[a, b] = 1 if a == b else 0
                d[a, a] += shift * trace
                base[size, a] = -1
            if _obtuse(d, base, reach) and _read_off(d, base, offsets[n], weights[n]) <= reach:
                break
            shift = FIRST_SHIFT if shift == 0.0 else shift * SHIFT_GROWTH
        shifts[n] = shift * trace


def decompose(tensors: Array, reach: int) -> tuple[Offsets, Array, Array]:
    """Offsets, weights and isotropic shifts of a stack of tensors in index units.

    Parameters
    ----------
    tensors : (n, d, d), symmetric positive semidefinite, d = 1, 2 or 3
    reach : int
        Largest entry of an offset.  A tensor whose decomposition reaches further (anisotropy
        beyond about ``reach^2``, rotated against the axes) first gets the smallest isotropic
        shift that keeps it within.

    Returns
    -------
    offsets : (n, k, d) int16
    weights : (n, k), nonnegative
    shifts : (n,)
        What was added to the diagonal; zero where nothing was.

    Examples
    --------
    >>> import numpy as np
    >>> offsets, weights, shifts = decompose(np.array([[[1.0, 0.5], [0.5, 1.0]]]), reach=8)
    >>> sorted((abs(int(e[0])), abs(int(e[1])), float(w)) for e, w in zip(offsets[0], weights[0]))
    [(0, 1, 0.5), (1, 0, 0.5), (1, 1, 0.5)]
    """
    count, size = tensors.shape[:2]
    shifts = np.zeros(count)
    if size == 1:
        return np.ones((count, 1, 1), np.int16), tensors[:, 0].copy(), shifts
    pairs = size * (size + 1) // 2
    offsets = np.empty((count, pairs, size), np.int16)
    weights = np.empty((count, pairs))
    _decompose_all(np.ascontiguousarray(tensors), reach, offsets, weights, shifts)
    return offsets, weights, shifts
