"""Escape rates: one over the mean first-passage time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.regions import region_fraction
from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import (
    DisconnectedDomain,
    FokkerPlanckError,
    GridMismatch,
    InvalidRegion,
)
from fokkerplanck.results.density import Density
from fokkerplanck.results.field import Field
from fokkerplanck.results.rate import Rate
from fokkerplanck.solve.absorb import Region, crossings, find_region
from fokkerplanck.solve.error_estimate import coarsened_density, number_error
from fokkerplanck.solve.passage import mean_first_passage_time
from fokkerplanck.solve.positions import index_of, interpolate, points_at
from fokkerplanck.solve.stationary import stationary_density
from fokkerplanck.solve.steps import require_no_estimate
from fokkerplanck.solve.steps_passage import step_escape_rate

__all__ = ["escape_rate"]

Array = NDArray[np.float64]


def escape_rate(
    operator: FokkerPlanckOperator | TransitionOperator,
    start: Any,
    target: Any,
    *,
    error_estimate: bool = False,
) -> Rate:
    """One over the mean time from a start until a target is reached.

    Parameters
    ----------
    operator : FokkerPlanckOperator or TransitionOperator
        Where walls absorb, the time is that until the target or such a wall.
    start : tuple of numbers, Density, or region
        A point: the time there, interpolated between centres to second order.  A density: the
        average time over it.  A region: the average over the stationary density restricted to it.
    target : region
        SymPy relation such as ``x > 0.8``, And/Or of several, or a predicate of the coordinates.
    error_estimate : bool
        Also solve on two coarser grids (see `Grid.coarsened`), and put the estimated distance of
        the rate from that of the differential equation into ``info["discretization_error"]``, and
        the order of convergence into ``info["discretization_order"]``.  The tests bound the true
        error by twice the estimate.

    Returns
    -------
    Rate
        Deterministic (no standard error); `info` is that of the passage times, with ``mean_time``.
        Per step for a `TransitionOperator`, whose first step from a point is exact; its `info` has
        ``given_back``, how often a path jumps past the edge of the grid before it arrives.

    Raises
    ------
    InvalidRegion
        When the target contains the start, or is empty, outside the grid, or all of it.
    InvalidModel, InvalidGrid
        When an error estimate is wanted of an operator that `assemble` did not make, or on a grid
        that cannot be coarsened.
    DisconnectedDomain
        When the start may never reach the target.
    GridMismatch
        When a point or a density does not fit the grid.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> from fokkerplanck.solve.escape import escape_rate
    >>> x = sp.Symbol("x", real=True)
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), fpk.Grid(x=(0, 1, 100)))
    >>> escape_rate(operator, (0.5,), x > 0.9).value
    3.571
    """
    if isinstance(operator, TransitionOperator):
        require_no_estimate(error_estimate)
        return step_escape_rate(operator, start, target)
    rate = _rate(operator, start, target)
    if not error_estimate:
        return rate

    def on_coarser(coarse: FokkerPlanckOperator) -> float:
        begin = coarsened_density(start, coarse.grid) if isinstance(start, Density) else start
        return _rate(coarse, begin, target).value

    estimate = number_error(rate.value, operator, on_coarser)
    info = rate.info.extended(
        discretization_error=estimate.error, discretization_order=estimate.order
    )
    return replace(rate, info=info)


def _rate(operator: FokkerPlanckOperator, start: Any, target: Any) -> Rate:
    times = mean_first_passage_time(operator, target)
    if isinstance(start, Density):
        mean = _over_density(times, start)
    elif isinstance(start, sp.Basic) or callable(start):
        mean = _over_region(operator, times, start)
    else:
        mean = _at_point(times, start, find_region(target, operator.grid, "target"))
    if not np.isfinite(mean):
        raise FokkerPlanckError("the mean first-passage time exceeds the largest double, 1.8e308")
    return Rate(1.0 / mean, "mean first-passage time", info=times.info.extended(mean_time=mean))


def _over_density(times: Field, start: Density) -> float:
    if start.grid != times.grid:
        raise GridMismatch(f"the start lives on {start.grid}, the operator on {times.grid}")
    return _average(times, start.masses / start.mass)


def _over_region(operator: FokkerPlanckOperator, times: Field, region: Any) -> float:
    find_region(region, operator.grid, "start")
    inside = region_fraction(region, operator.grid)
    density = stationary_density(operator)
    if density.log_values is None:
        weights = inside * density.masses
    else:
        # High up the density itself may be below the smallest double.
        logarithm = np.where(inside > 0.0, density.log_values, -np.inf)
        weights = inside * operator.grid.volumes * np.exp(logarithm - logarithm.max())
    return _average(times, weights / weights.sum())


def _average(times: Field, weights: Array) -> float:
    counted = weights != 0.0
    _require_arrival(times, float(weights[np.isinf(times.values)].sum()))
    mean = float(weights[counted] @ times.values[counted])
    if not mean > 0.0:
        raise InvalidRegion("the target contains the start: no time passes")
    return mean


def _at_point(times: Field, start: Sequence[float], target: Region) -> float:
    grid = times.grid
    index = index_of(grid, start)
    if (np.asarray(target.level(points_at(grid, index[:, np.newaxis]))) >= 0.0).all():
        raise InvalidRegion(f"the target contains the start {tuple(start)}")
    mean = interpolate(_extended(times, target), grid, index)
    if np.isinf(mean):
        _require_arrival(times, 1.0)
    if not mean > 0.0:
        raise InvalidRegion(
            f"the start {tuple(start)} lies so close to the target that the grid cannot tell; "
            "refine it"
        )
    return mean


def _extended(times: Field, target: Region) -> Array:
    """Times continued linearly into the target along the axes, through 0 at its boundary."""
    grid, values = times.grid, times.values.ravel()
    cells = np.arange(grid.size).reshape(grid.shape)
    total, count = np.zeros(grid.size), np.zeros(grid.size)
    for a, axis in enumerate(grid.axes):
        ahead = np.roll(cells, -1, a).ravel()
        lower = cells.ravel()
        if not axis.periodic:
            lower = np.take(cells, range(axis.cells - 1), axis=a).ravel()
            ahead = ahead[lower]
        for outer, inside in ((lower, ahead), (ahead, lower)):
            cut = ~target.cells[outer] & target.cells[inside] & np.isfinite(values[outer])
            fraction = crossings(target, grid, outer[cut], inside[cut])
            np.add.at(total, inside[cut], (1.0 - 1.0 / fraction) * values[outer[cut]])
            np.add.at(count, inside[cut], 1.0)
    extended: Array = np.where(count > 0, total / np.maximum(count, 1.0), values)
    return extended.reshape(grid.shape)


def _require_arrival(times: Field, share: float) -> None:
    if share > 0.0 and times.info.get("never", 0):
        raise DisconnectedDomain(
            f"from {share:.3g} of the start the target may never be reached, as from "
            f"{times.info['never']} cells altogether: the noise vanishes on a surface between, and "
            "the mean time is infinite; add noise there, or start on the other side"
        )
