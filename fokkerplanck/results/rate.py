"""Escape rates with their errors, from solvers, formulas and samples alike."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np

from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError, InvalidModel

__all__ = ["Rate", "Unit"]

Unit = Literal["time", "step"]


@dataclass(frozen=True)
class Rate:
    """Events per unit of time, or per step of an optimizer.

    Attributes
    ----------
    value : float
        Nonnegative and finite.
    method : str
        How it was obtained.
    standard_error : float or None
        None where nothing was sampled.
    info : Info
    unit : "time" or "step"

    Raises
    ------
    FokkerPlanckError
        When the value or its error is negative or not finite.
    InvalidModel
        When the unit is unknown.

    Examples
    --------
    >>> sampled = Rate(0.021, "sampled runs", standard_error=0.001, unit="step")
    >>> sampled.per_time(0.1)
    Rate(value=0.21, method='sampled runs', standard_error=0.01, info=Info(), unit='time')
    >>> sampled.agrees_with(Rate(0.0225, "mean first-passage time", unit="step"))
    True
    """

    value: float
    method: str
    standard_error: float | None = None
    info: Info = field(default_factory=Info)
    unit: Unit = "time"

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise InvalidModel(f"a rate is per 'time' or per 'step', not per {self.unit!r}")
        for name in ("value", "standard_error"):
            given = getattr(self, name)
            if given is None and name == "standard_error":
                continue
            number = float(given)
            if not (np.isfinite(number) and number >= 0.0):
                raise FokkerPlanckError(
                    f"the {name.replace('_', ' ')} of a rate is {number}; it is finite and not "
                    "negative"
                )
            object.__setattr__(self, name, number)

    def per_time(self, eta: float) -> Rate:
        """The rate per unit of time ``t = eta * steps``; one that is per time already is itself.

        Parameters
        ----------
        eta : float
            Time that one step takes, the learning rate.

        Raises
        ------
        InvalidModel
            When `eta` is not positive.
        """
        if not (np.isfinite(eta) and eta > 0):
            raise InvalidModel(f"a step takes a positive time, not {eta!r}")
        if self.unit == "time":
            return self
        error = None if self.standard_error is None else self.standard_error / eta
        return replace(self, value=self.value / eta, standard_error=error, unit="time")

    def agrees_with(self, other: Rate, sigmas: float = 3) -> bool:
        """Whether two rates differ by at most so many standard errors of their difference.

        Raises
        ------
        InvalidModel
            When the units differ, or neither rate has a standard error to judge by.
        """
        if not isinstance(other, Rate):
            raise InvalidModel(f"a rate is compared with a Rate, not {type(other).__name__}")
        if self.unit != other.unit:
            raise InvalidModel(
                f"one rate is per {self.unit}, the other per {other.unit}: convert with "
                ".per_time(eta)"
            )
        if self.standard_error is None and other.standard_error is None:
            raise InvalidModel(
                "neither rate has a standard error: compare their values with a tolerance of your "
                "own"
            )
        error = float(np.hypot(self.standard_error or 0.0, other.standard_error or 0.0))
        return abs(self.value - other.value) <= sigmas * error
