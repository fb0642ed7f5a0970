"""Ways to solve for a stationary distribution; each is a value passed as ``solver=``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import (
    DisconnectedDomain,
    InvalidModel,
    MetastableWarning,
    NotConverged,
)
from fokkerplanck.solve.linear.multigrid import MultigridSolution, solve_stationary
from fokkerplanck.solve.linear.sparse_lu import factorize_lu
from fokkerplanck.solve.linear.subtraction_free import factorize

__all__ = [
    "AlgebraicMultigrid",
    "DetailedBalance",
    "SparseLU",
    "StationarySolver",
    "SubtractionFree",
    "Weights",
]

Array = NDArray[np.float64]

# Relative error of the weights of the wells with which fewer than six digits are left.
LOST = 1e-6
# Relative error with which there is no answer.
USELESS = 0.1


@dataclass(frozen=True)
class Weights:
    """Stationary weights of the cells as a solver found them, neither clipped nor normalised.

    Attributes
    ----------
    masses : (n,)
    info : Info
    log_masses : (n,) or None
        Their logarithms, where the solver has them beyond the range of doubles.
    """

    masses: Array
    info: Info
    log_masses: Array | None = None


@runtime_checkable
class StationarySolver(Protocol):
    """What `stationary_density` asks of a solver."""

    def stationary(self, operator: FokkerPlanckOperator) -> Weights:
        """Weights of the cells, and the evidence for them."""


@dataclass(frozen=True)
class DetailedBalance:
    """The Gibbs density ``volume e^-Phi`` of an operator in detailed balance: nothing to solve."""

    def stationary(self, operator: FokkerPlanckOperator) -> Weights:
        """Gibbs weights of the cells.

        Raises
        ------
        InvalidModel
            When the operator has no potential.
        DisconnectedDomain
            When the grid falls into parts: the shares of the parts are then not determined.
        """
        if operator.potential is None:
            raise InvalidModel(
                "the operator is not in detailed balance: use SubtractionFree() or SparseLU()"
            )
        count, _ = operator.components
        if count > 1:
            raise DisconnectedDomain(
                f"the grid falls into {count} parts without flow between them: the stationary "
                "density is not unique; add noise where it vanishes, or solve on one part"
            )
        logarithm = operator.potential.min() - operator.potential
        volumes = operator.grid.volumes.ravel()
        info = Info(solver="DetailedBalance")
        return Weights(volumes * np.exp(logarithm), info, logarithm + np.log(volumes))


@dataclass(frozen=True)
class SubtractionFree:
    """Grassmann-Taksar-Heyman elimination: componentwise accuracy at any barrier.

    For Markov generators (nonnegative rates).  See `fokkerplanck.solve.linear.subtraction_free`.
    """

    def stationary(self, operator: FokkerPlanckOperator) -> Weights:
        """Stationary probabilities, each right to a few units of rounding.

        Raises
        ------
        FokkerPlanckError
            When a rate is negative.
        DisconnectedDomain
            When there is more than one closed class of cells.
        """
        # A mesh has no shape to cut along: its cells are ordered by their graph.
        shape = operator.grid.shape if isinstance(operator.grid, Grid) else None
        factor = factorize(operator.matrix, shape=shape)
        logarithm = factor.log_stationary()
        info = Info(solver="SubtractionFree", factor_entries=factor.nnz, factor_flops=factor.flops)
        return Weights(factor.stationary(), info, logarithm)


@dataclass(frozen=True)
class SparseLU:
    """SciPy's sparse LU, minimum-degree ordering: for any matrix, not for any barrier.

    The slowest relaxation rate is estimated along with the answer, and a warning says when it is
    so slow that digits are lost.
    """

    def stationary(self, operator: FokkerPlanckOperator) -> Weights:
        """Stationary probabilities; `info` has the estimated relaxation rate and rounding error.

        Warns
        -----
        MetastableWarning
            When fewer than six digits of the weights of the wells are left.
        """
        factor = factorize_lu(operator.matrix)
        masses = factor.stationary()
        evidence = factor.evidence()
        # Written so that a NaN, from a rate lost altogether, warns too.
        if not evidence.rounding < LOST:
            warnings.warn(
                f"the slowest relaxation rate is about {evidence.slowest_rate:.2g}, the fastest "
                f"{np.abs(operator.matrix.diagonal()).max():.2g}: SparseLU loses "
                f"{evidence.rounding:.1g} of the weights of the wells; use SubtractionFree()",
                MetastableWarning,
                stacklevel=4,
            )
        info = Info(
            solver="SparseLU",
            factor_entries=factor.nnz,
            slowest_rate=evidence.slowest_rate,
            rounding=evidence.rounding,
        )
        return Weights(masses, info)


@dataclass(frozen=True)
class AlgebraicMultigrid:
    """Multiplicative aggregation: for large Markov generators, in three dimensions above all.

    Time and memory grow with the number of cells, and every probability above 1e-200 of the
    largest comes out with the same relative accuracy, at any barrier.  See
    `fokkerplanck.solve.linear.multigrid`.
    """

    def stationary(self, operator: FokkerPlanckOperator) -> Weights:
        """Stationary probabilities, and their estimated relative error as ``info["rounding"]``.

        Raises
        ------
        InvalidModel
            When the cells are not those of a `Grid`.
        FokkerPlanckError
            When a rate is negative.
        DisconnectedDomain
            When not every cell is reached from every other.
        NotConverged
            When the estimated relative error is above 0.1.

        Warns
        -----
        MetastableWarning
            When fewer than six digits of the weights of the wells are certain.
        """
        grid = operator.grid
        if not isinstance(grid, Grid):
            raise InvalidModel(
                "AlgebraicMultigrid() makes blocks of the cells of a Grid; use SubtractionFree()"
            )
        periodic = tuple(axis.periodic for axis in grid.axes)
        solution = solve_stationary(operator.matrix, shape=grid.shape, periodic=periodic)
        if not solution.error < USELESS:
            raise NotConverged(
                f"after {solution.cycles} cycles the weights still change by a factor of "
                f"{solution.factor:.2g} of the change before, the estimated relative error is "
                f"{solution.error:.2g}: strong anisotropy, or many wells close together; "
                "use SubtractionFree()"
            )
        _warn_of_lost_digits(solution)
        everywhere = solution.settled_above == -np.inf
        info = Info(
            solver="AlgebraicMultigrid",
            cycles=solution.cycles,
            levels=solution.levels,
            convergence_factor=solution.factor,
            rounding=solution.error,
            accurate_above=float(np.exp(solution.settled_above)) if not everywhere else 0.0,
            wells=solution.wells,
        )
        masses = np.exp(solution.log_weights)
        return Weights(masses, info, solution.log_weights if everywhere else None)


def _warn_of_lost_digits(solution: MultigridSolution) -> None:
    if solution.unresolved_wells:
        warnings.warn(
            f"{solution.unresolved_wells} of {solution.wells} wells lie in one block of the "
            "coarsest level with a heavier one: AlgebraicMultigrid does not determine their "
            "weights; use SubtractionFree()",
            MetastableWarning,
            stacklevel=5,
        )
    elif not solution.error < LOST:
        warnings.warn(
            f"after {solution.cycles} cycles AlgebraicMultigrid leaves an estimated relative error "
            f"of {solution.error:.1g} in the weights; use SubtractionFree()",
            MetastableWarning,
            stacklevel=5,
        )
