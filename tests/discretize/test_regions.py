"""Shares of cells inside a region: exact on the axes, of second order on curves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.discretize.level import level_function
from fokkerplanck.discretize.regions import region_fraction
from fokkerplanck.errors import InvalidRegion

x, y, z, w = sp.symbols("x y z w")
GRID = Grid(x=(0, 1, 10), y=(0, 2, 7))


def area(region: Any, grid: Grid = GRID) -> float:
    fraction = region_fraction(region, grid)
    assert fraction.shape == grid.shape
    assert fraction.min() >= 0
    assert fraction.max() <= 1
    return float(np.sum(fraction * grid.volumes))


@pytest.mark.parametrize(
    ("region", "wanted"),
    [
        (x > 0.123, 2 * 0.877),
        (x >= 0.123, 2 * 0.877),
        (x < 0.123, 2 * 0.123),
        (3 * x <= 0.123, 2 * 0.041),
        (y > 1.777, 0.223),
        (y < sp.Rational(2, 5), 0.4),
        (x > 0.3, 1.4),
        (x > -1, 2.0),
        (x > 2, 0.0),
        # Thinner than a cell, without a corner or a centre inside.
        (sp.And(x > 0.31, x < 0.33), 0.04),
        (sp.Or(x < 0.31, x > 0.33), 1.96),
        (sp.Not(sp.And(x > 0.31, x < 0.33)), 1.96),
        (~(x > 0.123), 2 * 0.123),
        (sp.And(x > 0.62, x < 0.31), 0.0),
        (sp.Or(x > 0.62, x < 0.31), 1.38),
    ],
)
def test_half_spaces_on_the_axes_are_exact(region: Any, wanted: float) -> None:
    assert area(region) == pytest.approx(wanted, abs=1e-13)


def test_shares_of_single_cells() -> None:
    grid = Grid(x=(0, 1, 4))
    np.testing.assert_allclose(region_fraction(x > 0.3, grid), [0, 0.8, 1, 1], atol=1e-14)
    np.testing.assert_allclose(region_fraction(x > 0.5, grid), [0, 0, 1, 1], atol=1e-14)
    mapped = Grid(x=Mapped(sp.exp(w), w, (0, 1, 5)))
    edges = mapped.edges[0]
    wanted = np.clip((edges[1:] - 1.7) / np.diff(edges), 0, 1)
    np.testing.assert_allclose(region_fraction(x > 1.7, mapped), wanted, atol=1e-13)


def test_boxes_and_diagonals() -> None:
    # The corner of a box lies in one sub-cell of 1/256 of a cell of area 1/35.
    assert area(sp.And(x > 0.31, y < 0.33)) == pytest.approx(0.69 * 0.33, abs=1 / 256 / 35)
    assert area(sp.Or(x > 0.31, y < 0.33)) == pytest.approx(2 - 0.31 * 1.67, abs=1 / 256 / 35)
    assert area(x + y < 1.5) == pytest.approx(1.0, abs=1e-6)


def test_discs_converge() -> None:
    region = (x - 0.517) ** 2 + (y - 1.1) ** 2 < 0.14
    errors = []
    for n in (10, 40, 160):
        grid = Grid(x=(0, 1, n), y=(0, 2, 2 * n))
        errors.append(abs(area(region, grid) - np.pi * 0.14))
    assert errors[0] < 1e-4
    assert errors[1] < errors[0] / 8
    assert errors[2] < errors[1] / 8


def test_balls() -> None:
    grid = Grid(x=(-1, 1, 20), y=(-1, 1, 20), z=(-1, 1, 20))
    ball = x**2 + y**2 + z**2 < 0.49
    assert area(ball, grid) == pytest.approx(4 / 3 * np.pi * 0.343, rel=1e-4)
    shell = sp.And(ball, x**2 + y**2 + z**2 > 0.25)
    assert area(shell, grid) == pytest.approx(4 / 3 * np.pi * (0.343 - 0.125), rel=2e-4)
    four = Grid(dict.fromkeys((x, y, z, w), (-1, 1, 6)))
    assert area(x > 0.123, four) == pytest.approx(8 * 0.877, abs=1e-12)


def test_predicates() -> None:
    disc = area(lambda x, y: (x - 0.5) ** 2 + (y - 1.1) ** 2 < 0.16)
    assert disc == pytest.approx(np.pi * 0.16, rel=3e-3)
    # One of 16 sub-cells in x.
    assert area(lambda x, y: x > 0.123) == pytest.approx(2 * 0.877, abs=2 * 0.1 / 16)
    assert area(lambda x, y: True) == pytest.approx(2.0, rel=1e-14)
    assert area(lambda x, y: np.bool_(False)) == 0.0


@pytest.mark.parametrize("declared", [{"real": True}, {"positive": True}, {"integer": True}])
def test_symbols_match_by_name(declared: dict[str, bool]) -> None:
    assert area(sp.Symbol("x", **declared) > sp.Rational(1, 7)) == pytest.approx(12 / 7, abs=1e-13)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (sp.Symbol("x", positive=True) > 0, "positive=True"),
        (True, "constant True"),
        (np.False_, "constant False"),
        (sp.true, "constant True"),
        (x**2 > -1, "constant over real"),
        (sp.Eq(x, 1), "no inside"),
        (sp.Ne(x, 1), "no inside"),
        (sp.And(x > 0, sp.Eq(y, 1)), "no inside"),
        (sp.Xor(x > 0.5, y > 1), "no inside"),
        (sp.ITE(x > 0, y > 0, y < 1), "no inside"),
        (x > sp.Symbol("q"), r"\['q'\] are no coordinates"),
        (x, "a region is a relation"),
        ("x > 1", "a region is a relation"),
        (0.5, "a region is a relation"),
        (np.ones((10, 7), bool), "a region is a relation"),
        (sp.log(x) > 0, "not a finite number"),
    ],
)
def test_what_is_no_region(region: Any, message: str) -> None:
    with pytest.raises(InvalidRegion, match=message):
        region_fraction(region, GRID)


def test_chained_comparisons_never_arrive() -> None:
    with pytest.raises(TypeError):
        _ = 0 < x < 1


def test_levels_are_positive_inside() -> None:
    level = level_function(sp.And(x > 1, y < 2), ("x", "y"))
    points = [np.array([2.0, 0.0, 2.0]), np.array([0.0, 0.0, 3.0])]
    np.testing.assert_array_equal(level(points) > 0, [True, False, False])
