"""Positions on a grid in index units: the centre of cell k lies at k + 1/2 along its axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Axis, Grid
from fokkerplanck.errors import GridMismatch, InvalidRegion

__all__ = ["index_of", "interpolate", "points_at", "steps_between"]

Array = NDArray[np.float64]
Cells = NDArray[np.integer]


def points_at(grid: Grid, index: Array) -> list[Array]:
    """Coordinates of positions given in index units, shape (d, m); periodic axes wrap."""
    points = []
    for axis, position in zip(grid.axes, index, strict=True):
        wrapped = position % axis.cells if axis.periodic else position
        points.append(np.interp(2.0 * wrapped, np.arange(2 * axis.cells + 1), _halves(axis)))
    return points


def index_of(grid: Grid, point: Sequence[float]) -> Array:
    """Position of a point in index units, shape (d,).

    Raises
    ------
    GridMismatch
        When the point has not one finite number for each axis.
    InvalidRegion
        When it lies outside the grid.
    """
    try:
        given = np.asarray(point, dtype=float)
    except (TypeError, ValueError) as error:
        raise GridMismatch(f"a point is a tuple of numbers, not {point!r}") from error
    if given.shape != (grid.dimension,) or not np.isfinite(given).all():
        raise GridMismatch(f"a point of {grid.names} has {grid.dimension} numbers, not {point!r}")
    index = np.empty(grid.dimension)
    for a, (axis, value) in enumerate(zip(grid.axes, given, strict=True)):
        low, high = axis.edges[0], axis.edges[-1]
        if axis.periodic:
            value = low + (value - low) % (high - low)
        if not low <= value <= high:
            raise InvalidRegion(
                f"the point {tuple(given.tolist())} lies outside the grid: {axis.name} runs from "
                f"{low:g} to {high:g}"
            )
        index[a] = np.interp(value, _halves(axis), np.arange(2 * axis.cells + 1)) / 2.0
    return index


def steps_between(grid: Grid, source: Cells, target: Cells) -> tuple[Array, Array]:
    """Starts (d, m) and displacements (d, m) of edges in index units, the short way round."""
    starts = np.stack(np.unravel_index(source, grid.shape)).astype(float)
    steps = np.stack(np.unravel_index(target, grid.shape)).astype(float) - starts
    for a, axis in enumerate(grid.axes):
        if axis.periodic:
            half = axis.cells // 2
            steps[a] = (steps[a] + half) % axis.cells - half
    return starts + 0.5, steps


def interpolate(values: Array, grid: Grid, index: Array) -> float:
    """Multilinear interpolation between centres, extrapolated to the walls.

    Parameters
    ----------
    values : array, grid shape
    index : (d,) position in index units
    """
    cells, weights = [], []
    for axis, position in zip(grid.axes, index, strict=True):
        from_center = position - 0.5
        lower = int(np.floor(from_center))
        if not axis.periodic:
            lower = min(max(lower, 0), axis.cells - 2)
        share = from_center - lower
        cells.append([lower % axis.cells, (lower + 1) % axis.cells])
        weights.append([1.0 - share, share])
    total = 0.0
    for corner in np.ndindex(*(2,) * grid.dimension):
        weight = float(np.prod([w[k] for w, k in zip(weights, corner, strict=True)]))
        # A neighbour that does not count may be infinite.
        if weight != 0.0:
            total += weight * float(values[tuple(c[k] for c, k in zip(cells, corner, strict=True))])
    return total


def _halves(axis: Axis) -> Array:
    """Edges and centres in turn."""
    positions = np.empty(2 * axis.cells + 1)
    positions[::2], positions[1::2] = axis.edges, axis.centers
    return positions
