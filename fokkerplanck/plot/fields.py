"""Fields, densities and currents on a grid."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import PolyCollection
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.errors import GridMismatch

__all__ = ["plot_field", "plot_vectors"]

Array = NDArray[np.float64]


def plot_field(
    values: Array,
    grid: Grid | Mesh,
    label: str,
    ax: Any,
    options: dict[str, Any],
    standard_error: Array | None = None,
) -> Any:
    """A line in one dimension, a map with a colour bar in two; returns the artist.

    Raises
    ------
    GridMismatch
        In three and more dimensions: take a marginal first.
    """
    _require_plottable(grid)
    axes = ax if ax is not None else plt.gca()
    shown = np.where(np.isfinite(values), values, np.nan)
    if grid.dimension == 1:
        (x,) = grid.centers
        (line,) = axes.plot(x, shown, **options)
        if standard_error is not None:
            low, high = values - standard_error, values + standard_error
            axes.fill_between(x, low, high, color=line.get_color(), alpha=0.3, linewidth=0)
        axes.set(xlabel=grid.names[0], ylabel=label)
        return line
    if isinstance(grid, Mesh):
        return _plot_mesh(shown, grid, label, axes, options)
    # viridis is perceptually uniform and survives colour blindness and grey printing.
    drawing: dict[str, Any] = {"cmap": "viridis", "shading": "flat", "rasterized": True} | options
    mesh = axes.pcolormesh(*grid.edges, np.ma.masked_invalid(shown).T, **drawing)
    axes.set(xlabel=grid.names[0], ylabel=grid.names[1])
    axes.figure.colorbar(mesh, ax=axes, label=label)
    return mesh


def _plot_mesh(shown: Array, mesh: Mesh, label: str, axes: Any, options: dict[str, Any]) -> Any:
    """The polygons of a mesh in colour."""
    drawing: dict[str, Any] = {"cmap": "viridis", "edgecolors": "face", "rasterized": True}
    cells = PolyCollection(mesh.polygons, **(drawing | options))
    cells.set_array(np.ma.masked_invalid(shown))
    axes.add_collection(cells)
    axes.autoscale_view()
    axes.set(xlabel=mesh.names[0], ylabel=mesh.names[1], aspect="equal")
    axes.figure.colorbar(cells, ax=axes, label=label)
    return cells


def plot_vectors(values: Array, grid: Grid, label: str, ax: Any, options: dict[str, Any]) -> Any:
    """Streamlines whose width follows the vectors' length (2-D), or the component (1-D).

    Raises
    ------
    GridMismatch
        In three and more dimensions, or where an axis is mapped.
    """
    _require_plottable(grid)
    axes = ax if ax is not None else plt.gca()
    if grid.dimension == 1:
        return plot_field(values[0], grid, label, axes, options)
    if not grid.uniform:
        raise GridMismatch("streamlines need uniform axes; resample the field first")
    length = np.hypot(values[0], values[1])
    widths = 0.2 + 1.5 * (length / max(float(length.max()), np.finfo(float).tiny)).T
    drawing: dict[str, Any] = {
        "color": "0.2",
        "linewidth": widths,
        "density": 1.2,
        "arrowsize": 0.8,
    } | options
    x, y = grid.centers
    stream = axes.streamplot(x, y, values[0].T, values[1].T, **drawing)
    axes.set(xlabel=grid.names[0], ylabel=grid.names[1])
    return stream.lines


def _require_plottable(grid: Grid | Mesh) -> None:
    if grid.dimension > 2:
        raise GridMismatch(
            f"{grid.dimension} dimensions do not fit a page; plot a marginal of one or two axes"
        )
