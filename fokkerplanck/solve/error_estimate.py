"""How far a result on a grid is from that of the differential equation, from coarser grids."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from fokkerplanck.discretize.grid import Axis, Grid
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import (
    FokkerPlanckWarning,
    InvalidModel,
    InvalidRegion,
    NotConverged,
)
from fokkerplanck.results.density import Density

__all__ = ["ErrorEstimate", "coarsened_density", "density_error", "extrapolated", "number_error"]

Array = NDArray[np.float64]
_Result = TypeVar("_Result")

# Orders of convergence that are believed: no scheme here has more than the second in its density,
# and where one seems to have less than one half the grids are too coarse to tell.
LOWEST_ORDER, HIGHEST_ORDER = 0.5, 2.0
# Cells along the shortest axis of the coarsest grid of three.
FEWEST = 8
# Cells that a periodic axis is continued by, so that a spline does not feel its ends.
WRAP = 6


@dataclass(frozen=True)
class ErrorEstimate:
    """Estimate of a discretisation error.

    Attributes
    ----------
    error : float
        Of the result on the finest grid.
    order : float
        Order of convergence that was observed, or assumed where only two grids were possible.
    """

    error: float
    order: float


def extrapolated(differences: tuple[float, ...], ratio: float) -> ErrorEstimate:
    """Richardson's estimate from the distances of results on successively coarsened grids.

    Parameters
    ----------
    differences : (finest to coarser,) or (finest to coarser, coarser to coarsest)
    ratio : float
        Cells of the finest over the coarser grid, along the axis that was coarsened least.

    Examples
    --------
    >>> extrapolated((0.03, 0.12), 2.0)
    ErrorEstimate(error=0.01, order=2.0)
    """
    order = 1.0
    if len(differences) == 2 and min(differences) > 0.0:
        observed = np.log(differences[1] / differences[0]) / np.log(ratio)
        order = float(np.clip(observed, LOWEST_ORDER, HIGHEST_ORDER))
    growth = ratio**order
    # What the coarser difference predicts counts too: a finest difference that is small by luck,
    # of the wrong sign say, would promise more than the order that is believed.
    predicted = (difference / growth**k for k, difference in enumerate(differences))
    return ErrorEstimate(float(max(predicted) / (growth - 1.0)), order)


def density_error(
    density: Density,
    operator: FokkerPlanckOperator,
    solve: Callable[[FokkerPlanckOperator], Density],
) -> ErrorEstimate:
    """Estimate the L1 error of a density, ``sum |p - p_exact| volume`` over the cells.

    Parameters
    ----------
    density : Density
        Solution with `operator`.
    operator : FokkerPlanckOperator
        Made by `assemble`.
    solve : from an operator to its density

    Raises
    ------
    InvalidModel
        When the operator was not made by `assemble`.
    InvalidGrid
        When an axis has fewer than four cells.
    """
    solutions = [density, *_on_coarser_grids(operator, solve)]
    differences = tuple(map(_distance, solutions[:-1], solutions[1:]))
    return extrapolated(differences, _refinement(density.grid, solutions[1].grid))


def number_error(
    value: float, operator: FokkerPlanckOperator, solve: Callable[[FokkerPlanckOperator], float]
) -> ErrorEstimate:
    """Estimate the error of a positive number, such as a rate, that an operator determines.

    Logarithms are compared: on coarse grids the number may be off by a factor.

    Parameters
    ----------
    value : float
        That of `operator`.
    operator : FokkerPlanckOperator
        Made by `assemble`.
    solve : from an operator to the number

    Raises
    ------
    InvalidModel, InvalidGrid
        As for `density_error`.
    InvalidRegion
        When a region holds no cell of a grid with half as many cells an axis.
    """
    numbers = [value, *_on_coarser_grids(operator, solve)]
    differences = tuple(abs(np.diff(np.log(numbers))))
    estimate = extrapolated(differences, _refinement(operator.grid, operator.grid.coarsened()))
    return ErrorEstimate(value * float(np.expm1(estimate.error)), estimate.order)


def coarsened_density(density: Density, grid: Grid) -> Density:
    """A density on a coarser grid of the same domain, normalised."""
    return Density(interpolated(density, grid), grid, density.info).normalized()


def _on_coarser_grids(
    operator: FokkerPlanckOperator, solve: Callable[[FokkerPlanckOperator], _Result]
) -> list[_Result]:
    """Results on the grids with a half and, where that is enough, a quarter of the cells."""
    if operator.problem is None:
        raise InvalidModel(
            "an error estimate solves on coarser grids, and this operator does not know its "
            "Diffusion: make it with assemble(...)"
        )
    with warnings.catch_warnings():
        # What the coarser grids do not resolve is what the estimate measures.
        warnings.simplefilter("ignore", FokkerPlanckWarning)
        grid = operator.grid.coarsened()
        results = [solve(operator.on(grid))]
        if min(grid.shape) >= 2 * FEWEST:
            # An iteration that does not settle on the coarsest grid, or a region that holds none of
            # its cells, leaves the order unknown.
            with suppress(NotConverged, InvalidRegion):
                results.append(solve(operator.on(grid.coarsened())))
    return results


def _refinement(fine: Grid, coarse: Grid) -> float:
    """Cells of the finer over the coarser grid, along the axis that was coarsened least."""
    return min(f / c for f, c in zip(fine.shape, coarse.shape, strict=True))


def _distance(fine: Density, coarse: Density) -> float:
    """L1 distance on the finer grid."""
    values = interpolated(coarse, fine.grid)
    values /= np.sum(values * fine.grid.volumes)
    return float(np.sum(np.abs(fine.values - values) * fine.grid.volumes))


def interpolated(density: Density, grid: Grid) -> Array:
    """Values at the centres of a grid on the same domain, by cubic splines of the logarithm.

    Of the values themselves where one is not positive.
    """
    values = density.log_values
    if values is None and (density.values > 0.0).all():
        values = np.log(density.values)
    positive = values is not None and bool(np.isfinite(values).all())
    if values is None or not positive:
        values = density.values
    for number, (old, new) in enumerate(zip(density.grid.axes, grid.axes, strict=True)):
        values = _along(values, number, old, new)
    return np.exp(values) if positive else np.array(values)


def _along(values: Array, number: int, old: Axis, new: Axis) -> Array:
    nodes, points = old.centers, new.centers
    if old.periodic:
        length = old.edges[-1] - old.edges[0]
        nodes = np.concatenate([nodes[-WRAP:] - length, nodes, nodes[:WRAP] + length])
        first, last = np.take(values, range(-WRAP, 0), number), np.take(values, range(WRAP), number)
        values = np.concatenate([first, values, last], axis=number)
    result: Array = CubicSpline(nodes, values, axis=number)(points)
    return result
