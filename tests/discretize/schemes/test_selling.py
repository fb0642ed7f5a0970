"""Gibbs densities to rounding, orders of convergence, degenerate noise, four dimensions."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov

import fokkerplanck as fpk
from fokkerplanck.errors import (
    DisconnectedDomain,
    DisconnectedWarning,
    InvalidModel,
    UnresolvedWarning,
    UnsupportedTensor,
)

Array = NDArray[np.float64]
x, y, z, w, s, t = sp.symbols("x y z w s t", real=True)
RATES = np.array([[1.0, -1.0], [1.0, 1.0]])
unresolved = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")


def turned(anisotropy: float, angle: Any) -> sp.Matrix:
    frame = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    return frame * sp.diag(1, 1 / sp.Float(anisotropy)) * frame.T


def in_balance(potential: sp.Expr, tensor: sp.Matrix, variables: tuple[sp.Symbol, ...]) -> Any:
    """Itô form of ``F = -D grad Phi``."""
    slope = sp.Matrix([sp.diff(potential, v) for v in variables])
    isothermal = fpk.Diffusion.from_isothermal(variables, -tensor * slope, tensor)
    return fpk.Diffusion(variables, isothermal.drift, tensor)


def gibbs(potential: sp.Expr, grid: fpk.Grid) -> Array:
    variables = [sp.Symbol(name, real=True) for name in grid.names]
    energy = np.broadcast_to(sp.lambdify(variables, potential)(*grid.mesh), grid.shape)
    values = np.exp(energy.min() - energy)
    return values / np.sum(values * grid.volumes)


PI = float(np.pi)
PLANE = 2 * (x**2 - 1) ** 2 + 2 * y**2 + x * y / 2
TORUS = sp.cos(x) + sp.sin(x) * sp.cos(y)
ANGLE = 0.3 + x / 2 + y / 3
SPACE = x**2 + y**2 * (1 + x**2 / 3) + z**2 - x * z / 2
TURN = sp.rot_axis3(0.4 + x / 3) * sp.rot_axis1(0.7 + z / 4)
GRIDS = {
    "reflecting": fpk.Grid(x=(-2, 2, 40), y=(-2, 2, 36)),
    "mapped": fpk.Grid(
        x=fpk.Mapped(sp.sinh(s), s, (-1.4, 1.4, 40)), y=fpk.Mapped(s + s**3 / 9, s, (-1.5, 1.5, 30))
    ),
    "periodic": fpk.Grid(x=(-PI, PI, 32), y=(-PI, PI, 28), boundary="periodic"),
    "half": fpk.Grid(x=(-PI, PI, 32), y=(-2, 2, 30), boundary={"x": "periodic"}),
}


@unresolved
@pytest.mark.parametrize("anisotropy", [1, 10, 100])
@pytest.mark.parametrize("name", GRIDS)
def test_gibbs_density_in_every_cell(name: str, anisotropy: float) -> None:
    """From the rates alone: elimination does not know the potential."""
    grid = GRIDS[name]
    wound = name in ("periodic", "half")
    potential = TORUS if wound else PLANE
    angle = sp.sin(x) + (sp.sin(y) if name == "periodic" else y / 3) if wound else ANGLE
    tensor = (1 + sp.cos(x) ** 2 / 2) * turned(anisotropy, angle)
    operator = fpk.assemble(in_balance(potential, tensor, (x, y)), grid, fpk.Selling())
    density = fpk.stationary_density(operator, fpk.SubtractionFree())
    np.testing.assert_allclose(density.values, gibbs(potential, grid), rtol=1e-12)


@unresolved
@pytest.mark.parametrize("anisotropy", [1, 10, 100])
@pytest.mark.parametrize("walls", ["reflecting", "periodic"])
def test_gibbs_density_in_space(walls: str, anisotropy: float) -> None:
    tensor, potential = TURN * sp.diag(1, 1 / sp.sqrt(anisotropy), 1 / anisotropy) * TURN.T, SPACE
    limits: dict[str, Any] = {"x": (-2, 2, 12), "y": (-2, 2, 11), "z": (-2, 2, 10)}
    if walls == "periodic":
        frame = sp.rot_axis3(sp.sin(x)) * sp.rot_axis1(sp.cos(z))
        tensor = frame * sp.diag(1, 1 / sp.sqrt(anisotropy), 1 / anisotropy) * frame.T
        potential = sp.cos(x) * sp.sin(y) + sp.cos(z - x)
        limits = {name: (-PI, PI, n) for name, n in zip("xyz", (12, 11, 10), strict=True)}
    else:
        limits["z"] = fpk.Mapped(sp.sinh(s), s, (-1.4, 1.4, 10))
    grid = fpk.Grid(**limits, boundary=walls)
    operator = fpk.assemble(in_balance(potential, tensor, (x, y, z)), grid, fpk.Selling())
    density = fpk.stationary_density(operator, fpk.SubtractionFree())
    np.testing.assert_allclose(density.values, gibbs(potential, grid), rtol=1e-12)


def ornstein_uhlenbeck(anisotropy: float, degrees: float, cells: int) -> float:
    """L1 error of the stationary density with drift ``-K x``, which has no potential."""
    tensor = np.array(turned(anisotropy, np.deg2rad(degrees)), dtype=float)
    covariance = solve_continuous_lyapunov(RATES, 2 * tensor)
    reach = 5.5 * np.sqrt(np.diag(covariance))
    grid = fpk.Grid(x=(-reach[0], reach[0], cells), y=(-reach[1], reach[1], cells))
    drift = -sp.Matrix(RATES) * sp.Matrix([x, y])
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, sp.Matrix(tensor)), grid, fpk.Selling())
    density = fpk.stationary_density(operator)
    assert density.values.min() >= 0
    exact = fpk.gaussian_density(grid, [0, 0], covariance)
    return float(np.sum(np.abs(density.values - exact.values) * grid.volumes))


@pytest.mark.parametrize(
    ("anisotropy", "degrees"), [(1, 0), (10, 0), (10, 10), (10, 30), (10, 45), (3, 70)]
)
def test_drift_without_potential_is_second_order(anisotropy: float, degrees: float) -> None:
    errors = [ornstein_uhlenbeck(anisotropy, degrees, cells) for cells in (64, 128)]
    assert np.log2(errors[0] / errors[1]) > 1.9
    # Exponential fitting alone: 1.4e-3 to 3.4e-3 at anisotropy 10.
    assert errors[1] < 1e-3


def test_curved_forces_are_integrated_along_the_edges() -> None:
    """A tensor that turns and a drift that circulates about a known density.

    With the mean of both ends instead of the integral the error on 32 x 32 cells is 1.8e-2.
    """
    potential = 2 * ((x**2 - 1) ** 2 + y**2)
    angle = (5 + 6 * sp.sin(x) + 4 * y) / 10
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    tensor = turn * sp.diag(1, sp.Rational(2, 3)) * turn.T
    circulation = sp.Rational(3, 10) * sp.Matrix([[0, 1], [-1, 0]])
    drift = -(tensor + circulation) * sp.Matrix([potential.diff(x), potential.diff(y)])
    drift += sp.Matrix([tensor[i, 0].diff(x) + tensor[i, 1].diff(y) for i in range(2)])
    errors = []
    for cells in (32, 64):
        grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
        model = fpk.Diffusion((x, y), drift, tensor)
        density = fpk.stationary_density(fpk.assemble(model, grid, fpk.Selling()))
        exact = np.exp(-2 * ((grid.mesh[0] ** 2 - 1) ** 2 + grid.mesh[1] ** 2))
        exact /= np.sum(exact * grid.volumes)
        errors.append(float(np.sum(np.abs(density.values - exact) * grid.volumes)))
    assert errors[0] < 6e-3
    assert np.log2(errors[0] / errors[1]) > 1.9


@unresolved
@pytest.mark.parametrize(
    ("anisotropy", "degrees", "cells", "bound"),
    [(100, 0, 64, 0.04), (100, 10, 64, 0.09), (100, 30, 64, 0.1), (1e4, 30, 32, 0.25)],
)
def test_strong_anisotropy_without_potential_stays_bounded(
    anisotropy: float, degrees: float, cells: int, bound: float
) -> None:
    """Exponential fitting alone leaves errors of 0.3 to 2; this is first order and steady."""
    errors = [ornstein_uhlenbeck(anisotropy, degrees, n) for n in (cells, 2 * cells)]
    assert errors[0] < bound
    assert np.log2(errors[0] / errors[1]) > 0.9


@unresolved
def test_circulation_that_meets_a_wall_does_not_trap_the_mass() -> None:
    """F = -(D + J) grad V presses against the walls of the box far up the potential."""
    potential = 2 * ((x**2 - 1) ** 2 + y**2)
    tensor = turned(10, 0.6 * sp.sin(x) + 0.3 * sp.sin(y))
    slope = sp.Matrix([sp.diff(potential, v) for v in (x, y)])
    force = -(tensor + sp.Matrix([[0, 1], [-1, 0]])) * slope
    model = fpk.Diffusion.from_isothermal((x, y), force, tensor)
    errors = []
    for cells in (64, 128):
        grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
        density = fpk.stationary_density(fpk.assemble(model, grid, fpk.Selling())).values
        errors.append(np.sum(np.abs(density - gibbs(potential, grid)) * grid.volumes))
    # Exponential fitting alone has all mass in a corner: 2.0.
    assert errors[1] < 0.025
    assert np.log2(errors[0] / errors[1]) > 1.3


def momentum(cells: int) -> tuple[float, float]:
    """Position and velocity variance of momentum SGD on a quadratic loss."""
    model = fpk.Momentum(
        x**2 / 2, (x,), fpk.noise.Isotropic(0.4), learning_rate=0.5, momentum=0.5
    ).diffusion()
    grid = fpk.Grid(
        {v: (-4 * r, 4 * r, cells) for v, r in zip(model.variables, (0.45, 0.64), strict=True)}
    )
    density = fpk.stationary_density(fpk.assemble(model, grid))
    assert density.values.min() >= 0
    covariance = density.covariance()
    return float(covariance[0, 0]), float(covariance[1, 1])


def test_phase_space_converges_to_its_gaussian() -> None:
    # Isotropic noise c: Var x = eta c / (2 (1 - beta)) = 0.2, Var v = c / (2 (1 - beta)) = 0.4.
    errors = np.array([np.abs(np.subtract(momentum(n), (0.2, 0.4))) for n in (32, 64, 128)])
    assert (np.log2(errors[1:-1] / errors[2:]) > 0.8).all()
    assert (errors[-1] < [0.02, 0.02]).all()


@unresolved
def test_noise_of_rank_one_converges_to_its_gaussian() -> None:
    """One Wiener process drives both variables; the drift spreads it."""
    direction = np.array([1.0, 0.5])
    tensor = np.outer(direction, direction)
    rates = np.array([[1.0, -0.5], [0.8, 0.4]])
    covariance = solve_continuous_lyapunov(rates, 2 * tensor)
    assert np.linalg.eigvalsh(covariance)[0] > 0.01
    reach = 5 * np.sqrt(covariance.max())
    model = fpk.Diffusion((x, y), -sp.Matrix(rates) * sp.Matrix([x, y]), sp.Matrix(tensor))
    errors = []
    for cells in (48, 96):
        # Square cells: the direction of the noise is the offset (2, 1).
        grid = fpk.Grid(x=(-reach, reach, cells), y=(-reach, reach, cells))
        operator = fpk.assemble(model, grid, fpk.Selling())
        assert operator.info["added_noise"] == 0
        density = fpk.stationary_density(operator)
        assert density.values.min() >= 0
        errors.append(np.abs(density.covariance() - covariance).max() / covariance.max())
    assert errors[1] < 0.15
    assert np.log2(errors[0] / errors[1]) > 0.7


def check_equilibrium(operator: fpk.FokkerPlanckOperator, exact: Array) -> None:
    """The rates' own density is ``e^-Phi`` to rounding; Phi itself is as accurate as ``D^-1``."""
    assert operator.potential is not None
    density = fpk.stationary_density(operator, fpk.SubtractionFree()).values
    own = np.exp(-operator.potential.reshape(exact.shape))
    own /= np.sum(own * operator.grid.volumes)
    np.testing.assert_allclose(density, own, rtol=1e-12)
    np.testing.assert_allclose(density, exact, rtol=1e-7)


