"""Gauss-Seidel relaxation of a Markov chain's weights, as ratios to the weights so far."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.aggregation import STEEPEST

__all__ = ["relative_rates", "relax"]

Array = NDArray[np.float64]
Index = NDArray[np.int32]

# Symmetric sweeps before and after each coarse correction: one needs twice the cycles in three
# dimensions, three cost more than they save.
SWEEPS = 2
# Most that a weight changes by in one cycle: far tails, that start too large by more than a double
# holds, take several.
FARTHEST = 1e250
# Weights above this have all their digits.
TINY = 1e-290


@njit(cache=True)
def relative_rates(
    first: Index, source: Index, rates: Array, log_weights: Array
) -> tuple[Array, Array]:
    """Outflow of each cell, and inflow into each cell per weight of that cell, by source."""
    outflow = np.zeros(log_weights.size)
    relative = np.empty_like(rates)
    # Quotients of these are quicker than exponentials, where they are far from underflow.
    weights = np.exp(log_weights - log_weights.max())
    for i in range(log_weights.size):
        for p in range(first[i], first[i + 1]):
            j = source[p]
            if weights[i] > TINY and weights[j] > TINY:
                ratio = weights[j] / weights[i]
            else:
                ratio = np.exp(min(log_weights[j] - log_weights[i], STEEPEST))
            relative[p] = rates[p] * ratio
            outflow[j] += rates[p]
    return outflow, relative


@njit(cache=True)
def relax(first: Index, source: Index, relative: Array, outflow: Array, ratio: Array) -> None:
    """Symmetric Gauss-Seidel sweeps for the ratio of new to old weights."""
    n = ratio.size
    for sweep in range(2 * SWEEPS):
        for k in range(n):
            i = k if sweep % 2 == 0 else n - 1 - k
            inflow = 0.0
            for p in range(first[i], first[i + 1]):
                inflow += relative[p] * ratio[source[p]]
            ratio[i] = min(max(inflow / outflow[i], 1.0 / FARTHEST), FARTHEST)
