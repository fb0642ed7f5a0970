"""Reflecting and periodic walls of a box."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import sympy as sp
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.errors import GridMismatch
from fokkerplanck.sample.amplitude import clip_negative
from fokkerplanck.sample.recursion import Recursion

__all__ = ["Walls", "absorbing_region", "find_walls", "keep_inside"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

OPEN, REFLECTING, PERIODIC = range(3)
# Reflections of one step, in a corner from one wall to the next; a step that needs more is wider
# than the box.
REFLECTIONS = 16


class Walls(NamedTuple):
    """What keeps paths inside a box.

    Attributes
    ----------
    any : bool
    kinds : (d, 2) int
        Lower and upper side of every variable.
    positions : (d, 2)
    """

    any: bool
    kinds: Integers
    positions: Array


def find_walls(grid: Grid | None, names: Sequence[str]) -> Walls:
    """Reflecting and periodic walls of a grid; variables that are no axis have none.

    Raises
    ------
    GridMismatch
        When an axis is no variable.
    """
    kinds = np.zeros((len(names), 2), np.int64)
    positions = np.zeros((len(names), 2))
    for axis in grid.axes if grid is not None else ():
        if axis.name not in names:
            raise GridMismatch(f"the walls have an axis {axis.name}, the variables are {names}")
        k = list(names).index(axis.name)
        positions[k] = axis.edges[0], axis.edges[-1]
        for side, word in enumerate(axis.boundary):
            kinds[k, side] = {"reflecting": REFLECTING, "periodic": PERIODIC}.get(word, OPEN)
    return Walls(bool(kinds.any()), kinds, positions)


def absorbing_region(grid: Grid | None) -> list[sp.Expr]:
    """Relations that hold beyond the absorbing walls of a grid."""
    beyond = []
    for axis in grid.axes if grid is not None else ():
        variable = sp.Symbol(axis.name, real=True)
        if axis.boundary[0] == "absorbing":
            beyond.append(variable < float(axis.edges[0]))
        if axis.boundary[1] == "absorbing":
            beyond.append(variable > float(axis.edges[-1]))
    return beyond


@njit(cache=True, nogil=True, error_model="numpy")
def keep_inside(
    walls: Walls,
    coefficients: Callable[..., None],
    parameters: Array,
    data: Array,
    recursion: Recursion,
    time: float,
    x: Array,
    size: int,
    lanes: int,
    work: Array,
    marks: Integers,
) -> None:
    """Wrap periodic coordinates, and reflect at walls along ``D n``; changes the rows of `x`.

    Without flux through a wall of normal ``n`` paths turn around in the conormal direction ``D n``,
    with the tensor of the place on the wall: mirroring along the normal would leave a current
    along the wall wherever ``D`` is not diagonal.

    Source: M. Bossy, E. Gobet and D. Talay, J. Appl. Probab. 41, 877 (2004): weak order 1.
    """
    for k in range(size):
        lower, upper = walls.positions[k, 0], walls.positions[k, 1]
        if walls.kinds[k, 0] == PERIODIC:
            for i in range(lanes):
                value = x[k * LANES + i]
                if value < lower or value >= upper:
                    value -= np.floor((value - lower) / (upper - lower)) * (upper - lower)
                    # Rounding may leave a tiny negative remainder on the upper edge.
                    x[k * LANES + i] = value if value < upper else lower
        elif walls.kinds[k, 0] == REFLECTING or walls.kinds[k, 1] == REFLECTING:
            outside = 0
            for i in range(lanes):
                outside += 1 if _overshoot(walls, k, x[k * LANES + i]) != 0.0 else 0
            if outside == 0:
                continue
            for i in range(lanes):
                if _overshoot(walls, k, x[k * LANES + i]) != 0.0:
                    _reflect(
                        walls,
                        coefficients,
                        parameters,
                        data,
                        recursion,
                        time,
                        x,
                        size,
                        i,
                        work,
                        marks,
                    )


@njit(cache=True, nogil=True, error_model="numpy")
def _overshoot(walls: Walls, k: int, value: float) -> float:
    """How far a coordinate lies beyond a reflecting wall, positive above the upper one."""
    if walls.kinds[k, 0] == REFLECTING and value < walls.positions[k, 0]:
        return float(value - walls.positions[k, 0])
    if walls.kinds[k, 1] == REFLECTING and value > walls.positions[k, 1]:
        return float(value - walls.positions[k, 1])
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _reflect(
    walls: Walls,
    coefficients: Callable[..., None],
    parameters: Array,
    data: Array,
    recursion: Recursion,
    time: float,
    x: Array,
    size: int,
    i: int,
    work: Array,
    marks: Integers,
) -> None:
    """Reflect one path until no wall is left to cross; NaN when that takes too many times."""
    pairs = size * (size + 1) // 2
    at = (size + pairs + 1) * LANES
    out, point, clipped = work[:at], work[at : at + size * LANES], work[at + size * LANES :]
    for _ in range(REFLECTIONS):
        crossed = -1
        for k in range(size):
            beyond = _overshoot(walls, k, x[k * LANES + i])
            if crossed < 0 and beyond != 0.0:
                crossed = k
            point[k * LANES] = x[k * LANES + i] - beyond
        if crossed < 0:
            return
        coefficients(point, time, parameters, data, out, 1)
        if recursion.clip:
            tensor, floor = (
                out[size * LANES : (size + pairs) * LANES],
                out[(size + pairs) * LANES :],
            )
            clip_negative(tensor, size, 1, floor, clipped, marks)
        normal = out[(size + crossed * (crossed + 1) // 2 + crossed) * LANES]
        beyond = _overshoot(walls, crossed, x[crossed * LANES + i])
        x[crossed * LANES + i] -= 2.0 * beyond
        for k in range(size):
            if k != crossed and normal > 0.0:
                low, high = min(k, crossed), max(k, crossed)
                along = out[(size + high * (high + 1) // 2 + low) * LANES]
                x[k * LANES + i] -= 2.0 * beyond * along / normal
    x[i] = np.nan
