"""Fixed point of a `LogDensity` operator: its stationary density, and whether it is resolved."""

from __future__ import annotations

import time as clock
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.log_density_flux import FaceFlux
from fokkerplanck.discretize.log_density_operator import FixedPoint, LogDensityOperator
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import InvalidModel, NotConverged, UnresolvedWarning
from fokkerplanck.solve.anderson import Iteration, iterate
from fokkerplanck.solve.linear import Analysis, analyze, factorize
from fokkerplanck.solve.passes import largest_step_between_wells
from fokkerplanck.solve.solvers import Weights

__all__ = ["LogDensityIteration", "find_fixed_point"]

Array = NDArray[np.float64]

# Changes below the first may be tails of less than 1e-5 that wander although the density is final;
# above the second there is no answer.
SETTLED, LOST = 1e-5, 1e-2
# Second- and fourth-order velocities that differ by more, in L1, do not resolve the tensor: it
# rotates by too much in a cell for a current so weak.  Measured errors are up to that difference.
AGREE = 1e-2
# Largest step of psi between neighbours on the way from a saddle to a well.  Measured on a double
# well with anisotropy 100 (barriers 5 to 50): L1 errors of 2e-3 at 0.26, 1e-2 at 0.5, 2e-1 at 1.
STEP_WARNED, STEP_REFUSED = 0.4, 1.0
# The same where the density is above 1e-3 of its largest: L1 errors of 1e-2 at 1.5, 6e-2 at 3.
BULK = 1e-3
BULK_STEP_WARNED = 1.5
# Hollows of psi that are no wells: shallower than one noise strength, or with a density below this
# share of the largest, where it wanders; only wells above the second share lead to a refusal, as
# tails under a weak current can look like wells.
DEPTH, TAIL, MINOR = 1.0, 1e-8, 1e-4


@dataclass(frozen=True)
class LogDensityIteration:
    """Picard iteration with Anderson acceleration, each step a subtraction-free elimination.

    For operators of `LogDensity`.
    """

    def stationary(self, operator: FokkerPlanckOperator) -> Weights:
        """Cell probabilities at the fixed point, and the evidence: see `find_fixed_point`.

        Raises
        ------
        InvalidModel
            When the operator is another scheme's.
        NotConverged
        """
        if not isinstance(operator, LogDensityOperator):
            raise InvalidModel(
                f"LogDensityIteration() solves operators of LogDensity(), not of "
                f"{operator.info.get('scheme')}()"
            )
        fixed = operator.fixed_point
        volumes = operator.grid.volumes.ravel()
        return Weights(np.exp(-fixed.psi) * volumes, fixed.info, np.log(volumes) - fixed.psi)


def find_fixed_point(operator: LogDensityOperator) -> FixedPoint:
    """Solve ``div J(psi) = 0`` with velocities of second order, then of fourth.

    Returns
    -------
    FixedPoint
        Of `operator.order`, or of second where fourth has not converged.  `info` holds ``order``,
        ``iterations`` (of both), ``change`` (in the last of that order), ``residual`` of ``div J =
        0``, ``order_difference`` (L1 distance of the two densities), and the largest steps of
        ``psi`` between neighbours: ``barrier_step`` on the ways between wells,
        ``main_barrier_step`` between those that matter most, ``bulk_step`` where the density is
        above 1e-3 of its largest.

    Raises
    ------
    NotConverged
        When the iteration, or the grid on the way between two wells, is too far from converged
        for the answer to mean anything.

    Warns
    -----
    UnresolvedWarning
        By the measured rules above.
    """
    began = clock.perf_counter()
    flux, grid = operator.flux, operator.grid
    start = _broad_gaussian(grid)
    analysis = analyze(flux.generator(start.reshape(grid.shape), 2), shape=grid.shape)
    found: dict[int, Iteration] = {}
    for order in (2, 4):
        found[order] = iterate(
            lambda psi, order=order: _picard(flux, analysis, psi, order),  # type: ignore[misc]
            start,
            tolerance=operator.tolerance,
            iterations=operator.iterations,
        )
        if found[order].change > LOST:
            break
        start = found[order].psi
    chosen = 4 if operator.order == 4 and 4 in found and found[4].change <= SETTLED else 2
    result = found[chosen]
    density = [np.exp(-each.psi) for each in found.values()]
    info = Info(
        solver="LogDensityIteration",
        order=chosen,
        iterations=sum(each.steps for each in found.values()),
        change=result.change,
        residual=_residual(flux, result.psi, chosen),
        order_difference=float(np.abs(density[0] - density[-1]) @ grid.volumes.ravel()),
        barrier_step=_barrier_step(flux, result.psi, TAIL),
        main_barrier_step=_barrier_step(flux, result.psi, MINOR),
        bulk_step=_bulk_step(flux, result.psi),
        fixed_point_seconds=clock.perf_counter() - began,
    )
    _judge(info, grid)
    return FixedPoint(result.psi, chosen, info)


