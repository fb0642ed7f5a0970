"""Rates between regions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError, InvalidRegion
from fokkerplanck.results.rate import Rate

__all__ = ["RateMatrix"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RateMatrix:
    """Markov chain on the region that was visited last.

    Attributes
    ----------
    names : tuple of str
        Of the m regions.
    rates : (m, m)
        ``rates[i, j]`` from region i to region j; zero on the diagonal.
    populations : (m,)
        Shares of time since the last visit to each region; they sum to 1 and balance the rates.
    relaxation_rates : (m,)
        Eigenvalues of minus the generator, 0 first; complex where a cycle turns.
    info : Info
        ``imbalance``: how far the populations are from the masses that were solved for, a
        discretisation error of the regions' boundaries; zero in detailed balance.
    """

    names: tuple[str, ...]
    rates: Array
    populations: Array
    relaxation_rates: NDArray[Any]
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        for name in ("rates", "populations", "relaxation_rates"):
            array = np.array(getattr(self, name))
            if not np.isfinite(array).all():
                raise FokkerPlanckError(f"the {name} between regions are not all finite")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __reduce__(self) -> tuple[Any, ...]:
        state = (self.names, self.rates, self.populations, self.relaxation_rates, self.info)
        return type(self), state

    @property
    def fluxes(self) -> Array:
        """Reactive fluxes, ``populations[i] rates[i, j]``: transitions per unit of time, (m, m)."""
        result: Array = self.populations[:, np.newaxis] * self.rates
        return result

    def rate(self, source: Any, target: Any) -> Rate:
        """The rate from one region to another, by name or by number.

        Raises
        ------
        InvalidRegion
            When there is no such region.
        """
        i, j = self._number(source), self._number(target)
        return Rate(float(self.rates[i, j]), "reactive flux over population", info=self.info)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Rates as a table of colours on a logarithmic scale; returns the artist."""
        from fokkerplanck.plot.spectrum import plot_rate_matrix

        return plot_rate_matrix(self.rates, self.names, ax, options)

    def _number(self, region: Any) -> int:
        if region in self.names:
            return self.names.index(region)
        if isinstance(region, (int, np.integer)) and 0 <= region < len(self.names):
            return int(region)
        raise InvalidRegion(f"no region {region!r}; there are {', '.join(self.names)}")
