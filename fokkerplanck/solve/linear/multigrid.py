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
from fokkerplanck.solve.linear.aggregation import STEEPEST, coarse_rates
from fokkerplanck.solve.linear.analysis import Analysis, analyze
from fokkerplanck.solve.linear.chains import check_rates
from fokkerplanck.solve.linear.levels import Level, levels_of
from fokkerplanck.solve.linear.relaxation import relative_rates, relax
from fokkerplanck.solve.linear.subtraction_free import factorize
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
# Wells deeper than this that share a block exchange mass too slowly for relaxation to notice in
# the changes of a cycle: shallower ones lose a share of e^-10 of an error of 1e-6 in each, which
# TOLERANCE notices.
DEPTH = 10.0


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
        summed geometrically with `factor`.
    settled_above : float
        Logarithmic weights below this, which is below 1e-200, still change; minus infinity where
        none do.
    levels : int
    wells : int
        Maxima of the weights above 1e-200 of the largest that stand out by e^10 or more.
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
    DisconnectedDomain : the chain is reducible.

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
    closed = periodic or (False,) * len(shape)
    log_weights = np.zeros(rates.shape[0])
    for coarsest in (COARSEST, FINER_COARSEST):
        levels = levels_of(rates, shape, closed, coarsest)
        solution = _converged(_Cycles(rates.data, levels), log_weights)
        if not solution.unresolved_wells:
            break
        log_weights = solution.log_weights
    return solution


class _Cycles:
    """Multigrid cycles for one generator: a map from logarithmic weights to better ones."""

    def __init__(self, rates: Array, levels: list[Level]) -> None:
        self.rates = rates
        self.levels = levels
        self.analysis: Analysis | None = None

    def __call__(self, log_weights: Array) -> Array:
        """One cycle; the largest of the result is 0."""
        result = self._descend(0, self.rates, log_weights)
        if not np.isfinite(result).all():
            raise DisconnectedDomain(
                f"{np.count_nonzero(~np.isfinite(result))} cells are never reached: the chain is "
                "reducible; use SubtractionFree()"
            )
        result -= result.max()
        return result

    def _descend(self, depth: int, rates: Array, log_weights: Array) -> Array:
        level = self.levels[depth]
        if level.down is None:
            return self._eliminate(level, rates)
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

    def _eliminate(self, level: Level, rates: Array) -> Array:
        matrix = sparse.csc_array(
            sparse.csr_array((rates, level.source, level.first), shape=(level.size, level.size))
        )
        if self.analysis is None:
            self.analysis = analyze(matrix, shape=level.shape)
        return factorize(matrix, analysis=self.analysis).log_stationary()


def _converged(cycles: _Cycles, start: Array) -> MultigridSolution:
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
