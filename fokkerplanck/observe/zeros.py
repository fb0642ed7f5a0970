"""Zeros of a vector field in a box: Newton's method from every cell that may hold one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from fokkerplanck.discretize.grid import Grid

__all__ = ["Candidates", "VectorFunction", "candidates", "cluster", "newton", "subdivide"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
# A function of points (d, n) with values (d, n), or (d, d, n).
VectorFunction = Callable[[Array], Array]

# A component may vanish in a cell unless it keeps to one side of zero at all corners by more than
# this multiple of its range there: the square of a distance, which touches zero, is not missed.
MARGIN = 1.0
# Newton steps: double zeros, where the error halves, get to 1e-12 of a cell.
STEPS = 60
# A step is at most this many cells long.
LONGEST = 2.0
# Halvings of a cell, to 1e-8 of it, and parts that are followed at a time.
HALVINGS, PARTS = 27, 4_000
# The same margin for parts of cells: on either side of a kink the field varies by up to its range
# between the corners and the kink.
SLACK = 1.0


@dataclass(frozen=True)
class Candidates:
    """Cells that may hold a zero.

    Attributes
    ----------
    low, high : (d, k) their corners
    crossed : (k,) whether every component changes sign between corners
    scale : (k,) largest modulus of the field at a corner
    skipped : int
        Cells with a corner where the field is not finite.
    """

    low: Array
    high: Array
    crossed: Flags
    scale: Array
    skipped: int


def candidates(field: VectorFunction, grid: Grid) -> Candidates:
    """The cells in which no component keeps clearly to one side of zero."""
    nodes = np.meshgrid(*grid.edges, indexing="ij")
    values = field(np.stack([n.ravel() for n in nodes])).reshape(grid.dimension, *nodes[0].shape)
    corners = []
    for shift in product((0, 1), repeat=grid.dimension):
        part = tuple(slice(s, s + n) for s, n in zip(shift, grid.shape, strict=True))
        corners.append(values[(slice(None), *part)].reshape(grid.dimension, -1))
    stack = np.stack(corners)
    least, most = stack.min(axis=0), stack.max(axis=0)
    finite = np.isfinite(stack).all(axis=(0, 1))
    slack = MARGIN * (most - least)
    with np.errstate(invalid="ignore"):
        may = finite & ((least - slack <= 0.0) & (most + slack >= 0.0)).all(axis=0)
        crossed = ((least <= 0.0) & (most >= 0.0)).all(axis=0)
    cells = np.unravel_index(np.flatnonzero(may), grid.shape)
    low = np.stack([edges[k] for edges, k in zip(grid.edges, cells, strict=True)])
    high = np.stack([edges[k + 1] for edges, k in zip(grid.edges, cells, strict=True)])
    scale = np.abs(stack).max(axis=(0, 1))[may]
    return Candidates(low, high, crossed[may], scale, int(np.count_nonzero(~finite)))


def newton(
    field: VectorFunction,
    jacobian: VectorFunction,
    start: Array,
    cell: Array,
    *,
    damped: bool = False,
) -> tuple[Array, Array]:
    """Points after Newton's method with bounded steps, and their last steps in cells.

    Along directions in which the Jacobian is singular nothing moves (least squares), so that
    points settle on lines of zeros too.

    Parameters
    ----------
    start : (d, n)
    cell : (d, n) size of the cell of each
    damped : bool
        Levenberg and Marquardt's steps instead, which end at a point close by where zeros fill a
        line, but take long where the Jacobian is merely stiff.
    """
    points = start.copy()
    last = np.full(start.shape[1], np.inf)
    active = np.arange(start.shape[1])
    for _ in range(STEPS):
        here = points[:, active]
        values, slopes = field(here), jacobian(here)
        usable = np.isfinite(values).all(axis=0) & np.isfinite(slopes).all(axis=(0, 1))
        last[active[~usable]] = np.inf
        active, values, slopes = active[usable], values[:, usable], slopes[:, :, usable]
        if not active.size:
            break
        # In units of cells, so that axes of other units count alike.
        width = cell[:, active]
        matrix = np.moveaxis(slopes * width, 2, 0)
        if damped:
            transposed = np.swapaxes(matrix, 1, 2)
            size = np.linalg.norm(values, axis=0) * np.linalg.norm(matrix, axis=(1, 2))
            normal = transposed @ matrix + size[:, np.newaxis, np.newaxis] * np.eye(len(values))
            inverse: Any = np.linalg.pinv(normal, rcond=1e-14, hermitian=True) @ transposed
        else:
            inverse = np.linalg.pinv(matrix, rcond=1e-12)
        step = np.asarray(-np.einsum("nij,jn->in", inverse, values), np.float64)
        length = np.abs(step).max(axis=0)
        step *= np.minimum(1.0, LONGEST / np.maximum(length, 1e-300))
        points[:, active] += step * width
        last[active] = length
        active = active[length > 1e-15]
    return points, last


def subdivide(field: VectorFunction, low: Array, high: Array) -> tuple[Array, NDArray[np.intp]]:
    """Points around which the field's values have zero in their hull: zeros and kinks.

    Where the hull of the values around a point holds zero, the field has both signs along every
    direction, up to its variation in the cell.  Those along which it varies most and least are
    tried beside the axes: components alone would keep all of a kink that is oblique to them.

    Parameters
    ----------
    low, high : (d, k) corners of cells

    Returns
    -------
    (d, m) one or several points at each, to 1e-8 of a cell, and (m,) the numbers of their cells
    """
    dimension = low.shape[0]
    cell = np.arange(low.shape[1])
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        lows, highs = [], []
        for side in product((False, True), repeat=dimension):
            upper = np.array(side)[:, np.newaxis]
            lows.append(np.where(upper, middle, low))
            highs.append(np.where(upper, high, middle))
        low, high = np.hstack(lows), np.hstack(highs)
        corners = [
            field(np.where(np.array(side)[:, np.newaxis], high, low))
            for side in product((False, True), repeat=dimension)
        ]
        values = np.moveaxis(np.stack(corners), 2, 0)
        finite = np.isfinite(values).all(axis=(1, 2))
        values[~finite] = 0.0
        spread = values - values.mean(axis=1, keepdims=True)
        _, principal = np.linalg.eigh(np.swapaxes(spread, 1, 2) @ spread)
        along = np.concatenate([values, values @ principal], axis=2)
        least, most = along.min(axis=1), along.max(axis=1)
        slack = SLACK * (most - least)
        kept = finite & ((least <= slack) & (most >= -slack)).all(axis=1)
        low, high = low[:, kept], high[:, kept]
        cell = np.tile(cell, 2**dimension)[kept]
        if low.shape[1] > PARTS:
            # Zeros that fill a line or a surface: a sample of it is enough.
            chosen = np.linspace(0, low.shape[1] - 1, PARTS // 2**dimension).astype(int)
            low, high, cell = low[:, chosen], high[:, chosen], cell[chosen]
    return 0.5 * (low + high), cell


def cluster(points: Array, reach: Array, period: Array) -> NDArray[np.intp]:
    """Labels of points that are linked by steps of at most `reach`.

    Parameters
    ----------
    points : (d, n)
    reach : (d,)
    period : (d,) of the axes, infinite where they are not periodic
    """
    if not points.shape[1]:
        return np.zeros(0, np.intp)
    scaled = (points / reach[:, np.newaxis]).T
    box = np.where(np.isfinite(period), period / reach, 0.0)
    shifted = scaled - scaled.min(axis=0)
    wrapped = np.where(box > 0.0, np.mod(shifted, np.maximum(box, 1e-300)), shifted)
    tree = cKDTree(wrapped, boxsize=box if box.any() else None)
    pairs = tree.sparse_distance_matrix(tree, 1.0, p=np.inf, output_type="coo_matrix")
    pairs.data[:] = 1.0
    pairs.setdiag(1.0)
    _, labels = connected_components(pairs, directed=False)
    return np.asarray(labels, np.intp)
