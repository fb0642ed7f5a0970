"""Two variables of which one changes slowly: the fast one exactly, the slow one by its mean."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.level import level_function
from fokkerplanck.discretize.panel_regions import region_ends
from fokkerplanck.discretize.regions import region_fraction
from fokkerplanck.discretize.transition_panels import Columns, require_room
from fokkerplanck.discretize.transition_slice import SlicedStep, panels_for_range
from fokkerplanck.discretize.transition_step import GaussianStep
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidGrid
from fokkerplanck.model.optimizers import SGD, SGLD
from fokkerplanck.results.density import Density
from fokkerplanck.results.slow_evolution import SlowEvolution
from fokkerplanck.solve.linear.blas import single_threaded_blas
from fokkerplanck.solve.slow_variable import require_inside, slow_range, starts
from fokkerplanck.solve.steps_slow_moments import Followed, FollowedMean, FollowedMoments

__all__ = ["slow_evolution"]

Array = NDArray[np.float64]

# Share of its range by which the slow variable moves under one operator by default: an error of
# 1e-4 in the probabilities and of 1e-3, relatively, in the last changes of two valleys, which is
# of second order.
SHARE = 2e-3
# Bytes of operators that are kept for the backward pass; others are made again.
KEPT = 2**29
# Longest run of steps with one operator, where the slow variable stands still.
LONGEST = 1000


@dataclass(frozen=True)
class _Block:
    """Steps made with one operator."""

    first: int
    count: int
    part: SlicedStep
    masses: Array | None

    def one_step(self, panels: Panels) -> Array:
        """The operator, made again where it was not kept."""
        if self.masses is not None:
            return self.masses
        made: Array = self.part.at(panels.mesh[0]).columns(panels).masses
        return made


def slow_evolution(
    optimizer: SGD | SGLD,
    panels: Panels,
    slow: tuple[Any, float, float],
    start: Any,
    steps: int,
    *,
    region: Any,
    largest_move: float | None = None,
    moments: int = 0,
) -> SlowEvolution:
    """Follow discrete SGD in a fast variable exactly while a slow one moves with its mean.

    ``P(n + 1) = K(ybar) P(n)``, ``ybar(n + 1) = ybar(n) + sum_j P_j(n) v(x_j, ybar)``, with the
    one-step operator ``K`` of the fast variable and the mean step ``v`` of the slow one.  For
    losses such as a valley along y that splits in x, where the spread of y matters little.

    Parameters
    ----------
    optimizer : SGD or SGLD, of two variables
    panels : Panels
        Of the fast variable, wide enough for every value of the slow one.
    slow : (symbol or name, lower, upper)
        The slow variable and its range, which it must not leave.
    start : two numbers, or several such pairs
        One in the order of the variables, or equally likely ones that share the slow variable.
    steps : int
    region : relation of the fast variable
        Its probability is recorded, and when its side changes for the last time.
    largest_move : float, optional
        Of the slow variable between two operators, 1/500 of its range by default.
    moments : {0, 2}
        Of the slow variable about its mean that are followed at every place of the fast one: with
        2 the result has its standard deviation, and both on either side of the region.

    Returns
    -------
    SlowEvolution
        `info` holds ``unknowns``, ``operators``, ``lost_mass`` (given back at the walls), and the
        largest ``negative_mass`` after a step, which two moments may leave.

    Raises
    ------
    InvalidModel
        When there are not two variables, or a break of the loss moves with the slow one.
    FokkerPlanckError
        When the slow variable leaves its range, or is too widely spread for two moments.
    GridMismatch, InvalidGrid, InvalidRegion

    Notes
    -----
    Neglected: the spread of the slow variable, and its correlation with the fast one.  With two
    moments neither is, to second order in the spread over the length on which ``K`` varies with y;
    a run takes about six times as long.  The backward pass neglects both always.  The last
    change is found by a backward pass: ``u(T) = 1``, ``u(n) = sum over the same side of K u(n+1)``;
    ``P(n) . u(n)`` is the probability that no change comes after step n.

    Examples
    --------
    Two valleys behind a ridge, which grows as y does and shuts between them:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> x, y = sp.symbols("x y", real=True)
    >>> loss = y * (sp.Abs(x) - 1) ** 2 - y
    >>> sgd = fpk.SGD(loss, (x, y), fpk.noise.Isotropic(25), learning_rate=0.05)
    >>> run = fpk.slow_evolution(
    ...     sgd, fpk.Panels(x=(-4, 4)), (y, 0.5, 4), (0.3, 1.0), 20, region=x > 0)
    >>> run.probability[[0, 1, 20]]
    array([1.   , 0.931, 0.749])
    >>> run.slow_at_last_change, run.last_change
    (1.1..., 2.749)
    """
    began = clock.perf_counter()
    number, low, high = _slow_variable(optimizer, panels, slow)
    if moments not in (0, 2):
        raise FokkerPlanckError(f"moments of the slow variable are 0 or 2, not {moments!r}")
    at, height = starts([v.name for v in optimizer.state], number, start)
    step = GaussianStep.compile(optimizer)
    level = level_function(region, panels.names)
    panels = panels.with_edges(region_ends(level, panels))
    panels = panels_for_range(panels, step, number, low, high)
    require_room(float(panels.size) * (steps + 1), panels.size)
    side = region_fraction(region, panels) > 0.5
    begins = np.broadcast_to(np.asarray(level((at,))) > 0, at.shape)
    first = SlicedStep(step, number, height)
    move = SHARE * (high - low) if largest_move is None else float(largest_move)
    begun = first.at(at)
    columns = begun.columns(panels)
    state: Followed = (
        FollowedMoments(first, panels, begun, columns, side)
        if moments
        else FollowedMean(first, panels, begun, columns)
    )
    masses = np.empty((steps, panels.size))
    with single_threaded_blas():
        mean, blocks, tallies, lost = _forwards(state, first, masses, (low, high), move)
        settled = _backwards(columns, panels, masses, blocks, (side, begins))
    info = Info(
        unknowns=panels.size,
        operators=len(blocks) + 1,
        lost_mass=lost + float(columns.lost.mean()),
        negative_mass=state.negative,
        seconds=clock.perf_counter() - began,
    )
    probability = np.append(begins.mean(), masses @ side)
    density = Density(masses[-1] / panels.volumes, panels, info)
    spread = _spread(mean, tallies, begins) if moments else ()
    return SlowEvolution(density, mean, probability, settled, info, *spread)


def _spread(mean: Array, tallies: Array, begins: NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """Standard deviation; means and standard deviations in the region and outside."""
    share = float(begins.mean())
    start = np.array([[[share, 1.0 - share], [0.0, 0.0], [0.0, 0.0]]])
    zeroth, first, second = np.moveaxis(np.concatenate([start, tallies]), 1, 0)
    deviation = np.sqrt(np.maximum(second.sum(axis=1) / zeroth.sum(axis=1), 0.0))
    held = zeroth > 0.0
    shift, square = (
        np.divide(moment, zeroth, out=np.full_like(zeroth, np.nan), where=held)
        for moment in (first, second)
    )
    return deviation, mean[:, np.newaxis] + shift, np.sqrt(np.maximum(square - shift**2, 0.0))


def _slow_variable(
    optimizer: SGD | SGLD, panels: Panels, slow: tuple[Any, float, float]
) -> tuple[int, float, float]:
    names = [v.name for v in optimizer.state]
    number, low, high = slow_range(names, slow)
    if not isinstance(panels, Panels):
        raise InvalidGrid(f"the fast variable lives on Panels, not on {panels!r}")
    if panels.names != (names[1 - number],):
        raise GridMismatch(f"the panels are of {panels.names}, the fast variable is "
                           f"{names[1 - number]}")  # fmt: skip
    return number, low, high


def _forwards(
    state: Followed,
    first: SlicedStep,
    masses: Array,
    span: tuple[float, float],
    move: float,
) -> tuple[Array, list[_Block], Array, float]:
    """Fill in masses after every step (steps, n); means (steps + 1,), operators, tallies, loss."""
    steps, size = masses.shape
    mean, tallies = np.empty(steps + 1), np.empty((steps, *state.tally.shape))
    mean[:2] = first.height, state.mean
    masses[0], tallies[0] = state.masses, state.tally
    lost = 0.0
    blocks: list[_Block] = []
    done = count = 1
    # tqdm is silent where nobody looks.
    with tqdm(total=steps - 1, desc="steps", disable=None, leave=False) as progress:
        while done < steps:
            require_inside(mean[done], span, first.step.names[first.slow])
            speed = float(mean[done] - mean[done - 1])
            longest = move / max(abs(speed), np.finfo(float).tiny)
            # The speed is that of one step before: where it changes fast, at first, blocks grow.
            count = int(min(max(longest, 1), 2 * count, LONGEST, steps - done))
            # The operator in the middle of the block: second order in its length.
            part = SlicedStep(first.step, first.slow, float(mean[done] + 0.5 * (count - 1) * speed))
            columns = state.enter(part, move)
            for n in range(done, done + count):
                lost += float(columns.lost @ masses[n - 1])
                state.advance()
                mean[n + 1], masses[n], tallies[n] = state.mean, state.masses, state.tally
            kept = 8 * size**2 * (len(blocks) + 1) <= KEPT
            blocks.append(_Block(done, count, part, columns.masses if kept else None))
            done += count
            progress.update(count)
    require_inside(mean[-1], span, first.step.names[first.slow])
    return mean, blocks, tallies, lost


def _backwards(
    first: Columns,
    panels: Panels,
    masses: Array,
    blocks: Sequence[_Block],
    sides: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> Array:
    """Probability that the side does not change after so many steps, (steps + 1,)."""
    side, begins = sides
    steps = masses.shape[0]
    settled = np.ones(steps + 1)
    stays = np.ones(panels.size)
    for block in reversed(blocks):
        same = block.one_step(panels) * (side[:, np.newaxis] == side)
        backward = np.ascontiguousarray(same.T)
        for n in range(block.first + block.count - 1, block.first - 1, -1):
            stays = backward @ stays
            settled[n] = masses[n - 1] @ stays
    same = first.masses * (side[:, np.newaxis] == begins)
    settled[0] = float(np.mean(stays @ same))
    return settled
