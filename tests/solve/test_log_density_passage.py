"""Times and committors by time reversal against one-dimensional quadrature."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad
from scipy.linalg import solve_banded, solve_continuous_lyapunov
from scipy.special import erf

import fokkerplanck as fpk
from benchmarks.log_density import X, Y, ornstein_uhlenbeck, tensor
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import InvalidModel, InvalidRegion
from fokkerplanck.solve.linear import factorize
from fokkerplanck.solve.log_density_passage import Target, expected_cost

# The first coordinate moves alone, so that whatever depends on it has a one-dimensional answer.
PULL = np.array([[1.0, 0.0], [1.0, 1.0]])


def autonomous(anisotropy, degrees, cells, scheme=None):
    """Operator, and the first coordinate of every cell over its standard deviation."""
    noise = np.array(tensor(sp.Float(np.radians(degrees)), anisotropy), dtype=float)
    spread = np.sqrt(np.diag(solve_continuous_lyapunov(PULL, 2 * noise)))
    x, y = 5.5 * spread
    grid = fpk.Grid(x=(-x, x, cells), y=(-y, y, cells))
    model = fpk.Diffusion((X, Y), list(-sp.Matrix(PULL) * sp.Matrix([X, Y])), noise)
    operator = fpk.assemble(model, grid, scheme or LogDensity())
    return operator, np.broadcast_to(grid.mesh[0] / spread[0], grid.shape).ravel()


def at_center(values, operator):
    n = operator.grid.shape[0] // 2
    return values.reshape(operator.grid.shape)[n - 1 : n + 1, n - 1 : n + 1].mean()


def killing_rate(x):
    return 5.0 * (1.0 + np.tanh((x - 2.0) / 0.3))


def killing_time():
    """``tau'' - x tau' - k tau = -1`` on a fine grid, at 0."""
    x, h = np.linspace(-5.5, 5.5, 20001, retstep=True)
    bands = np.zeros((3, x.size))
    bands[0, 1:] = (1 / h**2 - x / (2 * h))[:-1]
    bands[2, :-1] = (1 / h**2 + x / (2 * h))[1:]
    bands[1] = -2 / h**2 - killing_rate(x)
    # Mirrored at the ends.
    bands[0, 1] = bands[2, -2] = 2 / h**2
    return solve_banded((1, 1), bands, -np.ones(x.size))[x.size // 2]


def fractions(operator, level):
    """Where the straight line between two centres crosses level zero, from the negative side."""
    here, there = level[operator.flux.lower], level[operator.flux.upper]
    outside, inside = np.minimum(here, there), np.maximum(here, there)
    crossed = (outside <= 0) & (inside > 0)
    return np.where(crossed, outside / np.where(crossed, outside - inside, 1.0), 1.0)


@pytest.mark.parametrize("degrees", [10, 30])
def test_killing_time(degrees):
    operator, x = autonomous(100.0, degrees, 128)
    time, info = expected_cost(operator, killing=killing_rate(x))
    assert at_center(time, operator) == pytest.approx(killing_time(), rel=5e-3)
    assert time.min() > 0.0
    assert info["change"] < 1e-5


def test_linear_generator_has_nearly_the_same_killing_time():
    problem = ornstein_uhlenbeck(100.0, 45, 128)
    operator = fpk.assemble(problem.model, problem.grid, LogDensity())
    x = np.broadcast_to(problem.grid.mesh[0], problem.grid.shape).ravel()
    rates = killing_rate(x * 5.5 / problem.grid.edges[0][-1])
    exact, _ = expected_cost(operator, killing=rates)
    factor = factorize(operator.matrix, killing=rates, shape=problem.grid.shape)
    linear = factor.solve_transpose(np.ones(x.size))
    assert at_center(linear, operator) == pytest.approx(at_center(exact, operator), rel=3e-2)


def test_passage_time_to_a_wall_between_centres():
    """``tau(0) = sqrt(pi/2) int_0^b e^{z^2/2} (1 + erf(z/sqrt 2)) dz``."""
    wall = 1.53
    operator, x = autonomous(100.0, 30, 128)
    target = Target(x > wall, fractions(operator, x - wall))
    time, _ = expected_cost(operator, target=target)
    exact = quad(lambda z: np.exp(z**2 / 2) * (1 + erf(z / np.sqrt(2))), 0, wall)[0]
    assert at_center(time, operator) == pytest.approx(np.sqrt(np.pi / 2) * exact, rel=1e-2)
    assert time[x > wall].max() == 0.0


def test_committor():
    """``q(0) = int_{-a}^0 e^{z^2/2} dz / int_{-a}^b e^{z^2/2} dz``."""
    left, right = -0.8, 1.53
    operator, x = autonomous(100.0, 30, 128)
    level = np.maximum(left - x, x - right)
    arrived = (x > right).astype(float)
    target = Target(level > 0, fractions(operator, level), arrived)
    q, _ = expected_cost(operator, cost=0.0, target=target)
    part, whole = (quad(lambda z: np.exp(z**2 / 2), left, end)[0] for end in (0.0, right))
    assert at_center(q, operator) == pytest.approx(part / whole, rel=1e-2)
    assert q.min() == 0.0
    assert q.max() < 1.0 + 1e-2


def test_killing_everywhere_at_one_rate_takes_its_inverse():
    """``u = p/k`` solves the discrete equations as well."""
    operator, _ = autonomous(100.0, 30, 48, LogDensity(tolerance=1e-12))
    time, _ = expected_cost(operator, killing=0.25)
    psi = operator.fixed_point.psi
    assert np.abs(time[psi < psi.min() + 14.0] - 4.0).max() < 1e-4


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, InvalidRegion),
        ({"killing": -1.0}, InvalidModel),
        ({"killing": 1.0, "cost": 0.0}, InvalidModel),
        ({"target": Target(np.ones(256, bool))}, InvalidRegion),
        ({"target": Target(np.arange(256) < 16, 0.0)}, InvalidRegion),
    ],
)
def test_questions_without_an_answer_are_refused(arguments, error):
    operator, _ = autonomous(100.0, 30, 16)
    with pytest.raises(error):
        expected_cost(operator, **arguments)


def test_absorbing_walls_are_refused():
    model = fpk.Diffusion((X, Y), [-X + Y, -X - Y], [[1, 0], [0, 1]])
    grid = fpk.Grid(x=(-2, 2, 8), y=(-2, 2, 8), boundary="absorbing")
    with pytest.raises(InvalidModel, match="absorbing walls"):
        expected_cost(fpk.assemble(model, grid, LogDensity()), killing=1.0)
