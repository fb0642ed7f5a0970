"""Densities at several times."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.errors import GridMismatch
from fokkerplanck.plot.fields import plot_field

__all__ = ["plot_evolution"]

Array = NDArray[np.float64]

LABEL = "probability density"
# Small multiples beyond this many no longer show anything; the user picks the times.
MOST = 20
COLUMNS = 5
# Ratio of the last time to the first from which colours follow the logarithm.
DECADES = 100.0


def plot_evolution(
    times: Array, values: Array, grid: Grid | Mesh, ax: Any, options: dict[str, Any]
) -> list[Any]:
    """Lines coloured by time in one dimension, small multiples in two.

    Raises
    ------
    GridMismatch
        In three and more dimensions, where axes are missing, or for too many maps.
    """
    if grid.dimension == 1:
        return _lines(times, values, grid, ax if ax is not None else plt.gca(), options)
    if grid.dimension > 2:
        raise GridMismatch(
            f"{grid.dimension} dimensions do not fit a page; plot marginals of the densities"
        )
    if ax is None:
        if times.size > MOST:
            raise GridMismatch(f"{times.size} maps do not fit a page: plot some of the densities")
        columns = min(COLUMNS, times.size)
        rows = -(-times.size // columns)
        _, ax = plt.subplots(rows, columns, squeeze=False, layout="constrained")
    axes = np.asarray(ax, dtype=object).ravel()
    if axes.size < times.size:
        raise GridMismatch(f"{axes.size} axes for {times.size} densities")
    artists = []
    for one, time, density in zip(axes, times, values, strict=False):
        artists.append(plot_field(density, grid, LABEL, one, dict(options)))
        one.set_title(f"$t = {time:.3g}$")
    for spare in axes[times.size :]:
        spare.set_visible(False)
    return artists


def _lines(
    times: Array, values: Array, grid: Grid | Mesh, axes: Any, options: dict[str, Any]
) -> list[Any]:
    positive = times[times > 0.0]
    wide = positive.size > 1 and positive[-1] > DECADES * positive[0]
    scale = LogNorm if wide else Normalize
    norm = scale(*((positive[0], positive[-1]) if wide else (times[0], times[-1])))
    colours = mpl.colormaps["viridis"]
    (x,) = grid.centers
    artists = []
    for time, density in zip(times, values, strict=True):
        # On a logarithmic scale t = 0 gets the first colour.
        colour = colours(norm(max(time, positive[0]) if wide else time))
        (line,) = axes.plot(x, density, **({"color": colour} | options))
        artists.append(line)
    axes.set(xlabel=grid.names[0], ylabel=LABEL)
    if times.size > 1:
        axes.figure.colorbar(mpl.cm.ScalarMappable(norm, colours), ax=axes, label="$t$")
    return artists
