"""Stationary densities."""

from __future__ import annotations

import time as clock

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import InvalidModel, NotConserving
from fokkerplanck.results.density import Density
from fokkerplanck.solve.log_density import LogDensityIteration
from fokkerplanck.solve.solvers import DetailedBalance, SparseLU, StationarySolver, SubtractionFree

__all__ = ["stationary_density"]

Array = NDArray[np.float64]

# Largest number of unknowns for subtraction-free elimination by default: its work grows as n^1.5
# in two dimensions and n^2 in three, some 20 s and 10 s at these sizes on one core.
LARGEST = {1: 2**22, 2: 2**20, 3: 48**3, 4: 14**4}


def stationary_density(
    operator: FokkerPlanckOperator, solver: StationarySolver | None = None
) -> Density:
    """Solve ``Q P = 0`` with total probability 1.

    Parameters
    ----------
    operator : FokkerPlanckOperator
        Without absorbing walls.
    solver : optional
        `LogDensityIteration()` where the operator's rates depend on the solution,
        `DetailedBalance()` where it has a potential, else `SubtractionFree()` where it
        is a Markov generator of moderate size, else `SparseLU()`.

    Returns
    -------
    Density
        `info` holds ``residual`` (``max |Q P| / max(|diag Q| P)``), ``smallest`` (the smallest
        probability over the largest) and ``negative_mass``, all before anything is normalised.
        Negative values are kept, so that nothing is hidden; only schemes that are not monotone
        have any.

    Raises
    ------
    NotConserving
        When the walls absorb.
    DisconnectedDomain
        When the stationary density is not unique.

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
    began = clock.perf_counter()
    weights = (solver or _default(operator)).stationary(operator)
    masses = weights.masses
    total = float(masses.sum())
    evidence = dict(weights.info)
    if "residual" not in evidence:  # solvers of nonlinear equations bring their own
        evidence["residual"] = _residual(operator, masses)
    info = operator.info.extended(
        **evidence,
        smallest=float(masses.min() / masses.max()),
        negative_mass=float(-np.minimum(masses, 0.0).sum() / total),
        solve_seconds=clock.perf_counter() - began,
    )
    volumes = operator.grid.volumes.ravel()
    logarithm = None
    if weights.log_masses is not None:
        logarithm = weights.log_masses - np.log(total) - np.log(volumes)
    return Density(masses / total / volumes, operator.grid, info, log_values=logarithm)


def _residual(operator: FokkerPlanckOperator, masses: Array) -> float:
    scale = float(np.max(np.abs(operator.matrix.diagonal()) * np.abs(masses)))
    return float(np.max(np.abs(operator.matrix @ masses))) / scale if scale else 0.0


def _default(operator: FokkerPlanckOperator) -> StationarySolver:
    if isinstance(operator, LogDensityOperator):
        return LogDensityIteration()
    if operator.potential is not None:
        return DetailedBalance()
    if operator.monotone and operator.grid.size <= LARGEST[operator.grid.dimension]:
        return SubtractionFree()
    return SparseLU()
