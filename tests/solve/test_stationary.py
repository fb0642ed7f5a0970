"""Stationary densities against exact solutions, orders of convergence, and every refusal."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import solve_continuous_lyapunov

import fokkerplanck as fpk
from fokkerplanck.errors import (
    DisconnectedDomain,
    DisconnectedWarning,
    InvalidModel,
    MetastableWarning,
    NotConserving,
)

x, y = sp.symbols("x y", real=True)
FULL = sp.Matrix([[1, sp.Rational(1, 2)], [sp.Rational(1, 2), 1]])
WELLS = (x**2 - 1) ** 2 + y**2 * (1 + x / 2)


def rotated(ratio: float, degrees: float) -> np.ndarray:
    """Tensor with eigenvalues 1 and 1/ratio, turned by an angle."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([1, 1 / ratio]) @ turn.T


def ornstein_uhlenbeck(cells: int, tensor: np.ndarray) -> tuple[fpk.Density, np.ndarray]:
    """Solution of A = -K (z - m) with a rotational K, and its exact covariance."""
    rates = np.array([[1.0, -1.0], [1.0, 1.0]])
    exact = solve_continuous_lyapunov(rates, 2 * tensor)
    drift = -sp.Matrix(rates) * sp.Matrix([x - 0.3, y + 0.1])
    reach = 6 * np.sqrt(np.diag(exact))
    grid = fpk.Grid(
        x=(0.3 - reach[0], 0.3 + reach[0], cells), y=(-0.1 - reach[1], -0.1 + reach[1], cells)
    )
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, sp.Matrix(tensor)), grid, fpk.Selling())
    return fpk.stationary_density(operator), exact


@pytest.mark.parametrize("degrees", [0.0, 30.0, 45.0])
def test_rotational_ornstein_uhlenbeck_converges_at_second_order(degrees: float) -> None:
    errors = []
    for cells in (32, 64, 128):
        density, exact = ornstein_uhlenbeck(cells, rotated(5.0, degrees))
        assert density.values.min() >= 0
        assert abs(density.mass - 1) < 1e-13
        # By symmetry about the mean the first moment is exact on every grid.
        np.testing.assert_allclose(density.mean(), [0.3, -0.1], atol=1e-10)
        errors.append(np.abs(density.covariance() - exact).max() / np.abs(exact).max())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert errors[-1] < 2e-3
    assert orders.min() > 1.9


def test_mean_converges_at_second_order_without_symmetry() -> None:
    """A skew gradient system: the exact mean is a quadrature of the Gibbs density."""
    potential = x**4 / 4 + x**3 / 3 + y**2 / 2 + x * y / 4
    drift = -sp.Matrix([sp.diff(potential, v) for v in (x, y)])
    values = sp.lambdify((x, y), potential)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    across, along = np.meshgrid(4.5 * nodes, 7 * nodes, indexing="ij")
    gibbs = np.exp(-values(across, along)) * np.outer(weights, weights)
    exact = np.array([np.sum(across * gibbs), np.sum(along * gibbs)]) / gibbs.sum()
    diffusion = fpk.Diffusion((x, y), drift, sp.eye(2))
    errors = []
    for cells in (24, 48, 96):
        grid = fpk.Grid(x=(-4.5, 4.5, cells), y=(-7, 7, cells))
        density = fpk.stationary_density(fpk.assemble(diffusion, grid), fpk.SubtractionFree())
        errors.append(np.abs(density.mean() - exact).max())
    assert errors[-1] < 1e-3
    assert np.log2(errors[-2] / errors[-1]) > 1.9


