"""Passage times and hitting probabilities of a `LogDensity` operator, by time reversal.

The backward equation ``(L - k) v = -b`` outside a target, ``v = g`` on it, becomes a forward one
for ``u = p v``: ``div J~(u) + k u = b p``, where ``J~`` is the flux of the process backwards in
time, whose force is ``-F - 2 D grad psi``.  It is solved as the stationary equation is, for the
unknown ``-log u``: positive and of second order.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.errors import NotConverged, UnresolvedWarning
from fokkerplanck.solve.anderson import iterate
from fokkerplanck.solve.log_density import LOST, SETTLED
from fokkerplanck.solve.log_density_reversal import Reversed, Target

__all__ = ["Target", "expected_cost"]

Array = NDArray[np.float64]


def expected_cost(
    operator: LogDensityOperator,
    *,
    killing: ArrayLike = 0.0,
    cost: ArrayLike = 1.0,
    target: Target | None = None,
) -> tuple[Array, Info]:
    """Solve ``(L - k) v = -b`` outside the target and ``v = g`` on it, positive and second order.

    Parameters
    ----------
    operator : LogDensityOperator
        Without absorbing walls.
    killing : (n,) or number, nonnegative
        Rate ``k``.
    cost : (n,) or number, nonnegative
        ``b``: with 1 and no values on the target, ``v`` is the mean time until killed or there;
        with 0 and values 1 on a part of the target, the probability to arrive on that part.
    target : Target, optional

    Returns
    -------
    (n,) array and Info
        `info` holds ``iterations`` and ``change``.

    Raises
    ------
    InvalidModel
        When walls absorb, a rate is negative, or nothing is ever paid.
    InvalidRegion
        When the target is everything, or nothing while nothing is killed.
    NotConverged

    Warns
    -----
    UnresolvedWarning
        When the iteration has not settled.

    Notes
    -----
    R. Haussmann and E. Pardoux, Ann. Probab. 14, 1188 (1986) for the reversed diffusion.
    """
    problem = Reversed.of(operator, killing, cost, target)
    result = iterate(
        problem.step,
        problem.reference,
        tolerance=operator.tolerance,
        iterations=operator.iterations,
    )
    if result.change > LOST:
        raise NotConverged(
            f"after {result.steps} iterations the time-reversed density still changes by "
            f"{result.change:.2g} in each; refine the grid, or use the linear generator `matrix`"
        )
    if result.change > SETTLED:
        warnings.warn(
            f"after {result.steps} iterations the time-reversed density still changes by "
            f"{result.change:.2g} in each (settled below {SETTLED:g}); refine the grid",
            UnresolvedWarning,
            stacklevel=2,
        )
    info = Info(solver="time reversal", iterations=result.steps, change=result.change)
    return problem.ratio(result.psi), info
