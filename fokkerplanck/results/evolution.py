"""Densities at a sequence of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.discretize.regions import region_fraction
from fokkerplanck.errors import FokkerPlanckError, GridMismatch
from fokkerplanck.results.density import Density
from fokkerplanck.results.field import read_only

if TYPE_CHECKING:
    import xarray

__all__ = ["Evolution"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Evolution:
    """A density at several times.

    Attributes
    ----------
    times : (k,)
        Increasing.
    values : array, (k, *grid shape)
        Densities per unit volume.
    grid : Grid
    errors : (k,) or None
        Estimated error in L1 of each density from stepping in time.
    info : Info
        Method and solver, steps, factorisations, errors of the whole run.

    Raises
    ------
    GridMismatch
        When the values do not fit times and grid.
    FokkerPlanckError
        When a value is not finite.

    Examples
    --------
    >>> import numpy as np, sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> grid = fpk.Grid(x=(0, 1, 50), boundary={"x": ("reflecting", "absorbing")})
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), grid)
    >>> start = fpk.gaussian_density(grid, [0.2], [[0.01]])
    >>> evolution = fpk.evolve(operator, start, [0.0, 0.1, 0.4, 0.8])
    >>> evolution.mass
    array([1. , 0.9, 0.4, 0.2])
    >>> evolution.densities[-1].mass
    0.2
    """

    times: Array
    values: Array
    grid: Grid
    errors: Array | None = None
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        times = read_only(self.times, np.shape(self.times))
        values = np.asarray(self.values, dtype=np.float64)
        if times.ndim != 1 or values.shape != (times.size, *self.grid.shape):
            raise GridMismatch(
                f"values of shape {values.shape} for {times.size} times on a grid of shape "
                f"{self.grid.shape}"
            )
        bad = ~np.isfinite(values)
        if bad.any():
            at = times[np.argwhere(bad)[0][0]]
            raise FokkerPlanckError(
                f"the density is {values[bad][0]} in {int(bad.sum())} cells, first at t = {at:g}"
            )
        view = values.view()  # The caller's array stays writable.
        view.flags.writeable = False
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "values", view)
        if self.errors is not None:
            object.__setattr__(self, "errors", read_only(self.errors, times.shape))

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays come back writable from a pickle; the constructor closes them again.
        return Evolution, (self.times, self.values, self.grid, self.errors, self.info)

    @property
    def densities(self) -> Sequence[Density]:
        """The densities, each made when it is asked for."""
        return _Densities(self)

    @property
    def mass(self) -> Array:
        """Total probability, (k,): the probability of survival where walls absorb."""
        result: Array = self._masses.sum(axis=1)
        return result

    @property
    def means(self) -> Array:
        """Mean positions, (k, d), of the normalised densities."""
        return np.array([density.mean() for density in self.densities])

    @property
    def covariances(self) -> Array:
        """Covariances of the position, (k, d, d), of the normalised densities."""
        return np.array([density.covariance() for density in self.densities])

    def probability(self, region: Any) -> Array:
        """Probability of a region at each time, (k,); cells that its boundary cuts count in part.

        Raises
        ------
        InvalidRegion
        """
        fraction = np.broadcast_to(region_fraction(region, self.grid), self.grid.shape)
        result: Array = self._masses @ fraction.ravel()
        return result

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Lines coloured by time in one dimension, a map a time in two.

        Parameters
        ----------
        ax : Axes, optional
            In two dimensions an array of as many axes as there are times.
        **options
            Passed to Matplotlib's ``plot`` or ``pcolormesh``.

        Returns
        -------
        list of artists, one a time
        """
        from fokkerplanck.plot.evolution import plot_evolution

        return plot_evolution(self.times, self.values, self.grid, ax, options)

    def to_xarray(self) -> xarray.DataArray:
        """The same numbers as an `xarray.DataArray` (needs the extra `fokkerplanck[xarray]`)."""
        import xarray

        coordinates: dict[str, Any] = {"time": self.times}
        axes = dict(zip(self.grid.names, self.grid.centers, strict=True))
        if isinstance(self.grid, Mesh):
            axes = {key: ("cell", value) for key, value in axes.items()}  # type: ignore[misc]
            dims: tuple[str, ...] = ("time", "cell")
        else:
            dims = ("time", *self.grid.names)
        return xarray.DataArray(self.values, coords=coordinates | axes, dims=dims, name="density")

    @property
    def _masses(self) -> Array:
        masses: Array = (self.values * self.grid.volumes).reshape(self.times.size, -1)
        return masses


class _Densities(Sequence[Density]):
    """The densities of an evolution."""

    def __init__(self, evolution: Evolution) -> None:
        self._evolution = evolution

    def __len__(self) -> int:
        return self._evolution.times.size

    @overload
    def __getitem__(self, index: int) -> Density: ...
    @overload
    def __getitem__(self, index: slice) -> list[Density]: ...
    def __getitem__(self, index: int | slice) -> Density | list[Density]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        evolution = self._evolution
        entries: dict[str, Any] = {"time": float(evolution.times[index])}
        if evolution.errors is not None:
            entries["estimated_error"] = float(evolution.errors[index])
        info = evolution.info.extended(**entries)
        return Density(evolution.values[index], evolution.grid, info)
