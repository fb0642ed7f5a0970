"""Streamed statistics: right, and with errors that are right."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.special import ndtr

from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.errors import FokkerPlanckError, GridMismatch
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.results.statistics import GroupSums
from fokkerplanck.sample.paths import simulate
from fokkerplanck.sample.statistics import sample_statistics

Array = NDArray[np.float64]
x, y, s = sp.symbols("x y s", real=True)
ORNSTEIN_UHLENBECK = Diffusion((x,), [-x], [[1]])


@pytest.mark.parametrize("paths", [5, 300])
def test_same_numbers_as_paths_that_are_kept(paths: int) -> None:
    """Every step of an ensemble with the same seed, counted by NumPy."""
    model = Diffusion((x, y), [-x, x - y], [[1, 0.3], [0.3, 0.5]])
    run = {"duration": 2, "step": 0.02, "paths": paths, "seed": 4}
    grid = Grid({"y": Mapped(sp.sinh(s), s, (-1.5, 1.5, 7)), "x": (-1, 2, 9)})
    found = sample_statistics(model, (0.5, 0.1), grid=grid, after=0.5, **run)  # type: ignore[arg-type]
    kept = simulate(model, (0.5, 0.1), save_every=1, **run)  # type: ignore[arg-type]
    expected = kept.histogram(grid, after=0.5)
    np.testing.assert_allclose(found.density.values, expected.values, rtol=1e-13)
    assert found.density.info["outside"] == expected.info["outside"] > 0
    assert found.info["samples"] == expected.info["samples"] == 75 * paths
    assert found.info["groups"] == (35 if paths == 5 else 70)
    np.testing.assert_allclose(found.mean, kept.mean(after=0.5), rtol=1e-12)
    errors = found.mean_standard_error / kept.mean_standard_error(after=0.5)
    tolerance = 0.3 if paths > 8 else 0.5
    np.testing.assert_allclose(errors, 1.0, atol=tolerance)
    positions = kept.values[26:].reshape(-1, 2)
    np.testing.assert_allclose(
        found.covariance, np.cov(positions.T, ddof=0), atol=2 * found.mean_standard_error.max() ** 2
    )
    np.testing.assert_allclose(found.covariance, kept.covariance(after=0.5), rtol=0.02)


@pytest.mark.parametrize(("paths", "duration"), [(64, 10.0), (3, 300.0), (40, 15.0), (700, 2.0)])
def test_errors_are_calibrated(paths: int, duration: float) -> None:
    """Deviations in units of their errors have variance 1, over cells and repetitions."""
    edges = np.linspace(-2, 2, 9)
    # The recursion's own stationary variance, for a step of 0.05.
    deviation = np.sqrt(2 * 0.05 / (1 - 0.95**2))
    masses = np.diff(ndtr(edges / deviation))
    scores, moments = [], []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        found = sample_statistics(
            ORNSTEIN_UHLENBECK,
            rng.normal(scale=deviation, size=(paths, 1)),
            grid=Grid(x=(-2, 2, 8)),
            duration=duration,
            step=0.05,
            paths=paths,
            seed=seed,
        )
        assert found.density.standard_error is not None
        scores.append((found.density.values - masses / 0.5) / found.density.standard_error)
        moments.append(
            [
                found.mean[0] / found.mean_standard_error[0],
                (found.covariance[0, 0] - deviation**2) / found.covariance_standard_error[0, 0],
            ]
        )
    spread = np.std(scores)
    # 120 repetitions of about 4 independent cells, each with 32 to 64 groups.
    assert 0.88 < spread < 1.12
    assert (np.abs(np.std(moments, axis=0) - 1) < 4 / np.sqrt(2 * 120)).all()
    assert (np.abs(np.mean(moments, axis=0)) < 4 / np.sqrt(120)).all()


def test_group_sums_of_unequal_groups() -> None:
    rng = np.random.default_rng(1)
    scores = []
    for _ in range(400):
        sums = GroupSums(1)
        for size in rng.integers(5, 60, size=40):
            sums.add(rng.exponential(size=(size, 1)).sum(axis=0), float(size))
        scores.append((sums.mean[0] - 1) / sums.standard_error[0])
    assert abs(np.std(scores) - 1) < 4 / np.sqrt(800)


def test_far_from_the_origin_squares_do_not_cancel() -> None:
    model = Diffusion((x,), [sp.Float(1e7) - x], [[1e-4]])
    found = sample_statistics(
        model,
        (1e7,),
        grid=Grid(x=(1e7 - 1, 1e7 + 1, 2)),
        duration=50,
        after=5,
        step=0.05,
        paths=200,
        seed=1,
    )
    variance = 2 * 0.05 * 1e-4 / (1 - 0.95**2)
    assert abs(found.covariance[0, 0] - variance) < 4 * found.covariance_standard_error[0, 0]
    assert found.covariance_standard_error[0, 0] < 0.02 * variance


def test_periodic_axis_wraps() -> None:
    grid = Grid(x=(0, 1, 4), boundary="periodic")
    found = sample_statistics(
        Diffusion((x,), [1], [[1]]),
        (0.2,),
        grid=grid,
        duration=20,
        after=1,
        step=0.01,
        paths=100,
        seed=1,
    )
    assert found.density.mass == pytest.approx(1.0)
    assert found.density.standard_error is not None
    assert (np.abs(found.density.values - 1) < 4 * found.density.standard_error).all()


def test_empty_cells_have_the_error_of_one_sample() -> None:
    found = sample_statistics(
        ORNSTEIN_UHLENBECK,
        (0.0,),
        grid=Grid(x=(-50, 50, 100)),
        duration=1,
        step=0.1,
        paths=10,
        seed=1,
    )
    assert found.density.standard_error is not None
    assert found.density.values[0] == 0
    assert found.density.standard_error[0] == pytest.approx(1 / 100)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"after": 1.0}, FokkerPlanckError, "after 1.0, which is not between 0 and the end, 1"),
        ({"grid": Grid(q=(0, 1, 2))}, GridMismatch, "'q'"),
        (
            {"walls": Grid(x=(-9, 9, 2), boundary="absorbing")},
            FokkerPlanckError,
            "a wall absorbs",
        ),
        ({"paths": 1, "step": 1.0}, FokkerPlanckError, "no standard error"),
    ],
)
def test_arguments_are_checked(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    arguments = {"grid": Grid(x=(-1, 1, 2)), "duration": 1, "step": 0.1, "paths": 4, "seed": 1}
    with pytest.raises(error, match=message):
        sample_statistics(ORNSTEIN_UHLENBECK, (0.0,), **{**arguments, **changes})  # type: ignore[arg-type]
