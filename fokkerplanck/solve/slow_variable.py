"""What methods that follow a slow variable are given, checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidModel

__all__ = ["require_inside", "slow_range", "starts"]

Array = NDArray[np.float64]


def slow_range(names: Sequence[str], slow: Any) -> tuple[int, float, float]:
    """Number of the slow one of two variables, and its range.

    Raises
    ------
    InvalidModel, GridMismatch
    """
    if len(names) != 2:
        raise InvalidModel(f"one of two variables is slow; there are {list(names)}")
    name, low, high = slow
    if str(name) not in names or not float(low) < float(high):
        raise GridMismatch(f"slow is (one of {list(names)}, lower, upper), not {slow!r}")
    return list(names).index(str(name)), float(low), float(high)


def starts(names: Sequence[str], number: int, start: Any) -> tuple[Array, float]:
    """Values (k,) of the fast variable at the start, and that of the slow one.

    Raises
    ------
    GridMismatch
    """
    states = np.atleast_2d(np.asarray(start, dtype=float))
    if states.ndim != 2 or states.shape[1] != 2 or np.ptp(states[:, number]) > 0.0:
        raise GridMismatch(
            f"a start is one or several pairs of {list(names)} with the same {names[number]}, "
            f"not {start!r}"
        )
    return states[:, 1 - number], float(states[0, number])


def require_inside(mean: float, span: tuple[float, float], name: str) -> None:
    """Refuse a mean of the slow variable that has left its range.

    Raises
    ------
    FokkerPlanckError
    """
    if not span[0] <= mean <= span[1]:
        raise FokkerPlanckError(
            f"the mean of {name} is {mean:.6g} and has left its range ({span[0]:g}, {span[1]:g}): "
            "give a wider one, and cells or panels of the fast variable that fit it"
        )
