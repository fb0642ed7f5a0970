"""Passage times, committors and escape rates of chains of steps, counted in steps."""

from __future__ import annotations

import time as clock
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.panel_regions import resampled
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
from fokkerplanck.solve.killed import KilledChain
from fokkerplanck.solve.solvers import SubtractionFree
from fokkerplanck.solve.steps import StoppedChain, fitted, stopped

__all__ = [
    "start_masses",
    "step_committor",
    "step_escape_rate",
    "step_passage_times",
    "step_passage_variances",
    "stopping",
]

Array = NDArray[np.float64]


def step_passage_times(operator: TransitionOperator, target: Any) -> Field:
    """Mean number of steps: ``(I - K)^T tau = 1`` outside the target."""
    began = clock.perf_counter()
    stop, chain = stopping(operator, target)
    info = _info(stop, chain).extended(solve_seconds=clock.perf_counter() - began)
    return Field(_means(stop, chain), stop.operator.grid, "mean first-passage steps", info)


def step_passage_variances(operator: TransitionOperator, target: Any) -> Field:
    """Variance of the number of steps: ``(I - K)^T m = 2 tau - 1``, ``m - tau^2``."""
    began = clock.perf_counter()
    stop, chain = stopping(operator, target)
    times = np.where(chain.sure, chain.times(), 0.0)
    variance = chain.factors.solve_transpose(2.0 * times - chain.sure) - times**2
    smallest = float(variance.min())
    # In a cell that the boundary cuts the steps are 0 with the probability to lie inside.
    share = stop.remaining[stop.absorption.outside[chain.cells]]
    variance = share * (np.maximum(variance, 0.0) + (1.0 - share) * times**2)
    values = chain.on_grid(np.where(chain.sure, variance, np.inf), never=np.inf)
    info = _info(stop, chain).extended(
        smallest=smallest, solve_seconds=clock.perf_counter() - began
    )
    return Field(values, stop.operator.grid, "variance of the first-passage steps", info)


def step_committor(operator: TransitionOperator, source: Any, target: Any) -> Field:
    """Probability that a step lands in the target before one lands in the source."""
    began = clock.perf_counter()
    stop = stopped(operator, {"source": source, "target": target})
    absorption = stop.absorption
    if not absorption.rates[1].any():
        raise DisconnectedDomain("no state between the source and the target leads to the target")
    chain = KilledChain.of(stop.operator.generator, absorption)
    inner = chain.factors.solve_transpose(absorption.rates[1][chain.cells])
    values = chain.on_grid(inner, never=0.0) * stop.remaining + stop.shares[1]
    info = _info(stop, chain).extended(solve_seconds=clock.perf_counter() - began)
    return Field(np.clip(values, 0.0, 1.0), stop.operator.grid, "committor", info)


def step_escape_rate(operator: TransitionOperator, start: Any, target: Any) -> Rate:
    """One over the mean number of steps from a start to the target."""
    began = clock.perf_counter()
    if isinstance(start, sp.Basic) or callable(start):
        operator = fitted(operator, [start])
    stop, chain = stopping(operator, target)
    masses, first, returned = start_masses(stop, start)
    times = _means(stop, chain)
    counted = masses > 0.0
    mean = first + float(masses[counted] @ times[counted])
    if np.isinf(mean):
        never = float(masses[np.isinf(times)].sum())
        if chain.sure.size < stop.absorption.outside.size or not chain.sure.all():
            raise DisconnectedDomain(
                f"from {never:.3g} of the start the target may never be reached"
            )
        raise FokkerPlanckError("the mean number of steps exceeds the largest double, 1.8e308")
    if not mean > 0.0:
        raise InvalidRegion("the target contains the start: no step is made")
    back = chain.factors.solve_transpose(stop.operator.lost[stop.absorption.outside[chain.cells]])
    returned += float(masses * stop.remaining @ chain.on_grid(back, never=0.0))
    info = _info(stop, chain).extended(
        mean_time=mean,
        given_back=returned,
        solve_seconds=clock.perf_counter() - began,
    )
    return Rate(1.0 / mean, "mean first-passage time", info=info, unit="step")


def stopping(operator: TransitionOperator, target: Any) -> tuple[StoppedChain, KilledChain]:
    """The chain that ends in the target or at absorbing walls, and its factors.

    Raises
    ------
    InvalidRegion, DisconnectedDomain
    """
    if target is None and operator.conserving:
        raise InvalidRegion("no wall absorbs and no target is given: nothing is ever reached")
    stop = stopped(operator, {} if target is None else {"target": target})
    return stop, KilledChain.of(stop.operator.generator, stop.absorption)


def start_masses(stop: StoppedChain, start: Any) -> tuple[Array, int, float]:
    """Masses (n,) of a start, the steps already made, and what was given back in them.

    One step is made from a point, exactly; none from a density.

    Raises
    ------
    InvalidRegion, GridMismatch
    """
    grid = stop.operator.grid
    if isinstance(start, Density):
        return _of_density(start, grid), 0, 0.0
    if isinstance(start, sp.Basic) or callable(start):
        return _of_region(stop.operator, start), 0, 0.0
    masses, _, lost = stop.operator.first_step(start)
    for region in stop.absorption.regions:
        if (np.asarray(region.level([np.array([p]) for p in start])) >= 0.0).all():
            raise InvalidRegion(f"the target contains the start {tuple(start)}")
    return masses, 1, lost


def _of_density(start: Density, grid: Any) -> Array:
    if isinstance(grid, Panels) and isinstance(start.grid, Panels):
        same = np.array_equal(grid.panel_edges[[0, -1]], start.grid.panel_edges[[0, -1]])
        if same and grid.names == start.grid.names:
            values = (
                start.values if grid == start.grid else resampled(start.values, start.grid, grid)
            )
            masses = np.maximum(values, 0.0) * grid.volumes
            result: Array = masses / masses.sum()
            return result
    if start.grid != grid:
        raise GridMismatch(f"the start lives on {start.grid}, the operator on {grid}")
    return (start.masses / start.mass).ravel()


def _of_region(operator: TransitionOperator, region: Any) -> Array:
    inside = region_fraction(region, operator.grid).ravel()
    if not inside.any():
        raise InvalidRegion(f"the start {region} is empty or lies outside {operator.grid}")
    weights = SubtractionFree().stationary(operator.generator)
    logarithm = weights.log_masses
    assert logarithm is not None
    # High up the density itself may be below the smallest double.
    logarithm = np.where(inside > 0.0, logarithm, -np.inf)
    masses = inside * np.exp(logarithm - logarithm.max())
    return np.asarray(masses / masses.sum())


def _means(stop: StoppedChain, chain: KilledChain) -> Array:
    """Mean steps from every cell, averaged over cells that the boundary cuts, (n,)."""
    values = chain.on_grid(np.where(chain.sure, chain.times(), np.inf), never=np.inf)
    remaining = stop.remaining
    return np.where(remaining > 0.0, values, 0.0) * np.where(remaining > 0.0, remaining, 1.0)


def _info(stop: StoppedChain, chain: KilledChain) -> Info:
    never = chain.absorption.outside.size - int(chain.sure.sum())
    return stop.operator.info.extended(**chain.info, never=never, rounding=0.0)
