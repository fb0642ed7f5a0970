"""The four substitutions with the factors; every one adds and multiplies positive numbers only.

With p_ij and d_i of the elimination and F[r, i] the rates into a pivot i from later states r:

    push   b_j += b_i p_ij                            what starts in i goes on in j
    pull   x_i  = (b_i + sum_r x_r F[r, i]) / d_i     time spent in i
    charge z_i  = b_i / d_i, b_r += F[r, i] z_i       cost met on visits to i
    spread u_i  = z_i + sum_j p_ij u_j                cost from i onwards

Push and pull in turn solve with the generator, charge and spread with its transpose. A state
without a way out (d_i = 0) gets infinity if anything reaches it and zero otherwise: the smallest
nonnegative solution.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.multifrontal import Factors
from fokkerplanck.solve.linear.symbolic import Fronts
from fokkerplanck.solve.linear.wide import INFINITE_EXPONENT, normalized, wide_sum
from fokkerplanck.solve.linear.wide_vectors import (
    add_multiple,
    add_wide_multiple,
    append_run,
    dot,
    take,
    wide_dot,
)

__all__ = ["charge", "pull", "push", "spread"]

Vector = NDArray[np.float64]
Long = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _panels(values: NDArray[Any], pivots: int, rows: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pivot rows (pivots, rows + 1) and rates into the pivots (rows - pivots, pivots)."""
    head = pivots * (rows + 1)
    return (
        values[:head].reshape(pivots, rows + 1),
        values[head : head + (rows - pivots) * pivots].reshape(rows - pivots, pivots),
    )


@njit(cache=True, nogil=True)
def _quotient(m: float, e: int, d: float, de: int) -> tuple[float, int]:
    if m == 0.0:
        return 0.0, 0
    if d == 0.0:
        return np.inf, INFINITE_EXPONENT
    return normalized(m / d, e - de)


@njit(cache=True, nogil=True)
def push(fronts: Fronts, factors: Factors, bm: Vector, be: Long) -> None:
    """Replace b by what each state receives until its turn comes."""
    for front in range(len(fronts.pivot) - 1):
        first = fronts.pivot[front]
        pivots = fronts.pivot[front + 1] - first
        update = fronts.update[fronts.update_start[front] : fronts.update_start[front + 1]]
        rows = pivots + len(update)
        span = slice(fronts.panel[front], fronts.panel[front + 1])
        top, _ = _panels(factors.panel[span], pivots, rows)
        m = np.zeros(rows)
        e = np.zeros(rows, np.int64)
        m[:pivots] = bm[first : first + pivots]
        e[:pivots] = be[first : first + pivots]
        partial = np.zeros(rows)
        reference = np.zeros(1, np.int64)
        for i in range(pivots):
            xm, xe = take(m, e, partial, reference, i)
            bm[first + i] = xm
            be[first + i] = xe
            k = i + 1
            if factors.wide[front]:
                exponent, _ = _panels(factors.exponent[span], pivots, rows)
                add_wide_multiple(m[k:], e[k:], xm, xe, top[i, k:rows], exponent[i, k:rows])
            else:
                add_multiple(m[k:], e[k:], partial[k:], reference, xm, xe, top[i, k:rows])
        for r in range(len(update)):
            xm, xe = take(m, e, partial, reference, pivots + r)
            q = update[r]
            xm, xe = wide_sum(bm[q], be[q], xm, xe)
            bm[q], be[q] = normalized(xm, xe)


