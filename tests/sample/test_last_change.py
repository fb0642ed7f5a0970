"""The last change of side that runs record, against the same runs kept step by step."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import InvalidRegion

x, y = sp.symbols("x y", real=True)
SGD = fpk.SGD(x**4 / 4 - x**2 / 2 + y**2 / 2, (x, y), fpk.noise.Isotropic(6), learning_rate=0.1)
STARTS = np.array([[0.3 * (-1) ** k, 1.0] for k in range(300)])


@pytest.mark.parametrize("region", [x > 0, sp.And(x > -1, y < 0.5), lambda x, y: x <= 0])
def test_last_change_is_that_of_the_saved_steps(region: object) -> None:
    """Blocks of several sizes; the side of the start counts, and so does the last step."""
    arguments = {"steps": 400, "runs": 300, "seed": 5}
    runs = fpk.simulate_sgd(SGD, STARTS, region=region, **arguments)
    every = fpk.simulate_sgd(SGD, STARTS, save_every=1, **arguments)
    np.testing.assert_array_equal(runs.values[-1], every.values[-1])
    predicate = region if callable(region) else sp.lambdify((x, y), region, "numpy")
    inside = np.asarray(predicate(every.values[..., 0], every.values[..., 1]))
    changed = inside[1:] != inside[:-1]
    last = np.where(changed.any(axis=0), 400 - np.argmax(changed[::-1], axis=0), 0)
    np.testing.assert_array_equal(runs.last_change, last)
    np.testing.assert_array_equal(runs.at_last_change, every.values[last, np.arange(300)])
    assert np.unique(last).size > 20


def test_runs_that_never_change_keep_their_start() -> None:
    runs = fpk.simulate_sgd(SGD, (0.5, 1.0), steps=5, runs=3, seed=1, region=x < 100)
    assert not runs.last_change.any()
    np.testing.assert_array_equal(runs.at_last_change, [[0.5, 1.0]] * 3)
    without = fpk.simulate_sgd(SGD, (0.5, 1.0), steps=5, runs=3, seed=1)
    assert without.last_change is None
    assert without.at_last_change is None


def test_runs_that_left_to_infinity_keep_their_order() -> None:
    """Lanes are exchanged when a run stops: what is recorded stays with its run."""
    steep = fpk.SGD(-(x**4) + y**2, (x, y), fpk.noise.Isotropic(4), learning_rate=0.05)
    arguments = {"steps": 60, "runs": 200, "seed": 2}
    with pytest.warns(fpk.errors.FokkerPlanckWarning, match="left to infinity"):
        runs = fpk.simulate_sgd(steep, (0.0, 0.0), region=y > 0, **arguments)
    with pytest.warns(fpk.errors.FokkerPlanckWarning):
        every = fpk.simulate_sgd(steep, (0.0, 0.0), save_every=1, **arguments)
    inside = every.values[..., 1] > 0
    changed = inside[1:] != inside[:-1]
    last = np.where(changed.any(axis=0), 60 - np.argmax(changed[::-1], axis=0), 0)
    assert 20 < runs.diverged.sum() < 200
    np.testing.assert_array_equal(runs.last_change, last)
    np.testing.assert_array_equal(runs.survivors().last_change, last[~runs.diverged])


def test_the_recording_does_not_depend_on_who_computes() -> None:
    with ThreadPoolExecutor(1) as one:
        alone = fpk.simulate_sgd(
            SGD, STARTS, steps=50, runs=300, seed=8, region=x > 0, executor=one
        )
    threads = fpk.simulate_sgd(SGD, STARTS, steps=50, runs=300, seed=8, region=x > 0)
    np.testing.assert_array_equal(alone.last_change, threads.last_change)


def test_constant_regions_are_refused() -> None:
    with pytest.raises(InvalidRegion):
        fpk.simulate_sgd(SGD, (0.0, 0.0), steps=5, runs=3, seed=1, region=True)
