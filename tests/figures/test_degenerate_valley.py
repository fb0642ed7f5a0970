"""The degenerate valley's figures: what they draw, computed coarsely."""

from __future__ import annotations

import numpy as np
import pytest

import fokkerplanck as fpk
from figures import degenerate_valley_convergence as convergence
from figures import degenerate_valley_deviation as deviation
from figures import degenerate_valley_effective_loss as effective
from figures import degenerate_valley_landscape as landscape
from figures import degenerate_valley_phase as phase
from fokkerplanck.systems.degenerate_valley import MinimalValley
from fokkerplanck.systems.random_shift_valley import RandomShiftValley


def test_current_circulates_without_net_flux() -> None:
    model = MinimalValley(kappa=5.0, noise=0.02)
    operator, density = landscape.solved(model, 2.0, [96, 64])
    current = fpk.probability_current(operator, density).values
    inside = slice(8, -8)
    across = density.grid.centers[1]
    flux, traffic = current[0].sum(axis=1)[inside], np.abs(current[0]).sum(axis=1)[inside]
    assert np.abs(flux / traffic).max() < 1e-6
    # Towards the sharp end along the floor, back along the flanks.
    middle = current[0][inside, np.abs(across) < 0.05]
    assert np.all(middle > 0)
    width = np.sqrt(0.02 / 2)
    assert np.all(current[0][30:60, np.abs(across - 2.5 * width) < 0.05] < 0)


def test_entropy_production_along_the_valley() -> None:
    """Away from the walls, place by place."""
    model = MinimalValley(kappa=3, noise=1e-3)
    along, solver, formula = landscape.production_along(model, 2.0, [128, 96])
    inside = np.abs(along) < 1.5
    np.testing.assert_allclose(solver[inside], formula[inside], rtol=0.02)


def test_noise_ellipses_are_the_tensors() -> None:
    shift = RandomShiftValley(noise=0.1)
    places = landscape.places(0.8)
    tensors = landscape.tensors(shift.diffusion(), places)
    for tensor, (along, across) in zip(tensors, places, strict=True):
        slope, bend = 1 / np.cosh(along) ** 2, -2 * np.tanh(along) / np.cosh(along) ** 2
        hessian = np.array(
            [[bend * across**2 / 2, slope * across], [slope * across, 2 + np.tanh(along)]]
        )
        np.testing.assert_allclose(tensor, 0.05 * hessian @ hessian, atol=1e-14)


@pytest.mark.parametrize(("kappa", "noise"), [(1, 1e-2), (3, 1e-3), (10, 1e-3), (30, 1e-3)])
def test_slope_of_the_effective_loss(kappa: float, noise: float) -> None:
    """``Delta (1 - kappa)``, off by half of kappa epsilon or so from end to end."""
    model = MinimalValley(kappa=kappa, noise=noise)
    flatness, values = effective.effective_loss(model, 1.5, [192, 97])
    assert effective.slope(flatness, values) / noise == pytest.approx(1 - kappa, abs=0.01 * kappa)


def test_misplaced_probability_is_linear_in_epsilon() -> None:
    p = deviation.PARAMETERS | {"kappas": [30], "noises": [1e-3, 2e-3, 5e-3], "profiles": []}
    arrays = deviation.compute(**p)
    for small, error in (("small", "error"), ("largest", "misplaced")):
        value, spread = deviation.exponent(arrays[small][0], arrays[error][0])
        assert value == pytest.approx(1, abs=0.02 + 2 * spread)
    first = (1 - 1 / 30) * (1 + 4 / 30)
    np.testing.assert_allclose(arrays["error"] / arrays["small"], first, rtol=0.06)


# Time to the flat end --------------------------------------------------------------------------

COARSE = convergence.PARAMETERS | {"cells": [96, 48], "runs": 300, "fine": 1200}


@pytest.mark.parametrize(("name", "noise"), [("minimal", 0.04), ("shift", 0.02)])
def test_time_to_the_flat_end(name: str, noise: float) -> None:
    """Discrete SGD and `evolve` agree; the grid in the plane errs by 1 %."""
    model = (
        convergence.minimal(noise, 30.0) if name == "minimal" else RandomShiftValley(noise=noise)
    )
    of_runs, error, of_solver, derived = convergence.measured(model, COARSE, 7)["passage"]
    assert error < 0.06 * of_runs
    assert abs(of_runs - of_solver) < 3 * error + 0.01 * of_solver
    # Without diffusion along the valley it would pass 18 % sooner (19 % on this grid).
    assert of_solver / derived == pytest.approx(1.19 if name == "minimal" else 0.99, abs=0.015)


@pytest.mark.slow
def test_time_falls_as_one_over_the_noise() -> None:
    noises = np.array([0.01, 0.02, 0.04])
    model = [RandomShiftValley(noise=noise) for noise in noises]
    p = COARSE | {"runs": 150}
    passages = np.array([convergence.measured(m, p, 8 + i)["passage"] for i, m in enumerate(model)])
    value, error = convergence.slope(noises, passages[:, 0], passages[:, 1])
    # Corrections of relative order Delta_S: .5 % from end to end.
    assert abs(value + 1) < 0.006 + 3 * error
    assert error < 0.01


# Divergence ------------------------------------------------------------------------------------


def share(learning_rate: float, sigma: float, *, held: bool, runs: int = 60) -> float:
    p = phase.PARAMETERS | {"runs": runs, "steps": 2000}
    return float(phase.diverged(learning_rate, np.array([sigma]), held, p, 9)[0])


def zero(criterion: int, sigma: float) -> float:
    """Learning rate at which a criterion of the place where x is held vanishes, from below."""
    rates = np.geomspace(0.03, 1.5, 100)
    values = phase.boundaries(0.0, np.array([sigma]), rates)[criterion, :, 0]
    return float(rates[np.flatnonzero(values > 0)[0]])


@pytest.mark.parametrize("sigma", [0.8, 10.0, 300.0])
def test_held_runs_diverge_beyond_the_lyapunov_line(sigma: float) -> None:
    """Not beyond that of the mean square.  Runs reach 1e100 where it exceeds .115 a step."""
    exponent = zero(2, sigma)
    assert share(0.9 * exponent, sigma, held=True) < 0.1
    assert share(1.3 * exponent, sigma, held=True) > 0.9
    square = zero(1, sigma)
    assert square < 0.75 * exponent
    assert share(1.1 * square, sigma, held=True) == 0
    # eta lambda = 2 is at eta = 1: noise first helps, then harms.
    assert (exponent > 1.1) == (sigma == 0.8)


def test_free_runs_diverge_by_the_ends_of_the_valley() -> None:
    """``eta lambda = 2`` at .667, where lambda = 3, and at 2, where lambda = 1."""
    assert share(0.6, 300.0, held=False) == 0
    assert 0.1 < share(1.2, 300.0, held=False) < 0.9
    assert share(2.1, 300.0, held=False) == 1
    # At this noise held runs all diverge at .6 and do not at .05.
    assert share(0.6, 300.0, held=True) == 1
    assert share(0.05, 300.0, held=True) == 0
