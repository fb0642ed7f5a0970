"""Statistics that were counted while paths ran: density and moments with standard errors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.results.density import Density
from fokkerplanck.results.field import read_only

__all__ = ["GroupSums", "Statistics"]

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
    """Means of quantities, and their errors, from sums over groups that come one by one.

    The mean is the ratio of sums ``sum S_g / sum n_g``, its variance that of a ratio estimate,
    ``G/(G - 1) sum (S_g - n_g mean)^2 / (sum n_g)^2``, right for groups of unequal size.
    """

    def __init__(self, quantities: int) -> None:
        self.groups, self.samples, self.square_samples = 0, 0.0, 0.0
        self.sums = np.zeros(quantities)
        self.squares, self.products = np.zeros(quantities), np.zeros(quantities)
        self.largest = 0.0

    def add(self, sums: Array, samples: float) -> None:
        """Add one group: its sums, and the number of its samples."""
        self.groups += 1
        self.samples += samples
        self.square_samples += samples**2
        self.sums += sums
        self.squares += sums**2
        self.products += samples * sums
        self.largest = max(self.largest, samples)

    @property
    def mean(self) -> Array:
        """Means of the quantities."""
        return self.sums / self.samples

    @property
    def standard_error(self) -> Array:
        """Standard errors of the means; infinite from one group alone."""
        if self.groups < 2:
            return np.full(self.sums.shape, np.inf)
        mean = self.mean
        spread = self.squares - 2.0 * mean * self.products + mean**2 * self.square_samples
        factor = self.groups / (self.groups - 1.0)
        error: Array = np.sqrt(factor * np.maximum(spread, 0.0)) / self.samples
        return error
