"""First-passage times against exact integrals and closed forms, at any barrier, on any scheme."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sympy as sp
from numpy.polynomial.legendre import leggauss

import fokkerplanck as fpk
from fokkerplanck.discretize.schemes.corner import Corner
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import (
    DisconnectedDomain,
    DisconnectedWarning,
    InvalidRegion,
    MetastableWarning,
)
from fokkerplanck.solve.passage import first_passage_variance, mean_first_passage_time
from fokkerplanck.solve.positions import index_of, interpolate

x, y, s = sp.symbols("x y s", real=True)
FULL = np.array([[1.0, 0.6], [0.6, 1.0]])


def exact_time(barrier: float, end: float, low: float) -> float:
    """``int_-1^end e^V(u) int_low^u e^-V(v) dv du`` for ``V = barrier (x^2 - 1)^2``."""

    def V(u: Any) -> Any:
        return barrier * (u * u - 1) ** 2

    nodes, weights = leggauss(16)
    share = (nodes + 1) / 2
    before = np.linspace(low, -1, 401)
    after = np.linspace(-1, end, 801)
    edges = np.concatenate([before[:-1], after])
    width = np.diff(edges)[:, np.newaxis]
    outer = edges[:-1, np.newaxis] + width * share
    whole = (np.exp(-V(outer)) * weights).sum(axis=1) * width[:, 0] / 2
    sofar = np.concatenate([[0.0], np.cumsum(whole)[:-1]])
    within = edges[:-1, np.newaxis, np.newaxis] + width[..., np.newaxis] * (
        share[:, np.newaxis] * share
    )
    part = (np.exp(-V(within)) * weights).sum(axis=2) * width * share / 2
    last = slice(before.size - 1, None)
    value = np.exp(V(outer[last])) * (sofar[last, np.newaxis] + part[last]) * weights
    return float((value.sum(axis=1) * width[last, 0] / 2).sum())


def double_well(barrier: float, grid: fpk.Grid) -> fpk.FokkerPlanckOperator:
    drift = -sp.diff(barrier * (x**2 - 1) ** 2, x)
    return fpk.assemble(fpk.Diffusion((x,), [drift], [[1]]), grid)


def at(field: fpk.Field, *point: float) -> float:
    return interpolate(field.values, field.grid, index_of(field.grid, point))


@pytest.mark.parametrize("end", [0, 1])
@pytest.mark.parametrize("barrier", [4, 10, 25, 40, 100])
def test_double_well_at_any_barrier(barrier: int, end: int) -> None:
    operator = double_well(barrier, fpk.Grid(x=(-2, 1.5, 2048)))
    time = mean_first_passage_time(operator, x > end)
    assert at(time, -1.0) == pytest.approx(exact_time(barrier, end, -2.0), rel=1e-4)
    assert time.values.min() == 0.0
    assert time.info["never"] == 0
    # Behind a barrier the time is exponentially distributed.
    variance = first_passage_variance(operator, x > end)
    ratio = at(variance, -1.0) / at(time, -1.0) ** 2
    assert ratio == pytest.approx(1.0, abs=0.05 if barrier == 4 else 2e-4)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
@pytest.mark.parametrize("barrier", [5, 20])
def test_target_on_the_ridge_between_centers(barrier: int) -> None:
    """The wall lies where it is: second order however it cuts the cells."""
    for wall in (0.0, 0.011):
        exact = exact_time(barrier, wall, -1.9)
        errors = []
        for cells in (50, 101, 203):
            operator = double_well(barrier, fpk.Grid(x=(-1.9, 1.31, cells)))
            errors.append(at(mean_first_passage_time(operator, x > wall), -1.0) / exact - 1)
        assert abs(errors[1]) < 4e-3 * barrier / 5
        assert abs(errors[2]) < abs(errors[0]) / 12


def ellipse(tensor: np.ndarray) -> sp.Expr:
    """``r^T D^-1 r``; free diffusion leaves ``< c`` after ``(c - r^T D^-1 r) / (2 d)``."""
    return sp.expand(
        (sp.Matrix([[x, y]]) * sp.Matrix(np.linalg.inv(tensor)) * sp.Matrix([x, y]))[0]
    )


@pytest.mark.parametrize("tensor", [np.eye(2), FULL])
@pytest.mark.parametrize("scheme", [fpk.Selling(), Corner(), CrossDiffusion()])
def test_curved_boundaries_are_second_order(tensor: np.ndarray, scheme: Any) -> None:
    level = ellipse(tensor)
    errors = []
    for cells in (32, 64, 128):
        grid = fpk.Grid(x=(-1.03, 1, cells), y=(-1, 1.01, cells))
        model = fpk.Diffusion((x, y), [0, 0], sp.Matrix(tensor))
        time = mean_first_passage_time(fpk.assemble(model, grid, scheme), level > 0.64)
        exact = np.maximum(0.64 - sp.lambdify((x, y), level)(*grid.mesh), 0) / 4
        errors.append(np.abs(time.values - exact).max() / 0.16)
    assert errors[-1] < 3e-4
    assert errors[0] / errors[-1] > 10


def test_predicates_place_the_boundary_as_relations_do() -> None:
    grid = fpk.Grid(x=(-1, 1, 40), y=(-1, 1, 40))
    operator = fpk.assemble(fpk.Diffusion((x, y), [-x, y], [[1, 0], [0, 1]]), grid)
    relation = mean_first_passage_time(operator, x**2 + y**2 > 0.5).values
    predicate = mean_first_passage_time(operator, lambda x, y: x**2 + y**2 > 0.5).values
    np.testing.assert_allclose(predicate, relation, rtol=1e-9)


def test_long_edges_do_not_leap_over_a_thin_target() -> None:
    """Anisotropic noise hops several cells at once, past a strip of one."""
    angle = np.deg2rad(27.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tensor = turn @ np.diag([1, 1 / 60]) @ turn.T
    grid = fpk.Grid(x=(-1, 1, 60), y=(-1, 1, 60))
    model = fpk.Diffusion((x, y), [0, 0], sp.Matrix(tensor))
    operator = fpk.assemble(model, grid, fpk.Selling())
    assert operator.info["largest_offset"] > 1
    strip = sp.And(x > 0.2, x < 0.24)
    left = (grid.centers[0] < 0.2)[:, np.newaxis] * np.ones((1, 60), bool)
    thin = mean_first_passage_time(operator, strip).values
    thick = mean_first_passage_time(operator, x > 0.2).values
    np.testing.assert_allclose(thin[left], thick[left], rtol=1e-12)


def test_periodic_and_mapped_axes() -> None:
    """On a ring and on stretched cells free diffusion takes ``d_1 d_2 / 2`` to the nearer end."""
    errors = []
    for cells in (40, 80):
        ring = fpk.Grid(x=(0, 1, cells), boundary="periodic")
        operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), ring)
        time = mean_first_passage_time(operator, sp.And(x > 0.512, x < 0.731))
        center = ring.centers[0]
        ahead, behind = (0.512 - center) % 1.0, (center - 0.731) % 1.0
        exact = np.where((center > 0.512) & (center < 0.731), 0.0, ahead * behind / 2)
        errors.append(np.abs(time.values - exact).max())
    assert errors[1] < 1e-4
    stretched = fpk.Grid(x=fpk.Mapped(sp.sinh(s), s, (-2, 2, 160)))
    operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), stretched)
    time = mean_first_passage_time(operator, x > 1.234)
    low = stretched.edges[0][0]
    assert at(time, 0.5) == pytest.approx((1.734 - 2 * low) * 0.734 / 2, rel=3e-4)


def test_free_diffusion_in_three_dimensions() -> None:
    z = sp.Symbol("z", real=True)
    errors = []
    for cells in (10, 20):
        grid = fpk.Grid(dict.fromkeys((x, y, z), (-1, 1, cells)))
        operator = fpk.assemble(fpk.Diffusion((x, y, z), [0, 0, 0], sp.eye(3)), grid)
        time = mean_first_passage_time(operator, x**2 + y**2 + z**2 > 0.81)
        exact = np.maximum(0.81 - sum(v**2 for v in grid.mesh), 0) / 6
        errors.append(np.abs(time.values - exact).max() / 0.135)
    assert errors[1] < 3e-3
    assert errors[0] > 3 * errors[1]


def test_absorbing_walls_end_a_path() -> None:
    errors = []
    for cells in (20, 40):
        grid = fpk.Grid(x=(-1, 1, cells), boundary="absorbing")
        operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), grid)
        time = mean_first_passage_time(operator)
        errors.append(np.abs(time.values - (1 - grid.centers[0] ** 2) / 2).max())
        beside = mean_first_passage_time(operator, x > 0.37)
        assert at(beside, -0.4) == pytest.approx(0.6 * 0.77 / 2, rel=2e-2 if cells == 20 else 5e-3)
    assert errors[1] < 0.26 * errors[0]


def test_variance_of_free_diffusion() -> None:
    """From a reflecting wall to a target at distance a: mean ``a^2/2``, variance ``a^4/6``."""
    errors = []
    for cells in (40, 80):
        operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), fpk.Grid(x=(0, 1, cells)))
        variance = first_passage_variance(operator, x > 0.87)
        errors.append(at(variance, 0.0) / (0.87**4 / 6) - 1)
        assert variance.values.min() == 0.0
    assert abs(errors[1]) < 2e-3
    assert abs(errors[1]) < 0.35 * abs(errors[0])


def rotational(cells: int, scheme: Any) -> fpk.FokkerPlanckOperator:
    potential = 2 * ((x**2 - 1) ** 2 + y**2)
    turn = sp.Matrix([[1, 1], [-1, 1]])
    drift = -turn * sp.Matrix([potential.diff(x), potential.diff(y)])
    grid = fpk.Grid(x=(-1.9, 1.9, cells), y=(-1.7, 1.7, cells))
    return fpk.assemble(fpk.Diffusion((x, y), drift, sp.eye(2)), grid, scheme)


def test_backwards_in_time_agrees() -> None:
    """`LogDensity` takes another road to the same times and variances."""
    target = (x - 1) ** 2 + y**2 < 0.15
    linear = rotational(96, fpk.Selling())
    reversed_ = rotational(96, LogDensity())
    for function in (mean_first_passage_time, first_passage_variance):
        one, other = function(linear, target), function(reversed_, target)
        assert at(other, -1.0, 0.0) == pytest.approx(at(one, -1.0, 0.0), rel=0.01)
    assert other.info["solver"] == "time reversal"


def test_ordinary_lu_says_when_it_loses_digits() -> None:
    tensor = sp.Matrix([[1, 0.5], [0.5, 1]])
    grid = fpk.Grid(x=(-1.6, 1.6, 48), y=(-1.2, 1.2, 48))

    def operator(barrier: float) -> fpk.FokkerPlanckOperator:
        potential = barrier * ((x**2 - 1) ** 2 + y**2)
        drift = -tensor * sp.Matrix([potential.diff(x), potential.diff(y)])
        model = fpk.Diffusion((x, y), drift, tensor)
        return fpk.assemble(model, grid, CrossDiffusion())

    with warnings.catch_warnings():
        warnings.simplefilter("error", MetastableWarning)
        low = mean_first_passage_time(operator(4.0), x > 0.9)
    assert low.info["solver"] == "SparseLU"
    assert low.info["rounding"] < 1e-8
    with pytest.warns(MetastableWarning, match="Selling") as caught:
        mean_first_passage_time(operator(35.0), x > 0.9)
    assert caught[0].filename == __file__


def test_times_are_infinite_where_the_target_is_out_of_reach() -> None:
    grid = fpk.Grid(x=(-1, 1, 40), y=(-1, 1, 10))
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(fpk.Diffusion((x, y), [0, 0], [[sp.Abs(x), 0], [0, 1]]), grid)
    time = mean_first_passage_time(operator, x > 0.5)
    assert np.isinf(time.values[:20]).all()
    assert np.isfinite(time.values[20:]).all()
    assert time.info["never"] == 200
    variance = first_passage_variance(operator, x > 0.5)
    np.testing.assert_array_equal(np.isinf(variance.values), np.isinf(time.values))
    jump = fpk.Diffusion((x,), [0], [[sp.Heaviside(x, 0)]])
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(jump, fpk.Grid(x=(-1, 1, 40)))
    with pytest.raises(DisconnectedDomain, match="none of the 20 cells"):
        mean_first_passage_time(operator, x > 0)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (None, "no wall absorbs"),
        (x > 3, "empty or lies outside the grid"),
        (sp.And(x > 1, x < 0), "empty or lies outside the grid"),
        (sp.And(x > 0.51, x < 0.52), "holds no centre of a cell"),
        (x > -3, "holds all 20 cells"),
        (lambda x: x > 5, "empty or lies outside"),
        (sp.Symbol("x", positive=True) > -1, "positive=True"),
        (y > 0, "are no coordinates"),
        (sp.log(x) > -1, "not a finite number"),
    ],
)
def test_what_is_no_target(target: Any, message: str) -> None:
    operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-1, 1, 20)))
    with pytest.raises(InvalidRegion, match=message):
        mean_first_passage_time(operator, target)
