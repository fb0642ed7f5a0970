"""The Gaussian around a minimum: equations solved, samples and solvers agreed with, limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import (
    GridMismatch,
    InvalidModel,
    NotNormalizable,
    NotPositiveSemidefinite,
)
from fokkerplanck.theory import gaussian_approximation

x, y = sp.symbols("x y", real=True)
H = np.array([[2.0, 0.6], [0.6, 1.0]])
C = np.array([[1.0, -0.4], [-0.4, 0.5]])
QUADRATIC = sum(H[i, j] * a * b for i, a in enumerate((x, y)) for j, b in enumerate((x, y))) / 2


def sgd(eta: float, loss: Any = QUADRATIC, noise: Any = C) -> fpk.SGD:
    return fpk.SGD(loss, (x, y), fpk.noise.Covariance(noise), learning_rate=eta, batch_size=2)


def test_both_equations_are_solved() -> None:
    eta = 0.3
    discrete = gaussian_approximation(sgd(eta), (0.4, -0.2))
    s = discrete.covariance
    np.testing.assert_allclose(H @ s + s @ H - eta * H @ s @ H, eta * C / 2, atol=1e-14)
    continuous = gaussian_approximation(sgd(eta).diffusion(), (0.4, -0.2))
    s = continuous.covariance
    np.testing.assert_allclose(H @ s + s @ H, eta * C / 2, atol=1e-14)
    for found in (discrete, continuous):
        np.testing.assert_allclose(found.mean, 0.0, atol=1e-12)
        # Quadratic, constant noise: exact.
        assert found.info["shift"] == found.info["noise_change"] == 0.0
    assert discrete.info["step_size"] == pytest.approx(eta * np.linalg.eigvalsh(H)[-1])
    assert not discrete.covariance.flags.writeable


def test_covariance_of_sampled_sgd_at_a_large_learning_rate() -> None:
    """In standard errors; the equation without its last term is far off."""
    eta = 0.6
    exact = gaussian_approximation(sgd(eta), (0, 0)).covariance
    runs = fpk.simulate_sgd(sgd(eta), (0.0, 0.0), steps=60, runs=20_000, seed=5)
    last = np.asarray(runs.values)[-1]
    products = np.einsum("ni,nj->nij", last, last)
    error = products.std(axis=0) / np.sqrt(len(last))
    assert np.all(np.abs(products.mean(axis=0) - exact) < 4 * error)
    diffusive = gaussian_approximation(sgd(eta).diffusion(), (0, 0)).covariance
    assert np.abs(products.mean(axis=0) - diffusive)[0, 0] > 10 * error[0, 0]


def test_momentum_has_its_own_factor() -> None:
    eta, beta, h = 0.4, 0.8, 2.0
    heavy = fpk.Momentum(h * x**2 / 2, x, fpk.noise.Isotropic(1), learning_rate=eta, momentum=beta)
    found = gaussian_approximation(heavy, (0.3,))
    assert found.names == ("x", "v_x")
    gibbs = eta / (2 * (1 - beta) * h)
    factor = 2 * (1 + beta) / (2 * (1 + beta) - eta * h)
    assert found.covariance[0, 0] == pytest.approx(gibbs * factor, rel=1e-10)
    assert found.info["step_size_limit"] == pytest.approx(2 * (1 + beta))
    slow = gaussian_approximation(heavy.diffusion(), (0.0, 0.0))
    assert slow.covariance[0, 0] == pytest.approx(gibbs, rel=1e-10)
    grid = fpk.Grid(x=(-5, 5, 400))
    assert found.density(grid).covariance()[0, 0] == pytest.approx(gibbs * factor, rel=1e-3)
    with pytest.raises(GridMismatch, match="none of the coordinates"):
        found.density(fpk.Grid(z=(0, 1, 4)))


def test_solver_approaches_it_as_the_noise_falls() -> None:
    """Without detailed balance, noise that changes and a loss that is not quadratic."""
    loss = x**2 + y**2 / 2 + x**3 / 5 + x * y / 3
    slope = sp.Matrix([sp.diff(loss, s) for s in (x, y)])
    turn = sp.Matrix([[1, 1], [-1, 1]])
    errors, shifts = [], []
    for noise in (0.16, 0.08):
        tensor = noise * sp.Matrix([[1 + x / 2, 0.3], [0.3, 1]])
        model = fpk.Diffusion((x, y), list(-turn * slope), tensor)
        found = gaussian_approximation(model, (0.05, 0.0))
        reach = 5 * np.sqrt(np.diag(found.covariance))
        # The noise changes sign at x = -2, which the box must not reach.
        grid = fpk.Grid(x=(-reach[0], reach[0], 128), y=(-reach[1], reach[1], 128))
        density = fpk.stationary_density(fpk.assemble(model, grid, fpk.CrossDiffusion()))
        error = density.covariance() - found.covariance
        errors.append(float(np.abs(error).max() / noise))
        moved = np.sqrt(density.mean() @ np.linalg.solve(found.covariance, density.mean()))
        shifts.append([moved, found.info["shift"]])
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.35)
    # The info foretells the shift of the mean.
    np.testing.assert_allclose(np.array(shifts)[:, 0], np.array(shifts)[:, 1], rtol=0.15)


@pytest.mark.parametrize(
    ("model", "point", "error", "message"),
    [
        (sgd(1.0), (0, 0), InvalidModel, r"eta lambda_max = 2.281 .* below 0.8768"),
        (sgd(0.1, -QUADRATIC), (0, 0), NotNormalizable, "does not relax"),
        (sgd(0.1, x**2 - y**2), (0, 0), NotNormalizable, "does not relax"),
        (sgd(0.1, x**2 - y**2).diffusion(), (0, 0), NotNormalizable, "does not relax"),
        (sgd(0.1, noise=-C), (0, 0), NotPositiveSemidefinite, "negative|eigenvalue"),
        (sgd(0.1, x + y**2), (0, 0), InvalidModel, "no minimum near"),
        (sgd(0.1), (0, 0, 0), InvalidModel, "tuple of 2 numbers"),
        (x**2, (0,), InvalidModel, "a Diffusion or an optimizer"),
    ],
)
def test_what_is_refused(model: Any, point: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gaussian_approximation(model, point)
