"""Statistics that were counted while paths ran: density and moments with standard errors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.results.density import Density
from fokkerplanck.results.field import read_only

__all__ = ["GroupSums", "Moments", "Statistics"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Density and moments over all steps of all paths.

    Attributes
    ----------
    variables : tuple of str
    density : Density
        With `standard_error`, on the grid that was given.
    mean, mean_standard_error : (d,)
    covariance, covariance_standard_error : (d, d)
    info : Info
        With ``samples``, the number of positions counted, and ``groups``, of those whose spread
        tells the errors.
    """

    variables: tuple[str, ...]
    density: Density
    mean: Array
    mean_standard_error: Array
    covariance: Array
    covariance_standard_error: Array
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        size = len(self.variables)
        for name in ("mean", "mean_standard_error"):
            object.__setattr__(self, name, read_only(getattr(self, name), (size,)))
        for name in ("covariance", "covariance_standard_error"):
            object.__setattr__(self, name, read_only(getattr(self, name), (size, size)))


class GroupSums:
    """Means of many quantities, and their errors, from sums over groups that come one by one.

    The mean is the ratio of sums ``sum S_g / sum n_g``, its variance that of a ratio estimate,
    ``G/(G - 1) sum (S_g - n_g mean)^2 / (sum n_g)^2``, right for groups of unequal size.
    """

    def __init__(self, quantities: int) -> None:
        self.groups, self.samples, self.square_samples = 0, 0.0, 0.0
        self.sums = np.zeros(quantities)
        self.squares, self.products = np.zeros(quantities), np.zeros(quantities)

    def add(self, sums: Array, samples: float) -> None:
        """Add one group: its sums, and the number of its samples."""
        self.groups += 1
        self.samples += samples
        self.square_samples += samples**2
        self.sums += sums
        self.squares += sums**2
        self.products += samples * sums

    @property
    def mean(self) -> Array:
        """Means of the quantities."""
        result: Array = self.sums / self.samples
        return result

    @property
    def standard_error(self) -> Array:
        """Standard errors of the means, from two groups or more."""
        mean = self.mean
        spread = self.squares - 2.0 * mean * self.products + mean**2 * self.square_samples
        factor = self.groups / (self.groups - 1.0)
        error: Array = np.sqrt(factor * np.maximum(spread, 0.0)) / self.samples
        return error


class Moments:
    """Mean and covariance with their errors, from groups that are kept: they are small.

    Parameters
    ----------
    reference : (d,)
        What was subtracted from positions.
    """

    def __init__(self, reference: Array) -> None:
        self.reference = reference
        self._sums: list[Array] = []
        self._samples: list[float] = []

    def add(self, sums: Array, samples: float) -> None:
        """Add one group: sums of d deviations and of the lower triangle of their products."""
        self._sums.append(sums)
        self._samples.append(samples)

    @property
    def mean(self) -> Array:
        """Mean position, shape (d,)."""
        result: Array = self.reference + self._deviation
        return result

    @property
    def mean_standard_error(self) -> Array:
        """Its standard error, shape (d,)."""
        result: Array = np.sqrt(np.diag(self._covariance_of_mean))
        return result

    @property
    def covariance(self) -> Array:
        """Covariance, shape (d, d), without bias from the estimated mean."""
        result: Array = self._products.sum(axis=0) / self._counts.sum() + self._covariance_of_mean
        return result

    @property
    def covariance_standard_error(self) -> Array:
        """Its standard error, shape (d, d)."""
        products, counts = self._products, self._counts
        mean = products.sum(axis=0) / counts.sum()
        spread = ((products - counts[:, np.newaxis, np.newaxis] * mean) ** 2).sum(axis=0)
        result: Array = np.sqrt(self._factor * spread) / counts.sum()
        return result

    @property
    def _counts(self) -> Array:
        return np.array(self._samples)

    @property
    def _factor(self) -> float:
        groups = len(self._samples)
        return groups / (groups - 1.0)

    @property
    def _deviation(self) -> Array:
        size = self.reference.size
        result: Array = np.sum(self._sums, axis=0)[:size] / self._counts.sum()
        return result

    @property
    def _products(self) -> Array:
        """Sums of products of deviations from the mean, shape (groups, d, d)."""
        size, sums, counts = self.reference.size, np.array(self._sums), self._counts
        first, mean = sums[:, :size], self._deviation
        second = np.empty((counts.size, size, size))
        rows, columns = np.tril_indices(size)
        second[:, rows, columns] = second[:, columns, rows] = sums[:, size:]
        cross = first[:, :, np.newaxis] * mean
        squares = counts[:, np.newaxis, np.newaxis] * np.outer(mean, mean)
        result: Array = second - cross - cross.transpose(0, 2, 1) + squares
        return result

    @property
    def _covariance_of_mean(self) -> Array:
        size, counts = self.reference.size, self._counts
        excess = np.array(self._sums)[:, :size] - counts[:, np.newaxis] * self._deviation
        result: Array = self._factor * excess.T @ excess / counts.sum() ** 2
        return result