def test_tensor_of_rank_one_in_balance_keeps_its_gibbs_density() -> None:
    """Nearly degenerate: 1e-4 of isotropic noise holds the two directions together."""
    tensor = sp.Matrix([[1, 2], [2, 4]]) + sp.eye(2) * 1e-4
    grid = fpk.Grid(x=(-2, 2, 24), y=(-2, 2, 24))
    operator = fpk.assemble(in_balance(x**2 + y**2, tensor, (x, y)), grid, fpk.Selling())
    check_equilibrium(operator, gibbs(x**2 + y**2, grid))


def test_four_dimensions() -> None:
    """A diagonal tensor, and one that couples two pairs of axes."""
    energy = x**2 / 2 + y**2 / 2 + z**2 + w**2 + x * z / 2
    variables = (x, y, z, w)
    grid = fpk.Grid(x=(-3, 3, 7), y=(-3, 3, 6), z=(-2, 2, 6), w=(-2, 2, 5))
    coupled = sp.Matrix([[1, 0, 0.5, 0], [0, 1, 0, 0.3], [0.5, 0, 1, 0], [0, 0.3, 0, 1]])
    for tensor in (sp.diag(1, 2, 1 + x**2, 1), coupled):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnresolvedWarning)
            operator = fpk.assemble(in_balance(energy, tensor, variables), grid, fpk.Selling())
        density = fpk.stationary_density(operator, fpk.SubtractionFree())
        np.testing.assert_allclose(density.values, gibbs(energy, grid), rtol=1e-12)
    chained = coupled.copy()
    chained[0, 1] = chained[1, 0] = 0.1
    with pytest.raises(UnsupportedTensor, match="couples 4 axes"):
        fpk.assemble(in_balance(energy, chained, variables), grid, fpk.Selling())


