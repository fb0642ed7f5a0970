"""Steps in octaves, as long as the error in L1 of the whole run allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import NotConverged
from fokkerplanck.solve.stepping.dynamics import Dynamics, Record

__all__ = ["Budget", "Trial", "march"]

Array = NDArray[np.float64]

# A new step is planned to use this share of what it may; estimates vary from step to step.
SAFETY = 0.5
# Octaves by which a step grows at most: an estimate is trusted as far as it can be checked soon,
# and 17 decades of rest take 15 steps.
GROWTH = 4
# Octaves by which a rejected step shrinks at most, and rejections in a row that mean failure.
SHRINK, PATIENCE = 8, 20
# A step grows only where that spares this many: a factorisation costs as much as some three to
# seven steps (measured, 64 x 64 to 256 x 256 cells).
WORTH = 4
# Octaves below the whole run in which a first step is looked for: more than doubles can hold.
SHORTEST = 1100


@dataclass(frozen=True)
class Trial:
    """A step that may be taken.

    Attributes
    ----------
    end : masses at its end
    error : estimated error in L1
    limited : what positivity changed, in L1
    inside : masses at a fraction of the step, and what positivity changed; None where outputs
        have to be met by steps
    """

    end: Array
    error: float
    limited: float = 0.0
    inside: Callable[[float], tuple[Array, float]] | None = None


@dataclass(frozen=True)
class Budget:
    """How the tolerance is spread over a run: evenly in ``log(t + scale)``.

    Relaxation has all time scales, and to each of them belongs its own share.

    Attributes
    ----------
    whole : error allowed at the end
    start, end : times
    scale : time in which the initial rate of change, ``Q P``, changes by its own size in L1
    """

    whole: float
    start: float
    end: float
    scale: float

    @classmethod
    def of(cls, dynamics: Dynamics, masses: Array, end: float, tolerance: float) -> Budget:
        """Budget for an evolution that starts from these masses."""
        span = end - dynamics.start
        first, second = dynamics.derivative(masses, 1), dynamics.derivative(masses, 2)
        # A density at rest has no time scale of its own.
        scale = first / second if first < span * second else span
        return cls(tolerance * float(np.abs(masses).sum()), dynamics.start, end, scale)

    def share(self, time: float, step: float) -> float:
        """Share of the run that a step is."""
        since = max(time - self.start, 0.0) + self.scale
        inside = max(min(step, self.end - time), 0.0)
        return float(np.log1p(inside / since) / np.log1p((self.end - self.start) / self.scale))

    def allowed(self, time: float, step: float, spent: float) -> float:
        """Error that a step may make: its share, and half of what earlier steps left over."""
        saved = self.whole * self.share(self.start, time - self.start) - spent
        return self.whole * self.share(time, step) + 0.5 * max(saved, 0.0)

    def first(self, order: int, slope: float) -> float:
        """Longest first step that may err by ``slope step^(order + 1)``.

        An octave of the whole run, so that steps of one length end where it does.

        Raises
        ------
        NotConverged
            When there is none, as for a slope that is no finite number.
        """
        step = self.end - self.start
        for _ in range(SHORTEST):
            if slope * step ** (order + 1) <= SAFETY * self.allowed(self.start, step, 0.0):
                return step
            step *= 0.5
        raise NotConverged(
            f"no first step is short enough: its error over step^{order + 1} is {slope:.3g} at "
            f"t = {self.start:.6g}; start from a smoother density, or check that the rates are "
            "finite"
        )


@dataclass
class _Pace:
    """Length of the steps: octaves of the first one, so that factors are used again."""

    budget: Budget
    order: int
    step: float

    def adapt(
        self, error: float, taken: float, time: float, spent: float, *, refused: bool
    ) -> None:
        """Set the step at `time` after one of length `taken` that made an error."""
        if refused:
            self.step, most = taken, -1
        else:
            # Not more than GROWTH above a step that was tried.
            most = GROWTH + min(int(np.floor(np.log2(taken / self.step))), 0)
        for k in range(most, -SHRINK, -1):
            step = self.step * 2.0**k
            predicted = error * (step / taken) ** (self.order + 1)
            worthwhile = k <= 0 or (self.budget.end - time) / self.step * (1 - 0.5**k) >= WORTH
            if worthwhile and predicted <= SAFETY * self.budget.allowed(time, step, spent):
                break
        self.step *= 2.0**k

    def landing(self, remaining: float) -> float:
        """A step that ends at the next output, or half-way there where the whole one comes near."""
        if remaining <= self.step:
            return remaining
        return min(self.step, 0.5 * remaining) if remaining < 2.0 * self.step else self.step


def march(
    attempt: Callable[[Array, float, float], Trial],
    order: int,
    budget: Budget,
    masses: Array,
    times: Array,
    record: Record,
    *,
    slope: float,
    lands: bool,
) -> Iterator[Array]:
    """Masses at the times.

    Parameters
    ----------
    attempt : function of masses, time and step
    order : of the error of a step, which falls as ``step^(order + 1)``
    slope : error of a short first step over ``step^(order + 1)``
    lands : whether steps end at the outputs, because nothing is known between their ends

    Raises
    ------
    NotConverged
        When steps however short are not accurate enough.
    """
    now, spent = budget.start, 0.0
    pace = _Pace(budget, order, budget.first(order, slope))
    pending, refusals = list(times), 0
    while pending:
        taken = pace.landing(pending[0] - now) if lands else pace.step
        trial = attempt(masses, now, taken)
        allowed = budget.allowed(now, taken, spent)
        if trial.error + trial.limited > allowed:
            record.rejected, refusals = record.rejected + 1, refusals + 1
            if refusals > PATIENCE:
                raise NotConverged(
                    f"steps of {taken:.3g} at t = {now:.6g} still err by {trial.error:.3g}, "
                    f"allowed are {allowed:.3g}; raise the tolerance"
                )
            pace.adapt(trial.error, taken, now, spent, refused=True)
            continue
        refusals = 0
        # A step that ends at an output by design must not miss it by rounding.
        after = pending[0] if lands and taken == pending[0] - now else now + taken
        while pending and pending[0] <= after:
            here = (pending.pop(0) - now) / taken
            ends = trial.inside is None or here >= 1.0
            result, limited = (trial.end, trial.limited) if ends else trial.inside(here)  # type: ignore[misc]
            record.error = spent + trial.error + limited
            yield result
        record.stepped(taken, trial.limited, budget.share(now, taken))
        spent += trial.error + trial.limited
        masses, now = trial.end, after
        pace.adapt(trial.error, taken, now, spent, refused=False)
