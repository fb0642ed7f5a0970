"""Drift carried upwind along the axes: positive whatever the noise, first order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid

__all__ = ["upwind"]

Array = NDArray[np.float64]
Cells = NDArray[np.int32]


def upwind(grid: Grid, drift: Array) -> tuple[Cells, Cells, Array, Array]:
    """Rates that carry a drift from cell to cell and out through absorbing walls.

    Parameters
    ----------
    drift : (n, d), at the centres, in cells per time

    Returns
    -------
    targets, sources : (m,); rates : (m,), positive; killing : (n,)
    """
    cells = np.arange(grid.size, dtype=np.int32).reshape(grid.shape)
    killing = np.zeros(grid.shape)
    targets, sources, rates = [], [], []
    for a, axis in enumerate(grid.axes):
        push = np.moveaxis(drift[:, a].reshape(grid.shape), a, 0)
        cell = np.moveaxis(cells, a, 0)
        lost = np.moveaxis(killing, a, 0)
        upper = np.roll(cell, -1, 0) if axis.periodic else cell[1:]
        lower = cell if axis.periodic else cell[:-1]
        # The drift at the face between: the same for both cells, so that mass is kept.
        mean = 0.5 * (push[: len(lower)] + (np.roll(push, -1, 0) if axis.periodic else push[1:]))
        moving = mean != 0.0
        forward = mean[moving] > 0.0
        sources.append(np.where(forward, lower[moving], upper[moving]))
        targets.append(np.where(forward, upper[moving], lower[moving]))
        rates.append(np.abs(mean[moving]))
        if axis.boundary[0] == "absorbing":
            lost[0] += np.maximum(-push[0], 0.0)
        if axis.boundary[1] == "absorbing":
            lost[-1] += np.maximum(push[-1], 0.0)
    return (
        np.concatenate(targets),
        np.concatenate(sources),
        np.concatenate(rates),
        killing.ravel(),
    )