@njit(cache=True, nogil=True)
def pull(fronts: Fronts, factors: Factors, root: int, bm: Vector, be: Long) -> None:
    """Replace b by the time spent in each state; x = 1 at position ``root`` unless it is -1."""
    for front in range(len(fronts.pivot) - 2, -1, -1):
        first = fronts.pivot[front]
        pivots = fronts.pivot[front + 1] - first
        update = fronts.update[fronts.update_start[front] : fronts.update_start[front + 1]]
        rows = pivots + len(update)
        span = slice(fronts.panel[front], fronts.panel[front + 1])
        top, below = _panels(factors.panel[span], pivots, rows)
        scale = factors.scale[factors.scale_start[front] : factors.scale_start[front + 1]]
        m = bm[first : first + pivots]
        e = be[first : first + pivots]
        partial = np.zeros(pivots)
        reference = np.zeros(1, np.int64)
        for step in range(rows):
            r = rows - 1 - step
            if r >= pivots:
                xm = bm[update[r - pivots]]
                xe = be[update[r - pivots]]
                row = below[r - pivots]
            else:
                xm, xe = take(m, e, partial, reference, r)
                if first + r == root:
                    xm, xe = 0.5, 1
                else:
                    d = factors.outflow[first + r]
                    xm, xe = _quotient(xm, xe, d, factors.outflow_exponent[first + r])
                m[r] = xm
                e[r] = xe
                row = top[r, :r]
            if factors.wide[front]:
                high, low = _panels(factors.exponent[span], pivots, rows)
                exponent = low[r - pivots] if r >= pivots else high[r, :r]
                add_wide_multiple(m, e, xm, xe, row, exponent)
            else:
                k = len(row)
                add_multiple(m[:k], e[:k], partial[:k], reference, xm, xe + scale[r], row)


@njit(cache=True, nogil=True)
def charge(fronts: Fronts, factors: Factors, bm: Vector, be: Long) -> None:
    """Replace b by the cost z that each visit meets, later states' rates included."""
    for front in range(len(fronts.pivot) - 1):
        first = fronts.pivot[front]
        pivots = fronts.pivot[front + 1] - first
        update = fronts.update[fronts.update_start[front] : fronts.update_start[front + 1]]
        rows = pivots + len(update)
        span = slice(fronts.panel[front], fronts.panel[front + 1])
        top, below = _panels(factors.panel[span], pivots, rows)
        scale = factors.scale[factors.scale_start[front] : factors.scale_start[front + 1]]
        zm = bm[first : first + pivots]
        ze = be[first : first + pivots]
        z = np.zeros(pivots)
        runs = np.zeros((pivots, 3), np.int64)
        count = 0
        for r in range(rows):
            q = first + r if r < pivots else update[r - pivots]
            row = top[r, :r] if r < pivots else below[r - pivots]
            if factors.wide[front]:
                high, low = _panels(factors.exponent[span], pivots, rows)
                exponent = low[r - pivots] if r >= pivots else high[r, :r]
                xm, xe = wide_dot(row, exponent, zm, ze, bm[q], be[q])
            else:
                xm, xe = dot(row, z, runs, count, 0.0, 0)
                xm, xe = wide_sum(bm[q], be[q], xm, xe + scale[r])
            xm, xe = normalized(xm, xe)
            if r < pivots:
                xm, xe = _quotient(xm, xe, factors.outflow[q], factors.outflow_exponent[q])
                count = append_run(z, runs, count, r, xm, xe)
            bm[q] = xm
            be[q] = xe


@njit(cache=True, nogil=True)
def spread(fronts: Fronts, factors: Factors, bm: Vector, be: Long) -> None:
    """Replace z by the cost u from each state onwards."""
    for front in range(len(fronts.pivot) - 2, -1, -1):
        first = fronts.pivot[front]
        pivots = fronts.pivot[front + 1] - first
        update = fronts.update[fronts.update_start[front] : fronts.update_start[front + 1]]
        rows = pivots + len(update)
        span = slice(fronts.panel[front], fronts.panel[front + 1])
        top, _ = _panels(factors.panel[span], pivots, rows)
        um = np.zeros(rows)
        ue = np.zeros(rows, np.int64)
        u = np.zeros(rows)
        runs = np.zeros((rows, 3), np.int64)
        count = 0
        for step in range(rows):
            r = rows - 1 - step
            q = first + r if r < pivots else update[r - pivots]
            xm = bm[q]
            xe = be[q]
            if r < pivots:
                k = r + 1
                if factors.wide[front]:
                    exponent, _ = _panels(factors.exponent[span], pivots, rows)
                    xm, xe = wide_dot(top[r, k:rows], exponent[r, k:rows], um[k:], ue[k:], xm, xe)
                else:
                    xm, xe = dot(top[r], u, runs, count, xm, xe)
                xm, xe = normalized(xm, xe)
                bm[q] = xm
                be[q] = xe
            um[r] = xm
            ue[r] = xe
            count = append_run(u, runs, count, r, xm, xe)
