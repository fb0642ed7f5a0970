"""Escape rates from points, densities and regions: Eyring-Kramers-Langer, limits, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import (
    DisconnectedDomain,
    DisconnectedWarning,
    FokkerPlanckError,
    GridMismatch,
    InvalidRegion,
    NotConserving,
)
from fokkerplanck.solve.escape import escape_rate
from fokkerplanck.solve.passage import mean_first_passage_time

# At high barriers the outermost cells, which nothing reaches, are coarse.
pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")

x, y = sp.symbols("x y", real=True)
WELL = (x - 1) ** 2 + y**2 < 0.09


def rotated(ratio: float, degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([1, 1 / ratio]) @ turn.T


def langer_ratio(barrier: float, tensor: np.ndarray, cells: int) -> float:
    """Mean time from (-1, 0) to a disc about (1, 0) over the Eyring-Kramers-Langer time."""
    potential = barrier * ((x**2 - 1) ** 2 + y**2)
    drift = -sp.Matrix(tensor) * sp.Matrix([potential.diff(x), potential.diff(y)])
    grid = fpk.Grid(x=(-1.9, 1.5, cells), y=(-1.3, 1.3, cells))
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, sp.Matrix(tensor)), grid, fpk.Selling())
    saddle, bottom = barrier * np.diag([-4.0, 2.0]), barrier * np.diag([8.0, 2.0])
    growth = np.linalg.eigvals(-tensor @ saddle).real.max()
    roots = np.sqrt(-np.linalg.det(saddle) / np.linalg.det(bottom))
    exact = 2 * np.pi / growth * roots * np.exp(barrier)
    return float(1 / escape_rate(operator, (-1.0, 0.0), WELL).value / exact)


@pytest.mark.parametrize(("anisotropy", "slope"), [(1, 0.40), (10, 0.54)])
def test_langer_is_approached_linearly(anisotropy: int, slope: float) -> None:
    """The excess over 1 is ``slope * noise / barrier``, step by Richardson's extrapolation."""
    tensor = rotated(anisotropy, 30.0)
    excess = []
    for barrier in (10.0, 20.0, 40.0):
        coarse, fine = (langer_ratio(barrier, tensor, n) for n in (80, 160))
        excess.append((4 * fine - coarse) / 3 - 1)
        # Second order in the step, the constant proportional to the barrier.
        assert abs(fine - coarse) < 6e-4 * barrier
    assert abs(excess[1]) < (0.02 if anisotropy == 1 else 0.027)
    scaled = np.array(excess) * [10.0, 20.0, 40.0]
    np.testing.assert_allclose(scaled, slope, rtol=0.2)


def interval(cells: int) -> fpk.FokkerPlanckOperator:
    return fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), fpk.Grid(x=(0, 1, cells)))


@pytest.mark.parametrize("start", [0.0, 0.004, 0.31, 0.805, 0.829])
def test_points_are_interpolated_to_second_order(start: float) -> None:
    """At walls, between centres, and in the cell that the target cuts."""
    errors = []
    for cells in (20, 40, 80):
        rate = escape_rate(interval(cells), (start,), x > 0.83)
        assert rate.standard_error is None
        assert rate.unit == "time"
        errors.append(rate.info["mean_time"] - (0.83**2 - start**2) / 2)
        assert rate.value == pytest.approx(1 / rate.info["mean_time"], rel=1e-15)
    assert np.all(np.abs(errors) < [1.3e-3, 3.3e-4, 0.9e-4])


def test_points_beside_the_upper_wall() -> None:
    """An absorbing wall there: the time falls to zero, linearly."""
    grid = fpk.Grid(x=(0, 1, 50), boundary={"x": ("reflecting", "absorbing")})
    operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), grid)
    for start in (0.996, 0.985):
        mean = escape_rate(operator, (start,), x < 0.2).info["mean_time"]
        assert mean == pytest.approx((1 - start) * (start - 0.2) / 2, abs=2e-4)


def test_regions_weigh_by_the_stationary_density_and_densities_by_themselves() -> None:
    operator = interval(200)
    center = operator.grid.centers[0]
    # Average of (0.64 - x^2)/2 over (0.1, 0.403).
    exact = 0.32 - (0.403**3 - 0.1**3) / 6 / 0.303
    rate = escape_rate(operator, sp.And(x > 0.1, x < 0.403), x > 0.8)
    assert rate.info["mean_time"] == pytest.approx(exact, rel=1e-4)
    assert escape_rate(operator, lambda x: (x > 0.1) & (x < 0.403), x > 0.8).value == pytest.approx(
        rate.value, rel=1e-3
    )
    values = np.where(center < 0.5, center, 0.0)
    density = fpk.Density(3 * values, operator.grid)
    # Weights need not sum to 1: average of the time over x dx on (0, 1/2).
    mean = escape_rate(operator, density, x > 0.8).info["mean_time"]
    assert mean == pytest.approx(0.32 - 0.5**2 / 4, rel=1e-4)


