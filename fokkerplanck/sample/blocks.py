"""Many paths as independent blocks: fixed by their number alone, run by any executor.

Every block has its own child of the seed, so that the numbers do not depend on who computes what.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fokkerplanck.discretize.kernels import LANES, Kernel
from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.sample import euler_maruyama, minibatch
from fokkerplanck.sample.lanes import NEGATIVE

__all__ = ["Block", "Chain", "Outcome", "Seed", "make_blocks", "run_blocks", "saved_steps"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Seed = int | np.random.SeedSequence | np.random.Generator

DRIVERS: dict[str, Callable[..., float]] = {
    "Euler–Maruyama": euler_maruyama.advance,
    "minibatches": minibatch.advance,
}

# Evaluations of the coefficients between two looks at whether to stop: some hundredths of a second.
PATIENCE = 2**22
# Blocks that few paths are split into, so that as many threads have work.
PARTS = 16


@dataclass(frozen=True)
class Chain:
    """A Markov chain as compiled code; picklable.

    Attributes
    ----------
    driver : str
        Name of the compiled loop over the steps, a key of `DRIVERS`; numba would pickle the
        function with its code, to be compiled again at the other end.
    kernel : Kernel
    settings : tuple
        Arguments of the driver between the kernel's numbers and the state.
    rows : int
        Rows of data that one evaluation of the coefficients reads, 0 without data.
    smallest_block : int
        Paths that a block should have at least; the vector instructions of a driver that treats
        all paths at once want some tens.
    patient : bool
        Whether paths that leave to infinity are part of the answer, and the others go on.
    """

    driver: str
    kernel: Kernel
    settings: tuple[Any, ...]
    rows: int
    smallest_block: int
    patient: bool

    def is_fatal(self, reason: Integers) -> bool:
        """Whether paths stopped for a reason that is reported as an error."""
        return bool((reason == NEGATIVE).any() or (reason.any() and not self.patient))


@dataclass(frozen=True)
class Block:
    """Some of the paths; `first` is the number of the first one, `start` has shape (paths, d)."""

    chain: Chain
    start: Array
    first: int
    steps: int
    save_every: int
    seed: np.random.SeedSequence


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
    """

    first: int
    values: Array
    stopped: Integers
    reason: Integers


def saved_steps(steps: int, save_every: int | None) -> Integers:
    """Numbers of the saved steps: the start, every `save_every`-th, the end."""
    every = save_every or max(steps, 1)
    return np.unique(np.append(np.arange(0, steps + 1, every), steps))


def make_blocks(
    chain: Chain, start: Array, *, steps: int, save_every: int | None, seed: Seed
) -> list[Block]:
    """Blocks of up to `LANES` paths, their size a function of the chain and the number of paths."""
    paths = start.shape[0]
    size = min(max(-(-paths // PARTS), chain.smallest_block), LANES)
    firsts = range(0, paths, size)
    every = save_every or max(steps, 1)
    return [
        Block(chain, start[first : first + size], first, steps, every, child)
        for first, child in zip(firsts, _spawn(seed, len(firsts)), strict=True)
    ]


def _spawn(seed: Seed, count: int) -> list[np.random.SeedSequence]:
    if isinstance(seed, np.random.Generator):
        sequence = seed.bit_generator.seed_seq
        return list(sequence.spawn(count))  # type: ignore[attr-defined]
    if isinstance(seed, np.random.SeedSequence):
        # A copy: spawning counts the children, and the same seed must give the same numbers.
        copy = np.random.SeedSequence(
            seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size
        )
        return copy.spawn(count)
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise FokkerPlanckError(
            f"seed is a whole number >= 0, a SeedSequence or a Generator, not {seed!r}"
        )
    return np.random.SeedSequence(int(seed)).spawn(count)


def run_blocks(blocks: Sequence[Block], executor: Executor | None, *, label: str) -> list[Outcome]:
    """Outcomes in the order of the blocks; of one block alone when an error ended it.

    Without an executor there is a thread for every processor, and an interrupt ends them all; of
    a given executor the blocks that are running go on to their end.
    """
    advance_block(replace(blocks[0], steps=0))  # Compile once, before any thread or process.
    with ExitStack() as stack:
        stop = None
        if executor is None:
            stop = Event()
            executor = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
        futures: list[Future[Outcome]] = []
        try:
            futures += [executor.submit(advance_block, block, stop) for block in blocks]
            # disable=None: silent unless stderr is a terminal; delay: silent when soon done.
            bar = tqdm(as_completed(futures), total=len(futures), desc=label, disable=None, delay=1)
            for future in bar:
                if blocks[0].chain.is_fatal(future.result().reason):
                    return [future.result()]
            return [future.result() for future in futures]
        finally:
            # Also on KeyboardInterrupt; what has finished is not touched by either.
            if stop is not None:
                stop.set()
            for future in futures:
                future.cancel()


def advance_block(block: Block, stop: Event | None = None) -> Outcome:
    """Run one block from its start to its end, or until `stop` is set."""
    lanes, size = block.start.shape
    x = np.zeros((size, LANES))
    x[:, :lanes] = block.start.T
    values = np.empty((saved_steps(block.steps, block.save_every).size, lanes, size))
    values[0] = block.start
    stopped, reason = np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    rng, scale = np.random.default_rng(block.seed), -1.0
    state, chain = x.reshape(-1), block.chain
    chunk = max(1, PATIENCE // (lanes * max(chain.rows, 1)))
    for first in range(0, max(block.steps, 1), chunk):
        if chain.is_fatal(reason) or (stop is not None and stop.is_set()):
            break
        scale = DRIVERS[chain.driver](
            chain.kernel.coefficients,
            chain.kernel.parameters,
            chain.kernel.data,
            *chain.settings,
            chain.patient,
            state,
            size,
            lanes,
            first,
            min(first + chunk, block.steps),
            block.save_every,
            values,
            scale,
            stopped,
            reason,
            rng,
        )
    values[-1] = x[:, :lanes].T
    return Outcome(block.first, values, stopped[:lanes], reason[:lanes])
