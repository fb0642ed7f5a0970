"""Stationary distributions of large generators by multiplicative aggregation.

Cells are gathered into blocks of two a side. Given the shares of the cells in their blocks, the
weights of the blocks solve a chain of the same kind with fewer states; given the weights of the
blocks, a few relaxation sweeps correct the shares. Every step multiplies positive numbers, so
tails come out with the same relative accuracy as peaks, and the coarsest chain is eliminated
without subtractions, so barriers that split the grid do not slow the iteration down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from fokkerplanck.errors import DisconnectedDomain, FokkerPlanckError
from fokkerplanck.solve.anderson import iterate
from fokkerplanck.solve.linear.aggregation import coarse_rates
from fokkerplanck.solve.linear.chains import check_rates
from fokkerplanck.solve.linear.cycles import Cycles
from fokkerplanck.solve.linear.levels import Level, levels_of
from fokkerplanck.solve.linear.relaxation import relative_rates
from fokkerplanck.solve.linear.wells import separate_wells

__all__ = ["MultigridSolution", "solve_stationary"]

Array = NDArray[np.float64]

# Cells of the coarsest chain: eliminating 1000 cells takes about 10 ms.
COARSEST = 1024
# The same where two wells lie in one block of it, and are to be told apart by elimination.
FINER_COARSEST = 8 * COARSEST
# Cells whose logarithmic weight is within this of the largest must converge: 1e-200.
RANGE = 200.0 * float(np.log(10.0))
# Iteration ends when the estimated relative error is below the first, or the change below the
# second: a logarithm of RANGE is rounded by 6e-14.
TOLERANCE, ROUNDING = 1e-10, 2e-13
# Acceleration weighs cells by their weight to the power of 1 / ROOT, so that tails count too: down
# to 1e-200 each decade of the weight counts a fifth less than the one above. With ROOT = 1 the
# tails take ten cycles more.
ROOT = 10.0
# Most cycles, accelerated and plain: convergent cases take 10 to 25 in all.
ACCELERATED, PLAIN = 30, 40
# Weights below RANGE fall by some 300 of logarithm a cycle, and get as many plain cycles as
# PATIENCE to change by less than FAR.
FAR, PATIENCE = 1e-6, 15
# Wells deeper than this that share a block of the coarsest level may be wrong by more than 1e-6
# although every cell is balanced to TOLERANCE: the balance shows e^-9 of their error.
DEPTH = 9.0


@dataclass(frozen=True)
class MultigridSolution:
    """Result of `solve_stationary`.

    Attributes
    ----------
    log_weights : (n,) logarithms of the weights, largest 0.
    cycles : int
    factor : float
        Ratio of the last two changes.
    error : float
        Estimated relative error of every weight above 1e-200 of the largest: the last change
        summed geometrically with `factor`, or what the balance on any level reveals.
    settled_above : float
        Logarithmic weights below this, which is below 1e-200, still change; minus infinity where
        none do.
    levels : int
    wells : int
        Maxima of the weights above 1e-200 of the largest that stand out by e^9 or more.
    unresolved_wells : int
        Of them, those that share a block of the coarsest chain with another: their weights
        relative to it are not determined.
    """

    log_weights: Array
    cycles: int
    factor: float
    error: float
    settled_above: float
    levels: int
    wells: int
    unresolved_wells: int


def solve_stationary(
    generator: sparse.sparray | sparse.spmatrix,
    *,
    shape: tuple[int, ...],
    periodic: tuple[bool, ...] | None = None,
) -> MultigridSolution:
    """Null vector of a Markov generator on a grid, each weight to the same relative accuracy.

    Parameters
    ----------
    generator : (n, n) matrix Q whose entry Q[j, i] >= 0 is the rate from cell i to cell j. The
        diagonal is ignored.
    shape : cells along each axis, in C order.
    periodic : whether each axis closes on itself; none by default.

    Returns
    -------
    MultigridSolution

    Raises
    ------
    FokkerPlanckError : a rate is negative or not finite.
    DisconnectedDomain : probability never leaves a cell, or one of several classes of them.

    Notes
    -----
    Iterative aggregation and disaggregation: J. R. Koury, D. F. McAllister and W. J. Stewart, SIAM
    J. Alg. Disc. Meth. 5, 164 (1984); with many levels G. Horton and S. T. Leutenegger, ACM
    SIGMETRICS 22, 191 (1994).  Corrections of piecewise constants are too small by a factor of two
    (D. Braess, Computing 55, 379, 1995); here the coarse conductances are thinned instead, which
    leaves the currents, hence the fixed point, as they are.

    Examples
    --------
    >>> from scipy import sparse
    >>> hops = sparse.diags_array([1.0, 3.0], offsets=[-1, 1], shape=(40, 40))
    >>> solution = solve_stationary(hops, shape=(40,))
    >>> np.allclose(np.diff(solution.log_weights), -np.log(3.0), atol=1e-12)
    True
    """
    rates = _without_diagonal(generator)
    if rates.shape[0] != int(np.prod(shape)):
        raise FokkerPlanckError(f"a grid of shape {shape} does not have {rates.shape[0]} cells")
    trapping = int(np.count_nonzero(rates.sum(axis=0) == 0.0))
    if trapping:
        raise DisconnectedDomain(
            f"probability never leaves {trapping} cells: the chain is reducible; "
            "use SubtractionFree()"
        )
    closed = periodic or (False,) * len(shape)
    log_weights = np.zeros(rates.shape[0])
    for coarsest in (COARSEST, FINER_COARSEST):
        levels = levels_of(rates, shape, closed, coarsest)
        solution = _converged(Cycles(rates.data, levels), log_weights)
        if not solution.unresolved_wells:
            break
        log_weights = solution.log_weights
    return solution


def _converged(cycles: Cycles, start: Array) -> MultigridSolution:
    """Accelerated cycles until the weights stand still, then plain ones that show how still."""
    accelerated = iterate(
        lambda psi: -cycles(-ROOT * psi) / ROOT,
        -start / ROOT,
        tolerance=TOLERANCE,
        iterations=ACCELERATED,
    )
    current = -ROOT * accelerated.psi
    changes: list[float] = []
    factor, error = np.inf, np.inf
    for _ in range(PLAIN):
        following = cycles(current)
        moved = np.abs(following - current)
        current = following
        changes.append(float(moved[current > -RANGE].max()))
        if len(changes) > 2:
            # The slower of the last two: the first changes after the acceleration shrink by luck.
            factor = max(changes[-1] / changes[-2], changes[-2] / changes[-3])
            error = changes[-1] * factor / (1.0 - factor) if factor < 1.0 else np.inf
        if changes[-1] < ROUNDING:
            error = ROUNDING
        unsettled = float(current[moved > FAR].max(initial=-np.inf))
        if error < TOLERANCE and (unsettled == -np.inf or len(changes) >= PATIENCE):
            break
    finest = cycles.levels[0]
    wells, unresolved = separate_wells(
        finest.first,
        finest.source,
        current,
        _coarsest_block(cycles.levels),
        depth=DEPTH,
        reach=RANGE,
    )
    # A cycle could also stand still where its steps undo each other; the balance tells.
    error = max(error, _imbalance(cycles, current))
    return MultigridSolution(
        log_weights=current,
        cycles=accelerated.steps + len(changes),
        factor=factor,
        error=error,
        settled_above=unsettled,
        levels=len(cycles.levels),
        wells=wells,
        unresolved_wells=unresolved,
    )


def _imbalance(cycles: Cycles, log_weights: Array) -> float:
    """Lower bound of the relative error: relative imbalances cannot exceed twice the error.

    On the coarsest level the exact weights of the blocks are known, given the shares inside.
    """
    rates, worst = cycles.rates, 0.0
    for depth, level in enumerate(cycles.levels):
        near = log_weights > log_weights.max() - RANGE
        if level.down is None:
            change = cycles.eliminate(level, rates) - log_weights
            change -= change[np.argmax(log_weights)]
            return max(worst, float(np.abs(change[near]).max()))
        outflow, relative = relative_rates(level.first, level.source, rates, log_weights)
        inflow = np.add.reduceat(relative, level.first[:-1])
        worst = max(worst, 0.5 * float(np.abs(inflow / outflow - 1.0)[near].max()))
        coarse = cycles.levels[depth + 1]
        rates, log_weights = coarse_rates(level, coarse, rates, log_weights, thin=False)
    return worst


def _coarsest_block(levels: list[Level]) -> NDArray[np.int32]:
    """Block of the coarsest level that each cell lies in."""
    block = np.arange(levels[0].size, dtype=np.int32)
    for level in levels:
        if level.down is not None:
            block = level.down.block[block]
    return block


def _without_diagonal(generator: sparse.sparray | sparse.spmatrix) -> sparse.csr_array:
    """Rates by rows, sorted, none negative."""
    check_rates(sparse.csc_array(generator, dtype=np.float64))
    entries = sparse.coo_array(sparse.csc_array(generator, dtype=np.float64))
    kept = entries.row != entries.col
    rates = sparse.csr_array(
        (entries.data[kept], (entries.row[kept], entries.col[kept])), shape=entries.shape
    )
    rates.sort_indices()
    return rates
