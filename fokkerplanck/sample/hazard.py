"""Rates of events from waiting times, some of them cut short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

__all__ = ["Estimate", "Waiting", "estimate"]

Array = NDArray[np.float64]

# Two-sided probability of the interval.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Waiting:
    """Waiting times.

    Attributes
    ----------
    times : (paths,)
        Until the event, or until the watch ended.
    arrived : (paths,) bool
        Whether the event came.
    """

    times: Array
    arrived: NDArray[np.bool_]


@dataclass(frozen=True)
class Estimate:
    """A rate, its standard error, how it was obtained, and what else the times tell."""

    value: float
    standard_error: float
    method: str
    entries: dict[str, Any]


def estimate(waiting: Waiting) -> Estimate:
    """Rate of a first event.

    Without censoring, one over the mean time, with the error that the spread of the times gives;
    otherwise events over time watched, of maximum likelihood for an exponential law.  Of the
    exponential law is also the interval: ``2 rate (time watched)`` follows chi squared with ``2 n``
    degrees of freedom, exactly when the watch ends with the n-th event; when it ends at a given
    time, the upper limit takes ``2 n + 2`` and the interval holds at least its probability.

    Source: J. D. Kalbfleisch and R. L. Prentice, The Statistical Analysis of Failure Time Data,
    2nd ed. (2002), section 3.2; F. Garwood, Biometrika 28, 437 (1936) for the interval.

    Examples
    --------
    >>> watched = Waiting(np.array([1.0, 3.0, 4.0]), np.array([True, True, False]))
    >>> found = estimate(watched)
    >>> found.value, found.entries["interval"]
    (0.25, (0.030, 0.903))
    """
    times, events = waiting.times, int(waiting.arrived.sum())
    total, censored = float(times.sum()), int((~waiting.arrived).sum())
    tail = (1.0 - CONFIDENCE) / 2.0
    above = 2 * events + (2 if censored else 0)
    low = chi2.ppf(tail, 2 * events) / (2.0 * total) if events else 0.0
    entries: dict[str, Any] = {
        "mean_time": total / events if events else np.inf,
        "arrived": events,
        "censored": censored,
        "interval": (float(low), float(chi2.ppf(1.0 - tail, above) / (2.0 * total))),
        **_hazards(waiting),
    }
    rate = events / total
    if censored:
        # Without an event, the error is what one event would have given.
        error = max(events, 1) ** 0.5 / total
        return Estimate(rate, error, "sampled paths, exponential likelihood", entries)
    # One path alone has no spread; an exponential law has that of its mean.
    spread = float(times.std(ddof=1)) if events > 1 else total
    return Estimate(rate, rate**2 * spread / events**0.5, "sampled paths, mean time", entries)


def _hazards(waiting: Waiting) -> dict[str, float]:
    """Events per time watched, late over early, cut where half of the events have come.

    Of an exponential law the logarithm of the ratio vanishes, up to the error
    ``sqrt(1/n1 + 1/n2)`` of two independent counts.
    """
    events = np.sort(waiting.times[waiting.arrived])
    if events.size < 2:
        return {}
    cut = events[events.size // 2]
    before = np.minimum(waiting.times, cut).sum()
    early = int((events < cut).sum())
    late = events.size - early
    after = waiting.times.sum() - before
    if not (early and after > 0):
        return {}
    ratio = float(late / after / (early / before))
    return {
        "hazard_ratio": ratio,
        "hazard_sigmas": float(np.log(ratio) / np.sqrt(1.0 / early + 1.0 / late)),
    }
