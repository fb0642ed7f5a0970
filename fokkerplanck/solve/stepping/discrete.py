"""The steps of an optimizer themselves: nothing to approximate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix

from fokkerplanck.solve.stepping.dynamics import Dynamics, Record
from fokkerplanck.solve.steps import states_after

__all__ = ["DiscreteSteps"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DiscreteSteps:
    """``P(n + 1) = K P(n)``; the times are numbers of steps.

    Attributes
    ----------
    matrix : csc_matrix
        ``K``.
    """

    matrix: csc_matrix

    def run(
        self,
        dynamics: Dynamics,
        masses: Array,
        times: Array,
        tolerance: float,
        record: Record,
    ) -> Iterator[Array]:
        """Masses of the cells after each of these numbers of steps."""
        record.solver = "powers of the operator"
        record.shortest = record.longest = 1.0
        before = 0.0
        states = states_after(self.matrix, masses, times.tolist())
        for time, state in zip(times, states, strict=True):
            record.steps += int(time - before)
            record.bar.update((time - before) / times[-1])
            before = float(time)
            yield state
