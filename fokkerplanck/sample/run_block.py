"""One block of paths, from its start to its end."""

from __future__ import annotations

from itertools import pairwise
from threading import Event

import numpy as np

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.sample.advance import advance
from fokkerplanck.sample.chain import Block, Outcome, saved_steps
from fokkerplanck.sample.tally import find_cells

__all__ = ["advance_block"]

# Evaluations of the coefficients between two looks at whether to stop: some hundredths of a second.
PATIENCE = 2**22


def advance_block(block: Block, stop: Event | None = None) -> Outcome:
    """Run one block from its start to its end, or until `stop` is set or all paths have stopped."""
    run = _Run(block)
    end = block.steps
    bounds = [0, end]
    if block.tally is not None:
        bounds = [0, *block.tally.bounds(end)] if end > 0 else [0, 0]
    batch = -1 if block.tally is not None else 0
    for first, last in pairwise(bounds):
        if not run.advance(first, last, batch, stop):
            break
        batch += 1
    return run.outcome()


class _Run:
    """The arrays of one block while it runs."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.paths, self.size = block.start.shape
        self.lanes = self.paths
        pairs = self.size * (self.size + 1) // 2
        state = np.zeros((2 * self.size + pairs + 2, LANES))
        state[: self.size, : self.paths] = block.start.T
        self.rows = state
        self.saved = saved_steps(block.steps, block.save_every)
        self.values = np.empty((self.saved.size, self.paths, self.size))
        self.values[0] = block.start
        self.order = np.arange(LANES)
        self.stopped, self.reason = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
        self.changed, self.changed_at = np.zeros(LANES, np.int64), np.zeros((LANES, self.size))
        self.changed_at[: self.paths] = block.start
        self.scale, self.rng = np.array([-1.0]), np.random.default_rng(block.seed)
        tally = block.tally
        groups, cells = (0, 0) if tally is None else (tally.groups, tally.size)
        batches = 0 if tally is None else tally.batches
        self.cells = find_cells(None, ()) if tally is None else tally.cells
        self.groups = np.zeros(LANES, np.int64) if tally is None else tally.group_of(self.paths)
        self.reference = np.zeros(self.size) if tally is None else tally.reference
        self.counts = np.zeros((batches, groups, cells), np.int64)
        self.sums = np.zeros((batches, groups, self.size + pairs))
        self.idle = np.zeros((0, 0), np.int64)

    def advance(self, first: int, last: int, batch: int, stop: Event | None) -> bool:
        """Run some steps, counting them in a batch unless it is -1; False when that is the end."""
        chain = self.block.chain
        target = chain.kernel if chain.target is None else chain.target
        counting = self.block.tally is not None and batch >= 0
        done, goes_on = first, True
        # Also without any step: then the call compiles the loop.
        while goes_on and (done < last or self.block.steps == 0):
            until = min(done + max(1, PATIENCE // (self.lanes * max(chain.rows, 1))), last)
            self.lanes = advance(
                chain.kernel.coefficients,
                chain.kernel.parameters,
                chain.kernel.data,
                chain.recursion,
                chain.patient,
                chain.walls,
                target.coefficients,
                target.parameters,
                chain.target is not None and not chain.watched,
                chain.watched,
                self.cells,
                self.groups,
                self.reference,
                self.counts[batch] if counting else self.idle,
                self.rows.reshape(-1),
                self.size,
                self.lanes,
                self.paths,
                done,
                until,
                self.block.save_every,
                self.values,
                self.scale,
                self.order,
                self.stopped,
                self.reason,
                self.changed,
                self.changed_at,
                self.rng,
            )
            done = until
            ended = chain.is_fatal(self.reason) or (stop is not None and stop.is_set())
            goes_on = self.lanes > 0 and self.block.steps > 0 and not ended
        if counting:
            self._flush(batch)
        return goes_on

    def _flush(self, batch: int) -> None:
        """Move the sums of the lanes to their groups."""
        sums = self.rows[self.size : -2, : self.paths]
        np.add.at(self.sums[batch], self.groups[self.order[: self.paths]], sums.T)
        sums[:] = 0.0

    def outcome(self) -> Outcome:
        """What is known by now."""
        self.values[-1][self.order[: self.paths]] = self.rows[: self.size, : self.paths].T
        stopped, reason = self.stopped[: self.paths], self.reason[: self.paths]
        # Where all had stopped, nothing was saved any more.
        late = (self.saved[:, np.newaxis] > stopped) & (reason != 0)
        self.values[late] = np.broadcast_to(self.values[-1], self.values.shape)[late]
        counted, watched = self.block.tally is not None, self.block.chain.watched
        return Outcome(
            self.block.first,
            self.values,
            stopped,
            reason,
            self.counts if counted else None,
            self.sums if counted else None,
            self.changed[: self.paths] if watched else None,
            self.changed_at[: self.paths] if watched else None,
        )
