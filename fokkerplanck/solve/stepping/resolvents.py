"""Resolvents ``(1 - h Q)^-1``: what every step is made of, and all that costs time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.solve.linear.analysis import Analysis, analyze
from fokkerplanck.solve.linear.sparse_lu import SparseLUFactors, factorize_lu
from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU, factorize
from fokkerplanck.solve.stepping.dynamics import Record

__all__ = ["Resolvents"]

Array = NDArray[np.float64]

# Factors that are kept: a step and its half, and those of the step before.
KEPT = 4


class Resolvents:
    """Resolvents of one operator, whose factors are kept while a step stands.

    A Markov generator is eliminated without subtractions: every mass is then nonnegative and right
    to rounding of its own size, for any ``h``.  Other operators get an ordinary LU, which loses
    ``eps h max|Q|`` of the whole.

    Parameters
    ----------
    like : Resolvents, optional
        Of an operator with the same pattern, whose elimination order is taken over.
    """

    def __init__(
        self, operator: FokkerPlanckOperator, record: Record, like: Resolvents | None = None
    ) -> None:
        self.operator = operator
        self.monotone = operator.monotone
        self._matrix, self._killing = operator.matrix, operator.killing
        self._record = record
        self._kept: dict[float, SubtractionFreeLU | SparseLUFactors] = {}
        self._analysis: Analysis | None = None
        record.solver = "SubtractionFree" if self.monotone else "SparseLU"
        if like is not None and like._analysis is not None and self._has_pattern(like._analysis):
            self._analysis = like._analysis

    def apply(self, h: float, masses: Array) -> Array:
        """``(1 - h Q)^-1 P``: the masses after an implicit Euler step of length h."""
        factors = self._kept.pop(h, None) or self._factorized(h)
        self._kept[h] = factors
        while len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        self._record.solves += 1
        if isinstance(factors, SubtractionFreeLU):
            return factors.solve_masses(masses)
        return factors.solve(masses)

    def _factorized(self, h: float) -> SubtractionFreeLU | SparseLUFactors:
        self._record.factorizations += 1
        # Rates times h rather than masses over h: small masses times small rates would underflow.
        rates, killing = h * self._matrix, 1.0 + h * self._killing
        if not self.monotone:
            return factorize_lu(rates, killing=killing)
        if self._analysis is None:
            grid = self.operator.grid
            shape = grid.shape if isinstance(grid, Grid) else None
            self._analysis = analyze(self._matrix, shape=shape)
        return factorize(rates, killing=killing, analysis=self._analysis)

    def _has_pattern(self, analysis: Analysis) -> bool:
        matrix = self._matrix
        return np.array_equal(matrix.indptr, analysis.indptr) and np.array_equal(
            matrix.indices, analysis.indices
        )