def test_ring_with_a_current() -> None:
    """Drift f - V' on a ring: current and density in closed form (Stratonovich 1967)."""
    force, barrier = 0.8, 1.2
    model = fpk.Diffusion((x,), [force + barrier * sp.sin(x)], [[0.5]])

    def energy(at: Array) -> Array:
        return -2 * force * at + 2 * barrier * np.cos(at)

    nodes = np.linspace(0, 2 * PI, 2001)
    errors = []
    for cells in (24, 48):
        grid = fpk.Grid(x=(0, 2 * PI, cells), boundary="periodic")
        operator = fpk.assemble(model, grid)
        assert operator.potential is None
        density = fpk.stationary_density(operator).values
        at = grid.centers[0]
        exact = np.array([np.trapezoid(np.exp(energy(c + nodes) - energy(c)), nodes) for c in at])
        exact /= exact.sum() * grid.axes[0].spacing
        errors.append(np.abs(density / exact - 1).max())
    assert np.log2(errors[0] / errors[1]) > 1.9
    assert errors[1] < 3e-3


def test_coefficients_at_a_time() -> None:
    model = fpk.Diffusion((x, y), [-x, -(1 + t) * y], [[1, 0.2], [0.2, 1 + t / 2]], time=t)
    grid = fpk.Grid(x=(-4, 4, 20), y=(-4, 4, 20))
    later = fpk.assemble(model, grid, fpk.Selling(), time=0.6)
    frozen = fpk.Diffusion((x, y), [-x, -1.6 * y], [[1, 0.2], [0.2, 1.3]])
    fixed = fpk.assemble(frozen, grid, fpk.Selling())
    assert abs(later.matrix - fixed.matrix).max() < 1e-12
    assert abs(later.matrix - fpk.assemble(model, grid, fpk.Selling(), time=0).matrix).max() > 0.1


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_noise_that_vanishes_at_a_point_splits_the_line(shift: float) -> None:
    """On a face, and at a centre: nothing crosses, not even by the floor of the rates."""
    grid = fpk.Grid(x=(-2 + 0.1 * shift, 2 + 0.1 * shift, 40))
    model = fpk.Diffusion.from_isothermal((x,), [-(x**3)], [[x**2]])
    with pytest.warns(DisconnectedWarning, match=f"{2 if shift == 0 else 3} parts"):
        operator = fpk.assemble(model, grid)
    with pytest.raises(DisconnectedDomain):
        fpk.stationary_density(operator)


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_noise_that_vanishes_on_a_line_splits_the_plane(shift: float) -> None:
    grid = fpk.Grid(x=(-2 + 0.2 * shift, 2 + 0.2 * shift, 20), y=(-2, 2, 16))
    tensor = x**2 * sp.Matrix([[1, 0.4], [0.4, 1]])
    slope = sp.Matrix([x, y])
    model = fpk.Diffusion.from_isothermal((x, y), -tensor * slope, tensor)
    with pytest.warns(DisconnectedWarning), warnings.catch_warnings():
        operator = fpk.assemble(model, grid, fpk.Selling())
    sides = operator.components[1].reshape(grid.shape)
    assert sides[0, 0] != sides[-1, 0]
    assert (sides[:9] == sides[0, 0]).all()
    assert (sides[-9:] == sides[-1, 0]).all()