@pytest.mark.parametrize(
    "solver", [None, fpk.DetailedBalance(), fpk.SubtractionFree(), fpk.SparseLU()]
)
def test_gibbs_density_in_every_cell(solver: object) -> None:
    temperature = 0.25
    drift = -FULL * sp.Matrix([sp.diff(WELLS, v) for v in (x, y)]) / temperature
    grid = fpk.Grid(x=(-2.2, 2.2, 64), y=(-2.2, 2.2, 48))
    density = fpk.stationary_density(
        fpk.assemble(fpk.Diffusion((x, y), drift, FULL), grid),
        solver,  # type: ignore[arg-type]
    )
    exact = np.exp(-sp.lambdify((x, y), WELLS)(*grid.mesh) / temperature)
    exact = exact / np.sum(exact * grid.volumes)
    # 97 between the lightest and the heaviest cell: exp(97) = 1e42.
    assert np.max(np.abs(density.values / exact - 1)) < 1e-12
    assert abs(density.mass - 1) < 1e-13
    assert density.info["negative_mass"] == 0
    assert density.info["residual"] < 1e-12


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_potential_beyond_the_range_of_doubles() -> None:
    """At noise 0.02 the corners lie 1200 above the wells, where the density has no double."""
    drift = -FULL * sp.Matrix([sp.diff(WELLS, v) for v in (x, y)])
    grid = fpk.Grid(x=(-2.2, 2.2, 48), y=(-2.2, 2.2, 48))
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, FULL / 50), grid)
    density = fpk.stationary_density(operator, fpk.SubtractionFree())
    potential = fpk.effective_potential(density).values
    exact = 50 * sp.lambdify((x, y), WELLS)(*grid.mesh)
    assert density.values.min() == 0
    assert potential.max() > 1000
    np.testing.assert_allclose(potential, exact - exact.min(), rtol=1e-12, atol=1e-11)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_sparse_lu_says_when_it_loses_digits() -> None:
    drift = -FULL * sp.Matrix([sp.diff(WELLS, v) for v in (x, y)])
    grid = fpk.Grid(x=(-2.2, 2.2, 40), y=(-2.2, 2.2, 40))
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, FULL / 40), grid)
    with pytest.warns(MetastableWarning, match=r"use SubtractionFree\(\)"):
        fpk.stationary_density(operator, fpk.SparseLU())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fpk.stationary_density(operator, fpk.SubtractionFree())


def test_absorbing_walls_have_no_stationary_density() -> None:
    grid = fpk.Grid(x=(-1, 1, 10), boundary={"x": ("reflecting", "absorbing")})
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), grid)
    with pytest.raises(NotConserving, match="1 cells lose probability"):
        fpk.stationary_density(operator)


def test_disconnected_domain_is_refused() -> None:
    """Noise that vanishes at a face, no drift across it: two parts, no unique density."""
    grid = fpk.Grid(x=(-1, 1, 20))
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(fpk.Diffusion((x,), [0], [[sp.Heaviside(x - 0.2, 0)]]), grid)
    with pytest.raises(DisconnectedDomain):
        fpk.stationary_density(operator)


def test_solvers_are_values() -> None:
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-1, 1, 10)))
    with pytest.raises(InvalidModel, match="SubtractionFree"):
        fpk.stationary_density(operator, "lu")  # type: ignore[arg-type]


def test_momentum_phase_space_equilibrium() -> None:
    """Degenerate tensor: exp(-2 (1 - beta)/c (L/eta + v^2/2)) for isotropic noise c."""
    eta, beta, c = 0.5, 0.5, 0.4
    momentum = fpk.Momentum(
        x**2 / 2, (x,), fpk.noise.Isotropic(c), learning_rate=eta, momentum=beta
    )
    deviation = np.sqrt([eta * c / (2 * (1 - beta)), c / (2 * (1 - beta))])
    errors = []
    for cells in (64, 128):
        grid = fpk.Grid(
            x=(-6 * deviation[0], 6 * deviation[0], cells),
            v_x=(-6 * deviation[1], 6 * deviation[1], cells),
        )
        density = fpk.stationary_density(fpk.assemble(momentum.diffusion(), grid, fpk.Selling()))
        assert density.values.min() >= 0
        ratio = np.diag(density.covariance()) / deviation**2
        errors.append(np.abs(ratio - 1).max())
    # Upwinding along the noiseless axis is of first order.
    assert errors[1] < 0.6 * errors[0]
    assert errors[1] < 0.25
