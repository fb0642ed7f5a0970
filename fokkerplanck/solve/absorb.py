"""Target regions as killing rates, with the boundary where it lies and not at the nearest cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.level import Level, level_function
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.regions import region_fraction
from fokkerplanck.errors import InvalidRegion
from fokkerplanck.solve.positions import points_at, steps_between

__all__ = ["Absorption", "Region", "absorb", "crossings", "find_region"]

Array = NDArray[np.float64]
Cells = NDArray[np.intp]
Flags = NDArray[np.bool_]

# Halvings of an edge: its crossing is then known to the last digit of its position.
HALVINGS = 48


@dataclass(frozen=True)
class Region:
    """A region on a grid.

    Attributes
    ----------
    level : nonnegative inside
    cells : (n,) whether the centre of a cell lies inside
    """

    level: Level
    cells: Flags


@dataclass(frozen=True)
class Absorption:
    """The chain outside some regions, killed where its edges cross their boundaries.

    Attributes
    ----------
    grid : Grid
    regions : tuple of Region
    outside : (m,) flat indices of the cells outside every region
    matrix : csc_matrix, shape (m, m)
        Rates between them; the diagonal is not stored.
    rates : (regions, m) rate of arrival in each region
    lost : (m,) rate of loss through absorbing walls
    """

    grid: Grid
    regions: tuple[Region, ...]
    outside: Cells
    matrix: csc_matrix
    rates: Array
    lost: Array

    @property
    def killing(self) -> Array:
        """Rate of arrival anywhere, (m,)."""
        total: Array = self.rates.sum(axis=0) + self.lost
        return total


def find_region(region: Any, grid: Grid, role: str) -> Region:
    """The cells of a region.

    Parameters
    ----------
    role : str
        What messages call it.

    Raises
    ------
    InvalidRegion
        When no centre of a cell lies inside, or all do.
    """
    level = level_function(region, grid.names)
    inside = np.array(np.broadcast_to(_levels(level, grid.mesh) >= 0.0, grid.shape)).ravel()
    if not inside.any():
        if region_fraction(region, grid).any():
            raise InvalidRegion(
                f"the {role} {region} holds no centre of a cell: refine the grid or enlarge the "
                f"{role}"
            )
        raise InvalidRegion(f"the {role} {region} is empty or lies outside the grid {grid}")
    if inside.all():
        raise InvalidRegion(f"the {role} {region} holds all {grid.size} cells of the grid")
    return Region(level, inside)


def absorb(operator: FokkerPlanckOperator, targets: Mapping[str, Any]) -> Absorption:
    """Stop a process where it enters the targets.

    An edge with rates ``a`` out of a cell and ``b`` back, ``b/a = e^z``, that enters a region at
    the fraction ``theta`` of its way kills at the rate ``a (e^z - 1)/(e^(theta z) - 1)``: that of
    an exponentially fitted edge of this length.  Second order in the step.

    Parameters
    ----------
    targets : regions by the name that messages give them

    Raises
    ------
    InvalidRegion
    """
    grid = operator.grid
    regions = tuple(find_region(region, grid, role) for role, region in targets.items())
    taken = np.zeros(grid.size, bool)
    for region in regions:
        taken |= region.cells
    outside = np.flatnonzero(~taken)
    number = np.full(grid.size, -1)
    number[outside] = np.arange(outside.size)
    entries = operator.matrix.tocoo()
    moving = (entries.row != entries.col) & (entries.data != 0.0) & ~taken[entries.col]
    source, target, rate = entries.col[moving], entries.row[moving], entries.data[moving]
    rates = np.zeros((len(regions), outside.size))
    kept = np.ones(source.size, bool)
    if regions:
        fractions = np.stack([crossings(region, grid, source, target) for region in regions])
        first, fraction = fractions.argmin(axis=0), fractions.min(axis=0)
        kept = np.isinf(fraction)
        cut = np.flatnonzero(~kept)
        back = _rates_back(operator, source[cut], target[cut])
        killed = _shortened(rate[cut], back, fraction[cut], operator.monotone)
        np.add.at(rates, (first[cut], number[source[cut]]), killed)
    matrix = csc_matrix(
        (rate[kept], (number[target[kept]], number[source[kept]])), shape=(outside.size,) * 2
    )
    return Absorption(grid, regions, outside, matrix, rates, operator.killing[outside])


def _rates_back(operator: FokkerPlanckOperator, source: Cells, target: Cells) -> Array:
    if not source.size:
        # SciPy answers an empty selection with a sparse matrix.
        return np.zeros(0)
    return np.asarray(operator.matrix[source, target]).ravel()


def crossings(region: Region, grid: Grid, source: Cells, target: Cells) -> Array:
    """Fraction of each edge at which it first enters the region, infinite where it does not.

    Edges longer than a cell are looked at a cell at a time, so that none leaps over a region.
    """
    starts, steps = steps_between(grid, source, target)
    fraction = np.full(source.size, np.inf)
    lengths = np.abs(steps).max(axis=0).astype(int)
    for length in np.unique(lengths):
        open_ = np.flatnonzero(lengths == length)
        for k in range(1, length + 1):
            if k == length:
                hit = region.cells[target[open_]]
            else:
                at = points_at(grid, starts[:, open_] + k / length * steps[:, open_])
                hit = _levels(region.level, at) >= 0.0
            found = open_[hit]
            fraction[found] = _bisected(
                region.level,
                grid,
                starts[:, found],
                steps[:, found],
                np.full(found.size, (k - 1) / length),
                np.full(found.size, k / length),
            )
            open_ = open_[~hit]
    return fraction


def _bisected(
    level: Level, grid: Grid, starts: Array, steps: Array, low: Array, high: Array
) -> Array:
    for _ in range(HALVINGS if low.size else 0):
        middle = 0.5 * (low + high)
        inside = _levels(level, points_at(grid, starts + middle * steps)) >= 0.0
        low, high = np.where(inside, low, middle), np.where(inside, middle, high)
    return high


def _levels(level: Level, points: Any) -> Array:
    values = np.asarray(level(points), dtype=float)
    if not np.isfinite(values).all():
        raise InvalidRegion("the region's relation is not a finite number everywhere on the grid")
    return values


def _shortened(rate: Array, back: Array, fraction: Array, monotone: bool) -> Array:
    """Rates of edges cut off at a fraction of their way.

    Without a way back the drift alone carries the edge, however long it is.  Rates of schemes that
    are not monotone may be negative: these are weights of a difference, linear in the distance.
    """
    result = rate / fraction
    if monotone:
        one_way = back == 0.0
        result[one_way] = rate[one_way]
    both = (rate > 0.0) & (back > 0.0)
    z = np.zeros(rate.size)
    z[both] = np.log(back[both]) - np.log(rate[both])
    fitted = z != 0.0
    z, short = z[fitted], (fraction * z)[fitted]
    # (e^z - 1)/(e^(theta z) - 1), without overflow.
    growth = np.exp(np.maximum(z - short, 0.0)) * rate[fitted]
    result[fitted] = growth * np.expm1(-np.abs(z)) / np.expm1(-np.abs(short))
    return result