def _judge(info: Info, grid: Grid) -> None:
    """Refuse or warn where the answer is not resolved."""
    cells = " x ".join(map(str, grid.shape))
    if info["change"] > LOST:
        raise NotConverged(
            f"after {info['iterations']} iterations the density still changes by "
            f"{info['change']:.2g} in each: {cells} cells do not resolve the anisotropy or the "
            "barrier; refine the grid, or use Corner() or Selling() where the drift has a potential"
        )
    if info["main_barrier_step"] > STEP_REFUSED:
        raise NotConverged(
            f"psi = -log p changes by {info['main_barrier_step']:.2g} between neighbouring cells "
            f"on the way between two wells: {cells} cells do not determine their weights (at most "
            f"{STEP_REFUSED:g}, better {STEP_WARNED:g}); refine the grid by that factor"
        )
    if info["change"] > SETTLED:
        _warn(
            f"after {info['iterations']} iterations the density still changes by "
            f"{info['change']:.2g} in each (settled below {SETTLED:g}): refine the grid, or raise "
            "iterations"
        )
    if info["order_difference"] > AGREE:
        _warn(
            f"densities with velocities of second and fourth order differ by "
            f"{info['order_difference']:.2g} in L1 (more than {AGREE:g}): {cells} cells do not "
            "resolve how the tensor's axes rotate, for so weak a current; refine the grid"
        )
    if info["barrier_step"] > STEP_WARNED:
        _warn(
            f"psi = -log p changes by {info['barrier_step']:.2g} between neighbouring cells on the "
            f"way between two wells (more than {STEP_WARNED:g}): their weights on {cells} cells "
            "may be wrong by more than a percent; refine the grid"
        )
    if info["bulk_step"] > BULK_STEP_WARNED:
        _warn(
            f"psi = -log p changes by {info['bulk_step']:.2g} between neighbouring cells where the "
            f"density is above {BULK:g} of its largest (more than {BULK_STEP_WARNED:g}): {cells} "
            "cells are too few, or the box too wide"
        )


def _warn(message: str) -> None:
    # Levels: this function, _judge, find_fixed_point, fixed_point and its cache.
    warnings.warn(message, UnresolvedWarning, stacklevel=6)


def _residual(flux: FaceFlux, psi: Array, order: int) -> float:
    """``max |sum of flows into a cell| / max(outflow of a cell)`` at ``e^-psi``."""
    matrix = flux.generator(psi.reshape(flux.grid.shape), order)
    masses = np.exp(-psi) * flux.grid.volumes.ravel()
    return float(np.abs(matrix @ masses).max() / np.abs(matrix.diagonal() * masses).max())


def _barrier_step(flux: FaceFlux, psi: Array, share: float) -> float:
    """Largest step between wells with a density above a share of the largest.

    Layers along walls are no wells.
    """
    inner = np.zeros(flux.grid.shape, bool)
    inner[tuple(slice(None) if axis.periodic else slice(1, -1) for axis in flux.grid.axes)] = True
    wells = inner.ravel() & (psi < psi.min() - np.log(share))
    return largest_step_between_wells(psi, flux.lower, flux.upper, wells=wells, depth=DEPTH)


def _bulk_step(flux: FaceFlux, psi: Array) -> float:
    inside = np.maximum(psi[flux.lower], psi[flux.upper]) < psi.min() - np.log(BULK)
    return float(np.abs(psi[flux.lower] - psi[flux.upper])[inside].max(initial=0.0))


def _picard(flux: FaceFlux, analysis: Analysis, psi: Array, order: int) -> Array:
    """Minus the logarithm of the stationary density of the chain that belongs to `psi`."""
    matrix = flux.generator(psi.reshape(flux.grid.shape), order)
    masses = factorize(matrix, analysis=analysis).log_stationary()
    answer: Array = np.log(flux.grid.volumes).ravel() - masses
    return answer


def _broad_gaussian(grid: Grid) -> Array:
    """``6 sum xi^2`` with ``xi`` from -1 to 1 across each axis that is not periodic.

    Flat starts reach the same fixed point in a few steps more.
    """
    total = np.zeros(grid.shape)
    for axis, x in zip(grid.axes, grid.mesh, strict=True):
        if not axis.periodic:
            low, high = axis.edges[0], axis.edges[-1]
            total = total + 6.0 * ((2.0 * x - low - high) / (high - low)) ** 2
    return total.ravel()


LogDensityOperator.find_fixed_point = find_fixed_point
