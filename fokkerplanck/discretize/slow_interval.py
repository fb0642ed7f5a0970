"""Rates of a fast variable on a line at any value of a slow one, between heights where exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.axes import Axis
from fokkerplanck.discretize.coefficients import Coefficients, Points
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.interval import interval_rates
from fokkerplanck.errors import InvalidCoefficient
from fokkerplanck.model.diffusion import Diffusion

__all__ = ["SlowInterval"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


# Logarithm of a rate of zero: its exponential is zero.
NOTHING = -1000.0


class SlowInterval:
    """Rates between neighbouring cells, interpolated between assembled heights.

    Interpolated are logarithms of rates: those of the equilibrium at fixed height are right where
    the potential is linear in it, and otherwise to second order in the distance of the heights.

    Parameters
    ----------
    diffusion : Diffusion, of two variables
    grid : Grid, of the fast one
    slow : int, number of the slow one
    heights : (k,), increasing, at which rates are assembled when first asked for
    side : (n,) bool
        Whether cells lie in a region; between cells on different sides are absorbing walls of the
        second operator.

    Attributes
    ----------
    grid : Grid
    """

    def __init__(
        self, diffusion: Diffusion, grid: Grid, slow: int, heights: Array, side: Flags
    ) -> None:
        self._coefficients = Coefficients.compile(diffusion)
        self._line = _line(diffusion, slow)
        self._slow, self._heights = slow, heights
        self.grid, self._side = grid, side
        self._rows: list[Array | None] = [None] * heights.size

    @property
    def spacing(self) -> float:
        """Least distance of heights."""
        return float(np.diff(self._heights).min())

    @property
    def assembled(self) -> int:
        """Heights at which rates were assembled."""
        return sum(rows is not None for rows in self._rows)

    def at(self, height: float) -> Array:
        """Rates up and down from every cell, and of loss through walls; (3, n).

        Rates up and down are zero in the last and the first cell.
        """
        rates: Array = np.exp(self._between(height, slice(3)))
        return rates

    def drift(self, height: float) -> Array:
        """Drift of the slow variable, (n,)."""
        return self._between(height, 3)

    def _between(self, height: float, rows: int | slice) -> Array:
        top = int(np.clip(np.searchsorted(self._heights, height), 1, self._heights.size - 1))
        low, high = self._heights[top - 1 : top + 1]
        share = (height - low) / (high - low)
        below, above = (self._assembled(number)[rows] for number in (top - 1, top))
        found: Array = (1.0 - share) * below + share * above
        return found

    def _assembled(self, number: int) -> Array:
        found = self._rows[number]
        if found is None:
            found = self._rows[number] = self._assemble(float(self._heights[number]))
        return found

    def _assemble(self, height: float) -> Array:
        part = self._at_height(height)
        x = self.grid.centers[0]
        n = x.size
        rates = interval_rates(part, self.grid)
        if rates.closed:
            raise InvalidCoefficient(
                f"the noise of {self.grid.names[0]} vanishes on {rates.closed} faces at height "
                f"{height:.6g} of the slow variable: a density on a line needs noise everywhere"
            )
        up, down, killing = np.zeros(n), np.zeros(n), np.zeros(n)
        up[:-1], down[1:] = rates.rates[: n - 1], rates.rates[n - 1 :]
        cuts = np.flatnonzero(self._side[1:] != self._side[:-1]) + 1
        for cut in cuts.tolist():
            killing[cut - 1] += self._loss(part, max(cut - 2, 0), cut, -1)
            killing[cut] += self._loss(part, cut, min(cut + 2, n), 0)
        drift = self._coefficients.given(self._points(x, height))[self._slow]
        with np.errstate(divide="ignore"):
            logarithms = np.maximum(np.log([up, down, killing]), NOTHING)
        return np.vstack([logarithms, drift])

    def _loss(self, part: Coefficients, first: int, last: int, end: int) -> float:
        """Rate of loss through a wall at one end of a few cells."""
        axis = _piece(self.grid.axes[0], first, last, end)
        return float(interval_rates(part, Grid._of((axis,))).killing[end])

    def _at_height(self, height: float) -> Coefficients:
        """The fast variable alone; its noise is that of the clipped tensor of both."""
        both, fast = self._coefficients, 1 - self._slow

        def given(x: Array) -> Array:
            return both.given(self._points(x, height))[fast : fast + 1]

        def tensor(x: Array) -> Array:
            noise = both.tensor(self._points(x, height))[fast, fast]
            return np.stack([noise, np.zeros_like(noise)])

        return Coefficients(self._line, None, given, tensor, None, None)

    def _points(self, x: Array, height: float) -> Points:
        held = np.full_like(x, height)
        return [held, x] if self._slow == 0 else [x, held]


def _line(diffusion: Diffusion, slow: int) -> Diffusion:
    """A diffusion of the fast variable in the same convention; its formulas are not used."""
    variable = diffusion.variables[1 - slow]
    if diffusion.convention == "stratonovich":
        return Diffusion.from_stratonovich((variable,), [0], [[1]])
    form = Diffusion if diffusion.convention == "ito" else Diffusion.from_isothermal
    return form((variable,), [0], [[1]])


def _piece(axis: Axis, first: int, last: int, end: int) -> Axis:
    """Some of the cells, with an absorbing wall at one end."""
    return replace(
        axis,
        edges=axis.edges[first : last + 1],
        centers=axis.centers[first:last],
        stretch=axis.stretch[first:last],
        boundary=("absorbing", "reflecting") if end == 0 else ("reflecting", "absorbing"),
    )
