"""Densities in time and spectra of discrete steps, through the functions of continuous time."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckError, InvalidModel

x = sp.Symbol("x", real=True)


def wells(variance: float, reach: float) -> fpk.TransitionOperator:
    loss = (x**2 - 1) ** 2 / 4
    sgd = fpk.SGD(loss, (x,), fpk.noise.Isotropic(variance), learning_rate=0.3)
    return fpk.transition_operator(sgd, fpk.Panels(x=(-reach, reach)))


def quadratic(eta: float) -> fpk.TransitionOperator:
    sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=eta)
    return fpk.transition_operator(sgd, fpk.Panels(x=(-22, 22)))


@pytest.mark.parametrize(("eta", "first"), [(0.3, 0.3), (1.7, 4.0)])
def test_mean_and_variance_of_a_quadratic_step_by_step(eta: float, first: float) -> None:
    """``m -> (1 - eta) m``, ``v -> (1 - eta)^2 v + eta^2`` at any learning rate."""
    operator = quadratic(eta)
    start = fpk.gaussian_density(operator.grid, [1.0], [[first]])
    steps = np.array([0, 1, 2, 5, 40])
    evolution = fpk.evolve(operator, start, steps)
    factor = 1 - eta
    np.testing.assert_allclose(evolution.means[:, 0], factor**steps, atol=1e-9)
    spread = eta**2 / (1 - factor**2)
    variance = spread + (first - spread) * factor ** (2.0 * steps)
    np.testing.assert_allclose(evolution.covariances[:, 0, 0], variance, rtol=1e-8)
    np.testing.assert_allclose(evolution.mass, 1.0, atol=1e-12)
    assert evolution.values.min() >= 0
    assert (evolution.info["steps"], evolution.info["unit"]) == (40, "step")


def test_spectrum_of_a_quadratic() -> None:
    """Eigenvalues ``(1 - eta)^k``: alternating signs at ``eta > 1``."""
    spectrum = fpk.spectrum(quadratic(1.7), 5)
    expected = sorted(1 - (-0.7) ** k for k in range(5))
    np.testing.assert_allclose(spectrum.rates, expected, atol=1e-9)
    np.testing.assert_allclose(np.array(spectrum.info["eigenvalues"]), 1 - spectrum.rates)
    decay = np.abs(1 - np.array(expected[1:]))
    np.testing.assert_allclose(spectrum.times[1:], -1 / np.log(decay), rtol=1e-8)
    assert np.isinf(spectrum.times[0])


def test_modes_rebuild_the_evolution() -> None:
    operator = wells(0.5, 2.6)
    spectrum = fpk.spectrum(operator, 8)
    start = fpk.gaussian_density(operator.grid, [1.0], [[0.04]])
    end = fpk.evolve(operator, start, [60]).densities[0]
    share = np.array([np.sum(left.conj() * start.masses) for left in spectrum.left])
    rebuilt = np.real((share * (1 - spectrum.rates) ** 60) @ spectrum.right)
    np.testing.assert_allclose(rebuilt, end.values, atol=1e-8 * end.values.max())


def test_slow_rates_of_steps_keep_their_digits() -> None:
    """The rate of 2e-37 a step, of which the eigenvalue 1 - 2e-37 knows nothing."""
    operator = wells(0.02, 1.8)
    spectrum = fpk.spectrum(operator, 4)
    both = sum(
        fpk.escape_rate(operator, start, target).value
        for start, target in (((1.0,), x < -0.8), ((-1.0,), x > 0.8))
    )
    assert 1e-38 < both < 1e-36
    assert spectrum.rates[1] == pytest.approx(both, rel=1e-6)
    assert spectrum.info["errors"][1] < 1e-9
    # The others are those of one well, twice.
    assert 0.2 < spectrum.rates[2] < spectrum.rates[3] < 0.5


def test_alternation_above_the_edge() -> None:
    sgd = fpk.SGD(sp.log(sp.cosh(x)), (x,), fpk.noise.Isotropic(0.005), learning_rate=2.2)
    operator = fpk.transition_operator(sgd, fpk.Panels(x=(-4, 4)))
    eigenvalues = np.array(fpk.spectrum(operator, 2).info["eigenvalues"])
    assert eigenvalues[0] == pytest.approx(1.0)
    assert eigenvalues[1] == pytest.approx(-0.9714, abs=1e-4)


def test_refusals() -> None:
    operator = wells(0.5, 2.6)
    start = fpk.gaussian_density(operator.grid, [1.0], [[0.04]])
    with pytest.raises(InvalidModel, match="steps of its own"):
        fpk.evolve(operator, start, [1], fpk.TRBDF2())
    with pytest.raises(FokkerPlanckError, match="whole"):
        fpk.evolve(operator, start, [0.5])
    density = fpk.stationary_density(operator)
    for call in (
        lambda: fpk.rate_matrix(operator, [x < 0, x > 0]),  # type: ignore[arg-type]
        lambda: fpk.entropy_production(operator, density),  # type: ignore[arg-type]
        lambda: fpk.probability_current(operator, density),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidModel, match="made with assemble, not TransitionOperator"):
            call()
