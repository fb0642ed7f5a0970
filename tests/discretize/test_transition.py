"""The one-step operator: moments, conservation, breaks, walls, thin noise, refusals."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

import fokkerplanck as fpk
from fokkerplanck.discretize import transition
from fokkerplanck.discretize.transition_step import GaussianStep
from fokkerplanck.errors import (
    FokkerPlanckWarning,
    GridMismatch,
    InvalidGrid,
    InvalidModel,
    NotPositiveSemidefinite,
    UnboundSymbol,
    UnresolvedWarning,
)

x, y = sp.symbols("x y", real=True)


def sgd(loss: Any, eta: float, variance: Any = 1, **options: Any) -> fpk.SGD:
    return fpk.SGD(loss, (x,), fpk.noise.Isotropic(variance), learning_rate=eta, **options)


def require_stochastic(operator: fpk.TransitionOperator) -> None:
    assert operator.matrix.data.min() >= 0.0
    sums = np.asarray(operator.matrix.sum(axis=0)).ravel() + operator.killing
    assert sums == pytest.approx(np.ones(sums.size), abs=1e-12)


@pytest.mark.parametrize("eta", [0.05, 0.3, 0.8, 1.9])
def test_stationary_variance_of_a_quadratic(eta: float) -> None:
    exact = eta / (2 - eta)
    reach = 9 * np.sqrt(exact)
    panels = fpk.transition_operator(sgd(x**2 / 2, eta), fpk.Panels(x=(-reach, reach)))
    cells = int(2 * reach / eta * 1.6)
    grid = fpk.transition_operator(sgd(x**2 / 2, eta), fpk.Grid(x=(-reach, reach, cells)))
    for operator, tolerance in ((panels, 1e-9), (grid, 1e-9)):
        require_stochastic(operator)
        density = fpk.stationary_density(operator)
        assert density.covariance()[0, 0] == pytest.approx(exact, rel=tolerance)
        assert density.info["lost_mass"] < 1e-12
    # The diffusion is off by eta H / 2.
    assert eta / 2 / exact == pytest.approx(1 - eta / 2)


HESSIAN = np.array([[1.0, 0.4], [0.4, 0.7]])
COVARIANCE = np.array([[1.0, -0.5], [-0.5, 0.8]])


# Across the noise a step spreads over 1.1 cells: enough where nothing breaks.
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
@pytest.mark.parametrize("eta", [0.3, 0.8])
def test_stationary_covariance_of_a_quadratic_in_two_dimensions(eta: float) -> None:
    """``H S + S H - eta H S H = eta C``."""
    one = np.eye(2)
    lyapunov = np.kron(HESSIAN, one) + np.kron(one, HESSIAN) - eta * np.kron(HESSIAN, HESSIAN)
    exact = np.linalg.solve(lyapunov, eta * COVARIANCE.ravel()).reshape(2, 2)
    point = sp.Matrix([x, y])
    loss = (point.T * sp.Matrix(HESSIAN) * point)[0] / 2
    noise = fpk.noise.Covariance(COVARIANCE)
    reach = 7.5 * np.sqrt(np.diag(exact))
    widths = eta * np.sqrt(np.diag(COVARIANCE)) / 1.6
    nx, ny = np.ceil(2 * reach / widths).astype(int)
    grid = fpk.Grid(x=(-reach[0], reach[0], nx), y=(-reach[1], reach[1], ny))
    optimizer = fpk.SGD(loss, (x, y), noise, learning_rate=eta)
    operator = fpk.transition_operator(optimizer, grid)
    require_stochastic(operator)
    density = fpk.stationary_density(operator)
    assert density.covariance() == pytest.approx(exact, abs=1e-8)
    # The diffusion's covariance, H S + S H = eta C, is another one.
    diffusive = np.linalg.solve(
        np.kron(HESSIAN, one) + np.kron(one, HESSIAN), eta * COVARIANCE.ravel()
    ).reshape(2, 2)
    assert np.abs(diffusive - exact).max() > 0.05 * np.abs(exact).max()


@given(
    slope=st.floats(-1.0, 1.5),
    shift=st.floats(-0.3, 0.3),
    spread=st.floats(1.3, 4.0),
    turn=st.floats(0.0, 3.0),
)
def test_every_step_has_its_mean_and_covariance(
    slope: float, shift: float, spread: float, turn: float
) -> None:
    """Moments of each column, for any affine map and any tilt of the noise."""
    cells, eta = 31, 0.5
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    covariance = rotation @ np.diag([spread**2, 1.7]) @ rotation.T / eta**2
    loss = slope * x**2 / 2 + y**2 / 2 + shift * x * y
    noise = fpk.noise.Covariance((covariance + covariance.T) / 2)
    optimizer = fpk.SGD(loss, (x, y), noise, learning_rate=eta)
    # Unit cells, so large that steps from the middle stay inside.
    size = 4 * cells
    grid = fpk.Grid(x=(-size / 2, size / 2, size), y=(-size / 2, size / 2, size))
    operator_step = GaussianStep.compile(optimizer)
    from fokkerplanck.discretize.transition_cells import cell_columns, lattice_step

    start = [np.array([0.37, -3.2]), np.array([2.1, 4.4])]
    columns = cell_columns(grid, lattice_step(grid, operator_step, start)).masses
    for k in range(2):
        masses = columns[:, k].toarray().reshape(grid.shape)
        density = fpk.Density(masses, grid)
        mean = operator_step.mean([s[k : k + 1] for s in start])[:, 0]
        assert density.mean() == pytest.approx(mean, abs=1e-9)
        assert density.covariance() == pytest.approx(eta**2 * covariance, abs=1e-8)


def test_breaks_of_the_loss_become_edges() -> None:
    loss = sp.Piecewise((x**2, x < sp.Rational(1, 3)), (x, True)) + sp.Abs(x + 1) + sp.Max(x, 2)
    optimizer = sgd(loss, 0.1)
    operator = fpk.transition_operator(optimizer, fpk.Panels(x=(-4, 4)))
    for point in (1 / 3, -1.0, 2.0):
        assert operator.grid.has_edge(point)
    # A given width is kept, and breaks still become edges.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fixed = fpk.transition_operator(optimizer, fpk.Panels(x=(-4, 4), width=2))
    assert fixed.grid.panel_edges == pytest.approx([-4, -2, -1, 0, 1 / 3, 2, 4])


def test_a_break_inside_a_panel_costs_digits() -> None:
    """What the edge at a kink is for."""
    optimizer = sgd(sp.Abs(x), 0.5, sp.Rational(1, 2))
    right = fpk.transition_operator(optimizer, fpk.Panels(x=(-6, 6)))
    exact = fpk.stationary_density(right).covariance()[0, 0]
    finer = fpk.transition_operator(optimizer, fpk.Panels(x=(-6, 6), nodes=16))
    assert fpk.stationary_density(finer).covariance()[0, 0] == pytest.approx(exact, rel=1e-7)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GaussianStep, "breaks", lambda *_: np.zeros(0))
        blind = fpk.transition_operator(optimizer, fpk.Panels(x=(-6, 5.9)))
    assert abs(fpk.stationary_density(blind).covariance()[0, 0] - exact) > 1e-5 * exact


def test_panels_follow_the_noise() -> None:
    """Narrow where steps are short, wide where they are long."""
    optimizer = sgd(x**2 / 2, 0.1, (1 + 40 * sp.exp(-(x**2))) / 10)
    edges = fpk.transition_operator(optimizer, fpk.Panels(x=(-5, 5))).grid.panel_edges
    widths, middle = np.diff(edges), 0.5 * (edges[1:] + edges[:-1])
    assert widths[np.abs(middle) > 3].max() < 0.3
    uniform = int(10 / (2.5 * 0.1 * np.sqrt(0.1)))
    assert widths.size <= uniform + 4


def test_walls_absorb_what_leaves() -> None:
    """A mapping that forgets its start: every step leaves with the same known probability."""
    optimizer = sgd(x**2 / 2, 1.0)
    out = float(ndtr(-1.2))
    for grid, tolerance in (
        (fpk.Panels(x=(-8, 1.2), boundary=("reflecting", "absorbing")), 1e-12),
        # The midpoint rule ends at the wall: h^2/24 |phi'| of phi is missed, 2.1e-4 here.
        (fpk.Grid(x=(-8, 1.2, 184), boundary={"x": ("reflecting", "absorbing")}), 2.3e-4),
    ):
        operator = fpk.transition_operator(optimizer, grid)
        require_stochastic(operator)
        expected = np.full(operator.grid.size, out)
        assert operator.killing == pytest.approx(expected, rel=tolerance)
        density = fpk.quasi_stationary_density(operator)
        assert density.info["decay_rate"] == pytest.approx(out, rel=tolerance)


def test_a_periodic_axis_wraps() -> None:
    """A free walk on a circle keeps the uniform density, and turns by its drift."""
    loss = -0.3 * x + y**2 / 2
    optimizer = fpk.SGD(loss, (x, y), fpk.noise.Isotropic(1), learning_rate=0.5)
    grid = fpk.Grid(x=(0, 3, 15), y=(-4.5, 4.5, 45), boundary={"x": "periodic"})
    operator = fpk.transition_operator(optimizer, grid)
    require_stochastic(operator)
    marginal = fpk.stationary_density(operator).marginal("x")
    assert marginal.values == pytest.approx(np.full(15, 1 / 3), rel=1e-9)
    masses, *_ = operator.first_step((2.9, 0.0))
    turned = np.angle(np.exp(2j * np.pi * grid.mesh[0] / 3).ravel() @ masses.reshape(15, 45).sum(1))
    assert turned == pytest.approx(2 * np.pi * 3.05 / 3 - 2 * np.pi, abs=1e-6)


def test_lost_mass_is_reported_with_the_weight_it_has() -> None:
    with pytest.warns(FokkerPlanckWarning, match="jumps past the edge"):
        density = fpk.stationary_density(
            fpk.transition_operator(sgd(x**2 / 2, 1.0), fpk.Panels(x=(-4, 4)))
        )
    # Every step ends at N(0, 1), whatever its start.
    assert density.info["lost_mass"] == pytest.approx(2 * ndtr(-4.0), rel=1e-10)


def test_langevin_noise_and_batches() -> None:
    eta, temperature = 0.4, 0.3
    langevin = fpk.SGLD(
        x**2 / 2, (x,), fpk.noise.Isotropic(2), learning_rate=eta, batch_size=4,
        temperature=temperature,
    )  # fmt: skip
    density = fpk.stationary_density(fpk.transition_operator(langevin, fpk.Panels(x=(-7, 7))))
    exact = (eta**2 * 0.5 + 2 * eta * temperature) / (1 - (1 - eta) ** 2)
    assert density.covariance()[0, 0] == pytest.approx(exact, rel=1e-8)


def test_clipped_noise_is_that_of_the_model() -> None:
    """A clip at the inflection points of a double well, with a floor and without."""
    loss = (x**2 - 1) ** 2 / 4
    floored = fpk.SGD(
        loss, (x,), fpk.noise.Hessian(1, negative="clip", floor=0.3), learning_rate=0.2
    )
    step = GaussianStep.compile(floored)
    point = np.array([0.0, 0.5, 1.0, 1.3])
    curvature = np.maximum(3 * point**2 - 1, 0)
    assert step.covariance((point,))[0, 0] == pytest.approx(0.04 * (curvature + 0.3))
    operator = fpk.transition_operator(floored, fpk.Panels(x=(-3, 3)))
    for point_ in (-1, 1):
        assert operator.grid.has_edge(point_ / np.sqrt(3))
    bare = fpk.SGD(loss, (x,), fpk.noise.Hessian(1, negative="clip"), learning_rate=0.2)
    with pytest.raises(NotPositiveSemidefinite, match="vanishes at x = "):
        fpk.transition_operator(bare, fpk.Panels(x=(-3, 3)))
    refused = fpk.SGD(loss, (x,), fpk.noise.Hessian(1), learning_rate=0.2)
    with pytest.raises(NotPositiveSemidefinite, match="eigenvalue -"):
        fpk.transition_operator(refused, fpk.Panels(x=(-3, 3)))
    with pytest.warns(UnresolvedWarning, match="was widened"):
        widened = fpk.transition_operator(bare, fpk.Grid(x=(-3, 3, 300)))
    require_stochastic(widened)
    assert widened.info["widened"] > 0


def test_narrow_steps_are_told() -> None:
    with pytest.warns(UnresolvedWarning, match="down to 1 cells"):
        fpk.transition_operator(sgd(x**2 / 2, 0.1), fpk.Grid(x=(-2, 2, 40)))
    with pytest.warns(UnresolvedWarning, match="times as wide as the step needs"):
        fpk.transition_operator(sgd(x**2 / 2, 0.1), fpk.Panels(x=(-2, 2), width=1.0))


def test_too_large_a_matrix_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transition, "_columns", lambda *_: pytest.fail("was made"))
    with pytest.raises(InvalidGrid, match=r"entries, [\d.e+]+ GB, more than 2.1 GB"):
        fpk.transition_operator(sgd(x**2 / 2, 1e-9), fpk.Panels(x=(-1, 1)))
    monkeypatch.undo()
    plane = fpk.SGD(x**2 + y**2, (x, y), fpk.noise.Isotropic(1), learning_rate=0.5)
    with pytest.raises(InvalidGrid, match=r"2.5e\+05 states has up to"):
        fpk.transition_operator(plane, fpk.Grid(x=(-4, 4, 500), y=(-4, 4, 500)))


def test_refusals_name_the_cure() -> None:
    with pytest.raises(InvalidModel, match="for a Diffusion use assemble"):
        fpk.transition_operator(fpk.Diffusion((x,), [-x], [[1]]), fpk.Panels(x=(-1, 1)))
    optimizer = sgd(x**2 / 2, 0.1)
    with pytest.raises(GridMismatch, match="on Panels or a Grid"):
        fpk.transition_operator(optimizer, (0, 1))
    with pytest.raises(GridMismatch, match="axes are"):
        fpk.transition_operator(optimizer, fpk.Panels(z=(-1, 1)))
    with pytest.raises(UnboundSymbol, match="c"):
        fpk.transition_operator(sgd(x**2, 0.1, sp.Symbol("c")), fpk.Panels(x=(-1, 1)))
    s = sp.Symbol("s")
    with pytest.raises(InvalidGrid, match="leave out Mapped"):
        fpk.transition_operator(optimizer, fpk.Grid(x=fpk.Mapped(sp.sinh(s), s, (-1, 1, 20))))
    operator = fpk.transition_operator(optimizer, fpk.Panels(x=(-2, 2)))
    for bad in ((1, 2), "a", (np.nan,)):
        with pytest.raises(GridMismatch):
            operator.first_step(bad)
    with pytest.raises(InvalidModel, match="not estimated"):
        fpk.stationary_density(operator, error_estimate=True)


def test_operators_are_pickled_and_renewed() -> None:
    operator = fpk.transition_operator(sgd(x**2 / 2, 0.5), fpk.Panels(x=(-5, 5)))
    again = pickle.loads(pickle.dumps(operator))
    assert (again.matrix != operator.matrix).nnz == 0
    assert again.grid == operator.grid
    assert again.first_step((0.3,))[0] == pytest.approx(operator.first_step((0.3,))[0], abs=0)
    assert operator.with_edges([operator.grid.panel_edges[1]]) is operator
    assert operator.with_edges([0.123]).grid.panels == operator.grid.panels + 1
    with pytest.raises(ValueError, match="read-only"):
        operator.killing[0] = 1.0
