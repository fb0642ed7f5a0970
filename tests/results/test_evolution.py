"""Evolutions: what they hold, and that nobody can change it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckError, GridMismatch

x, y = sp.symbols("x y", real=True)


def example() -> fpk.Evolution:
    """Three normal densities that move to the right and lose mass."""
    grid = fpk.Grid(x=(-4, 4, 80), y=(-3, 3, 60))
    parts = [
        mass * fpk.gaussian_density(grid, [m, 0.5], [[0.1, 0.05], [0.05, 0.2]]).values
        for mass, m in ((1.0, -1.0), (0.5, 0.0), (0.25, 1.0))
    ]
    return fpk.Evolution(
        np.array([0.0, 1.0, 10.0]), np.array(parts), grid, np.array([0, 1e-5, 2e-5])
    )


def test_moments_mass_and_probability() -> None:
    evolution = example()
    np.testing.assert_allclose(evolution.means, [[-1, 0.5], [0, 0.5], [1, 0.5]], atol=1e-6)
    np.testing.assert_allclose(
        evolution.covariances, np.tile([[0.1, 0.05], [0.05, 0.2]], (3, 1, 1)), atol=1e-6
    )
    np.testing.assert_allclose(evolution.mass, [1.0, 0.5, 0.25], rtol=1e-12)
    np.testing.assert_allclose(evolution.probability(x > 0), [7.8e-4, 0.25, 0.2498], atol=5e-5)
    np.testing.assert_allclose(
        evolution.probability(x + y > 0.5),
        [d.probability(x + y > 0.5) for d in evolution.densities],
    )


def test_densities_are_made_when_asked_for() -> None:
    evolution = example()
    densities = evolution.densities
    assert len(densities) == 3
    assert [round(float(d.mean()[0]), 6) for d in densities] == [-1.0, 0.0, 1.0]
    assert densities[-1].info["time"] == 10.0
    assert densities[-1].info["estimated_error"] == 2e-5
    assert [d.info["time"] for d in densities[1:]] == [1.0, 10.0]
    with pytest.raises(IndexError):
        densities[3]


def test_arrays_are_read_only_also_after_pickling() -> None:
    evolution = example()
    for one in (evolution, pickle.loads(pickle.dumps(evolution))):
        for array in (one.times, one.values, one.errors):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 1.0
        np.testing.assert_array_equal(one.values, evolution.values)


def test_the_callers_array_stays_writable_and_shapes_are_checked() -> None:
    grid = fpk.Grid(x=(0, 1, 4))
    values = np.ones((2, 4))
    fpk.Evolution(np.array([0.0, 1.0]), values, grid)
    values[0] = 2.0
    with pytest.raises(GridMismatch, match=r"\(2, 4\) for 3 times"):
        fpk.Evolution(np.arange(3.0), values, grid)
    values[1, 2] = np.nan
    with pytest.raises(FokkerPlanckError, match="first at t = 1"):
        fpk.Evolution(np.array([0.0, 1.0]), values, grid)


def test_to_xarray_has_time_first() -> None:
    pytest.importorskip("xarray")
    array = example().to_xarray()
    assert array.dims == ("time", "x", "y")
    assert float(array.sel(time=1.0).max()) == pytest.approx(float(example().values[1].max()))
    points = [[0.0, 0.0], [1.0, 0.0], [0.5, 0.8]]
    mesh = fpk.Mesh.from_triangles("xy", points, [[0, 1, 2]])
    cells = fpk.Evolution(np.array([1.0]), np.ones((1, 1)), mesh).to_xarray()
    assert cells.dims == ("time", "cell")
    assert set(cells.coords) == {"time", "x", "y"}
