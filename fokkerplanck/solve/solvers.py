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
from fokkerplanck.errors import DisconnectedDomain, InvalidModel, MetastableWarning
from fokkerplanck.solve.linear.sparse_lu import factorize_lu
from fokkerplanck.solve.linear.subtraction_free import factorize

__all__ = ["DetailedBalance", "SparseLU", "StationarySolver", "SubtractionFree", "Weights"]

Array = NDArray[np.float64]

# An ordinary LU loses eps |Q| / gap of the weights of the wells: with this share fewer than six
# digits are left.
LOST = 1e-6


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
