"""Integrals over many short intervals at once, to rounding also across jumps and bends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["integrals"]

Array = NDArray[np.float64]

# Two Gauss-Legendre rules that agree to rounding have converged: smooth integrands on resolved
# cells do at the first try, others are halved.
LOW, HIGH = 6, 10
ROUNDING = 4e-15
# A jump inside an interval is closed in on by a factor 2 each time: 2^-50 of it is rounding.
HALVINGS = 50
# Of an integral that never converged, this much relative disagreement is a jump not yet closed in
# on; more is a singularity.
SINGULAR = 1e-9


def integrals(function: Callable[[Array], Array], starts: Array, ends: Array) -> Array:
    """Integral of a function of one variable over each interval; NaN where it diverges.

    Parameters
    ----------
    function : of points of any shape, elementwise
    starts, ends : (n,)

    Examples
    --------
    >>> import numpy as np
    >>> integrals(lambda x: np.where(x < 0.3, 0.0, 3 * x**2), np.zeros(1), np.ones(1))
    array([0.973])
    """
    total = np.zeros(starts.size)
    owner = np.arange(starts.size)
    lower, upper = np.asarray(starts, dtype=float), np.asarray(ends, dtype=float)
    size = np.zeros(starts.size)
    for halving in range(HALVINGS + 1):
        coarse, fine = _gauss(function, lower, upper, LOW), _gauss(function, lower, upper, HIGH)
        # Relative to the whole interval's integral: a tiny remainder need not be exact in itself.
        with np.errstate(invalid="ignore"):
            np.maximum.at(size, owner, np.abs(fine))
        with np.errstate(invalid="ignore"):
            error = np.abs(fine - coarse)
        done = error <= ROUNDING * (size[owner] + 1.0)
        if halving == HALVINGS:
            done = np.ones_like(done)
            fine = np.where(error <= SINGULAR * (size[owner] + 1.0), fine, np.nan)
        np.add.at(total, owner[done], fine[done])
        if done.all():
            break
        # Not finite: no halving helps.
        lost = ~np.isfinite(fine)
        total[owner[lost]] = np.nan
        rest = ~done & np.isfinite(total[owner])
        middle = 0.5 * (lower[rest] + upper[rest])
        owner = np.concatenate([owner[rest], owner[rest]])
        lower, upper = (
            np.concatenate([lower[rest], middle]),
            np.concatenate([middle, upper[rest]]),
        )
    return total


def _gauss(function: Callable[[Array], Array], lower: Array, upper: Array, order: int) -> Array:
    nodes, weights = np.polynomial.legendre.leggauss(order)
    half = 0.5 * (upper - lower)
    points = lower[:, np.newaxis] + half[:, np.newaxis] * (1.0 + nodes)
    values = function(points)
    result: Array = half * (values @ weights)
    return result
