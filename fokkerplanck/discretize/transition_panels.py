"""The one-step operator collocated on Gauss–Legendre panels (Nyström), in one dimension.

``P'_i = w_i sum_j K(x_i | x_j) P_j`` for masses ``P``: a density that has made one step is smooth,
however the loss breaks, and the error falls faster than any power of the number of nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.errors import InvalidGrid, NotPositiveSemidefinite

__all__ = [
    "Columns",
    "LineStep",
    "adapted",
    "deviations",
    "divided_for",
    "moments",
    "panel_columns",
    "require_room",
    "widest",
]

Array = NDArray[np.float64]

# Width of a panel of 8 nodes in standard deviations of a step: relative errors of 1e-8 or so in
# stationary odds and passage times; 4 leaves 1e-6.  Proportional to the number of nodes.
WIDTH_PER_NODE = 2.5 / 8
# Points of the axis at which the widths that the step asks for are computed.
SAMPLES = 4000
# Standard deviations about the mean within which a step is what the density is made of there.
REACH = 5.0
# A panel that is wider than asked for by this share is left: the samples say no more.
SLACK = 0.05
# Bytes of the matrix above which none is made: its elimination takes several times as much.
LARGEST = 2**31


class LineStep(Protocol):
    """A step on a line: that of one variable, or of one with another held."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variable, alone."""

    def mean(self, points: Sequence[Array]) -> Array:
        """Mean after the step, shape (1, ...)."""

    def covariance(self, points: Sequence[Array]) -> Array:
        """Variance after the step, shape (1, 1, ...)."""

    def breaks(self, lower: float, upper: float) -> Array:
        """Where the step jumps or bends."""


@dataclass(frozen=True)
class Columns:
    """Where one step leads from each of k states.

    Attributes
    ----------
    masses : (n, k), sums 1 - killing
    killing : (k,) probability to leave through an absorbing wall
    lost : (k,) probability to leave through another wall, which was given back
    error : (k,) what quadrature missed of the mass before it was normalised
    """

    masses: Any
    killing: Array
    lost: Array
    error: Array


def adapted(panels: Panels, step: LineStep) -> Panels:
    """Panels with an edge wherever the step breaks, divided as it needs unless a width was given.

    Raises
    ------
    NotPositiveSemidefinite
        When the noise vanishes somewhere: no smooth density results.
    InvalidGrid
        When so many panels are needed that the matrix would take more than 2 GB.
    """
    low, high = panels.panel_edges[[0, -1]]
    panels = panels.with_edges(step.breaks(low, high))
    if panels.width is not None:
        return panels
    return divided_for(panels, *widest(panels, step))


def divided_for(panels: Panels, x: Array, needed: Array) -> Panels:
    """Panels divided so that none is wider than needed at these points.

    Raises
    ------
    InvalidGrid
    """
    demand = np.concatenate([[0.0], np.cumsum(np.diff(x) / np.minimum(needed[1:], needed[:-1]))])
    states = panels.nodes * max(float(demand[-1]), panels.panels)
    require_room(states**2, states)
    at_edges = np.interp(panels.panel_edges, x, demand)
    new = []
    for start, end in pairwise(at_edges):
        pieces = max(int(np.ceil(end - start - SLACK)), 1)
        new.append(np.interp(np.linspace(start, end, pieces + 1)[1:-1], demand, x))
    return panels.split(np.concatenate(new))


def widest(panels: Panels, step: LineStep) -> tuple[Array, Array]:
    """Points of the axis and the widest panel that the step allows there.

    A density is as smooth as the narrowest steps that end there; the kernel as a function of where
    the step begins varies over ``s / |m'|``.
    """
    low, high = panels.panel_edges[[0, -1]]
    spacing = (high - low) / SAMPLES
    x = low + spacing * (np.arange(SAMPLES) + 0.5)
    # Differences that do not reach across an edge, where the step may jump.
    reach = 1e-3 * spacing
    number = np.searchsorted(panels.panel_edges, x) - 1
    x = np.maximum(x, panels.panel_edges[number] + 2 * reach)
    x = np.minimum(x, panels.panel_edges[number + 1] - 2 * reach)
    mean, deviation = moments(step, x)
    ahead, behind = moments(step, x + reach), moments(step, x - reach)
    slope = sum(np.abs(a - b) for a, b in zip(ahead, behind, strict=True)) / (2 * reach)
    narrowest = np.full(SAMPLES, np.inf)
    first = np.searchsorted(x, mean - REACH * deviation)
    last = np.searchsorted(x, mean + REACH * deviation)
    for k in np.argsort(-deviation):
        narrowest[first[k] : last[k]] = deviation[k]
    needed = np.minimum(narrowest, deviation / np.maximum(slope, 1.0))
    return x, WIDTH_PER_NODE * panels.nodes * needed


def moments(step: LineStep, x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the step from every point.

    Raises
    ------
    NotPositiveSemidefinite
    """
    return step.mean((x,))[0], deviations(step.names[0], x, step.covariance((x,))[0, 0])


def deviations(name: str, x: Array, variance: Array) -> Array:
    """Standard deviations of the step from every point.

    Raises
    ------
    NotPositiveSemidefinite
    """
    if not (variance > 0.0).all():
        where = x[np.argmin(variance)]
        raise NotPositiveSemidefinite(
            f"the noise of a step vanishes at {name} = {where:.4g}, as at "
            f"{int((variance <= 0.0).sum())} of {x.size} points: no smooth density results; add a "
            "floor to the noise (floor=..., SGLD), or use a Grid, which widens such steps"
        )
    return np.sqrt(variance)


def require_room(entries: float, states: float) -> None:
    """Refuse a matrix that is too large, before it is made.

    Raises
    ------
    InvalidGrid
    """
    if 8.0 * entries > LARGEST:
        raise InvalidGrid(
            f"the operator of {states:.4g} states has up to {entries:.2g} entries, "
            f"{8e-9 * entries:.2g} GB, more than {LARGEST / 1e9:.2g} GB: use fewer cells (a step "
            "need not spread over more than four), a smaller domain, or more noise where it is "
            "smallest"
        )


def panel_columns(panels: Panels, mean: Array, deviation: Array) -> Columns:
    """Masses at the nodes after one step from states with these moments, each shape (k,)."""
    low, high = panels.panel_edges[[0, -1]]
    z = (panels.mesh[0][:, np.newaxis] - mean) / deviation
    # Relative to the nearest node, so that steps far past an edge leave something to give back.
    exponent = 0.5 * z**2
    least = exponent.min(axis=0)
    masses = panels.volumes[:, np.newaxis] * np.exp(least - exponent)
    raw = masses.sum(axis=0)
    beyond = np.stack([ndtr((low - mean) / deviation), ndtr((mean - high) / deviation)])
    absorbing = np.array([word == "absorbing" for word in panels.boundary])
    killing = beyond[absorbing].sum(axis=0)
    lost = beyond[~absorbing].sum(axis=0)
    # From both tails, as their sum may round to 1.
    inside = np.where(
        mean > 0.5 * (low + high),
        ndtr((high - mean) / deviation) - beyond[0],
        ndtr((mean - low) / deviation) - beyond[1],
    )
    counted = raw * np.exp(-least) / (np.sqrt(2.0 * np.pi) * deviation)
    masses *= (np.maximum(inside, 0.0) + lost) / raw
    return Columns(masses, killing, lost, np.abs(counted - inside))
