"""A normal approximation of a density: mean and covariance, without a grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import GridMismatch, NotNormalizable
from fokkerplanck.results.density import Density, gaussian_density

__all__ = ["Gaussian"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Normal density of named coordinates.

    Attributes
    ----------
    names : tuple of str, length d
    mean : array, shape (d,)
    covariance : array, shape (d, d)
        Symmetric, without negative eigenvalues.
    method : str
        How it was obtained.
    info : Info

    Raises
    ------
    NotNormalizable
        When a number is not finite or the covariance has a negative eigenvalue.

    Examples
    --------
    >>> import fokkerplanck as fpk
    >>> gaussian = Gaussian(("x", "v"), [0.0, 0.0], [[0.25, 0.0], [0.0, 1.0]], "by hand")
    >>> gaussian.density(fpk.Grid(x=(-3, 3, 120))).covariance()
    array([[0.25]])
    """

    names: tuple[str, ...]
    mean: Array
    covariance: Array
    method: str
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        size = len(self.names)
        mean = np.array(self.mean, dtype=np.float64).reshape(size)
        covariance = np.array(self.covariance, dtype=np.float64).reshape(size, size)
        if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
            raise NotNormalizable(f"mean {mean} or covariance {covariance.tolist()} is not finite")
        covariance = (covariance + covariance.T) / 2
        low, high = np.linalg.eigvalsh(covariance)[[0, -1]]
        # Rounding of a rank-deficient covariance, see discretize.definite.
        if low < -1e-12 * high:
            raise NotNormalizable(f"the covariance has the negative eigenvalue {low:.4g}")
        for name, array in (("mean", mean), ("covariance", covariance)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays come back writable from a pickle; the constructor closes them again.
        return type(self), (self.names, self.mean, self.covariance, self.method, self.info)

    def density(self, grid: Grid) -> Density:
        """The density of the grid's coordinates, the others integrated out; normalised on it.

        Raises
        ------
        GridMismatch
            When an axis is no coordinate of this Gaussian.
        """
        if missing := set(grid.names) - set(self.names):
            raise GridMismatch(f"axes {sorted(missing)} are none of the coordinates {self.names}")
        kept = [self.names.index(name) for name in grid.names]
        found = gaussian_density(grid, self.mean[kept], self.covariance[np.ix_(kept, kept)])
        return Density(found.values, grid, self.info.extended(source=self.method))
