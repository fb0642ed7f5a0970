"""The compiled loop over the steps of one block: step, walls, targets, what is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.sample.crossing import mark_arrivals
from fokkerplanck.sample.euler_maruyama import step_euler_maruyama
from fokkerplanck.sample.lanes import DIVERGED, accept, compact, save, stop_negative
from fokkerplanck.sample.last_change import mark_changes
from fokkerplanck.sample.minibatch import step_on_minibatches
from fokkerplanck.sample.recursion import MINIBATCHES, WEAK_SECOND_ORDER, Recursion
from fokkerplanck.sample.tally import Cells, count
from fokkerplanck.sample.walls import Walls, keep_inside
from fokkerplanck.sample.weak_second_order import step_weak_second_order, weak_second_order_rows

__all__ = ["advance"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    coefficients: Callable[..., None],
    parameters: Array,
    data: Array,
    recursion: Recursion,
    patient: bool,
    walls: Walls,
    target: Callable[..., None],
    target_parameters: Array,
    targeted: bool,
    watched: bool,
    cells: Cells,
    groups: Integers,
    reference: Array,
    counts: Integers,
    state: Array,
    size: int,
    lanes: int,
    paths: int,
    first: int,
    last: int,
    save_every: int,
    saved: Array,
    scale: Array,
    order: Integers,
    stopped: Integers,
    reason: Integers,
    changed: Integers,
    changed_at: Array,
    rng: np.random.Generator,
) -> int:
    """Steps `first` to `last` of one block; returns how many paths still run.

    Parameters
    ----------
    patient : bool
        Go on with the other paths when one diverges.  A negative eigenvalue always ends the call.
    target, target_parameters, targeted, watched
        Compiled level of the region where paths stop, or of which they are only watched.
    cells, groups, reference, counts
        As for `fokkerplanck.sample.tally.count`; nothing is counted where counts have no group.
    state : rows, changed in place
        The states, the d and d (d + 1)/2 sums of the tally, the level and its rate.
    lanes, paths : int
        How many paths run when the call begins, and how many there are.
    saved : (times, paths, d)
        Entry ``k`` is written after step ``k save_every``.
    scale : (1,)
        Size of a variance, negative before the first step.
    order : (LANES,)
        Path of every lane; changed in place, as the next two.
    stopped, reason : (LANES,)
        Step at which a path stopped, and why.
    changed, changed_at
        As for `fokkerplanck.sample.last_change.mark_changes`, of paths that are watched.
    """
    pairs = size * (size + 1) // 2
    x, sums = state[: size * LANES], state[size * LANES : (2 * size + pairs) * LANES]
    level = state[(2 * size + pairs) * LANES :]
    work, reached = np.empty(weak_second_order_rows(size) * LANES), np.empty(2 * LANES)
    point, proposed = np.empty(size * LANES), np.empty(size * LANES)
    marks, index = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    batch, permutation = np.empty((recursion.batch_size, data.shape[1])), np.arange(data.shape[0])
    if targeted or watched:
        target(x, first * recursion.time_step, target_parameters, data, level, lanes)
    for step in range(first, last):
        time = step * recursion.time_step
        place = x
        if recursion.scheme == MINIBATCHES:
            failed = step_on_minibatches(
                coefficients,
                parameters,
                data,
                recursion,
                x,
                size,
                lanes,
                scale,
                work,
                batch,
                permutation,
                marks,
                proposed,
                rng,
            )
        elif recursion.scheme == WEAK_SECOND_ORDER:
            place = point
            failed = step_weak_second_order(
                coefficients,
                parameters,
                data,
                recursion,
                time,
                x,
                size,
                lanes,
                scale,
                work,
                point,
                marks,
                proposed,
                rng,
            )
        else:
            failed = step_euler_maruyama(
                coefficients,
                parameters,
                data,
                recursion,
                time,
                x,
                size,
                lanes,
                scale,
                work,
                marks,
                proposed,
                rng,
            )
        if failed > 0:
            stop_negative(x, place, size, lanes, step, marks, order, stopped, reason)
            return lanes
        if walls.any:
            keep_inside(
                walls,
                coefficients,
                parameters,
                data,
                recursion,
                time,
                proposed,
                size,
                lanes,
                work,
                marks,
            )
        halted = accept(x, proposed, size, lanes, step, order, stopped, reason)
        if targeted:
            now = (step + 1) * recursion.time_step
            target(x, now, target_parameters, data, reached, lanes)
            halted += mark_arrivals(
                level,
                reached,
                recursion.time_step,
                lanes,
                step,
                order,
                stopped,
                reason,
                rng,
            )
        elif watched:
            target(x, (step + 1) * recursion.time_step, target_parameters, data, reached, lanes)
            mark_changes(level, reached, x, size, lanes, step, order, changed, changed_at)
        if halted > 0:
            lanes = compact(state, lanes, order, reason)
        if counts.shape[0] > 0:
            count(cells, x, size, lanes, order, groups, reference, counts, sums, index)
        if (step + 1) % save_every == 0:
            save(x, size, paths, order, saved[(step + 1) // save_every])
        if lanes == 0 or (halted > 0 and not patient and (reason == DIVERGED).any()):
            return lanes
    return lanes
