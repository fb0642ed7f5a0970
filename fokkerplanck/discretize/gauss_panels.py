"""Gauss–Legendre panels on a line: the nodes on which the one-step operator is collocated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.axes import Axis, frozen, walls_by_name
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.errors import GridMismatch, InvalidGrid

__all__ = ["Panels"]

Array = NDArray[np.float64]

# Two edges nearer than this share of the domain are one: both are the same break, rounded.
SAME = 1e-13
# Fewer nodes make no use of a smooth density, with more the nodes crowd at the edges.
NODES = (2, 64)


@dataclass(frozen=True, init=False, eq=False)
class Panels(Grid):
    """A line in panels with Gauss–Legendre nodes, for densities that are smooth on each.

    A grid whose cells are the nodes and whose widths are their weights: integrals over whole
    panels are exact to the order ``2 nodes``, so every break and every boundary belongs on an
    edge.

    Parameters
    ----------
    axes : dict, optional
        ``{symbol or name: (lower, upper)}``, for a name that is no identifier.
    nodes : int
        Of each panel.
    width : float, optional
        Largest width of a panel.  Left out, `transition_operator` divides the panels as the step
        needs it, and puts an edge wherever the loss or the noise breaks.
    edges : numbers
        Edges between panels besides those.
    boundary : word, or (lower word, upper word)
        "reflecting" (what jumps out is given back) or "absorbing" (it is lost).
    **named : (lower, upper)
        The axis by name.

    Raises
    ------
    InvalidGrid
        When the axis is reversed or not finite, an edge lies outside, or a word is unknown.

    Examples
    --------
    >>> panels = Panels(x=(-1, 2), nodes=4, width=1.0, edges=(0,))
    >>> panels.panel_edges, panels.size
    (array([-1.,  0.,  1.,  2.]), 12)
    >>> float(panels.volumes @ panels.mesh[0] ** 7)  # 255/8
    31.875
    """

    nodes: int
    panel_edges: Array
    width: float | None

    def __init__(
        self,
        axes: Any = None,
        /,
        *,
        nodes: int = 8,
        width: float | None = None,
        edges: Iterable[float] = (),
        boundary: Any = "reflecting",
        **named: Any,
    ) -> None:
        given = {str(key): value for key, value in (axes or {}).items()} | named
        if len(given) != 1:
            raise InvalidGrid(f"panels lie on one axis, not {len(given)}: use a Grid")
        ((name, limits),) = given.items()
        try:
            lower, upper = (float(limit) for limit in limits)
        except (TypeError, ValueError) as error:
            raise InvalidGrid(f"panels of {name} need (lower, upper), not {limits!r}") from error
        if not (np.isfinite(upper - lower) and upper > lower):
            raise InvalidGrid(f"axis {name} runs from {lower} to {upper}; upper must exceed lower")
        if width is not None and not (np.isfinite(width) and width > 0):
            raise InvalidGrid(f"panels are of positive width, not {width}")
        walls = walls_by_name(boundary, [name])[name]
        if "periodic" in walls:
            raise InvalidGrid("panels end at walls; for a periodic axis use a Grid")
        between = sorted(float(edge) for edge in edges)
        if any(not lower <= edge <= upper for edge in between):
            raise InvalidGrid(f"edges {between} do not all lie between {lower:g} and {upper:g}")
        corners = np.array([lower, *between, upper])
        corners = corners[np.diff(corners, prepend=-np.inf) > SAME * (upper - lower)]
        corners[-1] = upper
        if width is not None:
            corners = divided(corners, np.ceil(np.diff(corners) / width * (1 - 1e-12)))
        self._fill(name, corners, nodes, width, walls)

    def _fill(
        self, name: str, corners: Array, nodes: int, width: float | None, walls: tuple[Any, Any]
    ) -> None:
        if int(nodes) != nodes or not NODES[0] <= nodes <= NODES[1]:
            raise InvalidGrid(f"a panel has {NODES[0]} to {NODES[1]} nodes, not {nodes}")
        position, weight = np.polynomial.legendre.leggauss(int(nodes))
        half = 0.5 * np.diff(corners)[:, np.newaxis]
        middle = 0.5 * (corners[1:] + corners[:-1])[:, np.newaxis]
        # The Gauss nodes lie one by one between the partial sums of their weights (Stieltjes).
        ends = middle + half * (np.cumsum(weight)[:-1] - 1.0)
        cell_edges = np.append(np.hstack([corners[:-1, np.newaxis], ends]).ravel(), corners[-1])
        centers = (middle + half * position).ravel()
        spacing = float(corners[-1] - corners[0]) / centers.size
        axis = Axis(name, cell_edges, centers, np.diff(cell_edges) / spacing, spacing, walls)
        fields = {"axes": (axis,), "nodes": int(nodes), "panel_edges": frozen(corners.copy())}
        for key, value in (fields | {"width": width}).items():
            object.__setattr__(self, key, value)

    def _with(self, corners: Array) -> Panels:
        panels = object.__new__(Panels)
        panels._fill(self.names[0], corners, self.nodes, self.width, self.axes[0].boundary)
        return panels

    @property
    def boundary(self) -> tuple[str, str]:
        """Words of the lower and the upper wall."""
        return self.axes[0].boundary

    @property
    def panels(self) -> int:
        """Number of panels."""
        return self.panel_edges.size - 1

    @cached_property
    def volumes(self) -> Array:
        """Gauss weights of the nodes, shape (n,)."""
        weight = np.polynomial.legendre.leggauss(self.nodes)[1]
        return frozen((0.5 * np.diff(self.panel_edges)[:, np.newaxis] * weight).ravel())

    def has_edge(self, point: float) -> bool:
        """Whether a point is an edge between panels or an end."""
        near = SAME * (self.panel_edges[-1] - self.panel_edges[0])
        return bool((np.abs(self.panel_edges - point) <= near).any())

    def with_edges(self, points: Iterable[float]) -> Panels:
        """The same panels, cut in two at every inner point that is no edge yet."""
        low, high = self.panel_edges[0], self.panel_edges[-1]
        new = [float(p) for p in points if low < p < high and not self.has_edge(p)]
        return self._with(np.unique(np.append(self.panel_edges, new))) if new else self

    def divided(self, pieces: Array) -> Panels:
        """Every panel cut into so many equal ones."""
        return self._with(divided(self.panel_edges, pieces))

    def split(self, points: Array) -> Panels:
        """Panels with these edges too, which may be many."""
        return self._with(np.unique(np.concatenate([self.panel_edges, points])))

    def only(self, *names: str) -> Grid:
        """The panels themselves: they have one axis.

        Raises
        ------
        GridMismatch
        """
        if names != self.names:
            raise GridMismatch(f"the panels have the axis {self.names[0]}, not {names}")
        return self

    def coarsened(self) -> Grid:
        """Refused: panels converge faster than any order, so an estimate from halves says nothing.

        Raises
        ------
        InvalidGrid
        """
        raise InvalidGrid(
            "errors on panels are not estimated from coarser ones: solve with more nodes instead"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.names[0], self.panel_edges, self.nodes, self.width, self.boundary)

    def __repr__(self) -> str:
        low, high = self.panel_edges[[0, -1]]
        return f"Panels({self.names[0]}=({low:g}, {high:g}); {self.panels} of {self.nodes} nodes)"


def divided(corners: Array, pieces: Array) -> Array:
    """Corners with so many equal pieces in every interval."""
    counts = np.maximum(pieces, 1).astype(int)
    parts = [
        np.linspace(a, b, n + 1)[:-1]
        for a, b, n in zip(corners[:-1], corners[1:], counts, strict=True)
    ]
    return np.append(np.concatenate(parts), corners[-1])


def _rebuild(
    name: str, corners: Array, nodes: int, width: float | None, walls: tuple[Any, Any]
) -> Panels:
    panels = object.__new__(Panels)
    panels._fill(name, corners, nodes, width, walls)
    return panels
