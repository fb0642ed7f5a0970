"""Effective potentials and currents of densities that are known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.errors import GridMismatch, NotNormalizable
from fokkerplanck.observe.current import probability_current
from fokkerplanck.observe.potential import effective_potential
from fokkerplanck.results.density import Density, gaussian_density

x, y, z, s = sp.symbols("x y z s", real=True)


def test_potential_of_a_normal_density() -> None:
    grid = Grid(x=(-3, 3, 60), y=(-2, 2, 40))
    spread = np.array([[1.0, 0.3], [0.3, 0.5]])
    potential = effective_potential(gaussian_density(grid, [0.05, 0.05], spread))
    points = np.stack(np.broadcast_arrays(*grid.mesh), axis=-1) - 0.05
    exact = 0.5 * np.einsum("xyi,ij,xyj->xy", points, np.linalg.inv(spread), points)
    np.testing.assert_allclose(potential.values, exact, atol=1e-12)
    assert potential.values.min() == 0.0


def test_potential_of_empty_cells_is_infinite() -> None:
    grid = Grid(x=(0, 1, 4))
    values = effective_potential(Density([0.0, 1.0, 2.0, 0.0], grid)).values
    np.testing.assert_allclose(values, [np.inf, np.log(2), 0, np.inf])


def test_potential_beyond_the_range_of_doubles() -> None:
    grid = Grid(x=(0, 1, 3))
    logarithm = np.array([-2000.0, 0.5, -900.0])
    density = Density(np.exp(logarithm), grid, log_values=logarithm)
    np.testing.assert_array_equal(effective_potential(density).values, [2000.5, 0.0, 900.5])


@pytest.mark.parametrize(
    ("values", "message"), [([1.0, -0.5, 1.0, 1.0], "1 cells .mass 0.125"), ([0.0] * 4, "zero")]
)
def test_no_potential(values: list[float], message: str) -> None:
    with pytest.raises(NotNormalizable, match=message):
        effective_potential(Density(values, Grid(x=(0, 1, 4))))


# Currents -----------------------------------------------------------------------------------------

# A rotational Ornstein–Uhlenbeck process with the stationary covariance 1: A = -(D + R) x.
TENSOR = np.array([[1.0, 0.3], [0.3, 0.6]])
TURN = np.array([[0.0, 0.8], [-0.8, 0.0]])


def turning() -> fpk.Diffusion:
    return fpk.Diffusion((x, y), -sp.Matrix(TENSOR + TURN) * sp.Matrix([x, y]), TENSOR)


def current_error(grid: Grid, density: Density) -> float:
    """Largest error over the cells two away from a wall, in units of the largest current."""
    operator = fpk.assemble(turning(), grid, fpk.Selling())
    found = probability_current(operator, density).values
    points = np.stack(np.broadcast_arrays(*grid.mesh))
    exact = -np.einsum("ij,jxy->ixy", TURN, points) * density.values
    inside = (slice(None), slice(2, -2), slice(2, -2))
    return float(np.abs(found - exact)[inside].max() / np.abs(exact).max())


@pytest.mark.parametrize("mapped", [False, True])
def test_current_of_a_turning_process_is_of_second_order(mapped: bool) -> None:
    errors = []
    for n in (32, 64, 128):
        side: Any = (-4.5, 4.5, n)
        first = Mapped(2 * sp.sinh(s), s, (-1.55, 1.55, n)) if mapped else side
        grid = Grid(x=first, y=side)
        errors.append(current_error(grid, gaussian_density(grid, [0, 0], np.eye(2))))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert errors[-1] < 0.01
    assert orders[-1] > 1.8


def test_current_of_the_solved_stationary_density() -> None:
    grid = Grid(x=(-4.5, 4.5, 64), y=(-4.5, 4.5, 64))
    density = fpk.stationary_density(fpk.assemble(turning(), grid, fpk.Selling()))
    assert current_error(grid, density) < 0.03


@pytest.mark.parametrize(
    "grid",
    [
        Grid(x=(-2, 2, 30), y=(-2, 2, 24)),
        Grid(x=Mapped(sp.sinh(s), s, (-1.4, 1.4, 30)), y=(-2, 2, 24)),
    ],
)
def test_no_current_at_detailed_balance(grid: Grid) -> None:
    potential = (x**2 - 1) ** 2 / 4 + x * y / 2 + y**2
    tensor = sp.Matrix([[1 + x**2, 0.4 * x], [0.4 * x, 0.5]])
    force = -tensor * sp.Matrix([sp.diff(potential, v) for v in (x, y)])
    operator = fpk.assemble(
        fpk.Diffusion.from_isothermal((x, y), force, tensor), grid, fpk.Selling()
    )
    values = np.exp(-operator.potential.reshape(grid.shape))
    density = Density(values / np.sum(values * grid.volumes), grid)
    current = probability_current(operator, density).values
    # The flow one way along an edge is of the order of D p/h.
    scale = 5 * density.values.max() / min(a.widths.min() for a in grid.axes)
    assert np.abs(current).max() < 1e-12 * scale


@pytest.mark.parametrize("cells", [5, 8])
def test_current_round_a_ring(cells: int) -> None:
    grid = Grid(x=(0, 1, cells), y=(0, 1, 3), boundary={"x": "periodic"})
    operator = fpk.assemble(fpk.Diffusion((x, y), [2, 0], sp.diag(1, 1)), grid, fpk.Selling())
    flat = Density(np.ones(grid.shape), grid)
    current = probability_current(operator, flat).values
    np.testing.assert_allclose(current[0], 2.0, rtol=1e-12)
    np.testing.assert_allclose(current[1], 0.0, atol=1e-12)


def test_currents_of_a_spreading_density() -> None:
    # Not stationary: J = -D grad p, and the divergence of J is the loss of density.
    errors = []
    for n in (40, 80):
        grid = Grid(x=(-6, 6, n), y=(-6, 6, n))
        density = gaussian_density(grid, [0.3, 0], np.eye(2))
        operator = fpk.assemble(fpk.Diffusion((x, y), [0, 0], TENSOR), grid, fpk.Selling())
        found = probability_current(operator, density).values
        points = np.stack(np.broadcast_arrays(*grid.mesh)) - np.array([0.3, 0])[:, None, None]
        exact = np.einsum("ij,jxy->ixy", TENSOR, points) * density.values
        errors.append(np.abs(found - exact).max())
    assert errors[1] < 2e-3
    assert errors[0] / errors[1] > 3.7


def test_grids_must_agree() -> None:
    grid = Grid(x=(-1, 1, 8))
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), grid)
    other = gaussian_density(Grid(x=(-1, 1, 9)), [0.0], [[1.0]])
    with pytest.raises(GridMismatch, match="density lives on"):
        probability_current(operator, other)
