"""What the figures claim, asserted on small versions of what they draw."""

from __future__ import annotations

import numpy as np
import pytest

import fokkerplanck as fpk
from figures import degenerate_valley_density as valley_figure
from figures import sgd_on_data
from figures._cache import KEPT


def test_marginal_is_f_to_the_kappa_at_kappa_one() -> None:
    """In detailed balance the formula is exact, whatever the noise."""
    model = valley_figure.valley(1, 0.1)
    density = valley_figure.solved(model, 0.1, [96, 64])
    formula = valley_figure.formula(model, density.grid)
    np.testing.assert_allclose(density.values, formula, rtol=2e-3)
    # What is left is the variance of y, cut off at six standard deviations.
    assert density.info["drift"] == "potential differences"


@pytest.mark.parametrize(("noise", "within"), [(1e-2, 0.06), (1e-1, 0.25)])
def test_error_of_the_formula_follows_its_first_correction(noise: float, within: float) -> None:
    """ln P is off by the first correction, up to the next order in the noise."""
    model = valley_figure.valley(30, noise)
    density = valley_figure.solved(model, noise, [192, 64])
    points = [-1.0, 1.0]
    error = valley_figure.log_error(density, valley_figure.formula(model, density.grid), points)
    assert error == pytest.approx(valley_figure.first_correction(model, points), rel=within)


def test_kept_sweep_is_linear_in_the_noise() -> None:
    """Where the correction is small the measured error equals it."""
    with np.load(KEPT / "degenerate_valley_density.npz") as file:
        error, theory = file["error"], file["theory"]
    small = theory < 0.2
    assert small.sum() >= 6
    np.testing.assert_allclose(error[small], theory[small], rtol=0.15)


def test_sgd_on_data_agrees_at_small_learning_rates() -> None:
    """Mean and variance at the smallest learning rate, batches of 8, in standard errors."""
    with np.load(KEPT / "sgd_on_data.npz") as file:
        sampled, error, solved, coarse, chi = (
            file[key] for key in ("sampled", "sampled_error", "solved", "coarse", "chi")
        )
    grid_error = np.abs(solved[:, :, 0] - coarse) / 3
    eta = np.array(sgd_on_data.PARAMETERS["learning_rates"])
    deviation = (solved[:, :, 0] - sampled) / np.hypot(error, grid_error)
    # Order 1 is off by some eta H/2 of the variance: 0.6 % at the smallest learning rate.
    assert np.abs(deviation[1, 0]).max() < 4
    assert np.abs(deviation[:, -1]).max() > 10
    # The third cumulant of the noise: the divergence falls as eta/B.
    ratio = chi[0, 0, 0, 0] / chi[1, 0, 0, 0]
    assert ratio == pytest.approx(8, rel=0.3)
    assert np.all(np.diff(chi[1, :, 0, 0]) > 0)
    assert eta[0] < 0.1


def test_chi_square_is_unbiased() -> None:
    """Samples of the very distribution give zero within errors; of another one, not."""
    rng = np.random.default_rng(5)
    expected = np.array([0.5, 0.3, 0.2])
    groups = rng.multinomial(400, expected, size=sgd_on_data.GROUPS) / 400
    value, error = sgd_on_data.goodness(groups, expected)
    assert abs(value) < 4 * error + 1e-4
    shifted = np.array([0.55, 0.28, 0.17])
    true = float(np.sum((expected - shifted) ** 2 / shifted))
    value, error = sgd_on_data.goodness(groups, shifted)
    assert abs(value - true) < 4 * error
    assert value > 5 * error


def test_minimum_of_the_logistic_loss() -> None:
    """The gradient vanishes there, and the covariance is that of the per-sample gradients."""
    sgd = sgd_on_data.model([0, 1], 0.05)
    theta, hessian, noise = sgd_on_data.minimum(sgd.subs({"B": 1}))
    step = fpk.simulate_sgd(
        sgd.subs({"eta": 1e-3, "B": 1}), tuple(theta), steps=1, runs=40_000, seed=3
    )
    moved = (np.asarray(step.values)[-1] - theta) / 1e-3
    standard_error = moved.std(axis=0) / np.sqrt(len(moved))
    assert np.all(np.abs(moved.mean(axis=0)) < 4 * standard_error)
    np.testing.assert_allclose(np.cov(moved.T), noise, rtol=0.05, atol=0.002)
    assert np.linalg.eigvalsh(hessian)[0] > 0.05
