"""How well a grid resolves the ways between the wells of a potential."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["largest_step_between_wells"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]


def largest_step_between_wells(
    psi: Array, lower: Index, upper: Index, *, wells: NDArray[np.bool_], depth: float
) -> float:
    """Largest difference between neighbours on the ways down from each saddle to its two wells.

    Parameters
    ----------
    psi : (n,)
    lower, upper : (m,) neighbours.
    wells : (n,) bool
        Cells that may be the bottom of a well.
    depth : float
        Hollows shallower than this below the way out are no wells.

    Returns
    -------
    float
        Zero where there is one well.

    Notes
    -----
    Neighbours are joined in the order of the higher of the two (Kruskal); where two parts meet is
    a saddle, and its level less the bottom of the shallower part is the persistence of that well
    (H. Edelsbrunner, D. Letscher and A. Zomorodian, Discrete Comput. Geom. 28, 511, 2002).  The
    ways down are those of steepest descent.

    Examples
    --------
    >>> cells = np.arange(5)
    >>> psi = np.array([0.0, 3.0, 5.0, 1.0, 1.5])
    >>> largest_step_between_wells(psi, cells[:-1], cells[1:], wells=psi < 9, depth=1.0)
    4.0
    """
    level = np.maximum(psi[lower], psi[upper])
    order = np.argsort(level, kind="stable")
    return float(_over_saddles(psi, lower[order], upper[order], level[order], wells, depth))


@njit(cache=True)
def _over_saddles(
    psi: Array, lower: Index, upper: Index, level: Array, wells: NDArray[np.bool_], depth: float
) -> float:
    downhill = np.arange(psi.size)
    for k in range(level.size):
        a, b = lower[k], upper[k]
        if psi[b] < psi[downhill[a]]:
            downhill[a] = b
        if psi[a] < psi[downhill[b]]:
            downhill[b] = a
    parent = np.arange(psi.size)
    bottom = np.arange(psi.size)
    worst = 0.0
    for k in range(level.size):
        a, b = _root(parent, lower[k]), _root(parent, upper[k])
        if a == b:
            continue
        if psi[bottom[a]] > psi[bottom[b]]:
            a, b = b, a
        if level[k] - psi[bottom[b]] >= depth and wells[bottom[a]] and wells[bottom[b]]:
            worst = max(worst, abs(psi[lower[k]] - psi[upper[k]]))
            worst = max(worst, _descend(psi, downhill, lower[k]))
            worst = max(worst, _descend(psi, downhill, upper[k]))
        parent[b] = a
    return worst


@njit(cache=True)
def _root(parent: Index, cell: int) -> int:
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = parent[cell]
    return cell


@njit(cache=True)
def _descend(psi: Array, downhill: Index, cell: int) -> float:
    worst = 0.0
    while downhill[cell] != cell:
        worst = max(worst, psi[cell] - psi[downhill[cell]])
        cell = downhill[cell]
    return worst
