"""Where the stationary density of a diagonal network lives, and integrals over it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import NotConverged, NotNormalizable
from fokkerplanck.systems.network_density import Branch

__all__ = ["Quadrature", "quadrature", "support"]

Array = NDArray[np.float64]

# Mass below exp(-DEPTH) of the integrand's peak is no double of the whole.
DEPTH = 45.0
# exp(-(T_c/T - 1) s/2) towards v = 0: at this length T is within 1e-4 of T_c.
LONGEST = 1e6
# Relative change of the mass on halving the step; the trapezoidal rule on the whole line converges
# exponentially, so the finer one is far better than that.
AGREE = 1e-10
MOST = 4 * 10**6


def support(branch: Branch) -> tuple[float, float]:
    """Interval of ``|v|`` (of v at depth 0) on which the density lives.

    Raises
    ------
    NotNormalizable
        When the mass collapses onto 0 or onto the noiseless point.
    """
    lower = -np.inf if branch.depth == 0 else 0.0
    if branch.interpolates and branch.noiseless > lower:
        point, n = branch.noiseless, branch.depth + 1
        length = branch.width * n * (abs(point) / branch.width) ** (2 - 2 / n)
        pull = length * (branch.beta1 * point - branch.beta2)
        push = branch.weight_decay * n * point
        scale = length * (abs(branch.beta1 * point) + abs(branch.beta2)) + abs(push)
        if abs(pull + push) <= 1e-12 * scale:
            raise NotNormalizable(
                f"drift and noise both vanish at |v| = {point:.6g}, which interpolates the data: "
                "the stationary density is a delta function there; add label noise or weight decay"
            )
        if pull + push < 0:
            return float(point), np.inf
        _refuse_collapse(branch)
        return lower, float(point)
    _refuse_collapse(branch)
    return lower, np.inf


def _refuse_collapse(branch: Branch) -> None:
    if branch.depth == 0:
        return
    net = branch.beta2 - branch.weight_decay
    if branch.depth == 1 and net <= branch.temperature * branch.alpha3:
        critical = max(net / branch.alpha3, 0.0)
        exponent = (net / (branch.alpha3 * branch.temperature) - 3) / 2
        raise NotNormalizable(
            f"T = {branch.temperature:.6g} is not below the critical temperature {critical:.6g}: "
            f"p ~ |v|^{exponent:.4g} at 0, the stationary density is a delta function at v = 0; "
            "lower the learning rate or the weight decay, or take a larger batch"
        )
    if branch.depth >= 2 and (branch.weight_decay > 0 or branch.beta2 <= 0):
        reason = "weight decay" if branch.weight_decay > 0 else "the sign of beta2"
        raise NotNormalizable(
            f"at depth {branch.depth} {reason} makes v = 0 absorbing at every temperature "
            "(critical temperature 0): the stationary density is a delta function there; what "
            "lives at v != 0 is metastable"
        )


@dataclass(frozen=True)
class Quadrature:
    """Points of a trapezoidal rule and the probability at each.

    Attributes
    ----------
    values, masses : arrays, shape (points,)
        ``|v|`` (v at depth 0), and masses of sum 1.
    log_norm : float
        Logarithm of the integral of ``exp(log_density)``.
    """

    values: Array
    masses: Array
    log_norm: float


def quadrature(branch: Branch, order: int = 0) -> Quadrature:
    """Masses on points that are equal steps in a variable on the whole line.

    The points reach as far as the moment of that order needs.

    Raises
    ------
    NotNormalizable
    """
    lower, upper = support(branch)

    def integrand(s: Array, power: int = 0) -> tuple[Array, Array]:
        v, log_v, gap, log_slope = _stretched(branch, lower, upper, s)
        with np.errstate(all="ignore"):
            values = branch.log_density(v, log_v, gap, np) + log_slope
            values += power * log_v if power else 0.0
        return v, np.where(np.isfinite(values), values, -np.inf)

    reaches = [_reach(partial(integrand, power=power)) for power in {0, order}]
    ends = min(low for low, _ in reaches), max(high for _, high in reaches)
    count, before = 2000, np.nan
    while True:
        s = np.linspace(*ends, count)
        v, logs = integrand(s)
        peak = float(logs.max())
        weights = np.exp(logs - peak)
        log_norm = peak + float(np.log(weights.sum() * (s[1] - s[0])))
        if abs(log_norm - before) <= AGREE:
            return Quadrature(v, weights / weights.sum(), log_norm)
        if count > MOST:
            raise NotConverged(
                f"the mass still changes by {abs(log_norm - before):.1e} at {count} points; the "
                "density is too narrow: temperature or weight decay are too small"
            )
        before, count = log_norm, 2 * count


def _stretched(
    branch: Branch, lower: float, upper: float, s: Array
) -> tuple[Array, Array, Array, Array]:
    """``v, ln v, v - noiseless, ln dv/ds`` of a map of the whole line onto the support."""
    point = float(branch.noiseless)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        if np.isinf(lower) and np.isinf(upper):
            scale = np.sqrt(branch.alpha3 / branch.alpha1 - point**2)
            gap = scale * np.sinh(s)
            return point + gap, s, gap, np.log(scale * np.cosh(s))
        if np.isinf(lower):
            return upper - np.exp(s), s, -np.exp(s), s
        if np.isinf(upper):
            if lower == 0:
                return np.exp(s), s, np.exp(s) - point, s
            return lower + np.exp(s), np.log(lower + np.exp(s)), np.exp(s), s
        log_v = np.log(upper) - np.logaddexp(0, -s)
        log_left = np.log(upper) - np.logaddexp(0, s)  # upper - v
        return np.exp(log_v), log_v, -np.exp(log_left), log_v + log_left - np.log(upper)


def _reach(integrand: Callable[[Array], tuple[Array, Array]]) -> tuple[float, float]:
    """Where the integrand has fallen by exp(-DEPTH) on either side of its peak."""
    low, high = -40.0, 40.0
    while True:
        s = np.linspace(low, high, 20001)
        values = integrand(s)[1]
        kept = np.flatnonzero(values > values.max() - DEPTH)
        if kept[0] > 0 and kept[-1] < s.size - 1:
            return float(s[kept[0] - 1]), float(s[kept[-1] + 1])
        if high - low > LONGEST:
            raise NotNormalizable(
                "the density falls so slowly that its mass is spread over more decades than can be "
                "integrated: the temperature is within 1e-4 of the critical one"
            )
        low = 2 * low if kept[0] == 0 else low
        high = 2 * high if kept[-1] == s.size - 1 else high
