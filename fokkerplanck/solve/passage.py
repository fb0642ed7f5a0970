"""Mean first-passage times and their variance."""

from __future__ import annotations

import time as clock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.transition import TransitionOperator
from fokkerplanck.errors import InvalidRegion
from fokkerplanck.results.field import Field
from fokkerplanck.solve.absorb import absorb
from fokkerplanck.solve.killed import KilledChain
from fokkerplanck.solve.log_density_passage import expected_cost
from fokkerplanck.solve.log_density_target import reversal_target
from fokkerplanck.solve.steps_passage import step_passage_times, step_passage_variances

__all__ = ["first_passage_variance", "mean_first_passage_time"]

Array = NDArray[np.float64]


def mean_first_passage_time(
    operator: FokkerPlanckOperator | TransitionOperator, target: Any = None
) -> Field:
    """Mean time ``tau`` until a target is reached: ``Q^T tau = -1`` outside, ``tau = 0`` on it.

    Parameters
    ----------
    operator : FokkerPlanckOperator or TransitionOperator
        Where walls absorb, the time is that until the target or such a wall.  That of a
        `TransitionOperator` counts steps until one lands in the target; panels are cut in two at
        its boundary where they have no edge there, and cells that it cuts show their average.
    target : region, optional
        SymPy relation such as ``x > 0.8``, And/Or of several, or a predicate of the coordinates.
        Its boundary is where it is, not at the nearest cell.  Needed where no wall absorbs.

    Returns
    -------
    Field
        In every cell: 0 in the target, infinite where the target may never be reached.  For
        monotone operators each value is right to rounding of the linear system, at any barrier;
        of second order in the step.  `info` holds the number of cells with infinite time
        (``never``) and, where an ordinary LU was needed, the share that rounding may have taken
        (``rounding``).

    Raises
    ------
    InvalidRegion
        When the target is empty, lies outside the grid, holds no centre of a cell or all of them.
    DisconnectedDomain
        When no cell outside leads to the target.

    Warns
    -----
    MetastableWarning
        When an operator that is not monotone leaves fewer than six digits.

    Notes
    -----
    C. W. Gardiner, Stochastic Methods (2009), section 5.5.  Operators of `LogDensity` without
    absorbing walls are solved backwards in time, see `fokkerplanck.solve.log_density_passage`.

    Examples
    --------
    Free diffusion between a wall at 0 and a target at 0.77 takes ``(0.77^2 - x^2)/2``:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> from fokkerplanck.solve.passage import mean_first_passage_time
    >>> x = sp.Symbol("x", real=True)
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), fpk.Grid(x=(0, 1, 50)))
    >>> time = mean_first_passage_time(operator, x > 0.77)
    >>> float(time.values[0])
    0.2964
    """
    if isinstance(operator, TransitionOperator):
        return step_passage_times(operator, target)
    began = clock.perf_counter()
    times, info = _times(operator, target)
    info = operator.info.extended(**info, solve_seconds=clock.perf_counter() - began)
    return Field(times, operator.grid, "mean first-passage time", info)


def first_passage_variance(
    operator: FokkerPlanckOperator | TransitionOperator, target: Any = None
) -> Field:
    """Variance of the time until a target is reached: ``Q^T m = -2 tau``, ``m - tau^2``.

    Parameters and errors are those of `mean_first_passage_time`.

    Returns
    -------
    Field
        0 in the target, infinite where the target may never be reached.  Behind a barrier times
        are exponentially distributed, and it is the square of the mean.  `info` holds the
        ``smallest`` value before negative ones (of unresolved `LogDensity` operators) became 0.

    Examples
    --------
    >>> import sympy as sp, fokkerplanck as fpk
    >>> from fokkerplanck.solve.passage import first_passage_variance
    >>> x = sp.Symbol("x", real=True)
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), fpk.Grid(x=(0, 1, 200)))
    >>> 6 * float(first_passage_variance(operator, x > 0.9).values[0]) / 0.9**4
    1.000
    """
    if isinstance(operator, TransitionOperator):
        return step_passage_variances(operator, target)
    began = clock.perf_counter()
    variances, info = _variances(operator, target)
    info = operator.info.extended(
        **info, smallest=float(variances.min()), solve_seconds=clock.perf_counter() - began
    )
    name = "variance of the first-passage time"
    return Field(np.maximum(variances, 0.0), operator.grid, name, info)


def _times(operator: FokkerPlanckOperator, target: Any) -> tuple[Array, Info]:
    if isinstance(operator, LogDensityOperator) and operator.conserving and target is not None:
        return expected_cost(operator, target=reversal_target(operator, {"target": target}))
    chain = _chain(operator, target)
    times = chain.times()
    rounding = chain.warn_of_lost_digits(times[chain.sure])
    return _on_grid(chain, times), _evidence(chain, rounding)


def _variances(operator: FokkerPlanckOperator, target: Any) -> tuple[Array, Info]:
    if isinstance(operator, LogDensityOperator) and operator.conserving and target is not None:
        stop = reversal_target(operator, {"target": target})
        times, _ = expected_cost(operator, target=stop)
        half, info = expected_cost(operator, cost=times, target=stop)
        return 2.0 * half - times**2, info
    chain = _chain(operator, target)
    times = np.where(chain.sure, chain.times(), 0.0)
    rounding = chain.warn_of_lost_digits(times)
    half = chain.factors.solve_transpose(times)
    return _on_grid(chain, 2.0 * half - times**2), _evidence(chain, rounding)


def _chain(operator: FokkerPlanckOperator, target: Any) -> KilledChain:
    if target is None and operator.conserving:
        raise InvalidRegion("no wall absorbs and no target is given: nothing is ever reached")
    return KilledChain.of(operator, absorb(operator, {} if target is None else {"target": target}))


def _on_grid(chain: KilledChain, values: Array) -> Array:
    return chain.on_grid(np.where(chain.sure, values, np.inf), never=np.inf)


def _evidence(chain: KilledChain, rounding: float) -> Info:
    never = chain.absorption.outside.size - int(chain.sure.sum())
    return chain.info.extended(never=never, rounding=rounding)
