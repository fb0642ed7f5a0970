"""The minimal problem with noise: closed forms against seeded runs of SGD."""

from __future__ import annotations

import warnings

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckWarning, InvalidModel
from fokkerplanck.systems.edge_of_stability_noise import NoisyMinimalProblem

EPSILON, ETA = 0.01, 0.3


def of_ratio(ratio: float) -> NoisyMinimalProblem:
    return NoisyMinimalProblem(EPSILON, ETA, 2 * EPSILON * ratio / ETA**2)


def of_sigma(sigma: float) -> NoisyMinimalProblem:
    return NoisyMinimalProblem(EPSILON, ETA, (sigma / ETA) ** 2)


def slips_per_step(staggered: np.ndarray, threshold: float) -> float:
    """Passages between beyond ``-threshold`` and beyond it, a step and run; shape (steps, runs)."""
    side = np.where(np.abs(staggered) > threshold, np.sign(staggered), 0.0)
    last, count = side[0].copy(), 0
    for row in side:
        count += int((row * last < 0).sum())
        last = np.where(row == 0, last, row)
    return count / staggered.size


@pytest.mark.parametrize(
    ("ratio", "height", "spread", "kurtosis", "slips"),
    [(0.01, 6.6744, 0.0848, 2.44, 3.08e-3), (0.1, 6.5227, 0.0946, 2.87, 2.75e-2)],
)
def test_equilibrium(
    ratio: float, height: float, spread: float, kurtosis: float, slips: float
) -> None:
    problem = of_ratio(ratio)
    runs = fpk.simulate_sgd(
        problem.optimizer, (0.14, 6.67), steps=20_000, runs=150, seed=1, save_every=1
    )
    kept = np.asarray(runs.values)[4000:]
    x, y = kept[..., 0], kept[..., 1]
    second = np.mean(x**2)
    found = float(np.mean(x**4) / second**2)
    assert y.mean() == pytest.approx(height, abs=0.003)
    assert y.std() == pytest.approx(spread, rel=0.02)
    assert second / (2 * EPSILON) == pytest.approx(1, abs=0.01)
    assert found == pytest.approx(kurtosis, abs=0.05)
    signs = np.where(runs.steps[4000:] % 2, -1, 1)[:, np.newaxis]
    # Half of the distance between the ends of the 2-cycle.
    rate = slips_per_step(x * signs, np.sqrt(2 * EPSILON) / 2)
    assert rate == pytest.approx(slips, rel=0.05)
    # E[y (x^2/2 - epsilon)] = (eta/2) Var(x^2/2), exact in equilibrium.
    identity = (y * (x**2 / 2 - EPSILON)).mean(axis=0) - ETA / 2 * np.var(x**2 / 2)
    assert abs(identity.mean()) < 4 * identity.std() / np.sqrt(identity.size)
    assert float(problem.height(found, np.var(y))) == pytest.approx(y.mean(), abs=0.005)


def test_weak_and_strong_noise() -> None:
    """Spread of y in both limits, and the excess of x."""
    for ratio, closed, excess in ((1e-4, "weak_spread", "weak_excess"), (0.3, "strong_spread", "")):
        problem = of_ratio(ratio)
        runs = fpk.simulate_sgd(
            problem.optimizer, (0.14, float(problem.height())), steps=12_000, runs=100, seed=2,
            save_every=5,
        )  # fmt: skip
        kept = np.asarray(runs.values)[runs.steps > 4000]
        expected = float(getattr(problem, closed))
        assert kept[..., 1].std() == pytest.approx(expected, rel=0.05)
        if excess:
            found = np.mean(kept[..., 0] ** 4) / np.mean(kept[..., 0] ** 2) ** 2
            # The centre alone gives 4 c^2/s^2.
            expected = float(getattr(problem, excess)) + 4 * (ETA * EPSILON) ** 2 / (2 * EPSILON)
            assert found - 1 == pytest.approx(expected, rel=0.1)


def test_balance_merges_at_one() -> None:
    y = sp.Symbol("y")
    for ratio, roots in ((0.75, [0.5 / 0.3, 1.5 / 0.3]), (1.0, [1 / 0.3])):
        found = sp.Poly(of_ratio(ratio).balance(y), y).nroots(n=30, maxsteps=200)
        centers = sorted({round(float(sp.re(r)), 6) for r in found})
        np.testing.assert_allclose(centers, roots, atol=1e-5)
    with pytest.raises(InvalidModel, match="above 1 y does not stay"):
        of_ratio(1.05).height()
    with pytest.raises(InvalidModel, match="noise must be positive"):
        NoisyMinimalProblem(0.01, 0.3, 0)
    assert float(of_ratio(0.1).height()) == pytest.approx(6.5227, abs=0.015)


