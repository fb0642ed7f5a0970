"""Density and moments of paths too long or too many to keep."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.results.density import Density
from fokkerplanck.results.statistics import GroupSums, Moments, Statistics
from fokkerplanck.sample.blocks import Seed, make_blocks, stream_blocks
from fokkerplanck.sample.chain import Block, Outcome
from fokkerplanck.sample.diffusion_chain import chain_of_diffusion, steps_of
from fokkerplanck.sample.runs import (
    as_states,
    positive_integer,
    require_finite,
    require_inside,
    require_semidefinite,
)
from fokkerplanck.sample.schemes import EulerMaruyama, Scheme
from fokkerplanck.sample.tally import Tally, make_tally

__all__ = ["sample_statistics"]

Array = NDArray[np.float64]


def sample_statistics(
    diffusion: Diffusion,
    start: Any,
    *,
    grid: Grid,
    duration: float,
    step: float,
    paths: int,
    seed: Seed,
    after: float = 0.0,
    scheme: Scheme | None = None,
    walls: Grid | None = None,
    executor: Executor | None = None,
) -> Statistics:
    """Histogram, mean and covariance over all steps of sampled paths, none of which is kept.

    The memory needed is that of some histograms, whatever the duration and the number of paths.

    Parameters
    ----------
    diffusion, start, duration, step, paths, seed, scheme, walls, executor
        As for `simulate`.
    grid : Grid
        Its axes are some or all of the variables, in any order; the others are integrated out.
        Along a periodic axis positions are wrapped into the grid; its other boundary words do not
        matter: walls are given by `walls`.
    after : float
        Time from which on steps are counted, for instance some relaxation times.

    Returns
    -------
    Statistics
        The density is normalised by all samples, so that its mass is the share inside the grid;
        ``outside`` in its `info` counts the others.  The moments are of all samples, not from
        the histogram.  A cell without samples has the standard error that one sample would give.

    Raises
    ------
    GridMismatch
        When an axis is no variable.
    FokkerPlanckError
        When `after` is not before the end, or a wall absorbs: `simulate` has the paths that stay.
    UnboundSymbol, NotPositiveSemidefinite, InvalidCoefficient, InvalidModel
        As for `simulate`.

    Notes
    -----
    Standard errors are those of means over groups (batch means): of independent paths where there
    are 8 or more, whatever the correlation along a path; of batches of every path otherwise, 32 or
    more in all, right when a batch is longer than the correlation time.  Source: P. W. Glynn and
    D. L. Iglehart, Math. Oper. Res. 15, 1 (1990).

    Examples
    --------
    >>> import fokkerplanck as fpk, sympy as sp
    >>> x = sp.Symbol("x", real=True)
    >>> found = fpk.sample_statistics(
    ...     fpk.Diffusion((x,), [-x], [[1]]), (0.0,), grid=fpk.Grid(x=(-4, 4, 32)),
    ...     duration=100, after=5, step=0.01, paths=100, seed=1,
    ... )
    >>> bool(abs(found.covariance[0, 0] - 1.005) < 4 * found.covariance_standard_error[0, 0])
    True
    >>> found.density.mass, found.density.standard_error.shape
    (0.9999, (32,))
    """
    began = time.perf_counter()
    count = positive_integer(paths, "paths")
    steps, actual = steps_of(duration, step)
    beginning = _beginning(after, actual, steps)
    if count == 1 and steps - beginning < 2:
        raise FokkerPlanckError("one sample has no standard error; use more paths or steps")
    names = tuple(v.name for v in diffusion.variables)
    states = as_states(start, count, names)
    require_inside(states, walls, names)
    chosen = EulerMaruyama() if scheme is None else scheme
    chain = chain_of_diffusion(diffusion, chosen, actual, walls)
    if chain.target is not None:
        raise FokkerPlanckError(
            "a wall absorbs: there is no stationary density; use simulate, whose ensemble says "
            "when paths were absorbed"
        )
    blocks = make_blocks(chain, states, steps=steps, save_every=None, seed=seed)
    tally = make_tally(
        grid,
        names,
        states.mean(axis=0),
        after=beginning,
        steps=steps,
        paths=count,
        blocks=len(blocks),
    )
    blocks = [replace(block, tally=tally) for block in blocks]
    cells, moments = GroupSums(grid.size), Moments(tally.reference)
    for block, outcome in zip(blocks, stream_blocks(blocks, executor, label="paths"), strict=False):
        require_semidefinite([outcome], chain.kernel, names, "D", actual)
        require_finite([outcome], chain.kernel, names, actual)
        for samples, counts, sums in _groups(block, tally, outcome):
            cells.add(counts, samples)
            moments.add(sums, samples)
    info = Info(
        method=chosen.name,
        step=actual,
        steps=steps,
        paths=count,
        samples=int(cells.samples),
        groups=cells.groups,
        seconds=time.perf_counter() - began,
    )
    # One sample would have given an empty cell this much.
    error = np.where(cells.sums > 0.0, cells.standard_error, 1.0 / cells.samples)
    outside = int(cells.samples) - int(cells.sums.sum())
    density = Density(
        cells.mean.reshape(grid.shape) / grid.volumes,
        grid,
        info.extended(outside=outside),
        error.reshape(grid.shape) / grid.volumes,
    )
    return Statistics(
        names,
        density,
        moments.mean,
        moments.mean_standard_error,
        moments.covariance,
        moments.covariance_standard_error,
        info,
    )


def _beginning(after: float, step: float, steps: int) -> int:
    number = float(after) / step
    if not 0 <= number < steps - 0.5:
        raise FokkerPlanckError(
            f"counting begins after {after!r}, which is not between 0 and the end, "
            f"{steps * step:.6g}"
        )
    return round(number)


def _groups(block: Block, tally: Tally, outcome: Outcome) -> Iterator[tuple[int, Array, Array]]:
    """Number of samples, counts and sums of every group of a block."""
    assert outcome.counts is not None
    assert outcome.sums is not None
    paths = block.start.shape[0]
    members = np.bincount(tally.group_of(paths)[:paths], minlength=tally.groups)
    for k, (first, last) in enumerate(pairwise(tally.bounds(block.steps))):
        for group in np.flatnonzero(members):
            samples = int(members[group]) * (last - first)
            yield samples, outcome.counts[k, group].astype(np.float64), outcome.sums[k, group]
