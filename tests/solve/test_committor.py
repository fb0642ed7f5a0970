"""Committors against quadratures, and their identities with times, fluxes and masses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad

import fokkerplanck as fpk
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import DisconnectedDomain, DisconnectedWarning, InvalidRegion
from fokkerplanck.solve.committor import committor
from fokkerplanck.solve.passage import mean_first_passage_time
from fokkerplanck.solve.positions import index_of, interpolate

# At high barriers the outermost cells, which nothing reaches, are coarse.
pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")

x, y = sp.symbols("x y", real=True)
TURN = sp.Matrix([[1, sp.Rational(3, 5)], [sp.Rational(-3, 5), 1]])


def wells(barrier: float, cells: int, turn: Any, scheme: Any = None) -> fpk.FokkerPlanckOperator:
    """Two wells at (-1, 0) and (1, 0), centres of cells of width 1/16 for 52 cells."""
    potential = barrier * ((x**2 - 1) ** 2 + y**2 * (1 + x / 4))
    drift = -turn * sp.Matrix([potential.diff(x), potential.diff(y)])
    grid = fpk.Grid(x=(-1.625 - 1 / 32, 1.625 - 1 / 32, cells), y=(-1.25, 1.25, cells))
    model = fpk.Diffusion((x, y), drift, (turn + turn.T) / 2)
    return fpk.assemble(model, grid, scheme or fpk.Selling())


@pytest.mark.parametrize("barrier", [3.0, 60.0])
def test_double_well_against_the_quadrature(barrier: float) -> None:
    """``q = int_a^x e^V / int_a^b e^V``; far below the ridge it is tiny and still right."""

    def tilt(u: float) -> float:
        return barrier * ((u * u - 1) ** 2 - 1)

    a, b = -0.913, 0.877
    whole = quad(lambda u: np.exp(tilt(u)), a, b, epsrel=1e-12)[0]
    points = (-0.8, -0.3, 0.0, 0.5)
    errors = []
    for cells in (200, 400):
        grid = fpk.Grid(x=(-1.5, 1.5, cells))
        drift = -sp.diff(barrier * (x**2 - 1) ** 2, x)
        operator = fpk.assemble(fpk.Diffusion((x,), [drift], [[1]]), grid)
        q = committor(operator, x < a, x > b)
        assert q.values.min() == 0.0
        assert q.values.max() == 1.0
        nearest = [int(np.argmin(np.abs(grid.centers[0] - p))) for p in points]
        exact = np.array(
            [
                quad(lambda u: np.exp(tilt(u)), a, grid.centers[0][k], epsrel=1e-12)[0] / whole
                for k in nearest
            ]
        )
        errors.append(np.abs(q.values[nearest] / exact - 1).max())
    if barrier == 60.0:
        assert exact[0] < 1e-20
    assert errors[1] < 1e-3 * max(1.0, barrier / 12)
    assert errors[1] < 0.3 * errors[0]


@pytest.mark.parametrize("turn", [sp.eye(2), TURN])
@pytest.mark.parametrize("barrier", [2.0, 30.0])
def test_swapped_regions_sum_to_one(barrier: float, turn: Any) -> None:
    operator = wells(barrier, 52, turn)
    a, b = (x + 1) ** 2 + y**2 < 0.07, (x - 1) ** 2 + y**2 < 0.05
    one, other = committor(operator, a, b), committor(operator, b, a)
    np.testing.assert_allclose(one.values + other.values, 1.0, atol=1e-12)
    assert one.values.min() == 0.0


@pytest.mark.parametrize("barrier", [2.0, 30.0])
def test_reactive_flux_mass_and_time_agree(barrier: float) -> None:
    """``sum_A mu tau = sum_x pi q_AB(x) / flux`` with mu the distribution of last exits from A.

    The source is the centre cell of one well, so that both chains are the same.  Reversible.
    """
    operator = wells(barrier, 52, sp.eye(2))
    grid = operator.grid
    home = np.ravel_multi_index(
        tuple(int(np.argmin(np.abs(c - p))) for c, p in zip(grid.centers, (-1, 0.01), strict=True)),
        grid.shape,
    )
    at = [
        float(v[i]) for v, i in zip(grid.centers, np.unravel_index(home, grid.shape), strict=True)
    ]
    # A cross of edges through the cell's own centre: the walls lie at its neighbours' centres.
    width = [float(axis.widths[0]) for axis in grid.axes]
    source = sp.And(sp.Abs(x - at[0]) < 1e-9 * width[0], sp.Abs(y - at[1]) < 1e-9 * width[1])
    target = (x - 1) ** 2 + y**2 < 0.05
    pi = fpk.stationary_density(operator).masses.ravel()
    back = committor(operator, target, source).values.ravel()
    forth = committor(operator, source, target).values.ravel()
    leaving = operator.matrix[:, [home]].toarray().ravel()
    leaving[home] = 0.0
    flux = pi[home] * float(leaving @ forth)
    time = mean_first_passage_time(operator, target).values.ravel()
    assert flux > 0.0
    assert (pi @ back) / flux == pytest.approx(time[home], rel=1e-8)


def test_flux_is_the_same_through_every_surface() -> None:
    """``sum pi_x q_xy (q_y - q_x)`` across any line between the two regions, reversible."""
    operator = wells(12.0, 52, sp.eye(2))
    q = committor(operator, x < -0.8, x > 0.8).values.ravel()
    pi = fpk.stationary_density(operator).masses.ravel()
    entries = operator.matrix.tocoo()
    column = np.unravel_index(np.arange(q.size), operator.grid.shape)[0]
    fluxes = []
    for line in (16, 20, 26, 33):
        across = (column[entries.col] <= line) & (column[entries.row] > line)
        gain = q[entries.row[across]] - q[entries.col[across]]
        fluxes.append(float(np.sum(pi[entries.col[across]] * entries.data[across] * gain)))
    np.testing.assert_allclose(fluxes, fluxes[0], rtol=1e-8)
    assert fluxes[0] > 0


def test_schemes_agree() -> None:
    """Backwards in time, by an ordinary LU of negative rates, and subtraction-free."""
    a, b = (x + 1) ** 2 + y**2 < 0.1, (x - 1) ** 2 + y**2 < 0.1
    values = {}
    for scheme in (fpk.Selling(), LogDensity(), CrossDiffusion()):
        q = committor(wells(3.0, 80, TURN, scheme), a, b)
        values[type(scheme).__name__] = interpolate(q.values, q.grid, index_of(q.grid, (0.2, 0.1)))
        assert q.values.max() <= 1.0 + 1e-12
    assert values["LogDensity"] == pytest.approx(values["Selling"], abs=5e-3)
    assert values["CrossDiffusion"] == pytest.approx(values["Selling"], abs=5e-3)


def test_paths_that_end_at_a_wall_have_failed() -> None:
    """Absorbing walls at 0 and 1: left of the target ``x / 0.4``, right of it ``(1 - x) / 0.3``."""
    grid = fpk.Grid(x=(0, 1, 200), boundary="absorbing")
    operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), grid)
    q = committor(operator, x < 0.1, sp.And(x > 0.4, x < 0.7))
    center = grid.centers[0]
    exact = np.clip(np.minimum((center - 0.1) / 0.3, (1 - center) / 0.3), 0.0, 1.0)
    np.testing.assert_allclose(q.values, exact, atol=1e-9)


def test_islands_from_which_nothing_is_reached() -> None:
    model = fpk.Diffusion((x,), [0], [[sp.Heaviside(x - sp.Rational(1, 5), 0)]])
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(model, fpk.Grid(x=(-1, 1, 40)))
    q = committor(operator, sp.And(x > 0.32, x < 0.43), x > 0.88)
    center = operator.grid.centers[0]
    assert (q.values[center < 0.2] == 0.0).all()
    assert (q.values[center > 0.88] == 1.0).all()
    with pytest.raises(DisconnectedDomain, match="leads to the target"):
        committor(operator, x > 0.8, x < -0.8)


def test_cut_edges_are_exponentially_fitted() -> None:
    """Constant drift, two noise strengths to a cell: exact at the centres between cut walls."""
    grid = fpk.Grid(x=(0, 1, 15))
    for drift in (30.0, -30.0):
        operator = fpk.assemble(fpk.Diffusion((x,), [drift], [[1]]), grid)
        q = committor(operator, x < 0.123, x > 0.789)
        center = np.clip(grid.centers[0], 0.123, 0.789)
        exact = np.expm1(-drift * (center - 0.123)) / np.expm1(-drift * (0.789 - 0.123))
        np.testing.assert_allclose(q.values, exact, rtol=1e-10)


def test_what_drifts_into_a_trap_never_arrives() -> None:
    """Left of 0.2 nothing but drift to the left: paths that get there are lost."""
    model = fpk.Diffusion((x,), [-1], [[sp.Heaviside(x - sp.Rational(1, 5), 0)]])
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(model, fpk.Grid(x=(-1, 1, 40)))
    q = committor(operator, x > 0.9, sp.And(x > 0.42, x < 0.53))
    center = operator.grid.centers[0]
    between = (center > 0.2) & (center < 0.42)
    assert (q.values[center < 0.2] == 0.0).all()
    assert (q.values[between] > 0.01).all()
    assert (q.values[between] < 0.99).all()
    assert np.isinf(mean_first_passage_time(operator, x > 0.5).values[center < 0.5]).all()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (x < 0.1, x > -0.1, "2 cells in common"),
        (x < -3, x > 0.5, "the source x < -3 is empty or lies outside"),
        (x < -0.5, x > 3, "the target x > 3 is empty or lies outside"),
        (x < 3, x > 0.5, "the source x < 3 holds all 20 cells"),
    ],
)
def test_what_is_refused(source: Any, target: Any, message: str) -> None:
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-1, 1, 20)))
    with pytest.raises(InvalidRegion, match=message):
        committor(operator, source, target)
