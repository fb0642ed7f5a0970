"""Quasi-stationary pairs against series, and against passage times behind any barrier."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.errors import DisconnectedDomain, InvalidRegion
from fokkerplanck.solve.escape import escape_rate
from fokkerplanck.solve.quasi_stationary import quasi_stationary_density

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")

x, y = sp.symbols("x y", real=True)


@pytest.mark.parametrize("walls", ["absorbing", ("reflecting", "absorbing")])
def test_free_diffusion_between_walls(walls: Any) -> None:
    """First terms of the survival series: ``pi^2 D / L^2``, and ``pi^2 D / (4 L^2)``."""
    length, noise = 1.7, 0.6
    wave = np.pi / length * (1.0 if walls == "absorbing" else 0.5)
    errors = []
    for cells in (25, 50, 100):
        grid = fpk.Grid(x=(0, length, cells), boundary={"x": walls})
        density = quasi_stationary_density(fpk.assemble(fpk.Diffusion((x,), [0], [[noise]]), grid))
        shape = np.sin if walls == "absorbing" else np.cos
        exact = shape(wave * grid.centers[0])
        exact = exact / np.sum(exact * grid.volumes)
        np.testing.assert_allclose(density.values, exact, rtol=2e-2 * (25 / cells))
        assert density.mass == pytest.approx(1.0, rel=1e-13)
        errors.append(density.info["decay_rate"] / (noise * wave**2) - 1)
    orders = np.log2(np.abs(np.divide(errors[:-1], errors[1:])))
    assert orders.min() > 1.95
    assert abs(errors[-1]) < 1e-4


@pytest.mark.parametrize("scheme", [fpk.Selling(), CrossDiffusion()])
def test_disc_with_curved_boundary(scheme: Any) -> None:
    """First zero of J_0 squared, for a full tensor in the coordinates where it is one."""
    tensor = sp.Matrix([[1, sp.Rational(1, 2)], [sp.Rational(1, 2), 1]])
    level = sp.expand((sp.Matrix([[x, y]]) * tensor.inv() * sp.Matrix([x, y]))[0])
    exact = 2.404825557695773**2 / 0.81
    errors = []
    for cells in (40, 80):
        grid = fpk.Grid(x=(-1, 1.03, cells), y=(-1.01, 1, cells))
        operator = fpk.assemble(fpk.Diffusion((x, y), [0, 0], tensor), grid, scheme)
        density = quasi_stationary_density(operator, level > 0.81)
        errors.append(density.info["decay_rate"] / exact - 1)
    assert abs(errors[1]) < 1e-3
    # With the cross terms the error happens to be below 1e-5 on both grids.
    assert abs(errors[1]) < max(0.35 * abs(errors[0]), 1e-5)


@pytest.mark.parametrize("barrier", [6.0, 30.0, 100.0])
def test_behind_a_barrier_the_decay_rate_is_the_escape_rate(barrier: float) -> None:
    tensor = sp.Matrix([[1, sp.Rational(1, 2)], [sp.Rational(1, 2), 1]])
    potential = barrier * ((x**2 - 1) ** 2 + y**2)
    drift = -tensor * sp.Matrix([potential.diff(x), potential.diff(y)])
    grid = fpk.Grid(x=(-1.6, 1.4, 64), y=(-1.2, 1.2, 64))
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, tensor), grid)
    density = quasi_stationary_density(operator, x > 0.7)
    rate = density.info["decay_rate"]
    low, high = density.info["decay_bounds"]
    assert low <= rate * (1 + 1e-12)
    assert high >= rate * (1 - 1e-12)
    assert high / low - 1 < 1e-10
    # Started from the quasi-stationary density, the time is exponential with this very rate.
    assert escape_rate(operator, density, x > 0.7).value == pytest.approx(rate, rel=1e-10)
    # Conserved locally: inside the well it is the Gibbs density.
    assert density.values.min() == 0.0
    assert (density.values[grid.centers[0] < 0.7] > 0).all() or barrier == 100.0
    logarithm = density.log_values
    assert logarithm is not None
    well = sp.lambdify((x, y), potential)(*grid.mesh) < barrier / 2
    well &= (grid.centers[0] < 0)[:, np.newaxis]
    height = logarithm[well] + sp.lambdify((x, y), potential)(*grid.mesh)[well]
    assert np.ptp(height) < 6 * np.exp(-barrier / 2) + 1e-11
    assert np.isfinite(logarithm[grid.centers[0] < 0.7]).all()


def test_two_wells_that_leak_at_nearly_the_same_rate() -> None:
    """Inverse iteration alone needs thousands of steps here: lambda_2/lambda_1 is 1 + 4e-3."""
    potential = 14 * sp.exp(-6 * x**2) + sp.Rational(1, 50) * x
    grid = fpk.Grid(x=(-2, 2, 400), boundary="absorbing")
    model = fpk.Diffusion((x,), [-potential.diff(x)], [[1]])
    operator = fpk.assemble(model, grid)
    density = quasi_stationary_density(operator)
    dense = -operator.matrix.toarray()
    values, vectors = np.linalg.eig(dense)
    order = np.argsort(values.real)
    exact = np.abs(vectors[:, order[0]].real)
    np.testing.assert_allclose(
        density.masses, exact / exact.sum(), atol=1e-7 * float(exact.max() / exact.sum())
    )
    assert density.info["decay_rate"] == pytest.approx(values.real[order[0]], rel=1e-9)
    assert values.real[order[1]] / values.real[order[0]] < 1.3
    assert density.info["iterations"] < 80


def test_what_is_refused() -> None:
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-1, 1, 20)))
    with pytest.raises(InvalidRegion, match="stationary_density"):
        quasi_stationary_density(operator)
    with pytest.raises(InvalidRegion, match="outside the grid"):
        quasi_stationary_density(operator, x > 3)
    with pytest.raises(DisconnectedDomain, match="2 parts, of 8, 8 cells"):
        quasi_stationary_density(operator, sp.Abs(x) < 0.2)
