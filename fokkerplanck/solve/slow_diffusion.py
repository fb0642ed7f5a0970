"""A diffusion in two variables, the slow one of which follows its mean."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.level import level_function
from fokkerplanck.discretize.slow_interval import SlowInterval
from fokkerplanck.errors import FokkerPlanckError, InvalidGrid, InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.results.density import Density
from fokkerplanck.results.slow_evolution import SlowEvolution
from fokkerplanck.solve.linear.blas import single_threaded_blas
from fokkerplanck.solve.slow_diffusion_steps import Forward, backwards
from fokkerplanck.solve.slow_variable import slow_range, starts

__all__ = ["slow_diffusion"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# Heights, over the range, at which rates are assembled; between two they are interpolated.
HEIGHTS = 64


@overload
def slow_diffusion(
    diffusion: Diffusion,
    grid: Grid,
    slow: tuple[Any, float, float],
    start: Any,
    duration: float,
    *,
    region: Any,
    tolerance: float = ...,
) -> SlowEvolution: ...
@overload
def slow_diffusion(
    diffusion: Diffusion,
    grid: Grid,
    slow: tuple[Any, float, float],
    start: Any,
    duration: Sequence[float] | Array,
    *,
    region: Any,
    tolerance: float = ...,
) -> list[SlowEvolution]: ...
def slow_diffusion(
    diffusion: Diffusion,
    grid: Grid,
    slow: tuple[Any, float, float],
    start: Any,
    duration: Any,
    *,
    region: Any,
    tolerance: float = 1e-4,
) -> SlowEvolution | list[SlowEvolution]:
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
    duration : float, or several that increase
        In units of time.  Of several, each has its result; the forward pass is one.
    region : relation of the fast variable
        Its probability is recorded, and when its side changes for the last time.
    tolerance : float
        On the error in L1 of a step.  Those of the shape of the density inside its valleys decay
        again, so that those of a run hardly add up.

    Returns
    -------
    SlowEvolution, or a list of as many as durations
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
    array([1.   , 0.734])
    >>> run.last_change, run.slow_at_last_change
    (0.201, 1.143)
    """
    began = clock.perf_counter()
    number, heights = _slow_variable(diffusion, grid, slow)
    names = [v.name for v in diffusion.variables]
    at, height = starts(names, number, start)
    ends = np.atleast_1d(np.asarray(duration, dtype=float))
    if ends.ndim != 1 or not ends.size or not np.all(np.diff(ends, prepend=0.0) > 0.0):
        raise FokkerPlanckError(f"durations are positive and increase, unlike {duration!r}")
    if not 0.0 < tolerance < 1.0:
        raise FokkerPlanckError(f"the tolerance is between 0 and 1, not {tolerance!r}")
    side, begins = _sides(region, grid, at)
    interval = SlowInterval(diffusion, grid, number, heights, side)
    run = Forward(interval, names[number], (heights[0], heights[-1]), ends, tolerance)
    with single_threaded_blas():
        run.march(_shared(grid, at), height)
        info = Info(
            unknowns=grid.size,
            steps=len(run.lengths),
            rejected=run.rejected,
            operators=interval.assembled,
            estimated_error=run.error,
            tolerance=tolerance,
            seconds=clock.perf_counter() - began,
        )
        runs = [_result(run, end, side, float(begins.mean()), info) for end in run.ends]
    return runs if np.ndim(duration) else runs[0]


def _result(run: Forward, end: int, side: Flags, begins: float, info: Info) -> SlowEvolution:
    """What is known when that many steps are made."""
    grid = run.interval.grid
    masses = np.array(run.masses[: end + 1])
    probability = masses @ side
    probability[0] = begins
    return SlowEvolution(
        Density(masses[-1] / grid.volumes, grid, info),
        np.array(run.mean[: end + 1]),
        probability,
        backwards(run, end, side),
        info,
        times=np.cumsum([0.0, *run.lengths[:end]]),
    )


def _slow_variable(
    diffusion: Diffusion, grid: Grid, slow: tuple[Any, float, float]
) -> tuple[int, Array]:
    """Number of the slow variable, and heights over its range."""
    if diffusion.time is not None:
        raise InvalidModel(f"coefficients are free of time here, those given have {diffusion.time}")
    number, low, high = slow_range([v.name for v in diffusion.variables], slow)
    grid.require((diffusion.variables[1 - number],))
    if set(grid.axes[0].boundary) != {"reflecting"}:
        raise InvalidGrid(f"the walls of {grid.names[0]} reflect here, not {grid.axes[0].boundary}")
    return number, np.linspace(low, high, HEIGHTS + 1)


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
