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

from fokkerplanck.errors import UnsupportedTensor

__all__ = ["coupled_axes", "decompose"]

Array = NDArray[np.float64]
Offsets = NDArray[np.int16]

# Rounding of a sum of nine products relative to the sum of their sizes; a pair whose product is
# below it counts as obtuse.
ROUNDING = 1e-15
# First share of the largest eigenvalue's bound (the trace) added when offsets grow too long, and
# its growth; 4 steps a decade waste at most a factor 1.8 of isotropic noise.
FIRST_SHIFT = 1e-10
SHIFT_GROWTH = 1.7782794100389228
# Each flip lowers the sum of squared lengths; 2000 exceed what any double-precision tensor needs.
FLIPS = 2000


@njit(cache=True)
def _product(d: Array, a: Offsets, b: Offsets) -> tuple[float, float]:
    """``<a, D b>`` and a bound on its rounding error."""
    total, size = 0.0, 0.0
    for i in range(d.shape[0]):
        for j in range(d.shape[0]):
            term = a[i] * d[i, j] * b[j]
            total += term
            size += abs(term)
    return total, ROUNDING * size


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
    for _ in range(FLIPS):
        worst, at_i, at_j = 0.0, -1, -1
        for i in range(size + 1):
            for j in range(i):
                value, rounding = _product(d, base[i], base[j])
                if value > max(worst, rounding):
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
            weights[k] = max(-_product(d, base[i], base[j])[0], 0.0)
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


@njit(cache=True)
def _standard(base: Offsets) -> None:
    """The superbase ``e_1 .. e_d, -sum e_i``."""
    size = base.shape[1]
    for i in range(size + 1):
        for a in range(size):
            base[i, a] = -1 if i == size else (1 if i == a else 0)


@njit(cache=True, nogil=True)
def _decompose_all(
    tensors: Array, reach: int, offsets: Offsets, weights: Array, shifts: Array
) -> None:
    size = tensors.shape[1]
    base = np.empty((size + 1, size), np.int16)
    d = np.empty((size, size))
    _standard(base)
    for n in range(tensors.shape[0]):
        d[:] = tensors[n]
        # The superbase of the cell before is obtuse for this one too, or a few flips away.
        if _obtuse(d, base, reach) and _read_off(d, base, offsets[n], weights[n]) <= reach:
            continue
        trace = 0.0
        for a in range(size):
            trace += tensors[n, a, a]
        shift = 0.0
        while True:
            _standard(base)
            for a in range(size):
                d[a, a] = tensors[n, a, a] + shift * trace
            if _obtuse(d, base, reach) and _read_off(d, base, offsets[n], weights[n]) <= reach:
                break
            shift = FIRST_SHIFT if shift == 0.0 else shift * SHIFT_GROWTH
        shifts[n] = shift * trace


def coupled_axes(tensors: Array) -> list[list[int]]:
    """Groups of axes that the off-diagonal entries couple, in order.

    Examples
    --------
    >>> import numpy as np
    >>> coupled_axes(np.array([[[1.0, 0.0, 0.2], [0.0, 1.0, 0.0], [0.2, 0.0, 1.0]]]))
    [[0, 2], [1]]
    """
    size = tensors.shape[1]
    joined = [[i == j or bool(tensors[:, i, j].any()) for j in range(size)] for i in range(size)]
    groups: list[list[int]] = []
    for a in range(size):
        touching = [g for g in groups if any(joined[a][b] for b in g)]
        groups = [g for g in groups if g not in touching]
        groups.append(sorted([a, *(b for g in touching for b in g)]))
    return sorted(groups)


def decompose(tensors: Array, reach: int) -> tuple[Offsets, Array, Array]:
    """Offsets, weights and isotropic shifts of a stack of tensors in index units.

    Parameters
    ----------
    tensors : (n, d, d), symmetric positive semidefinite
        Axes may be coupled in groups of up to three; see `coupled_axes`.
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

    Raises
    ------
    UnsupportedTensor
        When more than three axes are coupled.

    Examples
    --------
    >>> import numpy as np
    >>> offsets, weights, shifts = decompose(np.array([[[1.0, 0.5], [0.5, 1.0]]]), reach=8)
    >>> sorted((abs(int(e[0])), abs(int(e[1])), float(w)) for e, w in zip(offsets[0], weights[0]))
    [(0, 1, 0.5), (1, 0, 0.5), (1, 1, 0.5)]
    """
    count, size = tensors.shape[:2]
    groups = coupled_axes(tensors)
    largest = max(len(group) for group in groups)
    if largest > 3:
        raise UnsupportedTensor(
            f"the tensor couples {largest} axes; tensors are decomposed in up to three coupled "
            "axes: give a tensor with fewer off-diagonal entries, or sample with simulate(...)"
        )
    pairs = [len(group) * (len(group) + 1) // 2 for group in groups]
    offsets = np.zeros((count, sum(pairs), size), np.int16)
    weights = np.empty((count, sum(pairs)))
    shifts = np.zeros(count)
    start = 0
    for axes, number in zip(groups, pairs, strict=True):
        stop = start + number
        if len(axes) == 1:
            offsets[:, start, axes[0]] = 1
            weights[:, start] = tensors[:, axes[0], axes[0]]
        else:
            block = np.ascontiguousarray(tensors[:, axes][:, :, axes])
            own = np.empty((count, number, len(axes)), np.int16)
            own_weights, own_shifts = np.empty((count, number)), np.zeros(count)
            _decompose_all(block, reach, own, own_weights, own_shifts)
            for k, a in enumerate(axes):
                offsets[:, start:stop, a] = own[:, :, k]
            weights[:, start:stop] = own_weights
            shifts = np.maximum(shifts, own_shifts)
        start = stop
    return offsets, weights, shifts
