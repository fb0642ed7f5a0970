"""Densities: moments, marginals, probabilities, and values that nobody can change."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidModel
from fokkerplanck.results.density import Density, gaussian_density
from fokkerplanck.results.field import Field, VectorField

s, x, y = sp.symbols("s x y")
MEAN = np.array([0.3, -0.2])
SPREAD = np.array([[0.30, 0.12], [0.12, 0.20]])
GRID = Grid(x=(-5, 5, 100), y=(-4, 4, 80))
SMALL = Grid(x=(0, 1, 4), y=(0, 3, 3), z=(0, 1, 2))


@pytest.fixture
def normal() -> Density:
    return gaussian_density(GRID, MEAN, SPREAD)


@pytest.fixture
def random() -> Density:
    values = np.random.default_rng(0).random(SMALL.shape)
    return Density(values, SMALL, standard_error=values / 10, log_values=np.log(values))


def test_normal_density(normal: Density) -> None:
    assert normal.mass == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(normal.mean(), MEAN, atol=1e-12)
    np.testing.assert_allclose(normal.covariance(), SPREAD, atol=1e-12)
    deviation = np.array([0.05, 0.05]) - MEAN
    height = np.exp(-0.5 * deviation @ np.linalg.solve(SPREAD, deviation))
    height /= 2 * np.pi * np.sqrt(np.linalg.det(SPREAD))
    assert normal.values[50, 40] == pytest.approx(height, rel=1e-12)


def test_normal_density_on_a_mapped_axis() -> None:
    grid = Grid(x=Mapped(sp.sinh(s), s, (-3, 3, 400)))
    density = gaussian_density(grid, [0.4], [[0.5]])
    # The midpoint rule in s is spectrally accurate, the volumes are second order.
    assert density.mean()[0] == pytest.approx(0.4, abs=1e-4)
    assert density.covariance()[0, 0] == pytest.approx(0.5, rel=1e-3)
    assert density.mass == pytest.approx(1.0, abs=1e-14)


def test_normal_density_far_outside() -> None:
    density = gaussian_density(Grid(x=(0, 1, 50)), [-40.0], [[0.01]])
    assert density.mass == pytest.approx(1.0, abs=1e-14)
    assert int(density.values.argmax()) == 0


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        ([0.0], np.eye(2), "mean"),
        ([0.0, 0.0], [1.0, 1.0], "covariance"),
        ([0.0, 0.0], np.eye(3), "covariance"),
        ([0.0, 0.0], [[1, 2], [2, 1]], "smallest eigenvalue is -1"),
        ([0.0, 0.0], [[1, 0], [0, 0]], "not positive definite"),
        ([0.0, 0.0], [[1, 0.5], [0.1, 1]], "not symmetric"),
        ([0.0, float("nan")], np.eye(2), "not finite"),
        ([0.0, 0.0], [[1, float("nan")], [float("nan"), 1]], "not finite"),
    ],
)
def test_no_normal_density(mean: Any, covariance: Any, message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        gaussian_density(GRID, mean, covariance)


def test_moments_are_those_of_the_normalised_masses(random: Density) -> None:
    masses = random.values * SMALL.volumes
    points = [np.broadcast_to(m, SMALL.shape).ravel() for m in SMALL.mesh]
    weights = masses.ravel() / masses.sum()
    assert random.mass == pytest.approx(masses.sum(), rel=1e-14)
    np.testing.assert_allclose(random.mean(), [w @ weights for w in points], rtol=1e-13)
    np.testing.assert_allclose(
        random.covariance(), np.cov(points, aweights=weights, bias=True), rtol=1e-12, atol=1e-16
    )
    normalised = random.normalized()
    assert normalised.mass == pytest.approx(1.0, abs=1e-14)
    np.testing.assert_allclose(normalised.mean(), random.mean(), rtol=1e-13)
    assert normalised.standard_error is not None
    assert normalised.log_values is not None
    np.testing.assert_allclose(normalised.standard_error * 10, normalised.values, rtol=1e-13)
    np.testing.assert_allclose(np.exp(normalised.log_values), normalised.values, rtol=1e-13)
    assert random.expectation(SMALL.mesh[1] ** 2) == pytest.approx(
        float(np.sum(masses * SMALL.mesh[1] ** 2)), rel=1e-14
    )


def test_marginals(random: Density) -> None:
    one = random.marginal("y")
    np.testing.assert_allclose(one.values, random.values.sum(axis=(0, 2)) * 0.25 * 0.5, rtol=1e-14)
    assert one.grid == SMALL.only("y")
    assert one.mass == pytest.approx(random.mass, rel=1e-14)
    swapped = random.marginal("z", "x")
    assert swapped.grid.names == ("z", "x")
    np.testing.assert_allclose(swapped.values, random.values.sum(axis=1).T * 1.0, rtol=1e-14)
    same = random.marginal(sp.Symbol("y"), sp.Symbol("z"), sp.Symbol("x"))
    np.testing.assert_allclose(same.values, random.values.transpose(1, 2, 0), rtol=1e-14)
    assert same.standard_error is not None
    assert random.standard_error is not None
    np.testing.assert_array_equal(same.standard_error, random.standard_error.transpose(1, 2, 0))
    # Errors of different cells are not independent: a sum has none that is known.
    assert one.standard_error is None
    np.testing.assert_allclose(swapped.mean(), random.mean()[[2, 0]], rtol=1e-13)


def test_marginal_of_a_mapped_axis() -> None:
    grid = Grid(x=Mapped(sp.exp(s), s, (0, 1, 5)), y=Mapped(sp.exp(s), s, (0, 1, 4)))
    values = np.random.default_rng(1).random(grid.shape)
    marginal = Density(values, grid).marginal("x")
    np.testing.assert_allclose(marginal.values, values @ np.diff(grid.edges[1]), rtol=1e-14)


@pytest.mark.parametrize("names", [(), ("x", "x"), ("w",)])
def test_no_marginal(names: tuple[str, ...], random: Density) -> None:
    with pytest.raises(GridMismatch):
        random.marginal(*names)


def test_probabilities(normal: Density) -> None:
    from scipy.stats import norm

    # A cell counts by the share inside: second order.
    exact = norm.sf(0.55, MEAN[0], np.sqrt(SPREAD[0, 0]))
    assert normal.probability(x > 0.55) == pytest.approx(exact, abs=1e-3)
    assert normal.probability(x <= 0.55) + normal.probability(x > 0.55) == pytest.approx(1.0)
    # A half plane through the mean holds half of the mass in any direction.
    assert normal.probability(x - 0.3 > 2 * (y + 0.2)) == pytest.approx(0.5, abs=1e-6)
    assert normal.probability(lambda x, y: x > 0.5) == pytest.approx(
        normal.probability(x > 0.5), abs=1e-12
    )
    inside = normal.probability(sp.And(x > 0, y > 0))
    rest = normal.probability(sp.Or(x <= 0, y <= 0))
    assert inside + rest == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_no_number_is_refused(bad: float) -> None:
    values = np.ones((4, 3))
    values[2, 1] = bad
    grid = SMALL.only("x", "y")
    with pytest.raises(FokkerPlanckError, match="1 of 12 cells"):
        Density(values, grid)


@pytest.mark.parametrize("shape", [(3, 4), (4, 3, 1), (2, 6), (13,), (4,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    grid = SMALL.only("x", "y")
    for build in (Density, Field):
        with pytest.raises(GridMismatch, match=r"grid of shape \(4, 3\)"):
            build(np.ones(shape), grid)
    with pytest.raises(GridMismatch):
        VectorField(np.ones((3, 2, 4)), grid)
    np.testing.assert_array_equal(
        Density(np.arange(12.0), grid).values, np.arange(12.0).reshape(4, 3)
    )


def test_fields_may_be_infinite_but_are_numbers() -> None:
    grid = SMALL.only("x")
    assert Field([1.0, np.inf, 2.0, 3.0], grid).values[1] == np.inf
    with pytest.raises(FokkerPlanckError, match="passage time is NaN in 1 of 4"):
        Field([1.0, np.nan, 2.0, 3.0], grid, "passage time")


def results(random: Density) -> list[Any]:
    return [
        random,
        Field(random.values, SMALL, r"$\tau$", Info(solver="LU")),
        VectorField(np.zeros((3, *SMALL.shape)), SMALL, "current", Info(solver="LU")),
    ]


def test_results_are_closed_and_travel(random: Density) -> None:
    for result in results(random):
        for twin in (result, pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
            np.testing.assert_array_equal(twin.values, result.values)
            assert twin.grid == result.grid
            assert twin.info == result.info
            with pytest.raises(ValueError, match="read-only"):
                twin.values[...] = 0
            with pytest.raises(AttributeError):
                twin.values = None
            assert twin == twin
            assert isinstance(hash(twin), int)
        assert result != copy.deepcopy(result)
    again = pickle.loads(pickle.dumps(random))
    np.testing.assert_array_equal(again.standard_error, random.standard_error)
    np.testing.assert_array_equal(again.log_values, random.log_values)


def test_what_is_passed_is_copied() -> None:
    values = np.ones(4)
    density = Density(values, SMALL.only("x"))
    values[0] = 7.0
    assert density.values[0] == 1.0
    assert values.flags.writeable


def test_xarray(random: Density) -> None:
    pytest.importorskip("xarray")
    array = random.to_xarray()
    assert array.dims == ("x", "y", "z")
    assert float(array.sel(x=0.375, y=2.5, z=0.75)) == random.values[1, 2, 1]
    field = Field(random.values, SMALL, "potential").to_xarray()
    assert field.name == "potential"
    np.testing.assert_array_equal(field.values, random.values)
