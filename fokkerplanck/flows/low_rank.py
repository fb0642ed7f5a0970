"""Rod flow of many parameters: the extent as a factor of low rank.

The growth ``(F+ F+^T + F- F-^T)/4`` has rank two a rod, and what is older than a few steps is
forgotten at the rate 2: Sigma has as many axes of any size as F had directions lately.  Every stage
of a Runge-Kutta step is ``B diag(weights) B^T`` with the columns B of all stages, exactly; only
the end of a step is cut, to its largest axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import RK23, RK45

from fokkerplanck.flows.closures import Closure, average, ends
from fokkerplanck.flows.integrate import ABSOLUTE, BLOW_UP, RELATIVE
from fokkerplanck.flows.jax_landscape import JaxLandscape

__all__ = ["RodStates", "follow_rod"]

Array = NDArray[np.float64]

# Share of the largest eigenvalue that rounding leaves of it in the small ones.
ROUNDING = 1e-14
# Safety and limits of a change of the step (Hairer, Norsett and Wanner, II.4).
SAFETY, SHORTEN, LENGTHEN = 0.9, 0.2, 5.0
FIRST_STEP = 0.1


@dataclass
class RodStates:
    """Centre, extent and mean loss at the ends, at whole steps; the largest share cut off."""

    centers: list[Array]
    extents: list[float]
    losses: list[float]
    discarded: float = 0.0


@dataclass(frozen=True)
class _Rate:
    """Velocity of the centre, and columns whose outer products are the growth of Sigma."""

    drift: Array
    columns: Array


@dataclass(frozen=True)
class _LowRankRod:
    landscape: JaxLandscape
    eta: float
    closure: Closure
    floor: float
    rank: int

    @property
    def method(self) -> type[RK23 | RK45]:
        """SciPy's coefficients."""
        return RK23 if self.landscape.integrator == "RK23" else RK45

    def level(self, time: float) -> float:
        """What the floor has added to every eigenvalue: ``floor (1 - exp(-2 t))``, exactly."""
        return -self.floor * float(np.expm1(-2 * time))

    def rods(self, factor: Array, time: float) -> Array:
        """Half-rods of ``Sigma = factor factor^T + level``, factor with orthogonal columns."""
        # A start at rest has a rod of length zero.
        lengths = np.maximum(np.linalg.norm(factor, axis=0), np.finfo(float).tiny)
        small = np.diag(lengths**2 + self.level(time))
        rods: Array = (factor / lengths) @ self.closure.half_rods(small)
        return rods

    def rate(self, center: Array, factor: Array, time: float) -> _Rate:
        rods = self.rods(factor, time)
        points, count = ends(center, rods), rods.shape[1]
        mean, spread = average(-self.eta * self.landscape.gradient(points), count)
        bent = average(-self.eta * self.landscape.products(points, mean), count)[0]
        return _Rate(mean - bent / 2, np.column_stack([mean, spread]) / np.sqrt(2))


def follow_rod(
    landscape: JaxLandscape,
    eta: float,
    start: Array,
    steps: int,
    *,
    closure: Closure,
    floor: float,
    rank: int,
) -> RodStates:
    """Rod flow from ``c = w_0 - (eta/2) grad L(w_0)``, sampled at whole steps.

    The embedded pair of `JaxLandscape.integrator`; ends early where the flow leaves to infinity.
    """
    flow = _LowRankRod(landscape, eta, closure, floor, rank)
    half = -eta * landscape.gradient(start) / 2
    center, factor, step = start + half, half[:, None], FIRST_STEP
    rate = flow.rate(center, factor, 0.0)
    found = RodStates([], [], [])
    _record(found, flow, center, factor, 0.0)
    for whole in range(steps):
        time = float(whole)
        while time < whole + 1:
            # A remainder that rounding would leave is taken at once.
            left = whole + 1 - time
            length = left if step > 0.99 * left else step
            new_center, basis, weights, new_rate, error = _attempt(
                flow, center, factor, rate, time, length
            )
            change = SHORTEN
            if np.isfinite(error):
                change = SAFETY * max(error, 1e-10) ** (-1 / flow.method.order)
            proposed = length * float(np.clip(change, SHORTEN, LENGTHEN))
            if error <= 1:
                # A step that a whole number cut short says nothing of a full one.
                step = step if length < step else proposed
                time = whole + 1 if length == left else time + length
                center, rate = new_center, new_rate
                factor, share = _cut(basis, weights, rank)
                found.discarded = max(found.discarded, share)
            elif length < BLOW_UP:
                return found
            else:
                step = proposed
        _record(found, flow, center, factor, time)
    return found


