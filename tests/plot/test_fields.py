"""Plots return their artist, show the numbers, and leave Matplotlib's settings alone."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy as sp
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.lines import Line2D

from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.errors import GridMismatch
from fokkerplanck.results.density import Density, gaussian_density
from fokkerplanck.results.field import Field, VectorField

LINE = Grid(x=(-2, 2, 20))
PLANE = Grid(x=(-2, 2, 20), y=(-1, 1, 10))


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    before = dict(mpl.rcParams)
    opened = plt.get_fignums()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert dict(mpl.rcParams) == before
    for number in set(plt.get_fignums()) - set(opened):
        plt.close(number)


@pytest.fixture
def ax() -> plt.Axes:
    return plt.figure().add_subplot()


def test_line(ax: plt.Axes) -> None:
    density = gaussian_density(LINE, [0.0], [[0.3]])
    line = density.plot(ax, color="red")
    assert isinstance(line, Line2D)
    assert line.axes is ax
    np.testing.assert_array_equal(line.get_xdata(), LINE.centers[0])
    np.testing.assert_array_equal(line.get_ydata(), density.values)
    assert line.get_color() == "red"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "probability density")


def test_band_of_one_standard_error(ax: plt.Axes) -> None:
    values = np.linspace(1, 2, 20)
    Density(values, LINE, standard_error=values / 10).plot(ax)
    (band,) = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(2.2)
    assert heights.min() == pytest.approx(0.9)


def test_map(ax: plt.Axes) -> None:
    values = np.random.default_rng(0).random(PLANE.shape)
    mesh = Field(values, PLANE, "potential").plot(ax)
    assert isinstance(mesh, QuadMesh)
    # x runs to the right, y up: one row of the drawing is one y.
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(10, 20), values.T)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[0, :, 0], PLANE.edges[0])
    np.testing.assert_allclose(corners[:, 0, 1], PLANE.edges[1])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    assert [other.get_ylabel() for other in ax.figure.axes if other is not ax] == ["potential"]


def test_infinite_cells_are_left_blank(ax: plt.Axes) -> None:
    values = np.ones(PLANE.shape)
    values[3, 4] = np.inf
    shown = np.ma.asarray(Field(values, PLANE).plot(ax).get_array()).reshape(10, 20)
    assert shown.mask[4, 3]
    assert shown.mask.sum() == 1
    line = Field(np.where(np.arange(20) == 5, np.inf, 1.0), LINE).plot(ax)
    assert np.isnan(line.get_ydata()).sum() == 1


def test_options_reach_matplotlib(ax: plt.Axes) -> None:
    mesh = gaussian_density(PLANE, [0, 0], np.eye(2)).plot(ax, cmap="magma", vmax=0.7)
    assert mesh.get_cmap().name == "magma"
    assert mesh.get_clim()[1] == 0.7


def test_without_axes_the_current_ones_are_used(ax: plt.Axes) -> None:
    assert gaussian_density(LINE, [0.0], [[0.3]]).plot().axes is ax


def test_streamlines(ax: plt.Axes) -> None:
    x, y = np.broadcast_arrays(*PLANE.mesh)
    lines = VectorField(np.stack([-y, x]), PLANE, "probability current").plot(ax)
    assert isinstance(lines, LineCollection)
    assert lines.axes is ax
    middle = np.array([segment.mean(axis=0) for segment in lines.get_segments()])
    along = np.array([segment[-1] - segment[0] for segment in lines.get_segments()])
    turned = middle[:, 0] * along[:, 1] - middle[:, 1] * along[:, 0]
    # Anticlockwise; the very short pieces at the centre may point anywhere.
    assert turned.sum() > 0.95 * np.abs(turned).sum()


def test_a_vanishing_current_is_drawn(ax: plt.Axes) -> None:
    VectorField(np.zeros((2, *PLANE.shape)), PLANE).plot(ax)


def test_current_on_a_line(ax: plt.Axes) -> None:
    line = VectorField(np.ones((1, 20)), LINE, "probability current").plot(ax)
    np.testing.assert_array_equal(line.get_ydata(), 1.0)


def test_what_does_not_fit_a_page() -> None:
    space = Grid(x=(0, 1, 2), y=(0, 1, 2), z=(0, 1, 2))
    with pytest.raises(GridMismatch, match="marginal"):
        gaussian_density(space, [0, 0, 0], np.eye(3)).plot()
    with pytest.raises(GridMismatch, match="3 dimensions"):
        VectorField(np.zeros((3, 2, 2, 2)), space).plot()
    s = sp.Symbol("s")
    mapped = Grid(x=Mapped(sp.sinh(s), s, (-1, 1, 4)), y=(0, 1, 4))
    with pytest.raises(GridMismatch, match="uniform"):
        VectorField(np.ones((2, 4, 4)), mapped).plot()
    assert isinstance(gaussian_density(mapped, [0, 0.5], np.eye(2)).plot(), QuadMesh)
