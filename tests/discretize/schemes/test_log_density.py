"""LogDensity: accuracy at strong anisotropy, positivity, walls, grids, dimensions, refusals."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import solve_continuous_lyapunov
from scipy.sparse import diags_array

import fokkerplanck as fpk
from benchmarks.log_density import X, Y, curved_valley, ornstein_uhlenbeck, turning_wells
from benchmarks.log_density import tensor as turned
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import InvalidModel, NotConverged, UnresolvedWarning, UnsupportedTensor
from fokkerplanck.solve.linear import factorize

PULL = np.array([[1.0, -1.0], [1.0, 1.0]])
Z = sp.Symbol("z", real=True)


def solved(problem, scheme=None):
    """L1 error of the masses, and the density; warnings are errors."""
    operator = fpk.assemble(problem.model, problem.grid, scheme or LogDensity())
    density = fpk.stationary_density(operator)
    return float(np.abs(density.masses - problem.masses).sum()), density


def off_diagonal(matrix):
    return (matrix - diags_array(matrix.diagonal())).tocsc()


def check_generator(matrix, killing=0.0):
    off = off_diagonal(matrix)
    assert off.min() >= 0.0
    scale = np.abs(matrix.diagonal()).max()
    assert np.abs(np.asarray(matrix.sum(axis=0)).ravel() + killing).max() < 1e-14 * scale


def check_flux(operator, matrix, psi):
    """The net flow across every face is the logarithmic mean of e^-psi times the velocity."""
    flux, masses = operator.flux, np.exp(-psi) * operator.grid.volumes.ravel()
    forwards = np.asarray(matrix[flux.upper, flux.lower]).ravel() * masses[flux.lower]
    backwards = np.asarray(matrix[flux.lower, flux.upper]).ravel() * masses[flux.upper]
    p, q = np.exp(-psi[flux.lower]), np.exp(-psi[flux.upper])
    mean = (p - q) / (psi[flux.upper] - psi[flux.lower])
    wanted = flux.volume * mean * flux.velocity(psi.reshape(operator.grid.shape), 4)
    assert np.allclose(forwards - backwards, wanted, rtol=0, atol=1e-12 * forwards.max())


@pytest.mark.parametrize("anisotropy", [100.0, 1e4])
@pytest.mark.parametrize("degrees", [10, 30, 45])
def test_ornstein_uhlenbeck_at_any_anisotropy(anisotropy, degrees):
    coarse, _ = solved(ornstein_uhlenbeck(anisotropy, degrees, 64))
    fine, density = solved(ornstein_uhlenbeck(anisotropy, degrees, 128))
    assert fine <= 1e-3
    assert np.log2(coarse / fine) >= 1.9
    assert density.info["iterations"] <= 40
    assert density.values.min() > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("anisotropy", [100.0, 1e4])
@pytest.mark.parametrize("degrees", [10, 30, 45])
def test_ornstein_uhlenbeck_on_a_fine_grid(anisotropy, degrees):
    coarse, _ = solved(ornstein_uhlenbeck(anisotropy, degrees, 64))
    fine, density = solved(ornstein_uhlenbeck(anisotropy, degrees, 256))
    assert fine <= 2.5e-4
    assert np.log2(coarse / fine) / 2 >= 1.9
    assert density.info["iterations"] <= 40


def test_turning_tensor_with_a_current():
    error, density = solved(turning_wells(1e4, 1.0, 128))
    assert error <= 3e-3
    assert density.info["order"] == 4


@pytest.mark.slow
def test_turning_tensor_with_a_weak_current_needs_fourth_order():
    problem = turning_wells(1e4, 0.1, 128)
    with pytest.warns(UnresolvedWarning, match="second and fourth order differ"):
        error, _ = solved(problem)
    with pytest.warns(UnresolvedWarning, match="second and fourth order differ"):
        second, _ = solved(problem, LogDensity(order=2))
    assert error <= 5e-3
    assert second > 5e-2


def test_curved_valley_against_central_differences():
    """The reference has 768 x 768 cells and shares nothing with the package."""
    error, density = solved(curved_valley(128))
    assert error <= 4e-3
    assert density.values.min() > 0.0


@pytest.mark.slow
def test_vanishing_current_at_strong_anisotropy_is_not_answered_in_silence():
    problem = turning_wells(1e4, 1e-6, 128)
    operator = fpk.assemble(problem.model, problem.grid, LogDensity())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            fpk.stationary_density(operator)
        except NotConverged:
            return
    assert any(issubclass(w.category, UnresolvedWarning) for w in caught)


def test_barrier_beyond_the_grid_is_refused():
    problem = turning_wells(100.0, 1.0, 64, temperature=0.1)
    operator = fpk.assemble(problem.model, problem.grid, LogDensity())
    with pytest.raises(NotConverged, match="64 x 64 cells"):
        fpk.stationary_density(operator)


def test_barrier_near_the_limit_of_the_grid_warns():
    problem = turning_wells(100.0, 1.0, 64, temperature=0.4)
    with pytest.warns(UnresolvedWarning, match="on the way between two wells"):
        error, density = solved(problem)
    assert 0.4 < density.info["barrier_step"] <= 1.0
    assert error > 1e-2


def test_generator_at_any_psi_is_positive_and_carries_its_flux():
    problem = turning_wells(1e4, 1.0, 24)
    operator = fpk.assemble(problem.model, problem.grid, LogDensity())
    psi = np.random.default_rng(1).normal(scale=3.0, size=24 * 24)
    matrix = operator.generator_at(psi)
    check_generator(matrix)
    assert off_diagonal(matrix).data.min() > 0.0
    check_flux(operator, matrix, psi)


@pytest.mark.parametrize("degrees", [0, 30])
def test_linear_generator_has_the_same_stationary_density(degrees):
    problem = ornstein_uhlenbeck(100.0, degrees, 64)
    operator = fpk.assemble(problem.model, problem.grid, LogDensity(tolerance=1e-11))
    check_generator(operator.matrix)
    assert operator.killing.max() == 0.0
    check_flux(operator, operator.matrix, operator.fixed_point.psi)
    nonlinear = fpk.stationary_density(operator)
    linear = fpk.stationary_density(operator, fpk.SubtractionFree())
    assert nonlinear.info["solver"] == "LogDensityIteration"
    assert np.abs(nonlinear.masses - linear.masses).sum() < 1e-9


def test_matrix_is_built_when_asked_for_and_travels():
    problem = ornstein_uhlenbeck(100.0, 30, 24)
    operator = fpk.assemble(problem.model, problem.grid, LogDensity())
    assert isinstance(operator, LogDensityOperator)
    assert "fixed_point" not in vars(operator)
    travelled = pickle.loads(pickle.dumps(operator))
    assert abs(travelled.matrix - operator.matrix).max() == 0.0
    assert "fixed_point" in vars(operator)
    assert operator.info["unknowns"] == 24 * 24


def test_detailed_balance_is_exact():
    noise = turned(sp.sin(X + Y), 100.0)
    model = fpk.Diffusion.from_isothermal((X, Y), list(-noise * sp.Matrix([X, Y])), noise)
    grid = fpk.Grid(x=(-4, 4, 20), y=(-4, 4, 20))
    operator = fpk.assemble(model, grid, LogDensity())
    assert operator.potential is not None
    assert abs(operator.matrix - fpk.assemble(model, grid).matrix).max() == 0.0


def torus(cells):
    """``p = e^-V`` and a constant current: ``F = -D grad V + J e^V``."""
    potential = sp.cos(X) + sp.cos(2 * Y + X) / 2
    noise = turned(sp.Rational(1, 2) + sp.sin(X) / 4, 100.0)
    slope = sp.Matrix([potential.diff(X), potential.diff(Y)])
    force = -noise * slope + sp.exp(potential) * sp.Matrix([1, sp.Rational(1, 2)])
    model = fpk.Diffusion.from_isothermal((X, Y), list(force), noise)
    limits = (0.0, 2 * np.pi, cells)
    grid = fpk.Grid(x=limits, y=limits, boundary="periodic")
    density = sp.lambdify((X, Y), sp.exp(-potential))(*grid.mesh)
    return model, grid, density / density.sum()


def test_periodic_axes():
    errors = []
    for cells in (32, 64):
        model, grid, exact = torus(cells)
        operator = fpk.assemble(model, grid, LogDensity())
        masses = fpk.stationary_density(operator).masses
        errors.append(np.abs(masses - exact).sum())
        check_generator(operator.matrix)
    assert errors[1] < 4e-3
    assert np.log2(errors[0] / errors[1]) > 1.9


def test_mapped_axes_keep_the_order():
    errors = []
    s = sp.Symbol("s", real=True)
    noise = np.array(turned(sp.pi / 6, 100.0), dtype=float)
    covariance = solve_continuous_lyapunov(PULL, 2 * noise)
    for cells in (48, 96):
        x, y = (
            # Cells in the middle are about half as wide as at the walls.
            fpk.Mapped(5.5 * spread * sp.sinh(s) / np.sinh(1.2), s, (-1.2, 1.2, cells))
            for spread in np.sqrt(np.diag(covariance))
        )
        grid = fpk.Grid(x=x, y=y)
        model = fpk.Diffusion((X, Y), list(-sp.Matrix(PULL) * sp.Matrix([X, Y])), noise)
        density = fpk.stationary_density(fpk.assemble(model, grid, LogDensity()))
        exact = fpk.gaussian_density(grid, [0, 0], covariance).masses
        errors.append(np.abs(density.masses - exact).sum())
    assert errors[1] < 1e-3
    assert np.log2(errors[0] / errors[1]) > 1.9


@pytest.mark.slow
def test_three_dimensions():
    """Rotation about z with noise that is strong in one oblique plane."""
    pull = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, 0.5], [0.0, -0.5, 1.0]])
    turn = np.linalg.qr(np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 4.0]]))[0]
    noise = turn @ np.diag([1.0, 0.5, 0.02]) @ turn.T
    covariance = solve_continuous_lyapunov(pull, 2 * noise)
    half = 4.5 * np.sqrt(np.diag(covariance))
    model = fpk.Diffusion((X, Y, Z), list(-sp.Matrix(pull) * sp.Matrix([X, Y, Z])), noise)
    errors = []
    for cells in (14, 28):
        limits = [(-h, h, cells) for h in half]
        grid = fpk.Grid(x=limits[0], y=limits[1], z=limits[2])
        operator = fpk.assemble(model, grid, LogDensity())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnresolvedWarning)  # 14 cells a side are few
            density = fpk.stationary_density(operator)
        exact = fpk.gaussian_density(grid, [0, 0, 0], covariance).masses
        errors.append(np.abs(density.masses - exact).sum())
        assert density.values.min() > 0.0
    assert errors[1] < 3e-2
    assert np.log2(errors[0] / errors[1]) > 1.8


def test_absorbing_walls_kill_as_often_as_those_of_selling():
    noise = [[1.0, 0.5], [0.5, 1.0]]
    model = fpk.Diffusion((X, Y), [-X + Y, -X - Y], noise)
    grid = fpk.Grid(x=(-2, 2, 48), y=(-4, 4, 48), boundary={"x": "absorbing"})
    times = []
    for scheme in (LogDensity(), fpk.Selling()):
        operator = fpk.assemble(model, grid, scheme)
        assert not operator.conserving
        check_generator(operator.matrix, operator.killing)
        factor = factorize(operator.matrix, killing=operator.killing, shape=grid.shape)
        times.append(factor.solve_transpose(np.ones(grid.size)).max())
    assert times[0] == pytest.approx(times[1], rel=1e-2)


def test_tensor_that_jumps_in_ito_form_is_refused():
    noise = sp.Matrix([[sp.Piecewise((1, X < 0), (2, True)), 0], [0, 1]])
    model = fpk.Diffusion((X, Y), [-X + Y, -Y - X], noise)
    with pytest.raises(UnsupportedTensor, match="jumps"):
        fpk.assemble(model, fpk.Grid(x=(-2, 2, 8), y=(-2, 2, 8)), LogDensity())


@pytest.mark.parametrize("wrong", [{"order": 3}, {"tolerance": 0.0}, {"iterations": 0}])
def test_meaningless_parameters_are_refused(wrong):
    with pytest.raises(InvalidModel):
        LogDensity(**wrong)
