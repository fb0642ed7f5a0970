"""Regions on Gauss–Legendre panels: their boundaries, and the weights of the nodes inside."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.level import Level
from fokkerplanck.discretize.transition_step import roots

__all__ = ["panel_fraction", "region_ends", "resampled"]

Array = NDArray[np.float64]


def region_ends(level: Level, panels: Panels) -> Array:
    """Points at which the sign of a level changes, sorted, the ends of the panels left out.

    Searched between all nodes and the borders of their cells.
    """
    x = np.sort(np.concatenate([panels.edges[0], panels.centers[0], panels.panel_edges]))
    found = np.array(roots(lambda points: level((points,)), np.unique(x)))
    low, high = panels.panel_edges[[0, -1]]
    return np.unique(found[(found > low) & (found < high)])


def panel_fraction(level: Level, panels: Panels) -> Array:
    """Factors of the weights that integrate over the region, shape (n,).

    1 or 0 on panels that lie on one side.  On a panel that is cut, those that integrate the
    polynomial through the nodes over the part inside: they lie outside [0, 1] for some nodes.
    """
    fraction = (np.broadcast_to(level(panels.mesh), panels.shape) > 0).astype(float)
    cuts = [point for point in region_ends(level, panels) if not panels.has_edge(point)]
    position, weight = np.polynomial.legendre.leggauss(panels.nodes)
    for number in np.unique(np.searchsorted(panels.panel_edges, cuts) - 1):
        low, high = panels.panel_edges[number : number + 2]
        ends = np.array([low, *(c for c in cuts if low < c < high), high])
        part = np.zeros(panels.nodes)
        for a, b in pairwise(ends):
            points = 0.5 * (a + b) + 0.5 * (b - a) * position
            if np.all(level((points[panels.nodes // 2, np.newaxis],)) > 0):
                inner = (2.0 * points - low - high) / (high - low)
                part += (b - a) / (high - low) * (weight @ _interpolation(inner, panels.nodes))
        fraction[number * panels.nodes : (number + 1) * panels.nodes] = part / weight
    return fraction


def resampled(values: Array, old: Panels, new: Panels) -> Array:
    """Values at the nodes of other panels on the same axis, by the polynomials of the old ones."""
    x = new.centers[0]
    number = np.clip(np.searchsorted(old.panel_edges, x) - 1, 0, old.panels - 1)
    low, high = old.panel_edges[number], old.panel_edges[number + 1]
    matrix = _interpolation((2.0 * x - low - high) / (high - low), old.nodes)
    result: Array = np.sum(matrix * values.reshape(old.panels, old.nodes)[number], axis=1)
    return result


def _interpolation(points: Array, nodes: int) -> Array:
    """Matrix from values at Gauss nodes to values at points of [-1, 1]."""
    position, weight = np.polynomial.legendre.leggauss(nodes)
    at_nodes = np.polynomial.legendre.legvander(position, nodes - 1)
    degrees = np.arange(nodes)[:, np.newaxis]
    coefficients = (2 * degrees + 1) / 2 * (at_nodes * weight[:, np.newaxis]).T
    result: Array = np.polynomial.legendre.legvander(points, nodes - 1) @ coefficients
    return result
