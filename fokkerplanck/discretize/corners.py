"""Corners of a rectangular grid, and the gradients that the cells round them determine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid

__all__ = ["Corners", "corner_groups"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
INNER, LOWER, UPPER = 0, 1, 2


@dataclass(frozen=True)
class Corners:
    """Corners with the same axes inside the domain, m in all; on the other axes they are in walls.

    Attributes
    ----------
    points : one array an axis, broadcasting to `shape`
    nodes : one index array an axis
        Their places among the interleaved edges and centres of each axis.
    inner : axes along which there are cells on both sides, t in all
    cells : (2^t, m)
        Flat indices of the cells round each corner.
    signs : (2^t, t)
        Side of each cell along each inner axis, -1 or 1.
    steps : (d, m)
        Distance of the centres along inner axes, width of the cell along the others.
    volume : (m,)
        Of the box spanned by the centres and, on the other axes, the walls.
    """

    points: tuple[Array, ...]
    nodes: tuple[Integers, ...]
    shape: tuple[int, ...]
    inner: tuple[int, ...]
    cells: Integers
    signs: Array
    steps: Array
    volume: Array

    def gradient_form(self, tensor: Array) -> Array:
        """Local matrices of ``volume grad q . D grad q``, shape (2^t, 2^t, m).

        `tensor` (t, t, m) is in index units; the gradient is the mean of the parallel differences.
        """
        mean = self.signs / 2 ** (len(self.inner) - 1)
        form: Array = np.einsum("ai,ijm,bj->abm", mean, tensor * self.volume, mean)
        return form


def corner_groups(grid: Grid) -> Iterator[Corners]:
    """All corners with a gradient, grouped by where they lie; corners in absorbing walls left out.

    At an absorbing wall the function is zero and so is its gradient along the wall.
    """
    choices = []
    for axis in grid.axes:
        walls = zip((LOWER, UPPER), axis.boundary, strict=True)
        choices.append([INNER, *(kind for kind, word in walls if word == "reflecting")])
    for kinds in product(*choices):
        if INNER in kinds:
            yield _group(grid, kinds)


def _group(grid: Grid, kinds: tuple[int, ...]) -> Corners:
    inner = tuple(a for a, kind in enumerate(kinds) if kind == INNER)
    places = [
        _places(axis.cells, axis.periodic, kind)
        for axis, kind in zip(grid.axes, kinds, strict=True)
    ]
    shape = tuple(place.size for place in places)
    points, steps = [], []
    for a, (axis, place, kind) in enumerate(zip(grid.axes, places, kinds, strict=True)):
        view = [-1 if b == a else 1 for b in range(grid.dimension)]
        points.append(axis.edges[place].reshape(view))
        below, above = (place - 1) % axis.cells, place % axis.cells
        if kind == INNER:
            # In two halves, for the seam of a periodic axis.
            ahead = np.where(place == axis.cells, axis.edges[0], axis.edges[place])
            step = axis.edges[place] - axis.centers[below] + axis.centers[above] - ahead
        else:
            step = axis.widths[below if kind == UPPER else above]
        steps.append(np.broadcast_to(step.reshape(view), shape).ravel())
    sides = list(product((0, 1), repeat=len(inner)))
    cells = [_cells(grid, kinds, places, dict(zip(inner, side, strict=True))) for side in sides]
    scale = np.stack(steps)
    walls = np.array([0.5 if a not in inner else 1.0 for a in range(grid.dimension)])
    return Corners(
        tuple(points),
        tuple(2 * place for place in places),
        shape,
        inner,
        np.stack(cells),
        2.0 * np.array(sides) - 1.0,
        scale,
        np.prod(scale * walls[:, np.newaxis], axis=0),
    )


def _places(cells: int, periodic: bool, kind: int) -> Integers:
    """Indices among the edges of an axis; the seam of a periodic one is its upper end."""
    if kind == INNER:
        return np.arange(1, cells + 1 if periodic else cells)
    return np.array([0 if kind == LOWER else cells])


def _cells(
    grid: Grid, kinds: tuple[int, ...], places: list[Integers], side: dict[int, int]
) -> Integers:
    """Flat indices of the cells on one side of each corner."""
    index = []
    for a, (axis, place, kind) in enumerate(zip(grid.axes, places, kinds, strict=True)):
        if kind == INNER:
            index.append((place - 1 + side[a]) % axis.cells)
        else:
            index.append(np.array([0 if kind == LOWER else axis.cells - 1]))
    numbers = np.arange(grid.size).reshape(grid.shape)
    return numbers[np.ix_(*index)].ravel()
