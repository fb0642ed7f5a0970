"""Implicit Euler: first order, and the one linear method that never becomes negative."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.solve.stepping.adaptive import Budget, march
from fokkerplanck.solve.stepping.doubling import doubled, resolvents_at
from fokkerplanck.solve.stepping.dynamics import Dynamics, Record

__all__ = ["ImplicitEuler"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ImplicitEuler:
    """``(1 - h Q) P' = P`` in steps whose error is kept by doubling them.

    Linear, and positive for every Markov generator and every step: whatever the start, no density
    overshoots.  First order: a tolerance that is ten times smaller takes ten times more steps.
    """

    def run(
        self,
        dynamics: Dynamics,
        masses: Array,
        times: Array,
        tolerance: float,
        record: Record,
    ) -> Iterator[Array]:
        """Masses of the cells at each of the times."""
        resolvents = resolvents_at(dynamics, record)

        def single(start: Array, time: float, step: float) -> tuple[Array, float]:
            return resolvents(time + step).apply(step, start), 0.0

        budget = Budget.of(dynamics, masses, float(times[-1]), tolerance)
        attempt = doubled(single, 1)
        slope = 0.25 * dynamics.derivative(masses, 2)
        yield from march(attempt, 1, budget, masses, times, record, slope=slope, lands=True)
