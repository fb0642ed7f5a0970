"""Counting while paths run: cells of a grid, and moments, without keeping the paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.errors import GridMismatch
from fokkerplanck.results.groups import BATCHES, FEW

__all__ = ["Cells", "Tally", "count", "find_cells", "make_tally"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# As many paths as this have groups of paths alone; an error from n groups is itself off by
# 1/sqrt(2 (n - 1)): 9 percent from 64.
GROUPS = 64


class Cells(NamedTuple):
    """Axes of a grid as arrays, one row each.

    Attributes
    ----------
    variables, numbers, periodic, uniform : (axes,) int
        Number of the variable, number of cells, and two truths.
    edges : (axes, most cells + 1)
    """

    variables: Integers
    numbers: Integers
    periodic: Integers
    uniform: Integers
    edges: Array


@dataclass(frozen=True, eq=False)
class Tally:
    """What is counted, and how it is split into groups whose spread tells the errors.

    Attributes
    ----------
    cells : Cells
    size : int
        Number of cells.
    reference : (d,)
        Point near the paths.
    after : int
        Steps before counting begins.
    batches : int
        Parts of the time after that.
    groups : int
        Parts of the paths of every block, at most.
    """

    cells: Cells
    size: int
    reference: Array
    after: int
    batches: int
    groups: int

    def bounds(self, steps: int) -> list[int]:
        """Step at which every batch begins, and the last one ends."""
        length = steps - self.after
        return [self.after + length * k // self.batches for k in range(self.batches + 1)]

    def group_of(self, paths: int) -> Integers:
        """Group of every path of a block, shape (LANES,); one path each where paths are fewer."""
        groups = min(self.groups, paths)
        return np.minimum(np.arange(LANES) * groups // paths, groups - 1)


def make_tally(
    grid: Grid | None,
    names: Sequence[str],
    reference: Array,
    *,
    after: int,
    steps: int,
    paths: int,
    blocks: int,
) -> Tally:
    """Groups of paths, or batches along time of every path where paths are few.

    Parameters
    ----------
    after, steps : int
        Steps before counting begins, and in all.
    paths, blocks : int
        How many there are.
    """
    few = paths < FEW
    return Tally(
        find_cells(grid, names),
        0 if grid is None else grid.size,
        reference,
        after,
        min(steps - after, -(-BATCHES // paths)) if few else 1,
        -(-GROUPS // blocks),
    )


def find_cells(grid: Grid | None, names: Sequence[str]) -> Cells:
    """The cells of a grid whose axes are some of the variables, in any order.

    Raises
    ------
    GridMismatch
        When an axis is no variable.
    """
    axes = grid.axes if grid is not None else ()
    unknown = [axis.name for axis in axes if axis.name not in names]
    if unknown:
        raise GridMismatch(f"{unknown} are no variables; the paths have {tuple(names)}")
    edges = np.zeros((len(axes), max((axis.cells for axis in axes), default=0) + 1))
    for k, axis in enumerate(axes):
        edges[k, : axis.cells + 1] = axis.edges
    return Cells(
        np.array([list(names).index(axis.name) for axis in axes], np.int64),
        np.array([axis.cells for axis in axes], np.int64),
        np.array([axis.periodic for axis in axes], np.int64),
        np.array([axis.mapping is None for axis in axes], np.int64),
        edges,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def count(
    cells: Cells,
    x: Array,
    size: int,
    lanes: int,
    order: Integers,
    groups: Integers,
    reference: Array,
    counts: Integers,
    sums: Array,
    index: Integers,
) -> None:
    """Count every path once, and add its position to the sums.

    Parameters
    ----------
    groups : (LANES,)
        Group of every path.
    reference : (d,)
        Point near the paths, subtracted from positions lest squares cancel.
    counts : (groups, cells)
    sums : rows, d and d (d + 1)/2 of them
        Of deviations from the reference and of their products, lane by lane.
    index : (LANES,)
        For work.
    """
    for i in range(lanes):
        index[i] = 0
    for k in range(cells.variables.size):
        _find(cells, k, x[cells.variables[k] * LANES :], lanes, index)
    if counts.shape[1] > 0:
        for i in range(lanes):
            if index[i] >= 0:
                counts[groups[order[i]], index[i]] += 1
    for r in range(size):
        for i in range(lanes):
            sums[r * LANES + i] += x[r * LANES + i] - reference[r]
        for c in range(r + 1):
            row = (size + r * (r + 1) // 2 + c) * LANES
            for i in range(lanes):
                deviation = x[r * LANES + i] - reference[r]
                sums[row + i] += deviation * (x[c * LANES + i] - reference[c])


@njit(cache=True, nogil=True, error_model="numpy")
def _find(cells: Cells, k: int, values: Array, lanes: int, index: Integers) -> None:
    """Refine the cell index by axis `k`; -1 outside.  The last edge belongs to the last cell."""
    number, edges = cells.numbers[k], cells.edges[k]
    lower, upper = edges[0], edges[number]
    per_width = number / (upper - lower)
    for i in range(lanes):
        value = values[i]
        if cells.periodic[k] != 0:
            value -= np.floor((value - lower) / (upper - lower)) * (upper - lower)
        if index[i] < 0 or not lower <= value <= upper:
            index[i] = -1
        elif cells.uniform[k] != 0:
            cell = min(int((value - lower) * per_width), number - 1)
            index[i] = index[i] * number + cell
        else:
            cell = np.searchsorted(edges[: number + 1], value, side="right") - 1
            index[i] = index[i] * number + min(cell, number - 1)
