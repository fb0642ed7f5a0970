"""Faces of a rectangular grid: where they lie, what they separate, what flows across."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, diags_array

from fokkerplanck.discretize.flux import fitted_rates
from fokkerplanck.discretize.grid import Grid

__all__ = [
    "Faces",
    "difference_steps",
    "inner_faces",
    "nonnegative_rates",
    "scharfetter_gummel",
    "wall_faces",
    "with_diagonal",
]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Faces:
    """Faces across one axis, m in all.

    Attributes
    ----------
    points : one array an axis, broadcasting to `shape`
        Their midpoints.
    shape : grid shape, but for the faces' own axis
    lower, upper : (m,)
        Flat indices of the cells on the two sides; equal at a wall.
    distance, area : (m,)
        Between the two centres (from the centre to a wall), and of the face.
    """

    points: tuple[Array, ...]
    shape: tuple[int, ...]
    lower: Integers
    upper: Integers
    distance: Array
    area: Array

    def flat(self, values: Array) -> Array:
        """Values at `points`, broadcast to all faces."""
        return np.broadcast_to(values, self.shape).ravel()


def inner_faces(grid: Grid, axis: int) -> Faces:
    """Faces between two cells along an axis, the seam of a periodic one (at its end) included."""
    along = grid.axes[axis]
    position, distance = along.edges[1:-1], np.diff(along.centers)
    cells = np.arange(grid.size).reshape(grid.shape)
    lower = np.take(cells, np.arange(along.cells - 1), axis)
    upper = np.take(cells, np.arange(1, along.cells), axis)
    if along.periodic:
        seam = along.edges[-1] - along.centers[-1] + along.centers[0] - along.edges[0]
        position, distance = np.append(position, along.edges[-1]), np.append(distance, seam)
        lower, upper = cells, np.roll(cells, -1, axis)
    return _faces(grid, axis, position, distance, lower, upper)


def wall_faces(grid: Grid, axis: int, side: int) -> Faces:
    """Faces in the lower (0) or upper (1) wall of an axis."""
    along = grid.axes[axis]
    end = -side
    position = along.edges[end : end + 1 or None]
    distance = np.abs(along.centers[end] - position)
    cells = np.take(np.arange(grid.size).reshape(grid.shape), [end], axis)
    return _faces(grid, axis, position, distance, cells, cells)


def _faces(
    grid: Grid, axis: int, position: Array, distance: Array, lower: Integers, upper: Integers
) -> Faces:
    view = [-1 if a == axis else 1 for a in range(grid.dimension)]
    points = list(grid.mesh)
    points[axis] = position.reshape(view)
    width = grid.axes[axis].widths.reshape(view)
    area = np.take(grid.volumes / width, [0], axis)
    shape = lower.shape
    return Faces(
        tuple(points),
        shape,
        lower.ravel(),
        upper.ravel(),
        np.broadcast_to(distance.reshape(view), shape).ravel(),
        np.broadcast_to(area, shape).ravel(),
    )


def difference_steps(grid: Grid) -> Sequence[float]:
    """Steps of the central differences of a tensor that has no symbolic derivative."""
    return [float(axis.spacing * axis.stretch.min()) for axis in grid.axes]


@njit(cache=True)
def scharfetter_gummel(tensor: Array, force: Array, distance: Array) -> tuple[Array, Array]:
    """Exponentially fitted flux ``J = forward p_lower - backward p_upper`` across faces.

    Parameters
    ----------
    tensor, force, distance : (m,)
        ``D_nn`` and ``F_n`` at the face; distance of the two centres.

    Returns
    -------
    forward, backward : (m,)
        ``D_nn/h B(-z)`` and ``D_nn/h B(z)`` with ``z = F_n h/D_nn`` (D. L. Scharfetter and H. K.
        Gummel, 1969): exact for constant flux, force and tensor.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones(1)
    >>> scharfetter_gummel(one, 0 * one, 0.5 * one), scharfetter_gummel(0 * one, one, one)
    ((array([2.]), array([2.])), (array([1.]), array([0.])))
    """
    forward, backward = np.empty_like(tensor), np.empty_like(tensor)
    for k in range(tensor.size):
        if tensor[k] <= 0.0:
            # The limit of vanishing noise is upwinding.
            forward[k], backward[k] = max(force[k], 0.0), max(-force[k], 0.0)
            continue
        up, down = fitted_rates(-force[k] * distance[k] / tensor[k])
        conductance = tensor[k] / distance[k]
        forward[k], backward[k] = conductance * up, conductance * down
    return forward, backward


def with_diagonal(rates: Any, killing: Array) -> csc_matrix:
    """The generator of off-diagonal rates: each column sums to minus the killing.

    Parameters
    ----------
    rates : sparse matrix, shape (n, n)
        Its diagonal is ignored.
    killing : (n,)
    """
    off = csc_matrix(rates)
    off.sum_duplicates()
    off.setdiag(0.0)
    off.eliminate_zeros()
    outflow = np.asarray(off.sum(axis=0)).ravel() + killing
    matrix = csc_matrix(off - diags_array(outflow))
    matrix.sort_indices()
    return matrix


def nonnegative_rates(matrix: csc_matrix) -> bool:
    """Whether every off-diagonal entry is nonnegative: the matrix generates a Markov chain."""
    entries = matrix.tocoo()
    return bool(np.all(entries.data[entries.row != entries.col] >= 0.0))
