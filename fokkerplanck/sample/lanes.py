"""Steps of many paths at once: noise, and what becomes of paths that leave to infinity."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES

__all__ = ["DIVERGED", "FAR", "NEGATIVE", "accept", "add_noise", "largest", "save"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# Beyond this distance a path has left: squares and cubes of what is kept stay finite.
FAR = 1e100
# Why a path stopped.
DIVERGED, NEGATIVE = 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def add_noise(
    target: Array, amplitude: Array, size: int, lanes: int, rng: np.random.Generator, normals: Array
) -> None:
    """Add ``B z`` to the rows of `target`, ``z`` standard normal, ``B`` the rows of a triangle."""
    for k in range(size):
        for i in range(lanes):
            normals[k * LANES + i] = rng.standard_normal()
    for r in range(size):
        for c in range(r + 1):
            entry = (r * (r + 1) // 2 + c) * LANES
            for i in range(lanes):
                target[r * LANES + i] += amplitude[entry + i] * normals[c * LANES + i]


@njit(cache=True, nogil=True, error_model="numpy")
def accept(
    x: Array, proposed: Array, size: int, lanes: int, step: int, stopped: Integers, reason: Integers
) -> int:
    """Move every path that still runs; stop those that would leave, where they are.

    Returns
    -------
    int
        How many paths have stopped so far.
    """
    gone = 0
    for r in range(size):
        for i in range(lanes):
            # Also true of NaN.
            gone += 0 if abs(proposed[r * LANES + i]) < FAR else 1
    halted = 0
    for i in range(lanes):
        halted += 0 if reason[i] == 0 else 1
    if gone + halted == 0:
        for r in range(size):
            for i in range(lanes):
                x[r * LANES + i] = proposed[r * LANES + i]
        return 0
    for i in range(lanes):
        if reason[i] == 0:
            for r in range(size):
                if not abs(proposed[r * LANES + i]) < FAR:
                    reason[i], stopped[i] = DIVERGED, step
        if reason[i] == 0:
            for r in range(size):
                x[r * LANES + i] = proposed[r * LANES + i]
    halted = 0
    for i in range(lanes):
        halted += 0 if reason[i] == 0 else 1
    return halted


@njit(cache=True, nogil=True, error_model="numpy")
def save(x: Array, size: int, lanes: int, target: Array) -> None:
    """Write the states to `target`, shape (lanes, size)."""
    for i in range(lanes):
        for k in range(size):
            target[i, k] = x[k * LANES + i]


@njit(cache=True, nogil=True, error_model="numpy")
def largest(rows: Array, lanes: int) -> float:
    """Largest absolute value of the lanes in use."""
    result = 0.0
    for r in range(0, rows.size, LANES):
        for i in range(r, r + lanes):
            result = max(result, abs(rows[i]))
    return result
