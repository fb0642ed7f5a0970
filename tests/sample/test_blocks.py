"""The same numbers for any number of workers; interruption."""

from __future__ import annotations

import pickle
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.kernels import LANES, Kernel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.noise import PerSample
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.results.ensemble import Ensemble
from fokkerplanck.sample import blocks, run_block
from fokkerplanck.sample.chain import Chain
from fokkerplanck.sample.passage import sample_escape_rate
from fokkerplanck.sample.paths import simulate
from fokkerplanck.sample.recursion import EULER_MARUYAMA, Recursion
from fokkerplanck.sample.schemes import Tamed, WeakSecondOrder
from fokkerplanck.sample.sgd import simulate_sgd
from fokkerplanck.sample.statistics import sample_statistics
from fokkerplanck.sample.walls import find_walls

Array = NDArray[np.float64]
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


BOX = Grid(x=(-2, 2, 4), boundary={"x": ("reflecting", "absorbing")})


def saved_values(executor: Executor | None) -> Array:
    return paths(executor).values


def saved_runs(executor: Executor | None) -> Array:
    return runs(executor).values


def second_order_in_a_box(executor: Executor | None) -> Array:
    run = {"duration": 0.6, "step": 0.02, "paths": 700, "seed": 3, "executor": executor}
    found = simulate(DIFFUSION, (1.0, 0.2), scheme=WeakSecondOrder(), walls=BOX, **run)  # type: ignore[arg-type]
    assert found.absorbed.any()
    return np.append(found.values.ravel(), found.absorbed_at)


def tamed(executor: Executor | None) -> Array:
    run = {"duration": 0.3, "step": 0.02, "paths": 300, "seed": 3, "executor": executor}
    return simulate(DIFFUSION, (1.0, 0.2), scheme=Tamed(), **run).values  # type: ignore[arg-type]


def counted(executor: Executor | None) -> Array:
    found = sample_statistics(
        DIFFUSION,
        (0.1, 0.2),
        grid=Grid(x=(-2, 2, 8), y=(-2, 2, 8)),
        duration=0.3,
        step=0.01,
        paths=700,
        seed=3,
        executor=executor,
    )
    assert found.density.standard_error is not None
    parts = [found.density.values, found.density.standard_error, found.mean, found.covariance]
    parts += [found.mean_standard_error, found.covariance_standard_error]
    return np.concatenate([part.ravel() for part in parts])


def escapes(executor: Executor | None) -> Array:
    rate = sample_escape_rate(
        DIFFUSION, (0.0, 0.1), x + y > 1.5, paths=700, step=0.02, seed=3, executor=executor
    )
    assert rate.standard_error is not None
    return np.array([rate.value, rate.standard_error, rate.info["hazard_sigmas"]])


def escapes_of_runs(executor: Executor | None) -> Array:
    rate = sample_escape_rate(
        MINIBATCHES, (0.0,), x > 0.8, paths=100, step=None, seed=3, executor=executor
    )
    assert rate.standard_error is not None
    return np.array([rate.value, rate.standard_error])


SAMPLERS = [
    saved_values,
    saved_runs,
    second_order_in_a_box,
    tamed,
    counted,
    escapes,
    escapes_of_runs,
]


@pytest.mark.parametrize("sample", SAMPLERS)
def test_workers_do_not_matter(sample: Callable[[Executor | None], Array]) -> None:
    expected = sample(None)
    assert np.unique(expected).size > 1
    for workers in (1, 2, 5):
        with ThreadPoolExecutor(workers) as executor:
            np.testing.assert_array_equal(sample(executor), expected)


def test_processes_give_the_same_numbers() -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        for sample in SAMPLERS:
            np.testing.assert_array_equal(sample(executor), sample(None))


def make_chain(smallest: int) -> Chain:
    kernel = Kernel("", np.zeros(1), np.zeros((0, 0)), 1)
    walls = find_walls(None, ("x",))
    recursion = Recursion(EULER_MARUYAMA)
    return Chain(kernel, recursion, walls, rows=0, smallest_block=smallest, patient=False)


def test_blocks_are_pickled_small() -> None:
    """As source: numba would send the machine's view of every function that a loop calls."""
    start = np.zeros((1, 2))
    (block,) = blocks.make_blocks(make_chain(32), start, steps=1, save_every=None, seed=1)
    assert len(pickle.dumps(block)) < 2500


def test_looking_up_does_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = paths(None, save_every=7).values
    monkeypatch.setattr(run_block, "PATIENCE", 1)
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
    chain, start = make_chain(smallest), np.zeros((count, 1))
    made = blocks.make_blocks(chain, start, steps=1, save_every=None, seed=1)
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

    def simulate_until_pressed() -> None:
        sender.start()
        try:
            simulate(DIFFUSION, (0.1, 0.2), duration=4e4, step=0.001, paths=400, seed=1)
        finally:
            # One more press may be on its way: it must not meet what comes after the test.
            done.set()
            sender.join()

    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        simulate_until_pressed()
    # The whole would take some minutes; a chunk takes some hundredths of a second.
    assert time.perf_counter() - began < 30
