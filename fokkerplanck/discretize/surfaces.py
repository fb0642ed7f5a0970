"""Surfaces on which the tensor vanishes or jumps, found on the grid."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.errors import UnresolvedWarning

__all__ = ["VANISHED", "closed_faces", "warn_of_jumps_inside_cells"]

Array = NDArray[np.float64]

# Noise on a face or at a centre below this share of that beside it has vanished there: the
# rounding of a zero such as (x - 0.3)^2 beside a cell a millionth of the domain wide.
VANISHED = 1e-13
STEEP = 0.5
# Points a cell between which a jump shows, and halvings that close in on it: 2^-30 of a cell.
SAMPLES = 8
HALVINGS = 30
# What is left of a difference over 2^-33 of a cell is a jump when it exceeds this share of the
# tensor; a slope would have to be 10^4 times steeper than one that the grid resolves.
JUMP = 1e-6
# A jump this close to a face, in cells, lies on it.
ON_FACE = 1e-6


def closed_faces(coefficients: Coefficients, grid: Grid, tensor: Array) -> NDArray[np.bool_] | None:
    """Upper faces through which no noise passes, shape (n, d); None where there are none.

    Parameters
    ----------
    tensor : (d, d, ...) at the centres
    """
    closed = np.zeros((*grid.shape, grid.dimension), np.bool_)
    for a, axis in enumerate(grid.axes):
        noise = np.broadcast_to(tensor[a, a], grid.shape)
        above = np.roll(noise, -1, a)
        # Half a cell from a zero like |x|^p the noise is 3^-p of that one cell further out, and
        # paths cross zeros of p < 1: where no two neighbours differ by STEEP there is no wall.
        if np.all(np.minimum(noise, above) > STEEP * np.maximum(noise, above)):
            continue
        points = list(grid.mesh)
        points[a] = axis.edges[1:].reshape([-1 if b == a else 1 for b in range(grid.dimension)])
        on_face = np.broadcast_to(coefficients.tensor(points)[a, a], grid.shape)
        beside = np.maximum(noise, above)
        least = np.minimum(np.minimum(noise, above), on_face)
        closed[..., a] = (least <= VANISHED * beside) & (beside > 0.0)
        if not axis.periodic:
            np.moveaxis(closed[..., a], a, 0)[-1] = False
    if not closed.any():
        return None
    return closed.reshape(grid.size, grid.dimension)


def warn_of_jumps_inside_cells(coefficients: Coefficients, grid: Grid, stacklevel: int) -> None:
    """Warn where the tensor jumps elsewhere than on a face; along the lines through the centres.

    Warns
    -----
    UnresolvedWarning
    """
    for a, axis in enumerate(grid.axes):
        position = _jumps_along(coefficients, grid, a)
        inside = np.isfinite(position)
        if not inside.any():
            continue
        cell = np.unravel_index(int(np.argmax(inside)), grid.shape)
        place = [float(c[i]) for c, i in zip(grid.centers, cell, strict=True)]
        place[a] = float(position[cell])
        coordinates = ", ".join(f"{v:.6g}" for v in place)
        warnings.warn(
            f"the tensor jumps inside {int(inside.sum())} of {grid.size} cells along {axis.name}, "
            f"for one at ({', '.join(grid.names)}) = ({coordinates}): the scheme is of first order "
            "there; choose limits and cells such that the jump lies on a cell face",
            UnresolvedWarning,
            stacklevel=stacklevel + 1,
        )


def _jumps_along(coefficients: Coefficients, grid: Grid, a: int) -> Array:
    """Coordinate of a jump inside each cell along one axis, NaN without one."""
    view = [-1 if b == a else 1 for b in range(grid.dimension)]
    edges = grid.axes[a].edges
    start, width = edges[:-1].reshape(view), np.diff(edges).reshape(view)

    def tensor_at(fraction: Array) -> Array:
        points = list(grid.mesh)
        points[a] = start + fraction * width
        values = coefficients.tensor(points)
        return np.broadcast_to(values, (*values.shape[:2], *grid.shape))

    # The faces themselves belong to either side: stay just inside.
    samples = np.linspace(ON_FACE, 1.0 - ON_FACE, SAMPLES + 1)
    values = np.stack([tensor_at(np.asarray(s)) for s in samples])
    steps = np.abs(np.diff(values, axis=0)).max(axis=(1, 2))
    largest = np.argmax(steps, axis=0)
    low, high = samples[largest], samples[largest + 1]
    pick = largest[np.newaxis, np.newaxis, np.newaxis]
    at_low = np.take_along_axis(values, pick, 0)[0]
    at_high = np.take_along_axis(values, pick + 1, 0)[0]
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        at_middle = tensor_at(middle)
        below = np.abs(at_middle - at_low).max(axis=(0, 1))
        above = np.abs(at_high - at_middle).max(axis=(0, 1))
        left = below >= above
        low, high = np.where(left, low, middle), np.where(left, middle, high)
        at_high = np.where(left, at_middle, at_high)
        at_low = np.where(left, at_low, at_middle)
    size = np.maximum(np.abs(at_low), np.abs(at_high)).max(axis=(0, 1))
    jump = np.abs(at_high - at_low).max(axis=(0, 1)) > JUMP * size
    return np.where(jump, start + 0.5 * (low + high) * width, np.nan)
