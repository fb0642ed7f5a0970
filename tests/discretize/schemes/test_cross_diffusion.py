"""Exponential fitting with central cross terms: order, walls, conservation, negative mass."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import solve_continuous_lyapunov
from scipy.sparse.linalg import eigs, splu

import fokkerplanck as fpk
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.errors import UnsupportedTensor
from tests.discretize.schemes.galerkin import relaxation_rates

VARIABLES = sp.symbols("x y z w", real=True)
X, Y, Z, _ = VARIABLES


def rotated(anisotropy, degrees):
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tensor = turn @ np.diag([1.0, 1.0 / anisotropy]) @ turn.T
    return (tensor + tensor.T) / 2


def ornstein_uhlenbeck(stiffness, tensor):
    """Diffusion with drift -K x, and its stationary covariance."""
    stiffness = np.asarray(stiffness, dtype=float)
    variables = VARIABLES[: len(stiffness)]
    drift = -sp.Matrix(stiffness) * sp.Matrix(variables)
    covariance = solve_continuous_lyapunov(stiffness, 2 * np.asarray(tensor))
    return fpk.Diffusion(variables, list(drift), np.asarray(tensor).tolist()), covariance


def box(covariance, cells, sigmas=5.5, **options):
    half = sigmas * np.sqrt(np.diag(covariance))
    limits = {v: (-h, h, cells) for v, h in zip(VARIABLES, half, strict=False)}
    return fpk.Grid(limits, **options)


def stationary_masses(operator):
    """Null vector of the matrix by an LU of its minor that leaves the middle cell out."""
    middle = np.ravel_multi_index([n // 2 for n in operator.grid.shape], operator.grid.shape)
    kept = np.arange(operator.grid.size) != middle
    rows = operator.matrix.tocsr()[kept]
    masses = np.ones(operator.grid.size)
    masses[kept] = splu(rows[:, kept].tocsc()).solve(-rows[:, [middle]].toarray().ravel())
    return masses / masses.sum()


def density_error(stiffness, tensor, cells, sigmas=5.5):
    """L1 error of the stationary density, and its negative mass."""
    model, covariance = ornstein_uhlenbeck(stiffness, tensor)
    grid = box(covariance, cells, sigmas)
    masses = stationary_masses(fpk.assemble(model, grid, CrossDiffusion()))
    exact = fpk.gaussian_density(grid, np.zeros(grid.dimension), covariance).masses.ravel()
    return np.abs(masses - exact).sum(), -masses[masses < 0].sum()


ROTATING_DRIFT = [[1, -1], [1, 1]]


def test_strong_anisotropy_without_potential():
    model, covariance = ornstein_uhlenbeck(ROTATING_DRIFT, rotated(100, 30))
    grid = box(covariance, 128)
    density = fpk.stationary_density(fpk.assemble(model, grid, CrossDiffusion()))
    exact = fpk.gaussian_density(grid, [0, 0], covariance)
    # Measured 2.3e-3 and 1e-9; a monotone linear scheme has an error of 0.1 here.
    assert np.abs(density.masses - exact.masses).sum() < 2.4e-3
    assert 0 < density.info["negative_mass"] < 1e-8
    assert density.info["negative_mass"] == pytest.approx(-np.minimum(density.masses, 0).sum())


@pytest.mark.parametrize(("anisotropy", "degrees"), [(1, 0), (10, 0), (10, 10), (10, 30), (10, 45)])
def test_density_converges_with_second_order(anisotropy, degrees):
    coarse, _ = density_error(ROTATING_DRIFT, rotated(anisotropy, degrees), 64)
    fine, negative = density_error(ROTATING_DRIFT, rotated(anisotropy, degrees), 128)
    assert np.log2(coarse / fine) > 1.9
    assert negative < 1e-6


def test_full_tensor_in_three_dimensions():
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    tensor = turn @ np.diag([1.0, 0.5, 0.2]) @ turn.T
    stiffness = [[1, -1, 0.3], [1, 1, 0], [-0.3, 0.2, 1.5]]
    errors = [density_error(stiffness, (tensor + tensor.T) / 2, n, 4.5)[0] for n in (12, 24)]
    assert np.log2(errors[0] / errors[1]) > 1.9
    assert errors[1] < 4e-2


@pytest.mark.parametrize("walls", ["reflecting", "absorbing"])
def test_walls_are_second_order(walls):
    # No force and a rotated tensor: the density is not flat along the normal of a wall, so that a
    # wall treated as a mirror, or cross terms dropped there, show as first order at once.
    tensor = rotated(10, 30)
    exact = relaxation_rates(
        lambda x, y: np.broadcast_to(tensor[:, :, None, None], (2, 2, *x.shape)),
        lambda x, y: (0 * x, 0 * y),
        ((0, 1), (0, 1)),
        degree=28,
        walls=walls,
    )[1 if walls == "reflecting" else 0]
    errors = []
    for cells in (32, 64):
        grid = fpk.Grid(x=(0, 1, cells), y=(0, 1, cells), boundary=walls)
        operator = fpk.assemble(fpk.Diffusion((X, Y), [0, 0], tensor), grid, CrossDiffusion())
        rates = eigs(operator.matrix, k=3, sigma=0.05, return_eigenvectors=False)
        errors.append(np.abs(-rates / exact - 1).min())
    assert np.log2(errors[0] / errors[1]) > 1.9
    assert errors[1] < 8e-4


def test_mapped_axes_are_second_order():
    # sinh: cells almost three times wider at the walls than in the middle.
    s = sp.Symbol("s", real=True)
    model, covariance = ornstein_uhlenbeck(ROTATING_DRIFT, rotated(10, 30))
    scale = np.sqrt(np.diag(covariance))
    errors = []
    for cells in (48, 96):
        axes = {
            v: fpk.Mapped(2.0 * h * sp.sinh(s), s, (-1.7, 1.7, cells))
            for v, h in zip((X, Y), scale, strict=True)
        }
        grid = fpk.Grid(axes)
        masses = stationary_masses(fpk.assemble(model, grid, CrossDiffusion()))
        exact = fpk.gaussian_density(grid, [0, 0], covariance).masses.ravel()
        errors.append(np.abs(masses - exact).sum())
    assert np.log2(errors[0] / errors[1]) > 1.9


def test_periodic_cross_terms():
    # A flat density is stationary under any constant tensor and drift; each Fourier mode decays
    # with k.D k, here to second order.
    tensor = rotated(10, 30)
    errors = []
    for cells in (16, 32):
        grid = fpk.Grid(x=(0, 2, cells), y=(0, 1, cells), boundary="periodic")
        operator = fpk.assemble(fpk.Diffusion((X, Y), [0, 0], tensor), grid, CrossDiffusion())
        k = 2 * np.pi * np.array([1 / 2, 1])
        wave = np.cos(k[0] * grid.mesh[0] + k[1] * grid.mesh[1]).ravel()
        np.testing.assert_allclose(operator.matrix @ np.ones(grid.size), 0, atol=1e-11)
        decay = -(wave @ (operator.matrix @ wave)) / (wave @ wave)
        errors.append(abs(decay / (k @ tensor @ k) - 1))
    assert np.log2(errors[0] / errors[1]) > 1.95


@pytest.mark.parametrize(
    "boundary",
    [
        "reflecting",
        "periodic",
        {"x": ("absorbing", "reflecting"), "y": ("reflecting", "absorbing")},
    ],
)
def test_columns_sum_to_minus_the_killing(boundary):
    angle = sp.sin(X) * sp.cos(Y)
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    tensor = turn * sp.diag(1, sp.Rational(1, 50)) * turn.T
    grid = fpk.Grid(x=(0, 2 * np.pi, 17), y=(0, 2 * np.pi, 14), boundary=boundary)
    model = fpk.Diffusion((X, Y), [sp.sin(Y) + 0.3, sp.cos(X)], tensor)
    operator = fpk.assemble(model, grid, CrossDiffusion())
    largest = np.abs(operator.matrix.data).max()
    sums = np.asarray(operator.matrix.sum(axis=0)).ravel()
    np.testing.assert_allclose(sums, -operator.killing, atol=1e-14 * largest)
    absorbs = np.zeros(grid.shape, dtype=bool)
    if isinstance(boundary, dict):
        absorbs[0], absorbs[:, -1] = True, True
    np.testing.assert_array_equal(operator.killing > 0, absorbs.ravel())
    assert not operator.monotone
    assert operator.potential is None


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
@pytest.mark.parametrize("boundary", ["reflecting", "absorbing"])
def test_diagonal_tensor_is_the_selling_scheme(dimension, boundary):
    # With a quadratic potential its differences are the force at the face times the step, and both
    # are the same Scharfetter-Gummel scheme.
    tensor = np.diag(1.0 / (1.0 + np.arange(dimension)))
    hessian = np.eye(dimension) + 0.3 * (np.ones((dimension, dimension)) - np.eye(dimension))
    model, _ = ornstein_uhlenbeck(tensor @ hessian, tensor)
    limits = {v: (-0.7, 0.9 + 0.1 * k, 4 + k) for k, v in enumerate(VARIABLES[:dimension])}
    grid = fpk.Grid(limits, boundary=boundary)
    ours = fpk.assemble(model, grid, CrossDiffusion())
    theirs = fpk.assemble(model, grid, fpk.Selling())
    assert ours.monotone
    ours, theirs = ours.matrix.toarray(), theirs.matrix.toarray()
    if boundary == "absorbing":
        # What the walls take is in the diagonal, and takes the force at another point.
        np.fill_diagonal(ours, 0)
        np.fill_diagonal(theirs, 0)
    assert np.count_nonzero(theirs) > grid.size
    np.testing.assert_allclose(ours, theirs, rtol=2e-12)


def test_cross_terms_in_four_dimensions_are_refused():
    tensor = np.eye(4)
    tensor[0, 3] = tensor[3, 0] = 0.5
    grid = fpk.Grid(dict.fromkeys(VARIABLES, (-1, 1, 3)))
    with pytest.raises(UnsupportedTensor, match=r"D\[x, w\] is not zero"):
        fpk.assemble(fpk.Diffusion(VARIABLES, [0] * 4, tensor), grid, CrossDiffusion())


def test_vanishing_noise_is_upwind():
    # D_yy = 0: along y only the drift of 2 carries, one cell of width 1/4 a time, at rate 8.
    model = fpk.Diffusion((X, Y), [0, 2], [[1, 0], [0, 0]])
    grid = fpk.Grid(x=(0, 1, 2), y=(0, 1, 4))
    with pytest.warns(fpk.errors.DisconnectedWarning):
        matrix = fpk.assemble(model, grid, CrossDiffusion()).matrix.toarray()
    assert matrix[1, 0] == pytest.approx(8.0)
    assert matrix[0, 1] == 0.0
