"""Ways to solve for a stationary distribution; each is a value passed as ``solver=``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import DisconnectedDomain, InvalidModel, MetastableWarning
from fokkerplanck.solve.linear.sparse_lu import factorize_lu
from fokkerplanck.solve.linear.subtraction_free import factorize

__all__ = ["DetailedBalance", "SparseLU", "StationarySolver", "SubtractionFree"]

Array = NDArray[np.float64]

# An ordinary LU loses eps |Q| / gap of the weights of the wells: with this share fewer than six
# digits are left.
LOST = 1e-6


@runtime_checkable
class StationarySolver(Protocol):
    """What `stationary_density` asks of a solver."""

    def stationary(self, operator: FokkerPlanckOperator) -> tuple[Array, Info]:
        """Cell probabilities, shape (n,), not yet clipped or normalised, and the evidence."""


@dataclass(frozen=True)
class DetailedBalance:
    """The Gibbs density ``volume e^-Phi`` of an operator in detailed balance: nothing to solve."""

    def stationary(self, operator: FokkerPlanckOperator) -> tuple[Array, Info]:
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
        potential = operator.potential - operator.potential.min()
        return operator.grid.volumes.ravel() * np.exp(-potential), Info(solver="DetailedBalance")


@dataclass(frozen=True)
class SubtractionFree:
    """Grassmann-Taksar-Heyman elimination: componentwise accuracy at any barrier.

    For Markov generators (nonnegative rates).  See `fokkerplanck.solve.linear.subtraction_free`.
    """

    def stationary(self, operator: FokkerPlanckOperator) -> tuple[Array, Info]:
        """Stationary probabilities, each right to a few units of rounding.

        Raises
        ------
        FokkerPlanckError
            When a rate is negative.
        DisconnectedDomain
            When there is more than one closed class of cells.
        """
        factor = factorize(operator.matrix, shape=operator.grid.shape)
        masses = factor.stationary()
        info = Info(solver="SubtractionFree", factor_entries=factor.nnz, factor_flops=factor.flops)
        return masses, info


@dataclass(frozen=True)
class SparseLU:
    """SciPy's sparse LU, minimum-degree ordering in symmetric mode: for any matrix, not any barrier.

    The slowest relaxation rate is estimated along with the answer, and a warning says when it is
    so slow that digits are lost.
    """

    def stationary(self, operator: FokkerPlanckOperator) -> tuple[Array, Info]:
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
        return masses, Info(
            solver="SparseLU",
            factor_entries=factor.nnz,
            slowest_rate=evidence.slowest_rate,
            rounding=evidence.rounding,
        )
