"""Heavy-ball SGD on a lattice of its phase space: closed form, runs, walls, cells that misfit."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import InvalidGrid

x = sp.Symbol("x", real=True)
DOUBLE_WELL = (x**2 - 1) ** 2 / 4


def lattice(
    eta: float, width: float, x_reach: float, v_reach: float, **options: object
) -> fpk.Grid:
    """Cells in v of this width, symmetric about 0, and cells in x that velocities fit."""
    nv, nx = 2 * int(v_reach / width) + 1, 2 * int(x_reach / (eta * width))
    x_end, v_end = eta * width * nx / 2, width * nv / 2
    return fpk.Grid(x=(-x_end, x_end, nx), v_x=(-v_end, v_end, nv), **options)


@pytest.mark.parametrize(("eta", "beta"), [(0.3, 0.6), (1.2, 0.3)])
def test_stationary_covariance_of_a_quadratic(eta: float, beta: float) -> None:
    """``S = A S A^T + b b^T`` of the linear map of (x, v)."""
    sgd = fpk.Momentum(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=eta, momentum=beta)
    linear, noise = np.array([[1 - eta, eta * beta], [-1, beta]]), np.array([-eta, -1.0])
    exact = np.linalg.solve(
        np.eye(4) - np.kron(linear, linear), np.outer(noise, noise).ravel()
    ).reshape(2, 2)
    grid = lattice(eta, 0.6, *7.5 * np.sqrt(np.diag(exact)))
    operator = fpk.transition_operator(sgd, grid)
    assert operator.matrix.sum(axis=0) == pytest.approx(np.ones((1, grid.size)), abs=1e-12)
    density = fpk.stationary_density(operator)
    assert density.covariance() == pytest.approx(exact, abs=1e-9)
    assert density.info["lost_mass"] < 1e-11


# A step spreads over 1.4 cells: the target costs a percent or less.
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_steps_over_a_barrier_agree_with_runs() -> None:
    eta, steps = 0.1, 1000
    sgd = fpk.Momentum(DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.5), learning_rate=eta, momentum=0.8)
    operator = fpk.transition_operator(sgd, lattice(eta, 0.5, 2.3, 6.0))
    law = fpk.first_passage_distribution(operator, (1.0, 0.0), x < 0, steps=steps)
    runs = fpk.simulate_sgd(sgd, (1.0,), steps=steps, runs=3000, seed=2, save_every=1)
    inside = runs.values[:, :, 0] < 0
    inside[-1] = True
    sampled = inside.argmax(axis=0)
    error = sampled.std() / np.sqrt(sampled.size)
    assert abs(sampled.mean() - law.survival[:-1].sum()) < 3 * error
    # Averaged over the momentum it is SGD with a learning rate of eta/(1 - beta): not the same.
    plain = fpk.SGD(DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.5), learning_rate=eta / 0.2)
    slow = fpk.escape_rate(fpk.transition_operator(plain, fpk.Panels(x=(-2.4, 2.4))), (1.0,), x < 0)
    assert abs(1 / slow.value - law.mean) > 5 * error


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_walls_of_the_position_absorb() -> None:
    """Without momentum this is SGD in x; a wall leaves an error of second order in the cells."""
    sgd = fpk.Momentum(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=0.5, momentum=0.0)
    plain = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=0.5)
    line = fpk.transition_operator(plain, fpk.Panels(x=(-1, 1), boundary="absorbing"))
    exact = fpk.quasi_stationary_density(line).info["decay_rate"]
    errors = []
    for width in (0.5, 0.25):
        grid = lattice(0.5, width, 1.0, 8.0, boundary={"x": "absorbing"})
        operator = fpk.transition_operator(sgd, grid)
        sums = np.asarray(operator.matrix.sum(axis=0)).ravel() + operator.killing
        assert sums == pytest.approx(np.ones(grid.size), abs=1e-12)
        density = fpk.quasi_stationary_density(operator)
        errors.append(density.info["decay_rate"] / exact - 1)
    assert abs(errors[1]) < 0.01
    assert errors[0] / errors[1] == pytest.approx(4, abs=0.3)


def test_cells_that_do_not_fit_are_refused_with_a_grid_that_does() -> None:
    sgd = fpk.Momentum(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=0.3, momentum=0.5)
    with pytest.raises(InvalidGrid, match="whole number of cells") as refusal:
        fpk.transition_operator(sgd, fpk.Grid(x=(-4, 4, 40), v_x=(-8, 8, 32)))
    cure = str(refusal.value).split("take ")[1]
    fitting = eval(f"fpk.Grid({cure})", {"fpk": fpk})
    operator = fpk.transition_operator(sgd, fitting)
    assert operator.matrix.min() >= 0.0
