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
    psi = start
    answers: list[Array] = []
    residuals: list[Array] = []
    for steps in range(1, iterations + 1):  # noqa: B007
        answer = step(psi)
        weight = np.exp(answer.min() - answer)
        weight /= weight.sum()
        residual = answer - psi
        change = float(weight @ np.minimum(np.abs(residual), 1.0))
        if change < tolerance:
            break
        answers, residuals = [*answers[-MEMORY:], answer], [*residuals[-MEMORY:], residual]
        psi = _combined(answers, residuals, np.sqrt(weight))
    return Iteration(answer, steps, change)


def _combined(answers: list[Array], residuals: list[Array], root: Array) -> Array:
    """The combination of the last answers whose residual is smallest."""
    if len(answers) == 1:
        return answers[0]
    change = np.diff(residuals, axis=0) * root
    # By QR first: the singular values of the small factor are those of the tall matrix.
    orthogonal, small = np.linalg.qr(change.T)
    projected = orthogonal.T @ (residuals[-1] * root)
    coefficients = np.linalg.lstsq(small, projected, rcond=CONDITION)[0]
    if not np.abs(coefficients).sum() <= LARGEST_SUM:
        return answers[-1]
    shift = coefficients @ np.diff(answers, axis=0)
    combined: Array = answers[-1] - np.clip(shift, -FURTHEST, FURTHEST)
    return combined
