"""Where an offset from a cell leads: to another cell, out through a wall, or to a closed face."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid

__all__ = ["ABSORBED", "REFLECTED", "far_from_walls", "leaves", "neighbour", "wall_codes"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Offsets = NDArray[np.int16]
Flags = NDArray[np.bool_]

REFLECTED, ABSORBED = -1, -2
CODES = {"reflecting": 0, "absorbing": 1, "periodic": 2}


def wall_codes(grid: Grid) -> Integers:
    """For each axis and side 0 reflecting, 1 absorbing, 2 periodic."""
    return np.array([[CODES[word] for word in axis.boundary] for axis in grid.axes], np.int64)


@njit(cache=True)
def neighbour(
    index: Integers,
    offset: Offsets,
    sign: int,
    shape: Integers,
    walls: Integers,
    barriers: Flags,
) -> tuple[int, float]:
    """Flat index of ``index + sign * offset``, or which wall is hit first and where on the way.

    `walls` holds, for each axis and side, 0 reflecting, 1 absorbing, 2 periodic; `barriers`, for
    each cell and axis, whether its upper face lets nothing through.
    """
    flat, first, hit = 0, 2.0, REFLECTED
    for a in range(shape.size):
        move = sign * offset[a]
        target = index[a] + move
        if target < 0 or target >= shape[a]:
            side = 0 if target < 0 else 1
            if walls[a, side] == 2:
                target %= shape[a]
            else:
                room = index[a] + 0.5 if side == 0 else shape[a] - 0.5 - index[a]
                fraction = room / abs(move)
                kind = ABSORBED if walls[a, side] == 1 else REFLECTED
                # Through an edge of the box: what absorbs wins.
                if fraction < first or (fraction == first and kind == ABSORBED):
                    first, hit = fraction, kind
        flat = flat * shape[a] + target
    if barriers.size:
        fraction = _barrier(index, offset, sign, shape, walls, barriers)
        if fraction < first:
            first, hit = fraction, REFLECTED
    if first < 2.0:
        return hit, first
    return flat, 1.0


@njit(cache=True)
def _barrier(
    index: Integers,
    offset: Offsets,
    sign: int,
    shape: Integers,
    walls: Integers,
    barriers: Flags,
) -> float:
    """Fraction of the straight way at which the first closed face lies; 2 without one."""
    first = 2.0
    for a in range(shape.size):
        move = sign * offset[a]
        for step in range(abs(move)):
            fraction = (step + 0.5) / abs(move)
            flat, inside = 0, True
            for b in range(shape.size):
                if b == a:
                    # The face above the lower of the two cells that the step joins.
                    at = index[a] + (step if move > 0 else -step - 1)
                else:
                    # Ties go to the cell that the way starts from.
                    shift = sign * offset[b] * fraction
                    at = index[b] + int(np.sign(shift) * np.ceil(abs(shift) - 0.5))
                if walls[b, 0] == 2:
                    at %= shape[b]
                inside = inside and 0 <= at < shape[b]
                flat = flat * shape[b] + at
            if inside and barriers[flat, a]:
                first = min(first, fraction)
    return first


@njit(cache=True)
def leaves(
    index: Integers,
    offsets: Offsets,
    weights: Array,
    shape: Integers,
    walls: Integers,
    barriers: Flags,
) -> tuple[bool, bool]:
    """Whether an offset leaves the grid both ways, and whether any lies off the axes."""
    both, oblique = False, False
    for k in range(offsets.shape[0]):
        if weights[k] <= 0.0:
            continue
        oblique = oblique or bool(np.count_nonzero(offsets[k]) > 1)
        up, _ = neighbour(index, offsets[k], 1, shape, walls, barriers)
        down, _ = neighbour(index, offsets[k], -1, shape, walls, barriers)
        both = both or (up == REFLECTED and down == REFLECTED)
    return both, oblique


@njit(cache=True)
def far_from_walls(flat: int, shape: Integers, walls: Integers, margin: Integers) -> bool:
    """Whether no offset of the stencil reaches over a wall from this cell."""
    for a in range(shape.size - 1, -1, -1):
        at = flat % shape[a]
        flat //= shape[a]
        if walls[a, 0] != 2 and at < margin[a]:
            return False
        if walls[a, 1] != 2 and at >= shape[a] - margin[a]:
            return False
    return True
