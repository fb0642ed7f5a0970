"""Many paths as independent blocks: fixed by their number alone, run by any executor.

Every block has its own child of the seed, so that the numbers do not depend on who computes what.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from threading import Event

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.sample.chain import Block, Chain, Outcome
from fokkerplanck.sample.run_block import advance_block

__all__ = ["Seed", "make_blocks", "run_blocks", "spawn", "stream_blocks"]

Array = NDArray[np.float64]
Seed = int | np.random.SeedSequence | np.random.Generator

# Blocks that few paths are split into, so that as many threads have work.
PARTS = 16


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
        for first, child in zip(firsts, spawn(seed, len(firsts)), strict=True)
    ]


def spawn(seed: Seed, count: int) -> list[np.random.SeedSequence]:
    """Independent children of a seed.

    Raises
    ------
    FokkerPlanckError
        When the seed is none.
    """
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
    """Outcomes in the order of the blocks; of one block alone when an error ended it."""
    outcomes = list(stream_blocks(blocks, executor, label=label))
    fatal = [o for o in outcomes if blocks[0].chain.is_fatal(o.reason)]
    return fatal or outcomes


def stream_blocks(
    blocks: Sequence[Block], executor: Executor | None, *, label: str
) -> Iterator[Outcome]:
    """Outcomes in the order of the blocks, one by one; an error in one of them is the last.

    Without an executor there is a thread for every processor, and an interrupt ends them all; of
    a given executor the blocks that are running go on to their end.
    """
    advance_block(replace(blocks[0], steps=0))  # Compile once, before any thread or process.
    with ExitStack() as stack:
        stop = None
        if executor is None:
            stop = Event()
            executor = stack.enter_context(ThreadPoolExecutor(os.cpu_count()))
        futures: deque[Future[Outcome]] = deque()
        try:
            futures.extend(executor.submit(advance_block, block, stop) for block in blocks)
            # disable=None: silent unless stderr is a terminal; delay: silent when soon done.
            with tqdm(total=len(blocks), desc=label, disable=None, delay=1) as bar:
                while futures:
                    outcome = futures[0].result()
                    futures.popleft()
                    bar.update()
                    yield outcome
                    if blocks[0].chain.is_fatal(outcome.reason):
                        return
        finally:
            # Also on KeyboardInterrupt; what has finished is not touched by either.
            if stop is not None:
                stop.set()
            for future in futures:
                future.cancel()
