"""Steps in time of a density on a line whose generator follows a slow mean, and backwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgttrf, dgttrs
from tqdm import tqdm

from fokkerplanck.discretize.slow_interval import SlowInterval
from fokkerplanck.solve.slow_variable import require_inside
from fokkerplanck.solve.stepping.positive import combination
from fokkerplanck.solve.stepping.trbdf2 import STAGE

__all__ = ["Forward", "backwards"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# A step is at most this many times as long as the one before, and this share of what its error
# allows.
LONGER, MARGIN = 2.0, 0.8
# Below this an error in L1 is rounding.
FINEST = 1e-14
# Of one and two resolvents in a step, see `TRBDF2`.
WEIGHTS = (-np.sqrt(2.0), 1.0 + np.sqrt(2.0))


@dataclass(frozen=True)
class _Step:
    """A step, the heights of its two stages, and what it leads to."""

    length: float
    stages: tuple[float, float]
    masses: Array
    mean: float


@dataclass
class Forward:
    """Masses and mean before the first step and after every one, and the steps themselves."""

    interval: SlowInterval
    name: str
    span: tuple[float, float]
    durations: Array
    tolerance: float
    masses: list[Array] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    stages: list[tuple[float, float]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    rejected: int = 0
    error: float = 0.0

    def march(self, masses: Array, height: float) -> None:
        """Run to the end."""
        self.masses, self.mean = [masses], [height]
        time, step = 0.0, self._first_step()
        with tqdm(total=self.durations[-1], desc="time", disable=None, leave=False) as bar:
            while len(self.ends) < self.durations.size:
                left = float(self.durations[len(self.ends)]) - time
                speed = self._speed(self.masses[-1], self.mean[-1])
                # Interpolated rates have bends at the assembled heights.
                step = min(step, self.interval.spacing / max(abs(speed), np.finfo(float).tiny))
                step = left if step > 0.999 * left else step
                whole = self._trial(self.masses[-1], self.mean[-1], step, speed)
                half = self._trial(self.masses[-1], self.mean[-1], 0.5 * step, speed)
                middle = self._speed(half.masses, half.mean)
                other = self._trial(half.masses, half.mean, 0.5 * step, middle)
                # Of order 2: the difference is 4 - 1 times the error of the halves.
                error = float(np.abs(other.masses - whole.masses).sum()) / 3.0
                ratio = MARGIN * (self.tolerance / max(error, FINEST)) ** (1.0 / 3.0)
                if error > self.tolerance:
                    self.rejected += 1
                    step *= max(ratio, 0.2)
                    continue
                for each in (half, other):
                    self._accept(each)
                self.error += error
                time += step
                bar.update(step)
                if step == left:
                    time = float(self.durations[len(self.ends)])
                    self.ends.append(len(self.lengths))
                step *= min(ratio, LONGER)

    def _first_step(self) -> float:
        """The step whose error is what it is allowed, from ``|Q^3 P|``."""
        rows = self.interval.at(self._inside(self.mean[0]))
        moved = self.masses[0]
        for _ in range(3):
            up, down = rows[0] * moved, rows[1] * moved
            moved = np.append(0.0, up[:-1]) + np.append(down[1:], 0.0) - up - down
        # Error of a step over h^3 |Q^3 P|: less than that of three resolvents.
        size = STAGE**3 * float(np.abs(moved).sum())
        return min(float(self.durations[0]), float(np.cbrt(self.tolerance / size)))

    def _speed(self, masses: Array, height: float) -> float:
        return float(masses @ self.interval.drift(self._inside(height)))

    def _trial(self, masses: Array, mean: float, length: float, speed: float) -> _Step:
        stages = (self._inside(mean + STAGE * length * speed), self._inside(mean + length * speed))
        first, second = (_resolvent(self.interval.at(h)[:2], STAGE * length) for h in stages)
        once = first(masses, 0)
        between, _ = combination((masses, once), WEIGHTS, once)
        end = second(between, 0)
        after = self._speed(end, stages[1])
        return _Step(length, stages, end, mean + 0.5 * length * (speed + after))

    def _accept(self, step: _Step) -> None:
        self.lengths.append(step.length)
        self.stages.append(step.stages)
        self.masses.append(step.masses)
        self.mean.append(self._inside(step.mean))

    def _inside(self, height: float) -> float:
        require_inside(height, self.span, self.name)
        return height


def _resolvent(
    rates: Array, h: float, killing: Array | float = 0.0
) -> Callable[[Array, int], Array]:
    """``(1 - h Q)^-1`` or its transpose, of rates up and down and of an extra loss."""
    up, down = rates
    *factors, failed = dgttrf(-h * up[:-1], 1.0 + h * (up + down + killing), -h * down[1:])
    assert not failed

    def solve(right: Array, transposed: int) -> Array:
        solution: Array = dgttrs(*factors, right, trans="T" if transposed else "N")[0]
        return solution

    return solve


def backwards(run: Forward, end: int, side: Flags) -> Array:
    """Probability that the side does not change between so many steps and the end, (end + 1,)."""
    cut = side[1:] != side[:-1]
    stays = np.ones(side.size)
    settled = np.ones(end + 1)
    for n in range(end - 1, -1, -1):
        h = STAGE * run.lengths[n]
        first, second = (_killed(run.interval.at(height), cut, h) for height in run.stages[n])
        once = second(stays, 1)
        twice = first(once, 1)
        stays, _ = combination((once, twice), WEIGHTS, twice)
        settled[n] = run.masses[n] @ stays
    return settled


def _killed(rows: Array, cut: Flags, h: float) -> Callable[[Array, int], Array]:
    """The resolvent with walls instead of the ways from one side to the other."""
    rates = rows[:2].copy()
    rates[0, :-1][cut] = 0.0
    rates[1, 1:][cut] = 0.0
    return _resolvent(rates, h, rows[2])
