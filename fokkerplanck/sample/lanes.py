"""Steps of many paths at once: noise, and what becomes of paths that stop.

A path is a lane, a column of rows of `LANES` numbers.  The paths that still run have the first
lanes; `order` tells the number of the path in each.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES

__all__ = [
    "ARRIVED",
    "DIVERGED",
    "FAR",
    "NEGATIVE",
    "accept",
    "add_noise",
    "compact",
    "largest",
    "save",
    "stop_negative",
]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# Beyond this distance a path has left: squares and cubes of what is kept stay finite.
FAR = 1e100
# Why a path stopped.
DIVERGED, NEGATIVE, ARRIVED = 1, 2, 3


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
    x: Array,
    proposed: Array,
    size: int,
    lanes: int,
    step: int,
    order: Integers,
    stopped: Integers,
    reason: Integers,
) -> int:
    """Move the paths; those that would leave to infinity stop where they are.

    Returns
    -------
    int
        How many leave.
    """
    gone = 0
    for r in range(size):
        for i in range(lanes):
            # Also true of NaN.
            gone += 0 if abs(proposed[r * LANES + i]) < FAR else 1
    if gone == 0:
        for r in range(size):
            for i in range(lanes):
                x[r * LANES + i] = proposed[r * LANES + i]
        return 0
    gone = 0
    for i in range(lanes):
        inside = True
        for r in range(size):
            inside &= abs(proposed[r * LANES + i]) < FAR
        if inside:
            for r in range(size):
                x[r * LANES + i] = proposed[r * LANES + i]
        else:
            reason[order[i]], stopped[order[i]] = DIVERGED, step
            gone += 1
    return gone


@njit(cache=True, nogil=True, error_model="numpy")
def stop_negative(
    x: Array,
    point: Array,
    size: int,
    lanes: int,
    step: int,
    marks: Integers,
    order: Integers,
    stopped: Integers,
    reason: Integers,
) -> None:
    """Stop marked paths at `point`, where their tensor has a negative eigenvalue."""
    for i in range(lanes):
        if marks[i] != 0:
            reason[order[i]], stopped[order[i]] = NEGATIVE, step
            for r in range(size):
                x[r * LANES + i] = point[r * LANES + i]


@njit(cache=True, nogil=True, error_model="numpy")
def compact(state: Array, lanes: int, order: Integers, reason: Integers) -> int:
    """Exchange lanes so that the running paths come first; returns how many there are."""
    running = lanes
    for i in range(lanes - 1, -1, -1):
        if reason[order[i]] != 0:
            running -= 1
            order[i], order[running] = order[running], order[i]
            for row in range(0, state.size, LANES):
                state[row + i], state[row + running] = state[row + running], state[row + i]
    return running


@njit(cache=True, nogil=True, error_model="numpy")
def save(x: Array, size: int, lanes: int, order: Integers, target: Array) -> None:
    """Write the states to `target`, shape (paths, size)."""
    for i in range(lanes):
        for k in range(size):
            target[order[i], k] = x[k * LANES + i]


@njit(cache=True, nogil=True, error_model="numpy")
def largest(rows: Array, lanes: int) -> float:
    """Largest absolute value of the lanes in use."""
    result = 0.0
    for r in range(0, rows.size, LANES):
        for i in range(r, r + lanes):
            result = max(result, abs(rows[i]))
    return result
