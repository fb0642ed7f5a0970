"""The one-step operator on the cells of a uniform grid, in one and two dimensions.

The density of the step, taken at the centres of the cells: the midpoint rule on a lattice, whose
mean and covariance are those of the step up to ``exp(-2 pi^2 s^2)`` for a standard deviation of
``s`` cells (Poisson's summation formula).  Averages over cells would add ``1/12`` of a squared cell
to every step's variance, twice where the source is averaged too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.transition_panels import Columns
from fokkerplanck.discretize.transition_step import GaussianStep

__all__ = ["LatticeStep", "cell_columns", "lattice_step"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

# Standard deviations at which a step is cut off: exp(-8^2/2) = 1.3e-14 of the mass is beyond, in
# two dimensions, and 1.2e-15 in one.
CUTOFF = 8.0
# Variance, in squared cells, below which a sampled normal loses its moments (a share of 8e-4 here)
# and to which thinner noise is widened.
THINNEST = 0.36


@dataclass(frozen=True)
class LatticeStep:
    """Moments of the step from k states, in units of cells.

    Attributes
    ----------
    mean : (d, k), the centre of cell i being i
    covariance : (d, d, k)
    thinnest : (k,) smallest standard deviation in any direction before widening
    """

    mean: Array
    covariance: Array
    thinnest: Array

    @property
    def widened(self) -> NDArray[np.bool_]:
        """States from which the step was too thin, (k,)."""
        return self.thinnest**2 < THINNEST

    @property
    def entries(self) -> Array:
        """Upper estimate of the lattice points that each step reaches, (k,)."""
        size = self.mean.shape[0]
        boxes = np.stack([2 * CUTOFF * np.sqrt(self.covariance[a, a]) + 1 for a in range(size)])
        area: Array = boxes.prod(axis=0)
        if size == 2:
            # The ellipse, and a rim of half a cell about it.
            determinant = np.linalg.det(np.moveaxis(self.covariance, -1, 0))
            ellipse = np.pi * CUTOFF**2 * np.sqrt(determinant) + boxes.sum(axis=0)
            area = np.minimum(area, ellipse)
        return area


def lattice_step(grid: Grid, step: GaussianStep, points: Any) -> LatticeStep:
    """The step from points, one array (k,) a variable, with noise thinner than a cell widened."""
    size = grid.dimension
    widths = np.array([axis.spacing for axis in grid.axes])
    lower = np.array([axis.edges[0] for axis in grid.axes])
    mean = (step.mean(points) - lower[:, np.newaxis]) / widths[:, np.newaxis] - 0.5
    scale = np.multiply.outer(widths, widths)[:, :, np.newaxis]
    covariance = np.moveaxis(step.covariance(points) / scale, -1, 0)
    values, vectors = np.linalg.eigh(covariance)
    thinnest = np.sqrt(np.maximum(values[:, 0], 0.0))
    thin = values[:, 0] < THINNEST
    wide = np.maximum(values[thin], THINNEST)[:, np.newaxis, :]
    covariance[thin] = (vectors[thin] * wide) @ np.swapaxes(vectors[thin], -1, -2)
    return LatticeStep(mean.reshape(size, -1), np.moveaxis(covariance, 0, -1).copy(), thinnest)


def cell_columns(grid: Grid, step: LatticeStep) -> Columns:
    """Masses of the cells after one step, a `csc_matrix` of shape (n, k)."""
    size = grid.dimension
    shape = np.ones(2, np.int64)
    shape[:size] = grid.shape
    periodic, absorbing = np.zeros(2, np.bool_), np.zeros((2, 2), np.bool_)
    for a, axis in enumerate(grid.axes):
        periodic[a] = axis.periodic
        absorbing[a] = [word == "absorbing" for word in axis.boundary]
    mean = np.zeros((2, step.mean.shape[1]))
    mean[:size] = step.mean
    # In one dimension the second direction has no width and one cell.
    covariance = np.zeros((2, 2, mean.shape[1]))
    covariance[:size, :size] = step.covariance
    counts = np.zeros(mean.shape[1], np.int64)
    none = np.zeros(0)
    outside = np.zeros((2, mean.shape[1]))
    starts = np.zeros(counts.size + 1, np.int64)
    _fill(mean, covariance, shape, periodic, absorbing, counts, starts, none.astype(int), none,
          outside)  # fmt: skip
    starts[1:] = np.cumsum(counts)
    rows, masses = np.empty(starts[-1], np.int64), np.empty(starts[-1])
    _fill(mean, covariance, shape, periodic, absorbing, counts, starts, rows, masses, outside)
    matrix = csc_matrix((masses, rows, starts), shape=(grid.size, counts.size))
    matrix.sum_duplicates()
    killing, lost = outside
    return Columns(matrix, killing.copy(), lost.copy(), np.zeros(counts.size))


@njit(cache=True, nogil=True)
def _fill(
    mean: Array,
    covariance: Array,
    shape: Integers,
    periodic: NDArray[np.bool_],
    absorbing: NDArray[np.bool_],
    counts: Integers,
    starts: Integers,
    rows: Integers,
    masses: Array,
    outside: Array,
) -> None:
    """Count the entries of every column, or with room for them write and normalise them.

    ``outside`` receives what leaves through absorbing walls and through the others.
    """
    writing = rows.size > 0
    for k in range(mean.shape[1]):
        s11, s12, s22 = covariance[0, 0, k], covariance[0, 1, k], covariance[1, 1, k]
        reach = CUTOFF * np.sqrt(s11)
        slope = s12 / s11
        rest = max(s22 - s12 * slope, 0.0)
        at = starts[k]
        inside = killed = lost = 0.0
        number = 0
        for i in range(int(np.ceil(mean[0, k] - reach)), int(np.floor(mean[0, k] + reach)) + 1):
            away = i - mean[0, k]
            first = away * away / s11
            middle = mean[1, k] + slope * away
            half = np.sqrt(max(CUTOFF * CUTOFF - first, 0.0) * rest)
            for j in range(int(np.ceil(middle - half)), int(np.floor(middle + half)) + 1):
                square = first
                if rest > 0.0:
                    square += (j - middle) ** 2 / rest
                mass = np.exp(-0.5 * square)
                row, column, out, gone = i, j, False, False
                if periodic[0]:
                    row = i % shape[0]
                elif i < 0 or i >= shape[0]:
                    out = True
                    gone = absorbing[0, 0 if i < 0 else 1]
                if periodic[1]:
                    column = j % shape[1]
                elif j < 0 or j >= shape[1]:
                    out = True
                    gone = gone or absorbing[1, 0 if j < 0 else 1]
                if gone:
                    killed += mass
                elif out:
                    lost += mass
                else:
                    if writing:
                        rows[at + number] = row * shape[1] + column
                        masses[at + number] = mass
                    inside += mass
                    number += 1
        total = inside + killed + lost
        if inside == 0.0 and lost > 0.0:
            # Everything is given back: to the nearest cell.
            if writing:
                row = min(max(int(np.round(mean[0, k])), 0), shape[0] - 1)
                column = min(max(int(np.round(mean[1, k])), 0), shape[1] - 1)
                rows[at] = row * shape[1] + column
                masses[at] = 1.0
            inside, number = 1.0, 1
        counts[k] = number
        outside[0, k], outside[1, k] = killed / total, lost / total
        if writing:
            for entry in range(at, at + number):
                masses[entry] *= (1.0 - killed / total) / inside
