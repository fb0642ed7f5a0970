"""A fast variable in steps, with a slow one that follows its mean."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.results.density import Density
from fokkerplanck.results.field import read_only

__all__ = ["SlowEvolution"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SlowEvolution:
    """What `slow_evolution` and `slow_diffusion` return.

    Attributes
    ----------
    density : Density
        Of the fast variable after the last step.
    slow : (steps + 1,)
        Mean of the slow variable after every number of steps.
    probability : (steps + 1,)
        That the fast variable lies in the region.
    settled : (steps + 1,)
        Entry n: the probability that the side of the region does not change any more after n
        steps; the distribution function of the step of the last change.
    info : Info
    slow_std : (steps + 1,) or None
        Standard deviation of the slow variable, where its moments were followed.
    slow_by_side : (steps + 1, 2) or None
        Its mean in the region and outside; NaN where the probability of that side is zero.
    slow_std_by_side : (steps + 1, 2) or None
        Its standard deviation in the region and outside, likewise.
    times : (steps + 1,) or None
        Of the entries, where time is continuous: steps are then those of the solver, of any length,
        and last changes have times instead of numbers.
    """

    density: Density
    slow: Array
    probability: Array
    settled: Array
    info: Info = field(default_factory=Info)
    slow_std: Array | None = None
    slow_by_side: Array | None = None
    slow_std_by_side: Array | None = None
    times: Array | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            if each.name not in ("density", "info") and getattr(self, each.name) is not None:
                values = np.asarray(getattr(self, each.name))
                object.__setattr__(self, each.name, read_only(values, values.shape))

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays come back writable from a pickle; the constructor closes them again.
        return SlowEvolution, tuple(getattr(self, each.name) for each in fields(self))

    @property
    def last_change(self) -> float:
        """Mean number of the step at which the side changes last, 0 for runs where none does.

        The mean time where time is continuous.
        """
        steps = np.ones(self.settled.size - 1) if self.times is None else np.diff(self.times)
        return float(self._unsettled @ steps)

    @property
    def slow_at_last_change(self) -> float:
        """Mean of the slow variable then, at the start for runs where the side never changes."""
        return float(self.slow[0] + self._unsettled @ np.diff(self.slow))

    @property
    def _unsettled(self) -> Array:
        """Probability that a change comes after each step began; its mean over a step of time."""
        if self.times is None:
            result: Array = 1.0 - self.settled[:-1]
        else:
            result = 1.0 - 0.5 * (self.settled[1:] + self.settled[:-1])
        return result
