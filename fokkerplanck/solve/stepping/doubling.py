"""Errors from step doubling: one long step against two halves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.solve.stepping.adaptive import Trial
from fokkerplanck.solve.stepping.dynamics import Dynamics, Record
from fokkerplanck.solve.stepping.resolvents import Resolvents

__all__ = ["Single", "doubled", "resolvents_at"]

Array = NDArray[np.float64]
# A step of a method: masses, time, length -> masses, and what positivity changed.
Single = Callable[[Array, float, float], tuple[Array, float]]


def doubled(single: Single, order: int) -> Callable[[Array, float, float], Trial]:
    """Steps in two halves, whose error is their distance to one long step over ``2^order - 1``."""

    def attempt(masses: Array, time: float, step: float) -> Trial:
        whole, _ = single(masses, time, step)
        middle, first = single(masses, time, 0.5 * step)
        end, second = single(middle, time + 0.5 * step, 0.5 * step)
        error = float(np.abs(end - whole).sum()) / (2**order - 1)
        return Trial(end, error, first + second)

    return attempt


def resolvents_at(dynamics: Dynamics, record: Record) -> Callable[[float], Resolvents]:
    """Resolvents of the operator at a time; the last one is kept, for good where none varies."""
    kept = Resolvents(dynamics.operator, record)
    if not dynamics.varies:
        return lambda time: kept

    def at(time: float) -> Resolvents:
        nonlocal kept
        kept = Resolvents(dynamics.at(time, record), record, like=kept)
        return kept

    return at
