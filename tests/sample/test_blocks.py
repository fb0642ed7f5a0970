"""The same numbers for any number of workers; interruption."""

from __future__ import annotations

import pickle
import signal
import threading
import time
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.noise import PerSample
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.results.ensemble import Ensemble
from fokkerplanck.sample import blocks
from fokkerplanck.sample.paths import simulate
from fokkerplanck.sample.sgd import simulate_sgd

x, y, a = sp.symbols("x y a", real=True)
DIFFUSION = Diffusion((x, y), [-(x**3), -y + x], [[1 + x**2, 0.3], [0.3, 1]])
SAMPLE_LOSS = (a * x - 1) ** 2 / 2
MINIBATCHES = SGD(
    SAMPLE_LOSS,
    (x,),
    PerSample(SAMPLE_LOSS, {a: [0.2, 1.0, 1.4]}, replacement=False),
    learning_rate=0.3,
    batch_size=2,
)


def paths(
    executor: Executor | None,
    seed: blocks.Seed = 3,
    count: int = 700,
    save_every: int | None = None,
) -> Ensemble:
    return simulate(
        DIFFUSION,
        (0.1, 0.2),
        duration=0.3,
        step=0.01,
        paths=count,
        seed=seed,
        save_every=save_every,
        executor=executor,
    )


def runs(executor: Executor | None) -> Ensemble:
    return simulate_sgd(MINIBATCHES, (0.0,), steps=30, runs=70, seed=5, executor=executor)


@pytest.mark.parametrize("sample", [paths, runs])
def test_workers_do_not_matter(sample) -> None:  # type: ignore[no-untyped-def]
    expected = sample(None).values
    assert np.unique(expected[-1, :, 0]).size > 2
    for workers in (1, 2, 5):
        with ThreadPoolExecutor(workers) as executor:
            np.testing.assert_array_equal(sample(executor).values, expected)


def test_processes_give_the_same_numbers() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        np.testing.assert_array_equal(paths(executor).values, paths(None).values)
        np.testing.assert_array_equal(runs(executor).values, runs(None).values)


def test_blocks_are_pickled_small() -> None:
    """As source: numba would send the machine's view of every function that a driver calls."""
    kernel = blocks.Kernel("", np.zeros(1), np.zeros((0, 0)), 1)
    chain = blocks.Chain("Euler–Maruyama", kernel, (), rows=0, smallest_block=32, patient=False)
    (block,) = blocks.make_blocks(chain, np.zeros((1, 2)), steps=1, save_every=None, seed=1)
    assert len(pickle.dumps(block)) < 2000


def test_looking_up_does_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = paths(None, save_every=7).values
    monkeypatch.setattr(blocks, "PATIENCE", 1)
    np.testing.assert_array_equal(paths(None, save_every=7).values, expected)


def test_seeds() -> None:
    sequence = np.random.SeedSequence(3)
    same = paths(None, seed=3).values
    for _ in range(2):
        np.testing.assert_array_equal(paths(None, seed=sequence).values, same)
    assert sequence.n_children_spawned == 0
    assert (paths(None, seed=4).values[-1] != same[-1]).all()
    generator = np.random.default_rng(3)
    first, second = (paths(None, seed=generator).values[-1] for _ in range(2))
    np.testing.assert_array_equal(first, same[-1])
    assert (first != second).all()


def test_blocks_have_independent_noise() -> None:
    end = paths(None, count=2 * LANES).values[-1]
    assert np.unique(end[:, 0]).size == 2 * LANES


@pytest.mark.parametrize(
    ("count", "smallest", "sizes"),
    [
        (3, 32, [3]),
        (100, 32, [32, 32, 32, 4]),
        (600, 1, [38] * 15 + [30]),
        (20, 1, [2] * 10),
        (16 * LANES + 1, 32, [LANES] * 16 + [1]),
    ],
)
def test_sizes_of_blocks(count: int, smallest: int, sizes: list[int]) -> None:
    kernel = blocks.Kernel("", np.zeros(0), np.zeros((0, 0)), 0)
    chain = blocks.Chain(
        "Euler–Maruyama", kernel, (), rows=0, smallest_block=smallest, patient=False
    )
    made = blocks.make_blocks(chain, np.zeros((count, 1)), steps=1, save_every=None, seed=1)
    assert [block.start.shape[0] for block in made] == sizes
    assert [block.first for block in made] == np.cumsum([0, *sizes[:-1]]).tolist()


def test_interrupt_ends_a_long_simulation() -> None:
    paths(None)  # Compiled before the clock starts.
    main = threading.main_thread().ident
    assert main is not None
    done = threading.Event()

    def interrupt() -> None:
        # An interrupt that meets a callback or a finaliser is swallowed there: press again.
        while not done.wait(1.0):
            signal.pthread_kill(main, signal.SIGINT)

    sender = threading.Thread(target=interrupt, daemon=True)
    began = time.perf_counter()
    sender.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            simulate(DIFFUSION, (0.1, 0.2), duration=4e4, step=0.001, paths=400, seed=1)
    finally:
        done.set()
    # The whole would take some minutes; a chunk takes some hundredths of a second.
    assert time.perf_counter() - began < 30
