"""TR-BDF2 in powers of one resolvent: second order, positive, right at any time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.solve.stepping.adaptive import Budget, Trial, march
from fokkerplanck.solve.stepping.doubling import doubled, resolvents_at
from fokkerplanck.solve.stepping.dynamics import Dynamics, Record
from fokkerplanck.solve.stepping.positive import combination
from fokkerplanck.solve.stepping.resolvents import Resolvents

__all__ = ["TRBDF2"]

Array = NDArray[np.float64]

# Length of an implicit stage over that of the step.
STAGE = 1.0 - np.sqrt(0.5)
# Error of a step over (1 - R)^3 P: (e^-z - r(z)) / (STAGE z)^3 as z goes to 0.
ERROR = 4.0 + 3.0 * np.sqrt(2.0) - 1.0 / (6.0 * STAGE**3)


@dataclass(frozen=True)
class TRBDF2:
    r"""Trapezoidal rule and BDF2 in one step: second order, L-stable, one factorisation a length.

    With ``R = (1 - d h Q)^{-1}``, ``d = 1 - 1/sqrt(2)``, a step of length ``h`` is

    .. math:: P' = (1 + \sqrt 2) R^2 P - \sqrt 2 R P

    and its error ``1.6 |(1 - R)^3 P|`` to leading order.  Between the ends of a step the unique
    combination of ``R P, R^2 P, R^3 P`` of second order gives densities at any time, so that
    outputs cost nothing.

    For Markov generators the resolvents are computed without subtractions, so that masses of any
    smallness are right to rounding however long the step, and what would become negative is bent
    (see `fokkerplanck.solve.stepping.positive`); the change counts as error.

    Coefficients that depend on time are taken in the middle of the step, which is of second order,
    and errors are estimated by doubling steps.

    Notes
    -----
    R. E. Bank et al., IEEE Trans. Electron Devices 32, 1992 (1985); M. E. Hosea and L. F. Shampine,
    Appl. Numer. Math. 20, 21 (1996).
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
            powers = _Powers.of(resolvents(time + 0.5 * step), step, start)
            return powers.at(1.0)

        def embedded(start: Array, time: float, step: float) -> Trial:
            powers = _Powers.of(resolvents(time), step, start)
            end, limited = powers.at(1.0)
            return Trial(end, powers.error(), limited, powers.at)

        budget = Budget.of(dynamics, masses, float(times[-1]), tolerance)
        attempt = doubled(single, 2) if dynamics.varies else embedded
        slope = ERROR * STAGE**3 * dynamics.derivative(masses, 3)
        yield from march(
            attempt, 2, budget, masses, times, record, slope=slope, lands=dynamics.varies
        )


@dataclass(frozen=True)
class _Powers:
    """``P, R P, R^2 P, R^3 P`` of one step."""

    vectors: tuple[Array, Array, Array, Array]
    positive: bool

    @classmethod
    def of(cls, resolvents: Resolvents, step: float, masses: Array) -> _Powers:
        h = STAGE * step
        once = resolvents.apply(h, masses)
        twice = resolvents.apply(h, once)
        return cls((masses, once, twice, resolvents.apply(h, twice)), resolvents.monotone)

    def at(self, fraction: float) -> tuple[Array, float]:
        """Masses after a fraction of the step, and what positivity changed."""
        weights = _weights(fraction)
        # The power nearest in time: R^k is k implicit Euler steps of length STAGE.
        nearest = int(np.rint(min(fraction / STAGE, 3.0)))
        reference = self.vectors[nearest] if self.positive else None
        return combination(self.vectors[1:], weights, reference)

    def error(self) -> float:
        """Estimated error of the whole step in L1; that inside it is never larger."""
        start, once, twice, thrice = self.vectors
        return float(ERROR * np.abs(start - 3.0 * once + 3.0 * twice - thrice).sum())


def _weights(fraction: float) -> tuple[float, float, float]:
    """Weights of ``R, R^2, R^3`` that agree with ``exp(fraction h Q)`` to second order.

    ``sum w_k = 1, sum k w_k = x, sum k (k + 1)/2 w_k = x^2/2`` with ``x = fraction/STAGE``.
    """
    x = fraction / STAGE
    return 3.0 - 3.0 * x + 0.5 * x * x, -3.0 + 5.0 * x - x * x, 1.0 - 2.0 * x + 0.5 * x * x
