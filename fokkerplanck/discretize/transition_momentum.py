"""The step of heavy-ball SGD on cells of its phase space, in one dimension.

``v' = beta v - (L'(x) + xi)``, ``x' = x + eta v'``: only the velocity has noise.  On a lattice
whose cells are so wide in x that ``eta v'`` is a whole number of them for every v', the position
moves from centre to centre exactly; cells that do not fit would add a diffusion that SGD does not
have.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.transition_cells import CUTOFF
from fokkerplanck.discretize.transition_panels import Columns, require_room
from fokkerplanck.discretize.transition_step import GaussianStep
from fokkerplanck.errors import InvalidGrid

__all__ = ["momentum_columns", "require_fitting"]

Array = NDArray[np.float64]

# Share of a cell by which the position may miss a centre: rounding of the axes.
MISSED = 1e-6


def require_fitting(grid: Grid, learning_rate: float) -> NDArray[np.int64]:
    """Cells in x that each velocity moves by, (cells in v,).

    Raises
    ------
    InvalidGrid
        When they are no whole numbers.
    """
    position, velocity = grid.axes
    if velocity.periodic:
        raise InvalidGrid(f"the velocity {velocity.name} is not periodic")
    shifts = learning_rate * velocity.centers / position.spacing
    whole = np.round(shifts)
    if np.abs(shifts - whole).max() > MISSED:
        low, high = position.edges[[0, -1]]
        width = learning_rate * velocity.spacing
        cells = max(int(np.ceil((high - low) / width)), 2)
        top = 0.5 * velocity.spacing * (2 * (velocity.cells // 2) + 1)
        raise InvalidGrid(
            f"a step moves {position.name} by learning_rate * {velocity.name}, which has to be a "
            f"whole number of cells: take {position.name}=({low:g}, {low + cells * width:.12g}, "
            f"{cells}), {velocity.name}=({-top:.12g}, {top:.12g}, {2 * (velocity.cells // 2) + 1})"
        )
    return whole.astype(np.int64)


def momentum_columns(grid: Grid, step: GaussianStep, points: Any) -> tuple[Columns, Array]:
    """Masses after a step from points (x, v), each (k,), and its deviation in cells of v.

    A point between two centres in x is shared between them: exact for centres, second order else.
    """
    shifts = require_fitting(grid, step.learning_rate)
    position, velocity = grid.axes
    count = points[0].size
    mean, variance = step.mean(points)[1], step.covariance(points)[1, 1]
    deviation = np.sqrt(variance) / velocity.spacing
    require_room(1.5 * count * min(2 * CUTOFF * float(deviation.max()) + 1, velocity.cells), count)
    z = (velocity.centers[:, np.newaxis] - mean) / (deviation * velocity.spacing)
    target, source = np.nonzero(np.abs(z) < CUTOFF)
    masses = np.exp(-0.5 * z[target, source] ** 2)
    total = np.sqrt(2.0 * np.pi) * deviation
    at = (points[0][source] - position.edges[0]) / position.spacing - 0.5
    # A centre is one up to rounding.
    at = np.where(np.abs(at - np.round(at)) < MISSED, np.round(at), at)
    lower = np.floor(at).astype(np.int64)
    share = at - lower
    source, masses = np.tile(source, 2), np.concatenate([masses * (1 - share), masses * share])
    row = np.concatenate([lower, lower + 1]) + np.tile(shifts[target], 2)
    column = np.tile(target, 2)
    if position.periodic:
        row = row % position.cells
    below, above = row < 0, row >= position.cells
    words = position.boundary
    absorbed = (below & (words[0] == "absorbing")) | (above & (words[1] == "absorbing"))
    inside = ~(below | above) & (masses > 0.0)
    kept = np.bincount(source[inside], masses[inside], count)
    killing = np.bincount(source[absorbed], masses[absorbed], count) / total
    # What is left leaves through the other walls, those of the velocity among them.
    lost = np.maximum(1.0 - kept / total - killing, 0.0)
    factor = (1.0 - killing) / np.where(kept > 0.0, kept, 1.0)
    matrix = csc_matrix(
        (
            masses[inside] * factor[source[inside]],
            (row[inside] * velocity.cells + column[inside], source[inside]),
        ),
        shape=(grid.size, count),
    )
    empty = np.flatnonzero(kept == 0.0)
    if empty.size:
        # Everything is given back: to the nearest cell.
        back = np.clip(np.round((mean[empty] - velocity.centers[0]) / velocity.spacing), 0,
                       velocity.cells - 1).astype(np.int64)  # fmt: skip
        where = np.clip(np.round((points[0][empty] - position.centers[0]) / position.spacing)
                        + shifts[back], 0, position.cells - 1).astype(np.int64)  # fmt: skip
        matrix = matrix + csc_matrix(
            (1.0 - killing[empty], (where * velocity.cells + back, empty)), shape=matrix.shape
        )
    return Columns(csc_matrix(matrix), killing, lost, np.zeros(count)), deviation
