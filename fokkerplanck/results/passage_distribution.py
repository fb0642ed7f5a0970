"""The distribution of the number of steps until a target is reached."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.results.field import read_only

__all__ = ["FirstPassageDistribution"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FirstPassageDistribution:
    """Law of a first-passage time that counts steps.

    Attributes
    ----------
    steps : (k,) increasing
    survival : (k,)
        Probability that the target was not reached in these many steps.
    arrived : (k,)
        Probability that it was; not one minus `survival`, so that small ones have their digits.
    mean, variance : float
        Of the whole distribution, whatever `steps` covers; infinite where the target may never be
        reached.
    info : Info
    """

    steps: Integers
    survival: Array
    arrived: Array
    mean: float
    variance: float
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        steps = np.array(self.steps, dtype=np.int64)
        steps.flags.writeable = False
        object.__setattr__(self, "steps", steps)
        for name in ("survival", "arrived"):
            object.__setattr__(self, name, read_only(getattr(self, name), steps.shape))

    def __reduce__(self) -> tuple[Any, ...]:
        # Arrays come back writable from a pickle; the constructor closes them again.
        fields = (self.steps, self.survival, self.arrived, self.mean, self.variance, self.info)
        return FirstPassageDistribution, fields

    @property
    def standard_deviation(self) -> float:
        """Of the number of steps."""
        return float(np.sqrt(self.variance))

    def quantile(self, probability: float) -> int:
        """First of `steps` at which the target was reached with at least this probability.

        Raises
        ------
        FokkerPlanckError
            When `steps` ends before.
        """
        reached = np.flatnonzero(self.arrived >= probability)
        if not reached.size:
            raise FokkerPlanckError(
                f"after {self.steps[-1]} steps the target was reached with probability "
                f"{self.arrived[-1]:.3g}, less than {probability:g}: ask for more steps (the mean "
                f"is {self.mean:.3g})"
            )
        return int(self.steps[reached[0]])

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Survival probability against the number of steps; returns the line."""
        from fokkerplanck.plot.passage import plot_survival

        return plot_survival(self.steps, self.survival, ax, options)
