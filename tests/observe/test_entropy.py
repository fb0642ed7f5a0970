"""Entropy production against closed forms, and what has none."""

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import (
    DisconnectedWarning,
    GridMismatch,
    InvalidModel,
    NotConserving,
    NotNormalizable,
)

x, y = sp.symbols("x y", real=True)


def test_turning_springs_to_second_order() -> None:
    """``tr(B^T D^-1 B Sigma) - tr B`` of the drift ``-B x``, with ``B Sigma + Sigma B^T = 2 D``."""
    slope = np.array([[1.0, 1.2], [-0.6, 1.5]])
    noise = np.array([[1.0, 0.2], [0.2, 0.7]])
    kron = np.kron(slope, np.eye(2)) + np.kron(np.eye(2), slope)
    spread = np.linalg.solve(kron, 2 * noise.ravel()).reshape(2, 2)
    exact = float(np.trace(slope.T @ np.linalg.solve(noise, slope @ spread)) - np.trace(slope))
    assert exact > 0.1
    model = fpk.Diffusion((x, y), -sp.Matrix(slope) * sp.Matrix([x, y]), noise)
    errors = []
    for cells in (60, 120):
        operator = fpk.assemble(model, fpk.Grid(x=(-6, 6, cells), y=(-6, 6, cells)), fpk.Selling())
        density = fpk.stationary_density(operator)
        production = fpk.entropy_production(operator, density, stationary=density)
        errors.append(abs(production.total - exact))
        assert production.housekeeping == pytest.approx(production.total, rel=1e-12)
        assert abs(production.excess or 0.0) < 1e-12
        assert (production.field.values >= 0.0).all()
        whole = float(np.sum(production.field.values * operator.grid.volumes))
        assert whole == pytest.approx(production.total, rel=1e-12)
    assert errors[1] < 0.3 * errors[0]
    assert errors[1] < 0.03 * exact


def test_detailed_balance_produces_nothing_at_any_barrier() -> None:
    for barrier in (5, 400):
        potential = barrier * ((x**2 - 1) ** 2 + y**2)
        operator = fpk.assemble(
            fpk.Diffusion((x, y), [-potential.diff(x), -potential.diff(y)], sp.eye(2)),
            fpk.Grid(x=(-1.6, 1.6, 40), y=(-1.4, 1.4, 30)),
        )
        density = fpk.stationary_density(operator)
        assert fpk.entropy_production(operator, density).total < 1e-20


def test_relaxation_in_one_dimension() -> None:
    """Excess alone: ``d/dt`` of the relative entropy, in closed form for normal densities."""
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-9, 9, 600)))
    stationary = fpk.stationary_density(operator)
    mean, variance = 0.7, 0.5
    density = fpk.gaussian_density(operator.grid, [mean], [[variance]])
    production = fpk.entropy_production(operator, density, stationary=stationary)
    # J/p = -x + (x - m)/s, averaged squared: m^2 + s (1/s - 1)^2.
    assert production.total == pytest.approx(mean**2 + variance * (1 / variance - 1) ** 2, rel=1e-3)
    assert abs(production.housekeeping or 0.0) < 1e-9
    assert production.excess == pytest.approx(production.total, rel=1e-9)


def test_a_ring_far_from_equilibrium() -> None:
    """A constant drift on a ring: ``v^2 / D``, beyond the range of doubles per edge too."""
    for drift in (1.0, 30.0):
        operator = fpk.assemble(
            fpk.Diffusion((x,), [drift], [[2]]), fpk.Grid(x=(0, 1, 50), boundary="periodic")
        )
        density = fpk.stationary_density(operator)
        production = fpk.entropy_production(operator, density)
        assert production.total == pytest.approx(drift**2 / 2, rel=1e-9)


def test_what_has_no_entropy_production() -> None:
    grid = fpk.Grid(x=(-2, 2, 20), y=(-2, 2, 20))
    model = fpk.Diffusion((x, y), [-x, -y], [[1, 0.9], [0.9, 1]])
    signed = fpk.assemble(model, grid, fpk.CrossDiffusion())
    density = fpk.gaussian_density(grid, [0, 0], np.eye(2))
    with pytest.raises(InvalidModel, match="negative rates"):
        fpk.entropy_production(signed, density)
    leaking = fpk.Grid(x=(-2, 2, 20), y=(-2, 2, 20), boundary="absorbing")
    with pytest.raises(NotConserving, match="infinite"):
        fpk.entropy_production(
            fpk.assemble(model, leaking), fpk.gaussian_density(leaking, [0, 0], np.eye(2))
        )
    with pytest.warns(DisconnectedWarning):
        carried = fpk.assemble(fpk.Diffusion((x, y), [-x, -y], [[0, 0], [0, 1]]), grid)
    with pytest.raises(InvalidModel, match=r"lead one way only, as at \(x, y\)"):
        fpk.entropy_production(carried, density)
    whole = fpk.assemble(fpk.Diffusion((x, y), [-x, -y], sp.eye(2)), grid)
    with pytest.raises(NotNormalizable, match="zero in 200 cells"):
        fpk.entropy_production(
            whole, fpk.Density(np.where(grid.mesh[0] + 0 * grid.mesh[1] < 0, 1.0, 0.0), grid)
        )
    with pytest.raises(NotNormalizable, match="negative in 400 cells"):
        fpk.entropy_production(whole, fpk.Density(-np.ones(grid.shape), grid))
    with pytest.raises(GridMismatch, match="the density lives on"):
        fpk.entropy_production(whole, fpk.gaussian_density(leaking, [0, 0], np.eye(2)))