def test_starts_in_one_well_agree_behind_a_barrier() -> None:
    potential = 18 * (x**2 - 1) ** 2
    operator = fpk.assemble(
        fpk.Diffusion((x,), [-potential.diff(x)], [[1]]), fpk.Grid(x=(-1.8, 1.4, 400))
    )
    point = escape_rate(operator, (-1,), x > 0.8)
    region = escape_rate(operator, x < -0.5, x > 0.8)
    density = escape_rate(operator, fpk.gaussian_density(operator.grid, [-1], [[0.004]]), x > 0.8)
    assert region.value == pytest.approx(point.value, rel=1e-5)
    assert density.value == pytest.approx(point.value, rel=1e-5)


def test_densities_below_the_smallest_double_still_weigh() -> None:
    potential = 100 * (x**2 - 1) ** 2
    operator = fpk.assemble(
        fpk.Diffusion((x,), [-potential.diff(x)], [[1]]), fpk.Grid(x=(-2.2, 1.4, 900))
    )
    rate = escape_rate(operator, x < -2.0, x > 0.8)
    assert fpk.stationary_density(operator).probability(x < -2.0) == 0.0
    assert rate.value == pytest.approx(escape_rate(operator, (-1,), x > 0.8).value, rel=1e-6)


def test_backwards_in_time() -> None:
    potential = 3 * ((x**2 - 1) ** 2 + y**2)
    turn = sp.Matrix([[1, 1], [-1, 1]])
    model = fpk.Diffusion(
        (x, y), -turn * sp.Matrix([potential.diff(x), potential.diff(y)]), sp.eye(2)
    )
    grid = fpk.Grid(x=(-1.8, 1.8, 80), y=(-1.5, 1.5, 80))
    for start in ((-1.0, 0.0), x < -0.6):
        one, other = (
            escape_rate(fpk.assemble(model, grid, scheme), start, WELL)
            for scheme in (fpk.Selling(), LogDensity())
        )
        assert other.value == pytest.approx(one.value, rel=0.02)
        assert other.info["scheme"] == "LogDensity"


@pytest.mark.parametrize("boundary", ["reflecting", "periodic"])
def test_noise_that_vanishes_between_the_wells(boundary: str) -> None:
    """Only from the side that cannot reach the target is there no rate."""
    noise = sp.Abs(x) if boundary == "reflecting" else x**2 * (4 - x**2)
    model = fpk.Diffusion((x, y), [0, -y], [[noise, 0], [0, 1]])
    grid = fpk.Grid(x=(-2, 2, 40), y=(-2, 2, 20), boundary={"x": boundary})
    with pytest.warns(DisconnectedWarning):
        operator = fpk.assemble(model, grid)
    target = sp.And(x > 1.2, x < 1.6)
    assert escape_rate(operator, (0.5, 0.0), target).value > 0
    gaussian = fpk.gaussian_density(grid, [0, 0], [[0.1, 0], [0, 0.1]])
    for start in ((-1.0, 0.0), (-1, 0.3), gaussian):
        with pytest.raises(DisconnectedDomain, match="the mean time is infinite"):
            escape_rate(operator, start, target)


def test_times_beyond_the_range_of_doubles() -> None:
    potential = 800 * (x**2 - 1) ** 2
    operator = fpk.assemble(
        fpk.Diffusion((x,), [-potential.diff(x)], [[1]]), fpk.Grid(x=(-1.3, 1.3, 1200))
    )
    assert np.isinf(mean_first_passage_time(operator, x > 0.9).values[0])
    with pytest.raises(FokkerPlanckError, match="largest double"):
        escape_rate(operator, (-1,), x > 0.9)


@pytest.mark.parametrize(
    ("start", "target", "error", "message"),
    [
        ((0.9,), x > 0.83, InvalidRegion, "target contains the start"),
        ((0.83,), x > 0.83, InvalidRegion, "target contains the start"),
        (x > 0.9, x > 0.83, InvalidRegion, "target contains the start"),
        ((2.0,), x > 0.83, InvalidRegion, "outside the grid: x runs from 0 to 1"),
        (x > 2, x > 0.83, InvalidRegion, "the start x > 2 is empty or lies outside"),
        ((0.1,), x > 2, InvalidRegion, "the target x > 2 is empty or lies outside"),
        ((0.1,), sp.And(x > 0.3, x < 0.2), InvalidRegion, "is empty"),
        ((0.1, 0.2), x > 0.83, GridMismatch, "has 1 numbers"),
        ((float("nan"),), x > 0.83, GridMismatch, "has 1 numbers"),
        ("left", x > 0.83, GridMismatch, "tuple of numbers"),
    ],
)
def test_what_is_refused(start: Any, target: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        escape_rate(interval(20), start, target)


def test_densities_of_other_grids_and_regions_without_stationary_density() -> None:
    other = fpk.gaussian_density(fpk.Grid(x=(0, 1, 21)), [0.5], [[0.01]])
    with pytest.raises(GridMismatch, match="the start lives on"):
        escape_rate(interval(20), other, x > 0.83)
    grid = fpk.Grid(x=(0, 1, 20), boundary={"x": ("absorbing", "reflecting")})
    leaking = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), grid)
    with pytest.raises(NotConserving, match="quasi_stationary_density"):
        escape_rate(leaking, x < 0.5, x > 0.83)
