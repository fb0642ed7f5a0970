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

__all__ = ["coupled_axes", "decompose", "longest_offsets"]

Array = NDArray[np.float64]
Offsets = NDArray[np.int16]

# Rounding of a sum of nine products relative to the sum of their sizes; a pair whose product is
# below it counts as obtuse.
ROUNDING = 1e-15
# Share of the trace added first where offsets are too long, its growth, and steps: 4 steps a decade
# waste at most a factor 1.8 of isotropic noise, and the last makes any tensor diagonally dominant.
FIRST_SHIFT, SHIFT_GROWTH, STEPS = 1e-10, 10.0**0.25, 44
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
        _flip_three(base, at_i, at_j)
        for i in range(size + 1):
            for a in range(size):
                # Offsets are cross products of base vectors: checked exactly afterwards.
                if abs(base[i, a]) > reach:
                    return False
    return False


@njit(cache=True)
def _read_off(d: Array, base: Offsets, offsets: Offsets, weights: Array) -> int:
    """Weights and offsets of an obtuse superbase; returns the largest offset entry."""
    longest = 0
    k = 0
    rest = np.empty(4, np.int64)
    for i in range(4):
        for j in range(i):
            weights[k] = max(-_product(d, base[i], base[j])[0], 0.0)
            count = 0
            for m in range(4):
                if m != i and m != j:
                    rest[count] = m
                    count += 1
            p, q = base[rest[0]], base[rest[1]]
            for a in range(3):
                b, c = (a + 1) % 3, (a + 2) % 3
                offsets[k, a] = p[b] * q[c] - p[c] * q[b]
                if weights[k] > 0.0:
                    longest = max(longest, abs(offsets[k, a]))
            k += 1
    return longest


@njit(cache=True)
def _two(
    xx: float, xy: float, yy: float, reach: int, base: Offsets, offsets: Offsets, weights: Array
) -> bool:
    """Decompose one tensor in two dimensions; `base` holds two vectors of the superbase.

    The third is minus their sum, and an offset is the perpendicular of a base vector.
    """
    ux, uy, vx, vy = base[0, 0], base[0, 1], base[1, 0], base[1, 1]
    for _ in range(FLIPS):
        uu = ux * xx * ux + 2.0 * (ux * xy * uy) + uy * yy * uy
        vv = vx * xx * vx + 2.0 * (vx * xy * vy) + vy * yy * vy
        uv = ux * xx * vx + ux * xy * vy + uy * xy * vx + uy * yy * vy
        rounding = abs(ux * vx) * xx + (abs(ux * vy) + abs(uy * vx)) * abs(xy) + abs(uy * vy) * yy
        rounding *= ROUNDING
        # Products with the third vector w = -u - v.
        uw, vw = -uu - uv, -vv - uv
        if uv > rounding and uv >= uw and uv >= vw:
            ux, uy = -ux, -uy
        elif uw > rounding + ROUNDING * uu and uw >= vw:
            ux, uy, vx, vy = -ux, -uy, -ux - vx, -uy - vy
        elif vw > rounding + ROUNDING * vv:
            ux, uy, vx, vy = -vx, -vy, -ux - vx, -uy - vy
        else:
            base[0, 0], base[0, 1], base[1, 0], base[1, 1] = ux, uy, vx, vy
            offsets[0, 0], offsets[0, 1] = -uy, ux
            offsets[1, 0], offsets[1, 1] = -vy, vx
            offsets[2, 0], offsets[2, 1] = uy + vy, -ux - vx
            weights[0], weights[1], weights[2] = max(-vw, 0.0), max(-uw, 0.0), max(-uv, 0.0)
            for k in range(3):
                if weights[k] > 0.0 and max(abs(offsets[k, 0]), abs(offsets[k, 1])) > reach:
                    return False
            return True
        if max(abs(ux), abs(uy), abs(vx), abs(vy)) > 2 * reach:
            return False
    return False


@njit(cache=True)
def _standard(base: Offsets) -> None:
    """The superbase ``e_1 .. e_d, -sum e_i``."""
    size = base.shape[1]
    for i in range(size + 1):
        for a in range(size):
            base[i, a] = -1 if i == size else (1 if i == a else 0)


@njit(cache=True)
def _diagonal(d: Array) -> bool:
    for i in range(d.shape[0]):
        for j in range(i):
            if d[i, j] != 0.0:
                return False
    return True


@njit(cache=True)
def _one(d: Array, reach: int, base: Offsets, offsets: Offsets, weights: Array) -> bool:
    """Decompose one tensor, starting from a superbase; False where an offset is too long."""
    if d.shape[0] == 2:
        return _two(d[0, 0], d[0, 1], d[1, 1], reach, base, offsets, weights)
    return _obtuse(d, base, reach) and _read_off(d, base, offsets, weights) <= reach


@njit(cache=True, nogil=True)
def _decompose_all(
    tensors: Array, reach: int, offsets: Offsets, weights: Array, shifts: Array
) -> None:
    size = tensors.shape[1]
    base = np.empty((size + 1, size), np.int16)
    d = np.empty((size, size))
    _standard(base)
    for n in range(tensors.shape[0]):
        # The superbase of the cell before is obtuse for this one too, or a few flips away.  A
        # diagonal tensor is its own decomposition, without rounding.
        if _diagonal(tensors[n]):
            _standard(base)
        if _one(tensors[n], reach, base, offsets[n], weights[n]):
            continue
        d[:] = tensors[n]
        trace = np.trace(d)
        # Bisect the exponent; the last feasible one is decomposed once more.
        low, high = -1, STEPS
        while True:
            middle = (low + high) // 2 if high - low > 1 else high
            shift = FIRST_SHIFT * SHIFT_GROWTH**middle * trace
            for a in range(size):
                d[a, a] = tensors[n, a, a] + shift
            _standard(base)
            feasible = _one(d, reach, base, offsets[n], weights[n])
            if high - low <= 1:
                break
            if feasible:
                high = middle
            else:
                low = middle
        shifts[n] = shift


@njit(cache=True)
def longest_offsets(offsets: Offsets, weights: Array) -> NDArray[np.int64]:
    """Largest entry along each axis of the offsets that have a weight, shape (d,)."""
    longest = np.zeros(offsets.shape[2], np.int64)
    for n in range(offsets.shape[0]):
        for k in range(offsets.shape[1]):
            if weights[n, k] > 0.0:
                for a in range(offsets.shape[2]):
                    longest[a] = max(longest[a], abs(offsets[n, k, a]))
    return longest


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
