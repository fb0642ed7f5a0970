"""Grids: geometry of uniform and mapped axes, boundaries, and every axis that is refused."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.errors import GridMismatch, InvalidGrid, UnboundSymbol

s = sp.Symbol("s")
STRETCHED = Mapped(sp.sinh(s), s, (-2, 2, 8))


def test_uniform_axes() -> None:
    grid = Grid(x=(-1, 1, 4), y=(0, 3, 2))
    np.testing.assert_allclose(grid.edges[0], [-1, -0.5, 0, 0.5, 1])
    np.testing.assert_allclose(grid.centers[1], [0.75, 2.25])
    assert (grid.shape, grid.size, grid.dimension) == ((4, 2), 8, 2)
    assert grid.uniform
    np.testing.assert_allclose(grid.volumes, np.full((4, 2), 0.75))
    assert [m.shape for m in grid.mesh] == [(4, 1), (1, 2)]
    assert grid.axis("y").cells == 2


def test_mapped_axes_follow_their_map() -> None:
    grid = Grid(x=STRETCHED, y=(0, 1, 3))
    steps = np.linspace(-2, 2, 17)
    np.testing.assert_allclose(grid.edges[0], np.sinh(steps[::2]), rtol=1e-14)
    np.testing.assert_allclose(grid.centers[0], np.sinh(steps[1::2]), rtol=1e-14)
    axis = grid.axis("x")
    np.testing.assert_allclose(axis.stretch, np.cosh(steps[1::2]), rtol=1e-14)
    assert axis.spacing == 0.5
    assert not grid.uniform
    assert grid.only("y").uniform
    assert grid.volumes.sum() == pytest.approx(2 * np.sinh(2), rel=1e-14)
    np.testing.assert_allclose(grid.volumes[:, 0], np.diff(np.sinh(steps[::2])) / 3, rtol=1e-13)


def test_midpoint_sums_on_a_mapped_axis_are_of_second_order() -> None:
    errors = []
    for cells in (20, 40):
        grid = Grid(x=Mapped(sp.exp(s), s, (0, 1, cells)))
        errors.append(
            abs(np.sum(np.cos(grid.centers[0]) * grid.volumes) - np.sin(np.e) + np.sin(1))
        )
    assert 3.8 < errors[0] / errors[1] < 4.2


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ((1, 1, 4), "upper must exceed lower"),
        ((1, -1, 4), "upper must exceed lower"),
        ((0, float("nan"), 4), "upper must exceed lower"),
        ((0, float("inf"), 4), "upper must exceed lower"),
        ((0, 1, 1), "2 or more"),
        ((0, 1, 0), "2 or more"),
        ((0, 1, -3), "2 or more"),
        ((0, 1, 4.5), "whole number"),
        ((0, 1, "4"), "whole number"),
        ((0, 1, float("nan")), r"\(lower, upper, cells\)"),
        ((0, 1, float("inf")), r"\(lower, upper, cells\)"),
        ((0, 1), r"\(lower, upper, cells\)"),
        (7, r"\(lower, upper, cells\)"),
        ((0, s, 4), r"\(lower, upper, cells\)"),
        ((1e16, 1e16 + 4, 100), "no width"),
        ((-1.5e308, 1.5e308, 4), "upper must exceed"),
        (Mapped(-s, s, (0, 1, 4)), "does not increase"),
        (Mapped(s**2, s, (-1, 1, 4)), "does not increase"),
        (Mapped(s**3, s, (-1, 1, 3)), "does not increase"),
        (Mapped(sp.log(s), s, (0, 1, 4)), "does not increase"),
        (Mapped(s, s, (1, 0, 4)), "upper must exceed lower"),
    ],
)
def test_bad_axes(axes: Any, message: str) -> None:
    with pytest.raises(InvalidGrid, match=f"axis x.*{message}|{message}.*axis x"):
        Grid(x=axes)


def test_whole_floats_are_cell_counts() -> None:
    assert Grid(x=(0, 1, 4.0)) == Grid(x=(0, 1, 4)) == Grid(x=(0, sp.Integer(1), np.int64(4)))


@pytest.mark.parametrize(
    "build", [lambda: Grid(), lambda: Grid(**dict.fromkeys("abcde", (0, 1, 2)))]
)
def test_one_to_four_axes(build: Any) -> None:
    with pytest.raises(InvalidGrid, match="1 to 4 axes"):
        build()
    assert Grid(**dict.fromkeys("abcd", (0, 1, 2))).size == 16


def test_axes_by_symbol() -> None:
    theta = sp.Symbol("theta_{1}")
    grid = Grid({theta: (0, 1, 4), "boundary": (0, 1, 3)}, boundary={theta: "periodic"})
    assert grid.names == ("theta_{1}", "boundary")
    assert grid.axis("theta_{1}").periodic
    assert not grid.axis("boundary").periodic
    with pytest.raises(InvalidGrid, match="share a name"):
        Grid({"x": (0, 1, 2)}, x=(0, 1, 3))
    with pytest.raises(InvalidGrid, match="share a name"):
        Grid({sp.Symbol("x"): (0, 1, 2), sp.Symbol("x", real=True): (0, 1, 2)})
    with pytest.raises(InvalidGrid, match="named"):
        Grid((0, 1, 2))  # type: ignore[arg-type]


def test_boundaries() -> None:
    def walls(boundary: Any) -> list[tuple[str, str]]:
        grid = Grid(x=(0, 1, 2), y=(0, 1, 2), boundary=boundary)
        return [axis.boundary for axis in grid.axes]

    reflecting = ("reflecting", "reflecting")
    assert walls("reflecting") == [reflecting, reflecting]
    assert walls("periodic") == [("periodic", "periodic")] * 2
    assert walls({"y": ("reflecting", "absorbing")}) == [reflecting, ("reflecting", "absorbing")]
    assert walls({"x": "absorbing"}) == [("absorbing", "absorbing"), reflecting]
    assert walls(["absorbing", "reflecting"]) == [("absorbing", "reflecting")] * 2


@pytest.mark.parametrize(
    ("boundary", "message"),
    [
        ("open", "'open'; use one of reflecting, absorbing, periodic"),
        ({"x": ("reflecting", "shut")}, "'shut'"),
        ({"z": "periodic"}, r"boundary names \['z'\]"),
        (("periodic", "reflecting"), "periodic at one end only"),
        (("reflecting",) * 3, "one word or"),
        ({"x": None}, "None"),
        (None, "None"),
        (3, "3"),
    ],
)
def test_bad_boundaries(boundary: Any, message: str) -> None:
    with pytest.raises(InvalidGrid, match=message):
        Grid(x=(0, 1, 2), boundary=boundary)


def test_axes_must_be_the_variables_in_order() -> None:
    x, y = sp.symbols("x y")
    grid = Grid(x=(0, 1, 2), y=(0, 1, 3))
    grid.require((sp.Symbol("x", real=True), y))
    for variables in ((y, x), (x,), (x, sp.Symbol("z"))):
        with pytest.raises(GridMismatch, match=r"axes are \('x', 'y'\)"):
            grid.require(variables)
    with pytest.raises(GridMismatch, match="no axis z"):
        grid.axis("z")


def test_parts_of_a_grid() -> None:
    grid = Grid(x=(0, 1, 2), y=STRETCHED, z=(0, 1, 4), boundary={"z": "periodic"})
    part = grid.only("z", "y")
    assert part.names == ("z", "y")
    assert part.shape == (4, 8)
    assert part.axes[0].periodic
    assert part == Grid(z=(0, 1, 4), y=STRETCHED, boundary={"z": "periodic"})


def test_renamed_axes_keep_cells_and_walls() -> None:
    grid = Grid(x=(0, 1, 4), y=(0, 2, 3), boundary={"y": "absorbing"})
    renamed = grid.renamed("y", "z")
    assert renamed == Grid(y=(0, 1, 4), z=(0, 2, 3), boundary={"z": "absorbing"})
    assert grid.names == ("x", "y")
    for names in (("y",), ("y", "y"), ("a", "b", "c")):
        with pytest.raises(GridMismatch, match="different names"):
            grid.renamed(*names)


def test_equality() -> None:
    grid = Grid(x=(0, 1, 4), y=(0, 1, 3))
    assert grid == Grid(x=(0, 1, 4), y=(0, 1, 3))
    assert hash(grid) == hash(Grid(x=(0, 1, 4), y=(0, 1, 3)))
    others = [
        Grid(x=(0, 1, 4)),
        Grid(y=(0, 1, 3), x=(0, 1, 4)),
        Grid(x=(0, 1, 4), y=(0, 1, 3), boundary="periodic"),
        Grid(x=(0, 1, 4), y=(0, 1.5, 3)),
        Grid(x=(0, 1, 5), y=(0, 1, 3)),
    ]
    assert all(grid != other for other in others)
    # Two maps with the same edges but other centres.
    bent = s + sp.sin(4 * sp.pi * s) / 50
    assert Grid(x=Mapped(bent, s, (0, 1, 2))).edges[0] == pytest.approx([0, 0.5, 1])
    assert Grid(x=Mapped(s**2 * (3 - 2 * s) / 2 + s / 2, s, (0, 1, 2))) != Grid(x=(0, 1, 2))


@pytest.mark.parametrize(
    "copy_of", [copy.copy, copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))]
)
def test_arrays_stay_closed(copy_of: Any) -> None:
    grid = copy_of(Grid(x=STRETCHED, y=(0, 1, 3)))
    assert grid == Grid(x=STRETCHED, y=(0, 1, 3))
    arrays = [*grid.edges, *grid.centers, *grid.mesh, grid.volumes, grid.axes[0].stretch]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_a_map_has_one_symbol() -> None:
    with pytest.raises(UnboundSymbol, match="q"):
        Grid(x=Mapped(s * sp.Symbol("q"), s, (0, 1, 2)))


def test_shown() -> None:
    assert repr(Grid(x=(-1, 1, 4), y=Mapped(s, s, (0, 1, 2)))) == "Grid(x=(-1, 1, 4), y=(0, 1, 2))"
    assert "mapped" in repr(Grid(x=STRETCHED))
