"""Filling a front from the matrix and from its children's update matrices.

Doubles first: row r of a front is stored times ``2**-scale[r]``, chosen so that its largest term
is of order one. A row that has lost most of its outflow (a state at the bottom of a well, all of
whose neighbours are eliminated and lead back to it) is thereby lifted back into range. Fronts
whose rows themselves span too much are assembled with one exponent per entry.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.elimination import SMALLEST
from fokkerplanck.solve.linear.symbolic import Fronts
from fokkerplanck.solve.linear.wide import normalized, wide_sum

__all__ = ["EMPTY", "assemble", "assemble_wide", "narrow"]

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]

# Exponent of a row without entries.
EMPTY = -(1 << 29)


@njit(cache=True, nogil=True)
def _raise_scale(scale: NDArray[np.int32], row: int, value: float) -> None:
    if value > 0.0:
        scale[row] = max(scale[row], math.frexp(value)[1])


@njit(cache=True, nogil=True)
def assemble(
    fronts: Fronts,
    front: int,
    data: Vector,
    killing: Vector,
    stack: Vector,
    stack_exponent: NDArray[np.int32],
    smallest: Vector,
    f: Matrix,
    scale: NDArray[np.int32],
) -> bool:
    """Fill ``f``; its rows are the rates times ``2**-scale``.

    ``smallest`` holds the smallest entry of each update matrix. False where scaling a row of a
    child or of the matrix to its place would lose digits.
    """
    rows = f.shape[0]
    first = fronts.pivot[front]
    pivots = fronts.pivot[front + 1] - first
    entries = range(fronts.entry_start[front], fronts.entry_start[front + 1])
    f[:, :] = 0.0
    scale[:rows] = EMPTY
    for c in range(fronts.child_start[front], fronts.child_start[front + 1]):
        child = fronts.child[c]
        begin = fronts.update_start[child]
        for r in range(fronts.update_start[child + 1] - begin):
            row = fronts.to_parent[begin + r]
            scale[row] = max(scale[row], stack_exponent[fronts.stack[child] + r])
    for t in entries:
        _raise_scale(scale, fronts.entry_row[t], data[fronts.entry_source[t]])
    for i in range(pivots):
        _raise_scale(scale, i, killing[first + i])
    for c in range(fronts.child_start[front], fronts.child_start[front + 1]):
        child = fronts.child[c]
        begin = fronts.update_start[child]
        size = fronts.update_start[child + 1] - begin
        base = fronts.stack[child]
        place = fronts.to_parent[begin : begin + size]
        for r in range(size):
            row = place[r]
            factor = math.ldexp(1.0, stack_exponent[base + r] - scale[row])
            if smallest[child] * factor < SMALLEST:
                return False
            update = stack[base + r * (size + 1) : base + (r + 1) * (size + 1)]
            for j in range(size):
                f[row, place[j]] += factor * update[j]
            f[row, rows] += factor * update[size]
    for t in entries:
        row = fronts.entry_row[t]
        value = data[fronts.entry_source[t]]
        scaled = math.ldexp(value, -scale[row])
        if value > 0.0 and scaled < SMALLEST:
            return False
        f[row, fronts.entry_column[t]] += scaled
    for i in range(pivots):
        scaled = math.ldexp(killing[first + i], -scale[i])
        if killing[first + i] > 0.0 and scaled < SMALLEST:
            return False
        f[i, rows] += scaled
    return True


@njit(cache=True, nogil=True)
def _add_wide(m: Matrix, e: NDArray[np.int32], i: int, j: int, value: float, exponent: int) -> None:
    xm, xe = normalized(value, exponent)
    total, shift = wide_sum(m[i, j], e[i, j], xm, xe)
    m[i, j], shift = normalized(total, shift)
    e[i, j] = shift


@njit(cache=True, nogil=True)
def assemble_wide(
    fronts: Fronts,
    front: int,
    data: Vector,
    killing: Vector,
    stack: Vector,
    stack_exponent: NDArray[np.int32],
    wide: NDArray[np.bool_],
    m: Matrix,
    e: NDArray[np.int32],
) -> None:
    """Fill ``m * 2**e`` with the rates themselves; children may be of either kind."""
    rows = m.shape[0]
    first = fronts.pivot[front]
    m[:, :] = 0.0
    e[:, :] = 0
    for c in range(fronts.child_start[front], fronts.child_start[front + 1]):
        child = fronts.child[c]
        begin = fronts.update_start[child]
        size = fronts.update_start[child + 1] - begin
        base = fronts.stack[child]
        for r in range(size):
            row = fronts.to_parent[begin + r]
            for j in range(size + 1):
                if j == r:
                    continue
                column = fronts.to_parent[begin + j] if j < size else rows
                at = base + r * (size + 1) + j
                exponent = stack_exponent[at] if wide[child] else stack_exponent[base + r]
                _add_wide(m, e, row, column, stack[at], exponent)
    for t in range(fronts.entry_start[front], fronts.entry_start[front + 1]):
        value = data[fronts.entry_source[t]]
        _add_wide(m, e, fronts.entry_row[t], fronts.entry_column[t], value, 0)
    for i in range(fronts.pivot[front + 1] - first):
        _add_wide(m, e, i, rows, killing[first + i], 0)


@njit(cache=True, nogil=True)
def narrow(m: Matrix, e: NDArray[np.int32], f: Matrix, scale: NDArray[np.int32]) -> bool:
    """Copy a wide front to doubles with scaled rows; False where a row spans too much."""
    rows = m.shape[0]
    for r in range(rows):
        scale[r] = EMPTY
        for j in range(rows + 1):
            if m[r, j] > 0.0:
                scale[r] = max(scale[r], e[r, j])
        for j in range(rows + 1):
            f[r, j] = math.ldexp(m[r, j], max(e[r, j] - scale[r], -2000))
            if m[r, j] > 0.0 and f[r, j] < SMALLEST:
                return False
    return True
