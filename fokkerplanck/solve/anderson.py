"""Fixed points of positive maps in logarithms, with Anderson acceleration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Iteration", "iterate"]

Array = NDArray[np.float64]

# Differences of iterates that are combined; more were no faster.
MEMORY = 6
# Cells over which the least squares are taken, evenly spread, of more.
ENOUGH = 2**16
# Singular values below this share are left out of the combination.
CONDITION = 1e-8
# Coefficients that add up to more mean that the differences are nearly parallel.
LARGEST_SUM = 50.0
# How far, in the logarithm, the combination may leave the map's own answer: e^2 a step is faster
# than any convergent iteration needs, and keeps tails from running away.
FURTHEST = 2.0


@dataclass(frozen=True)
class Iteration:
    """Where an iteration ended.

    Attributes
    ----------
    psi : (n,) the map's last answer, never a combination.
    steps : evaluations of the map.
    change : ``sum_i w_i min(|change of psi_i|, 1)`` in the last, ``w = e^-psi`` normalised.
    """

    psi: Array
    steps: int
    change: float


def iterate(
    step: Callable[[Array], Array], start: Array, *, tolerance: float, iterations: int
) -> Iteration:
    """Iterate ``psi <- step(psi)`` until the change is below `tolerance`.

    Parameters
    ----------
    step : from psi (n,) to psi (n,), minus logarithms of cell masses
        Constants may be added to its argument at will.
    start : (n,)
    tolerance, iterations
        The iteration ends below the one or after the other; the caller judges `Iteration.change`.

    Notes
    -----
    D. G. Anderson, J. ACM 12, 547 (1965); H. F. Walker and P. Ni, SIAM J. Numer. Anal. 49, 1715
    (2011).  The least squares are weighted by the masses, as tails that still move would otherwise
    decide alone.

    Examples
    --------
    >>> root = iterate(lambda x: x / 2 + 1 / (1 + x**2), np.zeros(2), tolerance=1e-12,
    ...                iterations=30)
    >>> np.allclose(root.psi, 1.0), root.steps < 20
    (True, True)
    """
    psi, before = start, (start, start)
    moves: list[Array] = []
    bends: list[Array] = []
    for steps in range(1, iterations + 1):
        answer = step(psi)
        weight = np.exp(answer.min() - answer)
        weight /= weight.sum()
        residual = answer - psi
        change = float(weight @ np.minimum(np.abs(residual), 1.0))
        if change < tolerance:
            break
        if steps > 1:
            moves = [*moves[1 - MEMORY :], answer - before[0]]
            bends = [*bends[1 - MEMORY :], residual - before[1]]
        before = answer, residual
        psi = answer - _correction(residual, moves, bends, np.sqrt(weight))
    return Iteration(answer, steps, change)


def _correction(
    residual: Array, moves: list[Array], bends: list[Array], root: Array
) -> Array | float:
    """What to take from the last answer so that the residual is smallest.

    Parameters
    ----------
    moves, bends : differences of successive answers and of their residuals
    """
    if not moves:
        return 0.0
    # An odd stride meets every plane of a grid of even sides.
    rows = slice(None, None, residual.size // ENOUGH | 1)
    change = np.stack([bend[rows] for bend in bends], axis=1) * root[rows, np.newaxis]
    target = residual[rows] * root[rows]
    coefficients = np.linalg.lstsq(change, target, rcond=CONDITION)[0]
    if not np.abs(coefficients).sum() <= LARGEST_SUM:
        return 0.0
    shift: Array = sum(c * move for c, move in zip(coefficients, moves, strict=True))
    return np.clip(shift, -FURTHEST, FURTHEST)
