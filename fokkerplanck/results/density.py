"""Probability densities on a grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.regions import region_fraction
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidModel
from fokkerplanck.results.field import as_data_array, read_only

if TYPE_CHECKING:
    import xarray

__all__ = ["Density", "gaussian_density"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Density:
    """Probability per unit volume in every cell.

    Attributes
    ----------
    values : array, grid shape
        Density; times `Grid.volumes` it is the probability of a cell.
    grid : Grid
    info : Info
        How it was obtained: solver, residual, negative mass before anything was done about it.
    standard_error : array of the grid's shape, or None
        Of `values`, for densities that were sampled.
    log_values : array of the grid's shape, or None
        Natural logarithm of `values` where a solver knows it better than its exponential shows:
        finite although the density is below the smallest double.

    Examples
    --------
    >>> import fokkerplanck as fpk
    >>> density = fpk.gaussian_density(fpk.Grid(x=(-6, 6, 240)), [1.0], [[0.25]])
    >>> density.mean().round(6), density.covariance().round(3)
    (array([1.]), array([[0.25]]))
    """

    values: Array
    grid: Grid
    info: Info = field(default_factory=Info)
    standard_error: Array | None = None
    log_values: Array | None = None

    def __post_init__(self) -> None:
        values = read_only(self.values, self.grid.shape)
        bad = ~np.isfinite(values)
        if bad.any():
            raise FokkerPlanckError(
                f"a density is {values[bad][0]} in {int(bad.sum())} of {values.size} cells"
            )
        object.__setattr__(self, "values", values)
        if self.standard_error is not None:
            error = read_only(self.standard_error, self.grid.shape)
            object.__setattr__(self, "standard_error", error)
        if self.log_values is not None:
            logarithm = read_only(self.log_values, self.grid.shape)
            object.__setattr__(self, "log_values", logarithm)

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays come back writable from a pickle; the constructor closes them again.
        return Density, (self.values, self.grid, self.info, self.standard_error, self.log_values)

    @property
    def masses(self) -> Array:
        """Probability of every cell, grid shape."""
        return self.values * self.grid.volumes

    @property
    def mass(self) -> float:
        """Total probability."""
        return float(self.masses.sum())

    def expectation(self, values: Any) -> float:
        """Mean of a quantity given at the cell centres (array of the grid's shape)."""
        return float(np.sum(self.masses * np.asarray(values)))

    def mean(self) -> Array:
        """Mean position, shape (d,), of the normalised density."""
        return np.array([self.expectation(x) for x in self.grid.mesh]) / self.mass

    def covariance(self) -> Array:
        """Covariance of the position, shape (d, d), from the masses at the cell centres."""
        weights, mean = self.masses / self.mass, self.mean()
        deviations = [x - m for x, m in zip(self.grid.mesh, mean, strict=True)]
        size = self.grid.dimension
        result = np.empty((size, size))
        for i in range(size):
            for j in range(i + 1):
                result[i, j] = result[j, i] = np.sum(weights * deviations[i] * deviations[j])
        return result

    def marginal(self, *names: str) -> Density:
        """Density of some of the coordinates, the others integrated out.

        Raises
        ------
        GridMismatch
            When a name is no axis, or none is given.
        """
        kept = [self.grid.axis(str(name)).name for name in names]
        if not kept or len(set(kept)) < len(kept):
            raise GridMismatch(f"marginal takes one or more different axes of {self.grid.names}")
        summed = tuple(k for k, name in enumerate(self.grid.names) if name not in kept)
        left = [name for name in self.grid.names if name in kept]
        order = [left.index(name) for name in kept]
        grid = self.grid.only(*kept)
        values = self.masses.sum(axis=summed).transpose(order) / grid.volumes
        error = None
        if self.standard_error is not None and not summed:
            error = self.standard_error.transpose(order)
        return Density(values, grid, self.info.extended(marginal=tuple(kept)), error)

    def probability(self, region: Any) -> float:
        """Probability of a region; cells that its boundary cuts count by the share inside.

        Parameters
        ----------
        region : SymPy relation such as ``x > 0.8``, And/Or of several, or a predicate

        Raises
        ------
        InvalidRegion
        """
        return float(np.sum(self.masses * region_fraction(region, self.grid)))

    def normalized(self) -> Density:
        """The density divided by its mass."""
        error = None if self.standard_error is None else self.standard_error / self.mass
        logarithm = None if self.log_values is None else self.log_values - np.log(self.mass)
        return Density(self.values / self.mass, self.grid, self.info, error, logarithm)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Line in one dimension (a band of one standard error where there is one), map in two."""
        from fokkerplanck.plot.fields import plot_field

        return plot_field(
            self.values, self.grid, "probability density", ax, options, self.standard_error
        )

    def to_xarray(self) -> xarray.DataArray:
        """The same numbers as an `xarray.DataArray` (needs the extra `fokkerplanck[xarray]`)."""
        return as_data_array(self.values, self.grid, "density")


def gaussian_density(grid: Grid, mean: Any, covariance: Any) -> Density:
    """Normal density, normalised on the grid.

    Parameters
    ----------
    grid : Grid, d axes
    mean : (d,)
    covariance : (d, d)

    Raises
    ------
    InvalidModel
        When the shapes do not fit, a number is not finite, or the covariance is not symmetric and
        positive definite.
    """
    center = np.atleast_1d(np.asarray(mean, dtype=float))
    spread = np.atleast_2d(np.asarray(covariance, dtype=float))
    size = grid.dimension
    if center.shape != (size,) or spread.shape != (size, size):
        raise InvalidModel(
            f"mean {center.shape} and covariance {spread.shape} for a grid of {size} dimensions"
        )
    if not (np.isfinite(center).all() and np.isfinite(spread).all()):
        raise InvalidModel(f"mean {center} or covariance {spread.tolist()} is not finite")
    # Covariances are computed numbers: mirrored entries agree up to rounding.
    if np.abs(spread - spread.T).max() > 1e-12 * np.abs(spread).max():
        raise InvalidModel(f"the covariance {spread.tolist()} is not symmetric")
    try:
        factor = np.linalg.cholesky(spread)
    except np.linalg.LinAlgError:
        low = float(np.linalg.eigvalsh(spread)[0])
        raise InvalidModel(
            f"the covariance is not positive definite: its smallest eigenvalue is {low:.4g}"
        ) from None
    deviations = np.stack(
        [np.broadcast_to(x - m, grid.shape).ravel() for x, m in zip(grid.mesh, center, strict=True)]
    )
    exponent = 0.5 * np.sum(np.linalg.solve(factor, deviations) ** 2, axis=0).reshape(grid.shape)
    values = np.exp(exponent.min() - exponent)
    values /= np.sum(values * grid.volumes)
    return Density(values, grid, Info(source="normal density"))