def _record(found: RodStates, flow: _LowRankRod, center: Array, factor: Array, time: float) -> None:
    rods = flow.rods(factor, time)
    values = flow.landscape.value(ends(center, rods))
    found.centers.append(center)
    found.extents.append(float(np.sum(factor**2, axis=0).max()) + flow.level(time))
    found.losses.append(float(average(values, rods.shape[1])[0]))


def _attempt(
    flow: _LowRankRod, center: Array, factor: Array, rate: _Rate, time: float, length: float
) -> tuple[Array, Array, Array, _Rate, float]:
    """Centre, columns and weights of Sigma, and rate after a step, and its error in tolerances."""
    method, basis, moved = flow.method, factor, center
    first = held = np.ones(factor.shape[1])
    rates: list[Array] = []
    drifts: list[Array] = []
    for stage in range(method.n_stages + 1):
        if stage:
            share = method.A[stage, :stage] if stage < method.n_stages else method.B
            moved = center + length * (share @ np.array(drifts))
            held = _padded(first, basis) + length * (share @ np.array(rates))
            node = method.C[stage] if stage < method.n_stages else 1.0
            rate = flow.rate(moved, _cut(basis, held, flow.rank)[0], time + node * length)
            if not (np.isfinite(rate.drift).all() and np.isfinite(rate.columns).all()):
                return moved, basis, held, rate, np.inf
        basis = np.concatenate([basis, rate.columns], axis=1)
        own = np.zeros(basis.shape[1])
        own[-rate.columns.shape[1] :] = 1.0
        held = _padded(held, basis)
        rates = [_padded(r, basis) for r in rates] + [own - 2 * held]
        drifts.append(rate.drift)
    tolerance = flow.landscape.tolerance
    scale = ABSOLUTE / RELATIVE + np.maximum(np.abs(center), np.abs(moved))
    off = length * (method.E @ np.array(drifts)) / scale
    error = max(
        float(np.sqrt(np.mean(off**2))),
        _size(basis, length * (method.E @ np.array(rates))) / _largest(basis, held),
    )
    return moved, basis, held, rate, error / tolerance


def _size(basis: Array, weights: Array) -> float:
    """Frobenius norm of ``B diag(weights) B^T``."""
    mixed = weights[:, None] * (basis.T @ basis)
    return float(np.sqrt(max(np.sum(mixed * mixed.T), 0.0)))


def _largest(basis: Array, weights: Array) -> float:
    """Largest eigenvalue of ``B diag(weights) B^T``."""
    triangle: Array = np.linalg.qr(basis)[1]
    value = float(np.linalg.eigvalsh((triangle * weights) @ triangle.T)[-1])
    return max(value, np.finfo(float).tiny)


def _padded(weights: Array, basis: Array) -> Array:
    return np.concatenate([weights, np.zeros(basis.shape[1] - weights.size)])


def _cut(basis: Array, weights: Array, rank: int) -> tuple[Array, float]:
    """The largest axes of ``B diag(weights) B^T`` as orthogonal columns; the share cut off."""
    orthonormal, triangle = np.linalg.qr(basis)
    values, vectors = np.linalg.eigh((triangle * weights) @ triangle.T)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = max(int(np.sum(values[:rank] > ROUNDING * values[0])), 1)
    share = float(values[kept] / values[0]) if kept < values.size else 0.0
    largest = np.sqrt(np.maximum(values[:kept], np.finfo(float).tiny))
    factor: Array = orthonormal @ (vectors[:, :kept] * largest)
    return factor, max(share, 0.0)
