"""Linear solves with a chain that ends: costs until it is killed, and time spent before."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix
from scipy.sparse.csgraph import breadth_first_order

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.errors import DisconnectedDomain, MetastableWarning
from fokkerplanck.solve.absorb import Absorption
from fokkerplanck.solve.linear.sparse_lu import SparseLUFactors, factorize_lu
from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU, factorize
from fokkerplanck.solve.solvers import LOST

__all__ = ["KilledChain"]

Array = NDArray[np.float64]
Cells = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class KilledChain:
    """Factors of ``M = -Q + diag(killing)`` on the cells from which the chain can end.

    Attributes
    ----------
    cells : (k,) positions among the cells outside the targets
    killing : (k,) rate of arrival anywhere
    sure : (k,) whether the chain ends with probability one
    factors : SubtractionFreeLU, or SparseLUFactors where the operator is not monotone
    fastest : float
        Largest outflow of a cell of the operator.
    """

    absorption: Absorption
    cells: Cells
    killing: Array
    sure: Flags
    factors: SubtractionFreeLU | SparseLUFactors
    fastest: float

    @classmethod
    def of(cls, operator: FokkerPlanckOperator, absorption: Absorption) -> KilledChain:
        """Factorise the chain outside the targets.

        Raises
        ------
        DisconnectedDomain
            When no cell leads to a target or an absorbing wall.
        """
        matrix, killing = absorption.matrix, absorption.killing
        ends = _leading_to(matrix, killing != 0.0)
        if not ends.any():
            raise DisconnectedDomain(
                f"none of the {ends.size} cells outside leads to the target: noise and drift "
                "vanish at its boundary"
            )
        # What flows to cells that never end is lost without arriving.
        astray = np.asarray(matrix[~ends].sum(axis=0)).ravel()
        sure = ends & ~_leading_to(matrix, ~ends)
        cells = np.flatnonzero(ends)
        inner = matrix[cells][:, cells]
        leaving = killing[cells] + astray[cells]
        factors: SubtractionFreeLU | SparseLUFactors
        if operator.monotone:
            factors = factorize(
                inner,
                killing=leaving,
                shape=operator.grid.shape,
                cells=absorption.outside[cells],
            )
        else:
            factors = factorize_lu(inner, killing=leaving)
        # Without the rates to a boundary just beside a centre, which cost no digits.
        fastest = float(np.abs(operator.matrix.diagonal()).max())
        return cls(absorption, cells, killing[cells], sure[cells], factors, fastest)

    @property
    def info(self) -> Info:
        """Solver and size of its factors."""
        name = "SubtractionFree" if isinstance(self.factors, SubtractionFreeLU) else "SparseLU"
        return Info(solver=name, factor_entries=self.factors.nnz)

    def times(self) -> Array:
        """Mean time until the chain ends, (k,)."""
        return self.factors.solve_transpose(np.ones(self.cells.size))

    def warn_of_lost_digits(self, times: Array) -> float:
        """Digits that an ordinary LU loses, as a share: ``eps max|Q| max(times)``.

        Warns
        -----
        MetastableWarning
            When fewer than six digits are left.
        """
        if isinstance(self.factors, SubtractionFreeLU):
            return 0.0
        longest = float(np.abs(times).max())
        lost = float(np.finfo(float).eps * self.fastest * longest)
        # A time that an ordinary LU gets wrong altogether may come out negative, or short.
        if not (lost < LOST and times.min() >= 0.0):
            warnings.warn(
                f"the longest mean time is about {longest:.2g}, the fastest rate "
                f"{self.fastest:.2g}: SparseLU loses a share of {lost:.1g}; use a monotone scheme "
                "such as Selling()",
                MetastableWarning,
                # Levels: this method, the function that solves, the public one, its caller.
                stacklevel=4,
            )
        return lost

    def on_grid(self, values: Array, *, never: float, inside: Any = 0.0) -> Array:
        """Values of every cell of the grid, (n,).

        Parameters
        ----------
        values : (k,)
        never : value where the chain cannot end
        inside : value, or (n,), in the targets
        """
        absorption = self.absorption
        result = np.array(np.broadcast_to(np.asarray(inside, float), (absorption.grid.size,)))
        result[absorption.outside] = never
        result[absorption.outside[self.cells]] = values
        return result


def _leading_to(matrix: csc_matrix, ends: Flags) -> Flags:
    """Cells from which the chain can reach one of these, which are among them."""
    size = ends.size
    reached = np.zeros(size + 1, bool)
    entries = matrix.tocoo()
    last = np.flatnonzero(ends)
    # Backwards, from one more node that stands for the end.
    rows = np.concatenate([entries.row, np.full(last.size, size)])
    columns = np.concatenate([entries.col, last])
    graph = csr_matrix((np.ones(rows.size), (rows, columns)), shape=(size + 1, size + 1))
    reached[breadth_first_order(graph, size, return_predecessors=False)] = True
    return reached[:size]