def test_drift_crosses_where_noise_does_not() -> None:
    """Noise vanishes at 0, the drift does not: mass passes one way only."""
    grid = fpk.Grid(x=(-1, 1, 20))
    model = fpk.Diffusion.from_isothermal((x,), [1.0], [[x**2]])
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(model, grid)
    assert operator.matrix[10, 9] == pytest.approx(1 / 0.1)
    assert operator.matrix[9, 10] == 0
    density = fpk.stationary_density(operator).values
    assert density[:10].max() == 0
    assert density[10:].min() > 0


def test_reach_is_at_least_a_cell() -> None:
    with pytest.raises(InvalidModel, match="reach"):
        fpk.Selling(reach=0)


def test_noise_added_to_keep_offsets_short_is_announced() -> None:
    tensor = turned(1e4, 0.5)
    grid = fpk.Grid(x=(-2, 2, 24), y=(-2, 2, 24))
    with pytest.warns(UnresolvedWarning, match="too anisotropic for offsets of 4 cells in 576 of"):
        operator = fpk.assemble(in_balance(x**2 + y**2, tensor, (x, y)), grid, fpk.Selling(reach=4))
    assert operator.info["largest_offset"] <= 4
    assert 0 < operator.info["added_noise"] < 0.1
    check_equilibrium(operator, gibbs(x**2 + y**2, grid))
