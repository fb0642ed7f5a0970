"""Numerical factorisation: the fronts one after another, children before parents."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.analysis import Analysis
from fokkerplanck.solve.linear.assembly import EMPTY, assemble, assemble_wide, narrow
from fokkerplanck.solve.linear.elimination import BLOCK, SMALLEST, eliminate
from fokkerplanck.solve.linear.symbolic import Fronts
from fokkerplanck.solve.linear.wide import normalized
from fokkerplanck.solve.linear.wide_elimination import eliminate_wide

__all__ = ["Factors", "factors_of"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


class Factors(NamedTuple):
    """Numerical factors, as flat arrays for compiled code.

    Front f with s pivots and m rows stores, from ``fronts.panel[f]``, its (s, m + 1) pivot rows
    (p right of the diagonal, rates below it) and then its (m - s, s) rates into the pivots. Rates
    of row r carry the factor ``2**-scale[r]`` (``scale`` starts at ``scale_start[f]``). Where
    ``wide[f]``, every entry has its own ``exponent`` instead. The outflow of the pivot at
    position i is ``outflow[i] * 2**outflow_exponent[i]``.
    """

    panel: Vector
    exponent: NDArray[np.int32]
    wide: NDArray[np.bool_]
    scale: NDArray[np.int32]
    scale_start: NDArray[np.int64]
    outflow: Vector
    outflow_exponent: NDArray[np.int64]


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _smallest_of(row: Vector) -> float:
    """Smallest positive entry; infinity where there is none."""
    least = np.inf
    for value in row:
        least = min(least, value if value > 0.0 else np.inf)
    return least


@njit(cache=True, nogil=True)
def _in_range(f: Matrix, pivots: int) -> bool:
    """Whether no entry of an eliminated front can have lost terms to underflow.

    Entries that are positive tell by their size. Zeros are true zeros if no product of a rate
    and a p can underflow.
    """
    rows = f.shape[0]
    zeros = False
    rate = np.inf
    chance = np.inf
    rest = np.inf
    killed = 0
    for r in range(rows):
        f[r, r] = 1.0
        if r < pivots:
            rate = min(rate, _smallest_of(f[r, :r]))
            chance = min(chance, _smallest_of(f[r, r:]))
        else:
            rate = min(rate, _smallest_of(f[r, :pivots]))
            rest = min(rest, _smallest_of(f[r, pivots:]))
        zeros = zeros or bool(np.any(f[r, :rows] == 0.0))
        f[r, r] = 0.0
        killed += f[r, rows] > 0.0
    if min(rate, chance, rest) < SMALLEST:
        return False
    if zeros or 0 < killed < rows:
        return rate * chance >= SMALLEST
    return True


@njit(cache=True, nogil=True)
def _store_panel(f: Matrix, pivots: int, panel: Vector) -> None:
    rows, columns = f.shape
    top = panel[: pivots * columns].reshape(pivots, columns)
    top[:, :] = f[:pivots, :]
    below = panel[pivots * columns :].reshape(rows - pivots, pivots)
    below[:, :] = f[pivots:, :pivots]


@njit(cache=True, nogil=True)
def _store_update(
    f: Matrix, pivots: int, scale: NDArray[np.int32], update: Vector, exponent: NDArray[np.int32]
) -> float:
    """Put the update matrix on the stack, each row scaled to sum to about one.

    Returns its smallest positive entry.
    """
    rows = f.shape[0]
    size = rows - pivots
    least = np.inf
    for r in range(size):
        total = 0.0
        row = f[pivots + r, pivots:]
        for j in range(size + 1):
            total += row[j]
        shift = math.frexp(total)[1]
        factor = math.ldexp(1.0, -shift)
        for j in range(size + 1):
            update[r * (size + 1) + j] = row[j] * factor
        exponent[r] = scale[pivots + r] + shift if total > 0.0 else EMPTY
        least = min(least, _smallest_of(row) * factor)
    return least


@njit(cache=True, nogil=True)
def _store_wide(
    m: Matrix,
    e: NDArray[np.int32],
    pivots: int,
    panel: Vector,
    panel_exponent: NDArray[np.int32],
    update: Vector,
    update_exponent: NDArray[np.int32],
) -> None:
    rows, columns = m.shape
    size = rows - pivots
    _store_panel(m, pivots, panel)
    top = panel_exponent[: pivots * columns].reshape(pivots, columns)
    top[:, :] = e[:pivots, :]
    below = panel_exponent[pivots * columns :].reshape(size, pivots)
    below[:, :] = e[pivots:, :pivots]
    for r in range(size):
        for j in range(size + 1):
            at = r * (size + 1) + j
            value, shift = normalized(m[pivots + r, pivots + j], e[pivots + r, pivots + j])
            update[at] = value if j != r else 0.0
            update_exponent[at] = shift


@njit(cache=True, nogil=True)
def _factorize(
    fronts: Fronts,
    data: Vector,
    killing: Vector,
    factors: Factors,
    stack: Vector,
    stack_exponent: NDArray[np.int32],
    work: Vector,
    work_exponent: NDArray[np.int32],
    work_wide: Vector,
    scratch: Vector,
) -> None:
    count = len(fronts.pivot) - 1
    smallest = np.full(count, np.inf)
    for front in range(count):
        first = fronts.pivot[front]
        pivots = fronts.pivot[front + 1] - first
        size = fronts.update_start[front + 1] - fronts.update_start[front]
        rows = pivots + size
        f = work[: rows * (rows + 1)].reshape(rows, rows + 1)
        begin = factors.scale_start[front]
        scale = factors.scale[begin : begin + rows]
        panel = factors.panel[fronts.panel[front] : fronts.panel[front + 1]]
        update = stack[fronts.stack[front] : fronts.stack[front] + size * (size + 1)]
        exponents = stack_exponent[fronts.stack[front] : fronts.stack[front] + size * (size + 1)]
        d = factors.outflow[first : first + pivots]
        de = factors.outflow_exponent[first : first + pivots]
        from_wide = False
        for c in range(fronts.child_start[front], fronts.child_start[front + 1]):
            from_wide = from_wide or factors.wide[fronts.child[c]]
        if from_wide:
            m = work_wide[: rows * (rows + 1)].reshape(rows, rows + 1)
            e = work_exponent[: rows * (rows + 1)].reshape(rows, rows + 1)
            assemble_wide(fronts, front, data, killing, stack, stack_exponent, factors.wide, m, e)
            fits = narrow(m, e, f, scale)
        else:
            fits = assemble(fronts, front, data, killing, stack, stack_exponent, smallest, f, scale)
        if fits and eliminate(f, pivots, d, scratch) and _in_range(f, pivots):
            _store_panel(f, pivots, panel)
            smallest[front] = _store_update(f, pivots, scale, update, exponents)
            for i in range(pivots):
                de[i] = scale[i]
            continue
        factors.wide[front] = True
        m = work_wide[: rows * (rows + 1)].reshape(rows, rows + 1)
        e = work_exponent[: rows * (rows + 1)].reshape(rows, rows + 1)
        if not from_wide:
            assemble_wide(fronts, front, data, killing, stack, stack_exponent, factors.wide, m, e)
        scale[:] = 0
        eliminate_wide(m, e, pivots, d, de)
        panel_exponent = factors.exponent[fronts.panel[front] : fronts.panel[front + 1]]
        _store_wide(m, e, pivots, panel, panel_exponent, update, exponents)


def factors_of(analysis: Analysis, data: Vector, killing: Vector) -> Factors:
    """Eliminate all states.

    Parameters
    ----------
    analysis : structure of the matrix.
    data : stored entries of the matrix, in the order of ``analysis.indices``.
    killing : (n,) killing rates of the cells.
    """
    fronts = analysis.fronts
    n = analysis.size
    rows = np.diff(fronts.pivot) + np.diff(fronts.update_start)
    largest = analysis.largest_front * (analysis.largest_front + 1)
    # Arrays of exponents are touched by wide fronts only: untouched pages take no memory.
    factors = Factors(
        np.empty(analysis.nnz),
        np.empty(analysis.nnz, np.int32),
        np.zeros(len(rows), np.bool_),
        np.empty(int(rows.sum()), np.int32),
        np.concatenate([[0], np.cumsum(rows)]),
        np.empty(n),
        np.empty(n, np.int64),
    )
    _factorize(
        fronts,
        data,
        killing[analysis.order],
        factors,
        np.empty(fronts.stack[-1]),
        np.empty(fronts.stack[-1], np.int32),
        np.empty(largest),
        np.empty(largest, np.int32),
        np.empty(largest),
        np.empty((analysis.largest_front + 1 + BLOCK) * BLOCK),
    )
    if not factors.wide.any():
        factors = factors._replace(exponent=np.empty(0, np.int32))
    for array in factors:
        array.flags.writeable = False
    return factors
