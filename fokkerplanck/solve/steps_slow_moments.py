"""Mean and variance of a slow variable at every place of the fast one, in steps.

``p_k(x)``, the integral of ``zeta^k p`` over ``zeta = y - ybar``, for k = 0, 1, 2.  A step is
normal: given the fast variable after it, the slow one has moved by ``v + beta (x' - m)`` with
variance ``C22 - C12^2/C11``, ``beta = C12/C11``.  All of this is interpolated in y between three
heights; the moments 3 and 4 that this asks for are those of normal laws with the mean and the
variance of each place.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.transition_panels import Columns
from fokkerplanck.discretize.transition_slice import HeldStep, SlicedStep
from fokkerplanck.errors import FokkerPlanckError

__all__ = ["Followed", "FollowedMean", "FollowedMoments"]

Array = NDArray[np.float64]

# Standard deviations of the slow variable between heights: the outer nodes of Gauss–Hermite, with
# which expectations of the interpolated are exact up to degree 5 where its law is normal.
APART = np.sqrt(3.0)
# Negative mass above which the interpolation has failed: less than it costs where it holds.
NEGATIVE = 1e-6


class Followed(Protocol):
    """What is known of both variables after some steps."""

    panels: Panels
    masses: Array
    mean: float
    tally: Array
    negative: float

    def enter(self, part: SlicedStep, move: float) -> Columns:
        """Take the operator at a height; the slow variable will pass it within half a move."""

    def advance(self) -> None:
        """Make one step."""


class FollowedMean:
    """The slow variable stands at its mean, wherever the fast one is."""

    def __init__(
        self, first: SlicedStep, panels: Panels, begun: HeldStep, columns: Columns
    ) -> None:
        self.panels = panels
        self.masses: Array = columns.masses.mean(axis=1)
        self.mean = first.height + float(begun.drift.mean())
        self.tally, self.negative = np.zeros(0), 0.0

    def enter(self, part: SlicedStep, move: float) -> Columns:
        held = part.at(self.panels.mesh[0])
        columns = held.columns(self.panels)
        self._operator, self._drift = columns.masses, held.drift
        return columns

    def advance(self) -> None:
        self.mean += float(self.masses @ self._drift)
        self.masses = self._operator @ self.masses


class FollowedMoments:
    """The slow variable has a mean and a variance at every place of the fast one."""

    def __init__(
        self,
        first: SlicedStep,
        panels: Panels,
        begun: HeldStep,
        columns: Columns,
        side: NDArray[np.bool_],
    ) -> None:
        self.panels = panels
        self._sides = np.column_stack([side, ~side]).astype(float)
        self._name = first.step.names[first.slow]
        self.mean, self.negative = first.height, 0.0
        here = np.zeros((3, begun.mean.size))
        here[0] = 1.0 / begun.mean.size
        self._settle(_carried(panels.mesh[0], columns.masses, _shifts(begun), here))

    def enter(self, part: SlicedStep, move: float) -> Columns:
        x, panels = self.panels.mesh[0], self.panels
        deviation = np.sqrt(max(float(self._moments[2].sum()), 0.0))
        self._height, self._apart = part.height, max(move, APART * deviation)
        heights = part.height + self._apart * np.array([-1.0, 0.0, 1.0])
        held = [SlicedStep(part.step, part.slow, float(height)).at(x) for height in heights]
        columns = [each.columns(panels) for each in held]
        self._operator = np.hstack([each.masses for each in columns])
        self._shift = np.hstack([_shifts(each) for each in held])
        return columns[1]

    def advance(self) -> None:
        away = (self.mean - self._height) / self._apart
        weighted = _interpolated(self._moments, away, self._apart)
        self._settle(_carried(self.panels.mesh[0], self._operator, self._shift, weighted))

    def _settle(self, moments: Array) -> None:
        """Count from the new mean.

        Raises
        ------
        FokkerPlanckError
        """
        negative = -float(np.minimum(moments[0], 0.0).sum())
        # Also where it is not a number.
        if not negative <= NEGATIVE:
            raise FokkerPlanckError(
                f"the masses of the fast variable have a negative part of {negative:.2g} where the "
                f"mean of {self._name} is {self.mean:.4g}: its spread is too wide for two moments; "
                "use moments=0, runs of SGD, or a Grid of both variables"
            )
        self.negative = max(self.negative, negative)
        error = float(moments[1].sum() / moments[0].sum())
        self.mean += error
        moments[2] -= error * (2.0 * moments[1] - error * moments[0])
        moments[1] -= error * moments[0]
        self._moments, self.masses = moments, moments[0]
        # Moments in the region and outside, (3, 2).
        self.tally = moments @ self._sides


def _shifts(held: HeldStep) -> Array:
    """``c``, ``beta`` and the variance: from x the slow variable moves by ``c + beta x'``."""
    return np.stack([held.drift - held.slope * held.mean, held.slope, held.left])


def _carried(x: Array, operator: Array, shift: Array, moments: Array) -> Array:
    """Moments (3, n) at the nodes x from those (3, k) at the sources, about the same height."""
    c, slope, variance = shift
    zeroth, first, second = moments
    moved = first + c * zeroth
    spread = second + c * (first + moved) + variance * zeroth
    along = slope * zeroth
    sources = np.stack([zeroth, moved, spread, along, 2.0 * slope * moved, slope * along], axis=1)
    new = (operator @ sources).T
    return np.stack([new[0], new[1] + x * new[3], new[2] + x * (new[4] + x * new[5])])


def _interpolated(moments: Array, away: float, apart: float) -> Array:
    """Moments times the Lagrange polynomials of three heights, (3, 3 n), height by height."""
    zeroth, first, second = moments
    held = zeroth > 0.0
    mean = np.divide(first, zeroth, out=np.zeros_like(zeroth), where=held)
    square = np.divide(second, zeroth, out=np.zeros_like(zeroth), where=held)
    variance = np.maximum(square - mean**2, 0.0)
    third = zeroth * mean * (mean**2 + 3.0 * variance)
    fourth = zeroth * (mean**4 + 6.0 * mean**2 * variance + 3.0 * variance**2)
    powers = np.stack([zeroth, first, second, third, fourth])
    # t = (y - middle height)/apart, and its square, times each of the moments.
    linear = powers[1:] / apart + away * powers[:-1]
    quadratic = linear[1:] / apart + away * linear[:-1]
    linear = linear[:-1]
    low, high = 0.5 * (quadratic - linear), 0.5 * (quadratic + linear)
    return np.hstack([low, moments - quadratic, high])
