"""A diffusion in two variables, the slow one of which follows its mean."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dgttrf, dgttrs
from tqdm import tqdm

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.level import level_function
from fokkerplanck.discretize.slow_interval import SlowInterval
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidGrid, InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.results.density import Density
from fokkerplanck.results.slow_evolution import SlowEvolution
from fokkerplanck.solve.stepping.positive import combination
from fokkerplanck.solve.stepping.trbdf2 import STAGE

__all__ = ["slow_diffusion"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Heights, over the range, at which rates are assembled; between two they are interpolated.
HEIGHTS = 64
# A step is at most this many times as long as the one before, and this share of what its error
# allows.
LONGER, MARGIN = 2.0, 0.8
# Below this an error in L1 is rounding.
FINEST = 1e-14
# Of one and two resolvents in a step, see `TRBDF2`.
WEIGHTS = (-np.sqrt(2.0), 1.0 + np.sqrt(2.0))


def slow_diffusion(
    diffusion: Diffusion,
    grid: Grid,
    slow: tuple[Any, float, float],
    start: Any,
    duration: float,
    *,
    region: Any,
    tolerance: float = 1e-4,
) -> SlowEvolution:
    r"""Solve the Fokker–Planck equation of a fast variable while a slow one moves with its mean.

    .. math:: \dot P = Q(\bar y) P, \qquad \dot{\bar y} = \sum_j P_j\, a_y(x_j, \bar y)

    with the generator ``Q`` of the fast variable at fixed y, exact at jumps of the noise in every
    convention.  What `slow_evolution` becomes as the learning rate goes to 0 at fixed times, which
    no small learning rate replaces: it comes near only as its square root.

    Parameters
    ----------
    diffusion : Diffusion, of two variables
        Without parameters that have no value, and free of time.
    grid : Grid
        Of the fast variable, wide enough for every value of the slow one, with any jump of the
        noise and the boundary of the region on edges.
    slow : (symbol or name, lower, upper)
        The slow variable and its range, which it must not leave.
    start : two numbers, or several such pairs
        One in the order of the variables, or equally likely ones that share the slow variable.
    duration : float
        In units of time.
    region : relation of the fast variable
        Its probability is recorded, and when its side changes for the last time.
    tolerance : float
        On the error in L1 of a step.  Those of the shape of the density inside its valleys decay
        again, so that those of a run hardly add up.

    Returns
    -------
    SlowEvolution
        With the `SlowEvolution.times` of its entries, those of the steps; `info` holds
        ``unknowns``, ``steps``, ``rejected``, ``operators`` and ``estimated_error``.

    Raises
    ------
    InvalidModel
        When there are not two variables, or coefficients depend on time.
    InvalidGrid
        When the region's boundary is not on edges, or a wall absorbs or is periodic.
    FokkerPlanckError
        When the slow variable leaves its range, or a start lies outside the grid.
    GridMismatch, InvalidRegion, UnboundSymbol

    Notes
    -----
    Neglected: the spread of the slow variable and its correlation with the fast one.  The slow
    variable moves with the drift as it was given; what other conventions would add to it comes from
    noise in its own direction or from that correlation.  A step of length h is
    ``P' = R_2 ((1 + sqrt 2) R_1 - sqrt 2) P`` with resolvents ``R_i = (1 - d h Q_i)^{-1}``, ``d = 1
    - 1/sqrt(2)``, of the heights after ``d h`` and h: second order, L-stable, and at its end in
    balance with the height there, however long.  Errors are estimated by halving steps.
    A start is shared by the two cells whose centres surround it, so that its
    mean is right; the error that this makes vanishes, to second order in the cells as the rest,
    where a start is a centre.  The last change is found backwards: ``du/dt = -Q_0^T u``, ``u(T) =
    1``, with absorbing walls on the boundary of the region; ``P(t) . u(t)`` is the probability that
    no change comes after t.

    Examples
    --------
    Two valleys behind a ridge, which grows as y does and shuts between them:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> force = [-sp.diff(y * (sp.Abs(x) - 1) ** 2 - y, v) for v in (x, y)]
    >>> model = fpk.Diffusion((x, y), force, [[sp.Rational(5, 8), 0], [0, 0]])
    >>> run = fpk.slow_diffusion(
    ...     model, fpk.Grid(x=(-4, 4, 320)), (y, 0.5, 4), (0.3, 1.0), 1.0, region=x > 0)
    >>> run.probability[[0, -1]]
    array([1.   , 0.7...])
    >>> run.last_change, run.slow_at_last_change
    (0.2..., 1.1...)
    """
    began = clock.perf_counter()
    number, heights = _slow_variable(diffusion, grid, slow)
    names = [v.name for v in diffusion.variables]
    states = np.atleast_2d(np.asarray(start, dtype=float))
    if states.ndim != 2 or states.shape[1] != 2 or np.ptp(states[:, number]) > 0.0:
        raise GridMismatch(
            f"a start is one or several pairs of {names} with the same {names[number]}, "
            f"not {start!r}"
        )
    if not 0.0 < float(duration) < np.inf or not 0.0 < tolerance < 1.0:
        raise FokkerPlanckError(
            "the duration is a positive number and the tolerance between 0 and 1, not "
            f"{duration!r} and {tolerance!r}"
        )
    at = states[:, 1 - number]
    side, begins = _sides(region, grid, at)
    interval = SlowInterval(diffusion, grid, number, heights, side)
    run = _Forward(interval, names[number], (heights[0], heights[-1]), float(duration), tolerance)
    run.march(_shared(grid, at), float(states[0, number]))
    settled = _backwards(interval, run, side)
    info = Info(
        unknowns=grid.size,
        steps=len(run.lengths),
        rejected=run.rejected,
        operators=interval.assembled,
        estimated_error=run.error,
        tolerance=tolerance,
        seconds=clock.perf_counter() - began,
    )
    times = np.cumsum([0.0, *run.lengths])
    masses = np.array(run.masses)
    probability = masses @ side
    probability[0] = begins.mean()
    density = Density(masses[-1] / grid.volumes, grid, info)
    return SlowEvolution(density, np.array(run.mean), probability, settled, info, times=times)


def _slow_variable(
    diffusion: Diffusion, grid: Grid, slow: tuple[Any, float, float]
) -> tuple[int, Array]:
    """Number of the slow variable, and heights over its range."""
    names = [v.name for v in diffusion.variables]
    if len(names) != 2 or diffusion.time is not None:
        raise InvalidModel(
            "one of two variables is slow, and the coefficients are free of time; the diffusion "
            f"has {names} and the time {diffusion.time}"
        )
    name, low, high = slow
    if str(name) not in names or not float(low) < float(high):
        raise GridMismatch(f"slow is (one of {names}, lower, upper), not {slow!r}")
    number = names.index(str(name))
    grid.require((diffusion.variables[1 - number],))
    if set(grid.axes[0].boundary) != {"reflecting"}:
        raise InvalidGrid(f"the walls of {grid.names[0]} reflect here, not {grid.axes[0].boundary}")
    return number, np.linspace(float(low), float(high), HEIGHTS + 1)


def _sides(region: Any, grid: Grid, at: Array) -> tuple[Flags, Flags]:
    """Whether cells lie in the region, and starts; no cell is cut."""
    level = level_function(region, grid.names)
    axis = grid.axes[0]
    quarter = 0.25 * axis.widths
    inner = [np.asarray(level((axis.centers + s * quarter,))) > 0 for s in (-1.9, -1.0, 1.0, 1.9)]
    side = np.broadcast_to(inner[0], grid.shape)
    cut = np.any([part != side for part in inner], axis=0)
    if cut.any():
        raise InvalidGrid(
            f"the boundary of the region cuts a cell at {grid.names[0]} = "
            f"{axis.centers[np.argmax(cut)]:.6g}; put it on an edge between two cells"
        )
    return side, np.broadcast_to(np.asarray(level((at,))) > 0, at.shape)


def _shared(grid: Grid, at: Array) -> Array:
    """Masses of equally likely points, each on the two nearest centres."""
    centers = grid.centers[0]
    if not np.all((centers[0] <= at) & (at <= centers[-1])):
        raise FokkerPlanckError(f"a start lies outside the grid: {at} in {grid}")
    upper = np.clip(np.searchsorted(centers, at), 1, centers.size - 1)
    share = (at - centers[upper - 1]) / (centers[upper] - centers[upper - 1])
    masses = np.zeros(centers.size)
    np.add.at(masses, upper - 1, (1.0 - share) / at.size)
    np.add.at(masses, upper, share / at.size)
    return masses


@dataclass(frozen=True)
class _Step:
    """A step, the heights of its two stages, and what it leads to."""

    length: float
    stages: tuple[float, float]
    masses: Array
    mean: float


@dataclass
class _Forward:
    """Masses and mean before the first step and after every one, and the steps themselves."""

    interval: SlowInterval
    name: str
    span: tuple[float, float]
    duration: float
    tolerance: float
    masses: list[Array] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    stages: list[tuple[float, float]] = field(default_factory=list)
    rejected: int = 0
    error: float = 0.0

    def march(self, masses: Array, height: float) -> None:
        """Run to the end."""
        self.masses, self.mean = [masses], [height]
        longest = self.span[1] - self.span[0]
        time, step = 0.0, self._first_step()
        with tqdm(total=self.duration, desc="slow_diffusion", disable=None, leave=False) as bar:
            while time < self.duration:
                left = self.duration - time
                speed = self._speed(self.masses[-1], self.mean[-1])
                # Interpolated rates have bends at the assembled heights.
                step = min(step, longest / HEIGHTS / max(abs(speed), np.finfo(float).tiny))
                step = left if step > 0.999 * left else step
                whole = self._trial(self.masses[-1], self.mean[-1], step)
                half = self._trial(self.masses[-1], self.mean[-1], 0.5 * step)
                other = self._trial(half.masses, half.mean, 0.5 * step)
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
                time = self.duration if step == left else time + step
                bar.update(step)
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
        return min(self.duration, (self.tolerance / size) ** (1.0 / 3.0))

    def _speed(self, masses: Array, height: float) -> float:
        return float(masses @ self.interval.at(self._inside(height))[3])

    def _trial(self, masses: Array, mean: float, length: float) -> _Step:
        speed = self._speed(masses, mean)
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
        if not self.span[0] <= height <= self.span[1]:
            raise FokkerPlanckError(
                f"the mean of {self.name} is {height:.6g} and has left its range "
                f"({self.span[0]:g}, {self.span[1]:g}): give a wider one, and a grid that fits it"
            )
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


def _backwards(interval: SlowInterval, run: _Forward, side: Flags) -> Array:
    """Probability that the side does not change after so many steps, (steps + 1,)."""
    cut = side[1:] != side[:-1]
    stays = np.ones(side.size)
    settled = np.ones(len(run.masses))
    for n in range(len(run.lengths) - 1, -1, -1):
        first, second = (
            _killed(interval.at(height), cut, STAGE * run.lengths[n]) for height in run.stages[n]
        )
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
