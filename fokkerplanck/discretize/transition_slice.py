"""The step of one of two variables while the other, which changes slowly, is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.transition_panels import (
    Columns,
    deviations,
    divided_for,
    panel_columns,
    widest,
)
from fokkerplanck.discretize.transition_step import GaussianStep
from fokkerplanck.errors import InvalidModel

__all__ = ["HeldStep", "SlicedStep", "panels_for_range"]

Array = NDArray[np.float64]

# Heights at which the widths that panels need are computed.
HEIGHTS = 9


@dataclass(frozen=True)
class HeldStep:
    """What a step does from each of k points of the fast variable, each shape (k,).

    Attributes
    ----------
    mean, deviation : of the fast variable after the step
    drift : mean change of the slow variable
    slope : of that change in the fast variable after the step, ``C12/C11``
    left : variance of the slow variable given the fast one, ``C22 - C12^2/C11``
    """

    mean: Array
    deviation: Array
    drift: Array
    slope: Array
    left: Array

    def columns(self, panels: Panels) -> Columns:
        """Masses at the nodes after the step."""
        return panel_columns(panels, self.mean, self.deviation)


@dataclass(frozen=True)
class SlicedStep:
    """Step of the fast variable at one value of the slow one.

    Attributes
    ----------
    step : GaussianStep, of two variables
    slow : int, its number
    height : float, its value
    """

    step: GaussianStep
    slow: int
    height: float

    @property
    def names(self) -> tuple[str, ...]:
        """The fast variable."""
        return (self.step.names[1 - self.slow],)

    def mean(self, points: Sequence[Array]) -> Array:
        """Mean of the fast variable after the step, shape (1, ...)."""
        fast = 1 - self.slow
        return self.step.mean(self._points(points[0]))[fast : fast + 1]

    def covariance(self, points: Sequence[Array]) -> Array:
        """Its variance, shape (1, 1, ...)."""
        fast = 1 - self.slow
        return self.step.covariance(self._points(points[0]))[fast : fast + 1, fast : fast + 1]

    def breaks(self, lower: float, upper: float) -> Array:
        """Where the step jumps or bends."""
        return self.step.breaks(lower, upper, {self.slow: self.height})

    def at(self, x: Array) -> HeldStep:
        """The step from these points, shape (k,), evaluated once for all that is asked of it."""
        points = self._points(x)
        fast = 1 - self.slow
        mean, covariance = self.step.mean(points), self.step.covariance(points)
        variance = covariance[fast, fast]
        slope = covariance[fast, self.slow] / variance
        left = covariance[self.slow, self.slow] - slope * covariance[fast, self.slow]
        return HeldStep(
            mean[fast],
            deviations(self.names[0], x, variance),
            mean[self.slow] - self.height,
            slope,
            np.maximum(left, 0.0),
        )

    def _points(self, x: Array) -> list[Array]:
        held = np.full_like(x, self.height)
        return [held, x] if self.slow == 0 else [x, held]


def panels_for_range(
    panels: Panels, step: GaussianStep, slow: int, low: float, high: float
) -> Panels:
    """Panels for every value of the slow variable in a range.

    Raises
    ------
    InvalidModel
        When a break of the loss moves with the slow variable.
    """
    slices = [SlicedStep(step, slow, height) for height in np.linspace(low, high, HEIGHTS)]
    ends = panels.panel_edges[[0, -1]]
    panels = panels.with_edges(slices[0].breaks(*ends))
    for part in slices[1:]:
        moved = [point for point in part.breaks(*ends) if not panels.has_edge(point)]
        if moved and ends[0] < moved[0] < ends[1]:
            raise InvalidModel(
                f"the loss breaks at {part.names[0]} = {moved[0]:.4g} where {step.names[slow]} = "
                f"{part.height:.4g}, and elsewhere at other values: panels would have to move; "
                "choose a coordinate in which the break stands still"
            )
    if panels.width is not None:
        return panels
    widths = [widest(panels, part) for part in slices]
    return divided_for(panels, widths[0][0], np.min([needed for _, needed in widths], axis=0))
