"""From a density of the staggered iterate to that of theta, and how well the rod holds on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import sympy as sp
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from fokkerplanck.errors import GridMismatch
from fokkerplanck.model.samples import Dataset, SampleMean

__all__ = ["bulk_points", "interpolant", "moved", "require_symmetric", "values_at"]

Array = NDArray[np.float64]

# Points at which the rod is tested: quantiles of the density.
QUANTILES = 41
# Rows, evenly spaced, that stand for larger data in those tests; they only decide on a warning.
ROWS = 50
# Walls and cells this near to their mirror images, relative to the domain, are the same.
SYMMETRIC = 1e-9
# Chebyshev nodes in s^2 and in each slow variable for the centre: 1e-6 of s for c' up to 0.9.
NODES_ACROSS, NODES_ALONG = 24, 8


def require_symmetric(grid: Any, axis: int) -> None:
    """Raise unless the axis of s is symmetric about 0."""
    edges = grid.edges[axis]
    if np.abs(edges + edges[::-1]).max() > SYMMETRIC * (edges[-1] - edges[0]):
        reach = float(np.abs(edges[[0, -1]]).max())
        raise GridMismatch(
            f"the grid of s runs from {edges[0]:g} to {edges[-1]:g} and is not symmetric about 0, "
            f"as theta = (-1)^n s asks for; use ({-reach:g}, {reach:g}, cells)"
        )


def bulk_points(density: Any, axis: int) -> list[list[float]]:
    """Quantiles of s in the middle of equal shares, the other coordinates at their means."""
    others = tuple(k for k in range(density.grid.dimension) if k != axis)
    masses = density.masses.sum(axis=others)
    cumulative = np.cumsum(masses) / masses.sum()
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    cells = np.minimum(np.searchsorted(cumulative, shares), cumulative.size - 1)
    points = np.tile(density.mean(), (QUANTILES, 1))
    points[:, axis] = density.grid.centers[axis][cells]
    return [[float(x) for x in point] for point in points]


def values_at(expression: Any, variables: Sequence[sp.Symbol], points: Any) -> Array:
    """Numbers at some points, averages over data taken over at most `ROWS` rows."""
    expression = sp.sympify(expression)
    return np.array(
        [
            float(
                expression.xreplace(dict(zip(variables, map(sp.Float, point), strict=True)))
                .replace(SampleMean, _mean_of_rows)
                .evalf()
            )
            for point in points
        ]
    )


def _mean_of_rows(expression: sp.Expr, data: Dataset) -> sp.Expr:
    rows = [
        expression.xreplace(dict(zip(data.symbols, map(sp.Float, row), strict=True)))
        for row in data.table[:: -(-data.size // ROWS)]
    ]
    return sp.Add(*rows) / len(rows)


def interpolant(
    center: sp.Expr, variables: Sequence[sp.Symbol], axis: int, grid: Any
) -> Callable[[Array], Array]:
    """The centre at given s (n,) and the grid's other cells, as an array of the grid's dimension.

    The axis of s has the length n.  The centre is even in s.
    """
    limits = [(float(e[0]), float(e[-1])) for e in grid.edges]
    limits[axis] = (0.0, limits[axis][1] ** 2)
    counts = [NODES_ACROSS if k == axis else NODES_ALONG for k in range(len(limits))]
    nodes = [chebyshev.chebpts1(n) for n in counts]
    places = [_between(x, *ends) for x, ends in zip(nodes, limits, strict=True)]
    places[axis] = np.sqrt(places[axis])
    table = values_at(center, variables, product(*places)).reshape(counts)
    for k, x in enumerate(nodes):
        inverse = np.linalg.inv(chebyshev.chebvander(x, x.size - 1))
        table = np.moveaxis(np.tensordot(inverse, table, axes=(1, k)), 0, k)

    def evaluate(across: Array) -> Array:
        found = table
        for k, ends in enumerate(limits):
            at = across**2 if k == axis else grid.centers[k]
            scaled = (2 * at - ends[0] - ends[1]) / (ends[1] - ends[0])
            basis = chebyshev.chebvander(scaled, counts[k] - 1)
            found = np.moveaxis(np.tensordot(basis, found, axes=(1, k)), 0, k)
        return np.asarray(found)

    return evaluate


def _between(scaled: Array, low: float, high: float) -> Array:
    return (low + high) / 2 + (high - low) / 2 * scaled


def moved(masses: Array, edges: Array, center: Array, axis: int) -> Array:
    """Masses of theta on the cells of s, from those of s and the centre at its edges.

    Of either sign of ``theta = c +- s`` half; the mass within a cell is taken as even.

    Raises
    ------
    GridMismatch
        Where theta does not grow with s.
    """
    masses, center = np.moveaxis(masses, axis, -1), np.moveaxis(center, axis, -1)
    result = np.empty_like(masses)
    for place in np.ndindex(masses.shape[:-1]):
        steps = np.diff(center[place]) / np.diff(edges)
        if np.abs(steps).max() >= 1:
            within = np.abs(edges[:-1][np.abs(steps) >= 1]).min()
            raise GridMismatch(
                f"the centre of the rod moves as fast as s from s = {within:.4g} on, where theta "
                f"is no function of s: end the grid of s before +-{within:.4g}"
            )
        both = (masses[place] + masses[place][::-1]) / 2
        cumulative = np.concatenate([[0.0], np.cumsum(both)])
        result[place] = np.diff(np.interp(edges, center[place] + edges, cumulative))
        # What lies beyond the last edges belongs to the last cells.
        beyond = cumulative[-1] - result[place].sum()
        high = cumulative[-1] - np.interp(edges[-1], center[place] + edges, cumulative)
        result[place][-1] += high
        result[place][0] += beyond - high
    return np.moveaxis(result, -1, axis)
