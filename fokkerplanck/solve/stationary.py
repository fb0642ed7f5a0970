"""Stationary densities."""

from __future__ import annotations

import time as clock
import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import FokkerPlanckWarning, InvalidModel, NotConserving
from fokkerplanck.results.density import Density
from fokkerplanck.solve.error_estimate import density_error
from fokkerplanck.solve.log_density import LogDensityIteration
from fokkerplanck.solve.solvers import (
    AlgebraicMultigrid,
    DetailedBalance,
    SparseLU,
    StationarySolver,
    SubtractionFree,
)
from fokkerplanck.solve.steps import require_no_estimate

__all__ = ["stationary_density"]

Array = NDArray[np.float64]

# Largest number of cells for subtraction-free elimination by default: its work grows as n^1.5 in
# two dimensions and n^2 in three; some 20 s and several GB, 1.5 s and 0.4 GB at these sizes, where
# multigrid takes as long and a tenth of it.
LARGEST = {1: 2**22, 2: 2**20, 3: 32**3, 4: 10**4}
# Share of the mass that may jump past the edge in a step without a word: what the ends of a domain
# of seven standard deviations let through.
LOST_MASS = 1e-12


def stationary_density(
    operator: FokkerPlanckOperator | TransitionOperator,
    solver: StationarySolver | None = None,
    *,
    error_estimate: bool = False,
) -> Density:
    """Solve ``Q P = 0``, or ``K P = P``, with total probability 1.

    Parameters
    ----------
    operator : FokkerPlanckOperator or TransitionOperator
        Without absorbing walls.
    solver : optional
        `LogDensityIteration()` where the operator's rates depend on the solution,
        `DetailedBalance()` where it has a potential, else `SubtractionFree()` where it
        is a Markov generator of moderate size and `AlgebraicMultigrid()` where it is a larger one,
        else `SparseLU()`.  ``info["solver_choice"]`` says which and why.
    error_estimate : bool
        Also solve on two coarser grids (see `Grid.coarsened`), and put the estimated distance
        from the solution of the differential equation, ``sum |p - p_exact| volume`` over the
        cells, into ``info["discretization_error"]``, and the order of convergence into
        ``info["discretization_order"]``.  The tests bound the true error by twice the estimate.

    Returns
    -------
    Density
        `info` holds ``residual`` (``max |Q P| / max(|diag Q| P)``), ``smallest`` (the smallest
        probability over the largest) and ``negative_mass``, all before anything is normalised.
        Negative values are kept, so that nothing is hidden; only schemes that are not monotone
        have any.  Of a `TransitionOperator` also ``lost_mass``: the share of the stationary mass
        that jumps past the edge of the grid in a step, and was given back.

    Raises
    ------
    NotConserving
        When the walls absorb.
    DisconnectedDomain
        When the stationary density is not unique.
    InvalidModel, InvalidGrid
        When an error estimate is wanted of an operator that `assemble` did not make, or on a grid
        that cannot be coarsened.

    Warns
    -----
    MetastableWarning
        When fewer than six digits of the weights of the wells are certain.
    FokkerPlanckWarning
        When more than 1e-12 of the mass jumps past the edge of the grid in a step.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-8, 8, 400)))
    >>> density = fpk.stationary_density(operator)
    >>> float(density.covariance()[0, 0])
    1.00000
    >>> density.info["solver"]
    'DetailedBalance'
    """
    if not operator.conserving:
        raise NotConserving(
            f"{np.count_nonzero(operator.killing)} cells lose probability through absorbing walls: "
            "there is no stationary density; use quasi_stationary_density"
        )
    if solver is not None and not isinstance(solver, StationarySolver):
        raise InvalidModel(f"a solver is a value such as SubtractionFree(), not {solver!r}")
    if isinstance(operator, TransitionOperator):
        return _of_steps(operator, solver, error_estimate)
    density = _solved(operator, solver)
    if not error_estimate:
        return density
    estimate = density_error(density, operator, lambda coarse: _solved(coarse, solver))
    info = density.info.extended(
        discretization_error=estimate.error, discretization_order=estimate.order
    )
    return replace(density, info=info)


def _solved(operator: FokkerPlanckOperator, solver: StationarySolver | None) -> Density:
    began = clock.perf_counter()
    choice = "given"
    if solver is None:
        solver, choice = _default(operator)
    weights = solver.stationary(operator)
    masses = weights.masses
    total = float(masses.sum())
    evidence = {"solver_choice": choice, **weights.info}
    if "residual" not in evidence:  # solvers of nonlinear equations bring their own
        evidence["residual"] = _residual(operator, masses)
    evidence["smallest"] = float(masses.min() / masses.max())
    evidence["negative_mass"] = float(-np.minimum(masses, 0.0).sum() / total)
    evidence["solve_seconds"] = clock.perf_counter() - began
    volumes = operator.grid.volumes.ravel()
    logarithm = None
    if weights.log_masses is not None:
        logarithm = weights.log_masses - np.log(total) - np.log(volumes)
    info = operator.info.extended(**evidence)
    return Density(masses / total / volumes, operator.grid, info, log_values=logarithm)


def _of_steps(
    operator: TransitionOperator, solver: StationarySolver | None, error_estimate: bool
) -> Density:
    require_no_estimate(error_estimate)
    density = _solved(operator.generator, solver)
    lost = float(density.masses.ravel() @ operator.lost)
    if lost > LOST_MASS:
        warnings.warn(
            f"{lost:.2g} of the mass jumps past the edge of {operator.grid} in a step and was "
            "given back by normalising: enlarge the grid",
            FokkerPlanckWarning,
            stacklevel=3,
        )
    return replace(density, info=density.info.extended(lost_mass=lost))


def _residual(operator: FokkerPlanckOperator, masses: Array) -> float:
    scale = float(np.max(np.abs(operator.matrix.diagonal()) * np.abs(masses)))
    return float(np.max(np.abs(operator.matrix @ masses))) / scale if scale else 0.0


def _default(operator: FokkerPlanckOperator) -> tuple[StationarySolver, str]:
    """A solver, and the reason in words."""
    if isinstance(operator, LogDensityOperator):
        return LogDensityIteration(), "LogDensityIteration(): the rates depend on the density"
    if operator.potential is not None:
        return DetailedBalance(), "DetailedBalance(): the density is known, nothing to solve"
    if not operator.monotone:
        return SparseLU(), "SparseLU(): negative rates, no Markov generator"
    cells, dimension = operator.grid.size, operator.grid.dimension
    where = f"{LARGEST[dimension]} cells in {dimension} dimensions"
    if cells <= LARGEST[dimension] or not isinstance(operator.grid, Grid):
        reason = f"SubtractionFree(): {cells}, at most {where}; right at any relaxation rate"
        return SubtractionFree(), reason
    return AlgebraicMultigrid(), f"AlgebraicMultigrid(): {cells}, more than {where}"
