"""The potential at centres, faces and corners of a grid at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.grid import Axis, Grid
from fokkerplanck.discretize.potential import potential_at_centers

__all__ = ["potential_at_nodes"]

Array = NDArray[np.float64]


def potential_at_nodes(coefficients: Coefficients, grid: Grid) -> Array | None:
    """``Phi`` on the points whose coordinates are each an edge or a centre of their axis.

    Shape ``(2 n_a + 1, ...)``: even indices are edges, odd ones centres.  None without detailed
    balance, or where the coefficients are not finite on the walls.

    Examples
    --------
    >>> import sympy as sp
    >>> import fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> coefficients = Coefficients.compile(fpk.Diffusion((x,), [-x], [[1]]))
    >>> potential_at_nodes(coefficients, Grid(x=(-2, 2, 2)))
    array([2. , 0.5, 0. , 0.5, 2. ])
    """
    return potential_at_centers(coefficients, Grid._of(tuple(map(_interleaved, grid.axes))))


def _interleaved(axis: Axis) -> Axis:
    """An axis whose centres are the edges and centres of another, within the same walls."""
    points = np.empty(2 * axis.cells + 1)
    points[::2], points[1::2] = axis.edges, axis.centers
    edges = np.concatenate([points[:1], (points[1:] + points[:-1]) / 2, points[-1:]])
    # The wall points have half a cell; only `stretch`, a scale for differences, is repeated.
    stretch = np.append(np.repeat(axis.stretch, 2), axis.stretch[-1])
    return Axis(axis.name, edges, points, stretch, axis.spacing / 2, axis.boundary)
