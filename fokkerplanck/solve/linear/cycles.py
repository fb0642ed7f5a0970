"""Multigrid cycles of multiplicative aggregation for one Markov generator."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fokkerplanck.solve.linear.aggregation import STEEPEST, coarse_rates
from fokkerplanck.solve.linear.analysis import Analysis, analyze
from fokkerplanck.solve.linear.levels import Level
from fokkerplanck.solve.linear.relaxation import relative_rates, relax
from fokkerplanck.solve.linear.subtraction_free import factorize

__all__ = ["Cycles"]

Array = NDArray[np.float64]


class Cycles:
    """Multigrid cycles for one generator: a map from logarithmic weights to better ones."""

    def __init__(self, rates: Array, levels: list[Level]) -> None:
        self.rates = rates
        self.levels = levels
        self.analysis: Analysis | None = None

    def __call__(self, log_weights: Array) -> Array:
        """One cycle; the largest of the result is 0."""
        result = self._descend(0, self.rates, log_weights)
        result -= result.max()
        return result

    def _descend(self, depth: int, rates: Array, log_weights: Array) -> Array:
        level = self.levels[depth]
        if level.down is None:
            return self.eliminate(level, rates)
        outflow, relative = relative_rates(level.first, level.source, rates, log_weights)
        ratio = np.ones(level.size)
        relax(level.first, level.source, relative, outflow, ratio)
        coarse = self.levels[depth + 1]
        # A W-cycle, except that the step off the finest level, the dear one, is made once.
        for _ in range(1 if depth == 0 else 2):
            between, weights = coarse_rates(level, coarse, rates, log_weights + np.log(ratio))
            change = self._descend(depth + 1, between, weights) - weights
            change -= change[np.argmax(weights)]
            # Far tails may be wrong by more than a double holds: they take more than one cycle.
            ratio *= np.exp(np.clip(change, -STEEPEST / 2, STEEPEST / 2))[level.down.block]
            relax(level.first, level.source, relative, outflow, ratio)
        result: Array = log_weights + np.log(ratio)
        return result

    def eliminate(self, level: Level, rates: Array) -> Array:
        """Logarithmic weights of the coarsest level."""
        matrix = sparse.csc_array(
            sparse.csr_array((rates, level.source, level.first), shape=(level.size, level.size))
        )
        if self.analysis is None:
            self.analysis = analyze(matrix, shape=level.shape)
        return factorize(matrix, analysis=self.analysis).log_stationary()
