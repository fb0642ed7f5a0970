"""Markov chains as compiled code, blocks of their paths, and what a block returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import Kernel
from fokkerplanck.sample.lanes import DIVERGED, NEGATIVE
from fokkerplanck.sample.recursion import Recursion
from fokkerplanck.sample.tally import Tally
from fokkerplanck.sample.walls import Walls

__all__ = ["Block", "Chain", "Outcome", "saved_steps"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Chain:
    """A Markov chain as compiled code; picklable.

    Attributes
    ----------
    kernel : Kernel
        Coefficients of one step.
    recursion : Recursion
    walls : Walls
    rows : int
        Rows of data that one evaluation of the coefficients reads, 0 without data.
    smallest_block : int
        Paths that a block should have at least; the vector instructions of a step that treats
        all paths at once want some tens.
    patient : bool
        Whether paths that leave to infinity are part of the answer, and the others go on.
    target : Kernel or None
        Level of the region where paths stop, and its rate.
    watched : bool
        Paths go on through that region instead, and changes of side are noted.
    """

    kernel: Kernel
    recursion: Recursion
    walls: Walls
    rows: int
    smallest_block: int
    patient: bool
    target: Kernel | None = None
    watched: bool = False

    def is_fatal(self, reason: Integers) -> bool:
        """Whether paths stopped for a reason that is reported as an error."""
        return bool((reason == NEGATIVE).any() or ((reason == DIVERGED).any() and not self.patient))


@dataclass(frozen=True)
class Block:
    """Some of the paths; `first` is the number of the first one, `start` has shape (paths, d)."""

    chain: Chain
    start: Array
    first: int
    steps: int
    save_every: int
    seed: np.random.SeedSequence
    tally: Tally | None = None


@dataclass(frozen=True)
class Outcome:
    """What a block returns; arrays over its paths.

    Attributes
    ----------
    first : int
        Number of the first path.
    values : (saved times, paths, d)
    stopped : (paths,)
        Step at which a path stopped, where `reason` is not zero.
    reason : (paths,)
    counts : (batches, groups, cells), or None
    sums : (batches, groups, d + d (d + 1)/2), or None
        Of deviations from the reference of the tally, and of their products.
    changed : (paths,), or None
        Step at which a watched path changed sides last, 0 where it never did.
    changed_at : (paths, d), or None
        State after it.
    """

    first: int
    values: Array
    stopped: Integers
    reason: Integers
    counts: Integers | None = None
    sums: Array | None = None
    changed: Integers | None = None
    changed_at: Array | None = None


def saved_steps(steps: int, save_every: int | None) -> Integers:
    """Numbers of the saved steps: the start, every `save_every`-th, the end."""
    every = save_every or max(steps, 1)
    return np.unique(np.append(np.arange(0, steps + 1, every), steps))
