"""Push and pull of `substitution` in plain doubles: for solutions of ordinary size, such as masses.

The same positive sums in the same order. What falls below `SMALLEST` is dropped, which costs the
rest nothing, and keeps denormal numbers, a hundred times slower, out of the loops.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.solve.linear.multifrontal import Factors
from fokkerplanck.solve.linear.substitution import _panels
from fokkerplanck.solve.linear.symbolic import Fronts

__all__ = ["SMALLEST", "is_plain", "solve_plain"]

Vector = NDArray[np.float64]

# Products with probabilities down to 1e-18 are still no denormal numbers.
SMALLEST = 1e-290
# Binary exponents of rates and outflows that leave room for sums and products.
_WIDEST = 300


def is_plain(factors: Factors) -> bool:
    """Whether factors and solutions of total 1 stay within the range of doubles."""
    if factors.wide.any():
        return False
    exponents = (factors.scale, factors.outflow_exponent)
    return all(int(np.abs(e).max(initial=0)) < _WIDEST for e in exponents)


@njit(cache=True, nogil=True)
def solve_plain(fronts: Fronts, factors: Factors, b: Vector) -> None:
    """Replace b, in elimination order, by the time spent in each state."""
    count = len(fronts.pivot) - 1
    for front in range(count):
        first = fronts.pivot[front]
        pivots = fronts.pivot[front + 1] - first
        update = fronts.update[fronts.update_start[front] : fronts.update_start[front + 1]]
        rows = pivots + len(update)
        span = slice(fronts.panel[front], fronts.panel[front + 1])
        top, _ = _panels(factors.panel[span], pivots, rows)
        local = np.zeros(rows)
        local[:pivots] = b[first : first + pivots]
        for i in range(pivots):
            x = local[i]
            if x >= SMALLEST:
                for j in range(i + 1, rows):
                    local[j] += x * top[i, j]
        b[first : first + pivots] = local[:pivots]
        for r in range(len(update)):
            b[update[r]] += local[pivots + r]
    for front in range(count - 1, -1, -1):
        first = fronts.pivot[front]
        pivots = fronts.pivot[front + 1] - first
        update = fronts.update[fronts.update_start[front] : fronts.update_start[front + 1]]
        rows = pivots + len(update)
        span = slice(fronts.panel[front], fronts.panel[front + 1])
        top, below = _panels(factors.panel[span], pivots, rows)
        scale = factors.scale[factors.scale_start[front] : factors.scale_start[front + 1]]
        local = b[first : first + pivots].copy()
        for r in range(rows - 1, -1, -1):
            if r >= pivots:
                x = b[update[r - pivots]]
                row = below[r - pivots]
            else:
                outflow = math.ldexp(
                    factors.outflow[first + r], int(factors.outflow_exponent[first + r])
                )
                x = local[r] / outflow if local[r] >= SMALLEST else 0.0
                b[first + r] = x
                row = top[r, :r]
            if x >= SMALLEST:
                x = math.ldexp(x, int(scale[r]))
                for j in range(len(row)):
                    local[j] += x * row[j]
