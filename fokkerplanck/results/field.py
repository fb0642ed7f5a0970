"""A scalar field on a grid: passage times, committors, potentials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.errors import FokkerPlanckError, GridMismatch

if TYPE_CHECKING:
    import xarray

__all__ = ["Field", "VectorField", "as_data_array", "read_only"]

Array = NDArray[np.float64]


def read_only(values: Any, shape: tuple[int, ...]) -> Array:
    """A contiguous copy, of that shape, that cannot be written to.

    Raises
    ------
    GridMismatch
        When the values have neither that shape nor are a flat vector of that size.
    """
    array = np.array(values, dtype=np.float64)
    # Flat vectors are in C order; any other shape, a transpose above all, is a mistake.
    if array.shape not in (shape, (int(np.prod(shape)),)):
        raise GridMismatch(f"values of shape {array.shape} for a grid of shape {shape}")
    array = np.ascontiguousarray(array.reshape(shape))
    array.flags.writeable = False
    return array


def as_data_array(values: Array, grid: Grid | Mesh, name: str) -> xarray.DataArray:
    """Values with their coordinates: one dimension an axis, or one, ``cell``, on a mesh."""
    import xarray

    coordinates: dict[str, Any] = dict(zip(grid.names, grid.centers, strict=True))
    if isinstance(grid, Mesh):
        along = {key: ("cell", value) for key, value in coordinates.items()}
        return xarray.DataArray(values, coords=along, dims=("cell",), name=name)
    return xarray.DataArray(values, coords=coordinates, dims=grid.names, name=name)


@dataclass(frozen=True, eq=False)
class Field:
    """Values at the cell centres.

    Attributes
    ----------
    values : array, grid shape
        May be infinite (the potential where the density is zero), never NaN.
    grid : Grid
    name : str
        What is shown on axes and colour bars, LaTeX allowed.
    info : Info
    """

    values: Array
    grid: Grid
    name: str = "value"
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        values = read_only(self.values, self.grid.shape)
        if np.isnan(values).any():
            raise FokkerPlanckError(
                f"the {self.name} is NaN in {int(np.isnan(values).sum())} of {values.size} cells"
            )
        object.__setattr__(self, "values", values)

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays come back writable from a pickle; the constructor closes them again.
        return type(self), (self.values, self.grid, self.name, self.info)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Line in one dimension, filled map in two; returns the Matplotlib artist.

        Parameters
        ----------
        ax : Axes, optional
        **options
            Passed to Matplotlib's ``plot`` or ``pcolormesh``.
        """
        from fokkerplanck.plot.fields import plot_field

        return plot_field(self.values, self.grid, self.name, ax, options)

    def to_xarray(self) -> xarray.DataArray:
        """The same numbers as an `xarray.DataArray` (needs the extra `fokkerplanck[xarray]`)."""
        return as_data_array(self.values, self.grid, self.name)


@dataclass(frozen=True, eq=False)
class VectorField:
    """Vectors at the cell centres, shape ``(d, *grid.shape)``."""

    values: Array
    grid: Grid
    name: str = "vector"
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        shape = (self.grid.dimension, *self.grid.shape)
        object.__setattr__(self, "values", read_only(self.values, shape))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.values, self.grid, self.name, self.info)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Streamlines in two dimensions, a line in one; returns the Matplotlib artist."""
        from fokkerplanck.plot.fields import plot_vectors

        return plot_vectors(self.values, self.grid, self.name, ax, options)
