"""Moments and histograms of ensembles, and whether their standard errors tell the truth."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.errors import FokkerPlanckError, GridMismatch
from fokkerplanck.results.density import Density
from fokkerplanck.results.ensemble import Ensemble

Array = NDArray[np.float64]


def autoregressive(times: int, paths: int, memory: float, seed: int) -> Ensemble:
    """Stationary standard normal paths whose correlation decays by `memory` a step."""
    rng = np.random.default_rng(seed)
    values = np.empty((times, paths, 1))
    values[0] = rng.normal(size=(paths, 1))
    for k in range(1, times):
        values[k] = memory * values[k - 1] + np.sqrt(1 - memory**2) * rng.normal(size=(paths, 1))
    return Ensemble(np.arange(times, dtype=float), values, ("x",))


def test_moments_of_independent_paths() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(3, 50, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]])
    ensemble = Ensemble(np.array([0.0, 1.0, 2.0]), values, ("x", "y"))
    last = values[-1]
    np.testing.assert_allclose(ensemble.mean(), last.mean(axis=0))
    np.testing.assert_allclose(ensemble.covariance(), np.cov(last, rowvar=False))
    expected = last.std(axis=0, ddof=1) / np.sqrt(50)
    np.testing.assert_allclose(ensemble.mean_standard_error(), expected)
    products = (last[:, 0] - last[:, 0].mean()) * (last[:, 1] - last[:, 1].mean())
    error = ensemble.covariance_standard_error()[0, 1]
    assert error == pytest.approx(products.std(ddof=1) / np.sqrt(50))


@pytest.mark.parametrize(("paths", "times", "memory"), [(40, 50, 0.95), (2, 4000, 0.95)])
def test_errors_of_pooled_times_respect_correlation(paths: int, times: int, memory: float) -> None:
    """Deviations in units of the estimated error have variance 1 over many repetitions."""
    deviations = []
    for seed in range(150):
        ensemble = autoregressive(times, paths, memory, seed)
        deviations.append(
            [
                ensemble.mean(after=-1)[0] / ensemble.mean_standard_error(after=-1)[0],
                (ensemble.covariance(after=-1)[0, 0] - 1)
                / ensemble.covariance_standard_error(after=-1)[0, 0],
                histogram_deviation(ensemble),
            ]
        )
    squares = np.mean(np.square(deviations), axis=0)
    # With 150 repetitions the variance is known to 0.12; the errors come from 32 to 40 groups,
    # and the distribution of a variance is skew.  Errors that ignore the correlation would give
    # about (1 + memory)/(1 - memory) = 39.
    np.testing.assert_array_less(0.6, squares)
    np.testing.assert_array_less(squares, 1.7)


def histogram_deviation(ensemble: Ensemble) -> float:
    grid = Grid(x=(-1, 1, 4))
    density = ensemble.histogram(grid, after=-1)
    assert density.standard_error is not None
    exact = np.diff(ndtr(grid.edges[0])) / grid.volumes
    return float(((density.values - exact) / density.standard_error)[2])


def test_histogram_is_normalised_by_all_samples() -> None:
    values = np.array([[[-0.9], [-0.1], [0.1], [0.3], [1.0], [7.0], [-8.0], [0.2]]])
    ensemble = Ensemble(np.zeros(1), values, ("x",))
    density = ensemble.histogram(Grid(x=(-1, 1, 4)))
    assert isinstance(density, Density)
    np.testing.assert_allclose(density.masses, np.array([1, 1, 3, 1]) / 8)
    assert density.info["outside"] == 2
    assert density.info["samples"] == 8
    share = np.array([1, 1, 3, 1]) / 8
    assert density.standard_error is not None
    np.testing.assert_allclose(density.standard_error, np.sqrt(share * (1 - share) / 7) / 0.5)


def test_empty_cells_have_the_error_of_one_sample() -> None:
    ensemble = Ensemble(np.zeros(1), np.full((1, 10, 1), 0.6), ("x",))
    density = ensemble.histogram(Grid(x=(0, 1, 2)))
    assert density.standard_error is not None
    np.testing.assert_allclose(density.standard_error, [2 * 0.1, 0.0])


def test_a_single_sample_has_no_error() -> None:
    ensemble = Ensemble(np.zeros(1), np.full((1, 1, 1), 0.6), ("x",))
    assert ensemble.histogram(Grid(x=(0, 1, 2))).standard_error is None
    with pytest.raises(FokkerPlanckError, match="one sample"):
        ensemble.mean_standard_error()


def test_histogram_of_some_variables_in_any_order() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(1, 5000, 3))
    ensemble = Ensemble(np.zeros(1), values, ("x", "y", "v"))
    grid = Grid(v=(-2, 2, 5), x=(-1, 3, 4))
    counts, _, _ = np.histogram2d(values[0, :, 2], values[0, :, 0], bins=list(grid.edges))
    np.testing.assert_allclose(ensemble.histogram(grid).masses, counts / 5000)
    with pytest.raises(GridMismatch, match=r"\['z'\] are no variables"):
        ensemble.histogram(Grid(x=(-1, 1, 2), z=(-1, 1, 2)))


def test_periodic_axes_wrap() -> None:
    values = np.array([[[0.1], [1.1], [-0.9], [0.7], [1.0]]])
    density = Ensemble(np.zeros(1), values, ("x",)).histogram(
        Grid(x=(0, 1, 2), boundary="periodic")
    )
    np.testing.assert_allclose(density.masses, [0.8, 0.2])
    assert density.info["outside"] == 0


def test_pooling_takes_later_times_only() -> None:
    values = np.array([[[0.1], [0.1]], [[0.6], [0.6]], [[0.6], [0.1]]])
    ensemble = Ensemble(np.array([0.0, 1.0, 2.0]), values, ("x",))
    grid = Grid(x=(0, 1, 2))
    np.testing.assert_allclose(ensemble.histogram(grid).masses, [0.5, 0.5])
    np.testing.assert_allclose(ensemble.histogram(grid, after=0.0).masses, [0.25, 0.75])
    np.testing.assert_allclose(ensemble.mean(after=0.5), [(0.6 * 3 + 0.1) / 4])
    with pytest.raises(FokkerPlanckError, match="no time is saved after 2"):
        ensemble.histogram(grid, after=2.0)


def test_arrays_are_read_only_and_shapes_checked() -> None:
    values = np.zeros((2, 3, 1))
    ensemble = Ensemble(np.array([0.0, 1.0]), values, ("x",))
    with pytest.raises(ValueError, match="read-only"):
        ensemble.values[0, 0, 0] = 1
    values[0, 0, 0] = 1  # The caller's own array is left as it was.
    with pytest.raises(FokkerPlanckError, match=r"\(2, 3, 1\) for 2 times and the variables"):
        Ensemble(np.array([0.0, 1.0]), values, ("x", "y"))