@pytest.mark.parametrize(
    ("sigma", "tolerance"),
    [(1e-12, 0.025), (1e-8, 0.025), (1e-6, 0.025), (1e-4, 0.025), (1e-3, 0.04), (1e-2, 0.04),
     (3e-2, 0.04)],
)  # fmt: skip
def test_onset(sigma: float, tolerance: float) -> None:
    """First maximum of y, after which it falls by .05, averaged over runs."""
    problem = of_sigma(sigma)
    runs = fpk.simulate_sgd(
        problem.optimizer, (1e-3, 4.0), steps=1400, runs=200, seed=5, save_every=1
    )
    highest = np.maximum.accumulate(runs.values[:, :, 1], axis=0)
    turned = np.argmax(highest - runs.values[:, :, 1] > 0.05, axis=0)
    peaks = highest[turned, np.arange(200)]
    error = peaks.std() / np.sqrt(peaks.size)
    assert float(problem.onset_peak()) == pytest.approx(peaks.mean(), abs=tolerance)
    assert error < tolerance / 3


def rounded_peak(digits: int, height: float) -> float:
    with mp.workdps(digits):
        x, y, eta, epsilon = mp.mpf("0.001"), mp.mpf(height), mp.mpf(ETA), mp.mpf(EPSILON)
        top = y
        while y > top - 0.05:
            x, y = x - eta * (y * x + 3 * x**2 / 2 - epsilon), y - eta * (x**2 / 2 - epsilon)
            top = max(top, y)
        return float(top)


def test_onset_of_rounding() -> None:
    """From y = 4 every digit counts up to some 220; from y = 6 what is left of x does."""
    for digits, peak in ((8, 7.375), (16, 7.622), (50, 8.328), (200, 10.153), (400, 10.429)):
        # Which way a sum is rounded moves the peak by a share of a digit: .013 a digit here.
        assert rounded_peak(digits, 4) == pytest.approx(peak, abs=0.02)
    for digits in (16, 50):
        assert rounded_peak(digits, 6) == pytest.approx(7.448, abs=5e-4)
    problem = of_sigma(1.0)
    assert float(problem.memory_peak(4, 1e-3)) == pytest.approx(10.44, abs=0.005)
    assert float(problem.memory_peak(6, 1e-3)) == pytest.approx(7.454, abs=0.005)
    # Rounding acts as noise of half a unit in the last place of the centre.
    for digits in (16, 50, 200):
        sigma = ETA * EPSILON / 2 * mp.mpf(10) ** -digits / mp.sqrt(3)
        assert float(of_sigma(sigma).onset_peak()) == pytest.approx(rounded_peak(digits, 4), abs=0.02)  # fmt: skip  # noqa: E501
    x, y = 1e-3, 4.0
    heights = []
    for _ in range(1400):
        x, y = x - ETA * (y * x + 1.5 * x**2 - EPSILON), y - ETA * (x**2 / 2 - EPSILON)
        heights.append(y)
    assert 7.55 < max(heights) < 7.67


def lost(ratio: float, steps: int) -> int:
    """How many of 200 runs leave ``y > 0``, ``|x| < 3``."""
    problem = of_ratio(ratio)
    start = (0.14, (1 + np.sqrt(max(1 - ratio, 0.0))) / ETA)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FokkerPlanckWarning)
        runs = fpk.simulate_sgd(
            problem.optimizer, start, steps=steps, runs=200, seed=7, save_every=10
        )
    values = np.asarray(runs.values)
    gone = ((values[..., 1] <= 0) | (np.abs(values[..., 0]) >= 3)).any(axis=0)
    return int((gone | runs.diverged).sum())


@pytest.mark.slow
def test_loss_of_the_edge() -> None:
    """For ``eta^2 C > 2 epsilon`` every run is lost, well below none."""
    assert lost(0.9, 80_000) == 0
    assert 1 <= lost(0.97, 80_000) <= 15
    assert lost(1.05, 20_000) == 200
