"""Every critical point of well-known landscapes, none twice, and what first derivatives leave."""

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import (
    DegenerateWarning,
    GridMismatch,
    InvalidModel,
    UnboundSymbol,
    UnresolvedWarning,
)
from fokkerplanck.observe.critical_points import CriticalPoint

x, y, z = sp.symbols("x y z", real=True)


def search(loss: Any, grid: fpk.Grid, tensor: Any = None) -> tuple[CriticalPoint, ...]:
    names = (x, y, z)[: grid.dimension]
    drift = [-loss.diff(v) for v in names]
    model = fpk.Diffusion(names, drift, sp.eye(len(names)) if tensor is None else tensor)
    return fpk.critical_points(model, grid)


def kinds(points: tuple[CriticalPoint, ...]) -> list[str]:
    return [point.kind for point in points]


MUELLER_BROWN = sum(
    height * sp.exp(a * (x - x0) ** 2 + b * (x - x0) * (y - y0) + c * (y - y0) ** 2)
    for height, a, b, c, x0, y0 in (
        (-200, -1, 0, -10, 1, 0),
        (-100, -1, 0, -10, 0, sp.Rational(1, 2)),
        (-170, -6.5, 11, -6.5, -sp.Rational(1, 2), sp.Rational(3, 2)),
        (15, 0.7, 0.6, 0.7, -1, 1),
    )
)


@pytest.mark.parametrize(
    ("loss", "grid", "minima", "saddles", "maxima"),
    [
        (
            (x**4 - 16 * x**2 + 5 * x + y**4 - 16 * y**2 + 5 * y) / 2,
            {"x": (-5, 5, 40), "y": (-5, 5, 40)},
            4,
            4,
            1,
        ),
        (
            (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2,
            {"x": (-5, 5, 40), "y": (-5, 5, 37)},
            4,
            4,
            1,
        ),
        (MUELLER_BROWN, {"x": (-1.5, 1.2, 40), "y": (-0.2, 2, 40)}, 3, 2, 0),
        (
            (x**2 - 1) ** 2 + y**2 * (1 + x / 2),
            {"x": (-1.8, 1.8, 21), "y": (-1.5, 1.5, 20)},
            2,
            1,
            0,
        ),
    ],
)
def test_landscapes(loss: Any, grid: Any, minima: int, saddles: int, maxima: int) -> None:
    points = search(loss, fpk.Grid(**grid))
    assert kinds(points) == ["minimum"] * minima + ["saddle"] * saddles + ["maximum"] * maxima
    assert [p.index for p in points] == [0] * minima + [1] * saddles + [2] * maxima
    values = sp.lambdify((x, y), loss)
    slopes = sp.lambdify((x, y), [loss.diff(x), loss.diff(y)])
    lowest = min(values(*p.position) for p in points)
    for point in points:
        assert np.abs(slopes(*point.position)).max() < 1e-9
        assert point.potential == pytest.approx(values(*point.position) - lowest, abs=1e-8)
        assert (point.degenerate, point.kink, point.extent) == (False, False, 0.0)


def test_known_places() -> None:
    """Minima of Mueller and Brown, Theor. Chim. Acta 53, 75 (1979)."""
    points = search(MUELLER_BROWN, fpk.Grid(x=(-1.5, 1.2, 40), y=(-0.2, 2, 40)))
    exact = [(-0.55822363, 1.44172584), (0.6234994, 0.02803776), (-0.05001082, 0.4666941)]
    for point, place in zip(points, exact, strict=False):
        np.testing.assert_allclose(point.position, place, atol=1e-8)


def test_one_and_three_dimensions_and_rings() -> None:
    assert kinds(search((x**2 - 1) ** 2, fpk.Grid(x=(-2, 2, 30)))) == [
        "minimum",
        "minimum",
        "maximum",
    ]
    wells = (x**2 - 1) ** 2 + (y**2 - 1) ** 2 + (z**2 - 1) ** 2
    points = search(wells, fpk.Grid(x=(-2, 2, 12), y=(-2, 2, 13), z=(-2, 2, 12)))
    assert [sum(p.index == k for p in points) for k in range(4)] == [8, 12, 6, 1]
    ring = fpk.Grid(x=(0, 2 * np.pi, 20), y=(0, 2 * np.pi, 20), boundary="periodic")
    assert kinds(search(sp.cos(x) + sp.cos(y), ring)) == ["minimum", "saddle", "saddle", "maximum"]


def test_spirals_and_centres() -> None:
    grid = fpk.Grid(x=(-1, 1, 15), y=(-1, 1, 15))
    for sign, kind in ((-1, "stable spiral"), (1, "unstable spiral")):
        (point,) = fpk.critical_points(
            fpk.Diffusion((x, y), [sign * x - 2 * y, 2 * x + sign * y], sp.eye(2)), grid
        )
        assert point.kind == kind
        assert point.index == (2 if sign > 0 else 0)
        np.testing.assert_allclose(sorted(point.eigenvalues.imag), [-2, 2], atol=1e-12)
        assert point.potential is None
    with pytest.warns(DegenerateWarning, match="1 critical points are degenerate"):
        (point,) = fpk.critical_points(fpk.Diffusion((x, y), [-y, x], sp.eye(2)), grid)
    assert point.kind == "centre"


def test_points_on_the_wall_count_and_points_beyond_do_not() -> None:
    grid = fpk.Grid(x=(-1, 1, 20), y=(-1, 1, 20))
    (point,) = search((x - 1) ** 2 + (y + 1) ** 2, grid)
    np.testing.assert_allclose(point.position, [1, -1], atol=1e-12)
    assert search((x - 1.001) ** 2 + y**2, grid) == ()


def test_lines_of_minima_come_back_as_one() -> None:
    grid = fpk.Grid(x=(-1, 1, 30), y=(-2, 2, 30))
    with pytest.warns(DegenerateWarning, match="stand for lines or regions"):
        (point,) = search(x**2 * (1 + y**2), grid)
    assert point.degenerate
    assert point.extent == pytest.approx(4, rel=0.1)
    assert abs(point.position[0]) < 1e-8
    with pytest.warns(DegenerateWarning):
        circle, top = search((x**2 + y**2 - 1) ** 2, fpk.Grid(x=(-2, 2, 31), y=(-2, 2, 30)))
    assert circle.extent == pytest.approx(2 * np.sqrt(2), rel=0.1)
    assert (top.kind, top.degenerate) == ("maximum", False)


def test_flat_minima_are_points() -> None:
    with pytest.warns(DegenerateWarning):
        (point,) = search(x**4 + y**2, fpk.Grid(x=(-1, 1, 30), y=(-2, 2, 31)))
    assert (point.degenerate, point.extent) == (True, 0.0)
    np.testing.assert_allclose(point.position, 0, atol=1e-5)


@pytest.mark.parametrize("cells", [30, 31])
def test_saddles_on_kinks(cells: int) -> None:
    """Smooth floors on either side of a ridge that is a kink, at centres of cells or between."""
    points = search((sp.Abs(x) - 1) ** 2 + y**2, fpk.Grid(x=(-2, 2, cells), y=(-2, 2, 30)))
    assert kinds(points) == ["minimum", "minimum", "saddle"]
    assert [p.kink for p in points] == [False, False, True]
    np.testing.assert_allclose(points[2].position, 0, atol=1e-5)
    assert points[2].eigenvalues[0] == np.inf
    assert points[2].eigenvalues[1] == pytest.approx(-2, rel=1e-6)


def test_oblique_kinks() -> None:
    grid = fpk.Grid(x=(-2, 2, 30), y=(-2, 2.3, 30))
    (point,) = search(sp.Abs(x + y) + (x - y) ** 2, grid)
    assert point.kink
    assert point.kind == "minimum"
    np.testing.assert_allclose(point.position, 0, atol=1e-3)
    # Both components change sign across the line, but no mean of them vanishes on it.
    assert search(sp.Abs(x + y) + x, grid) == ()


def test_multiplicative_noise_moves_what_the_drift_does_not_show() -> None:
    """Zeros are those of the Itô drift; potentials are those of the density."""
    model = fpk.Diffusion((x,), [-(x**3) + x], [[1 + x**2 / 2]])
    points = fpk.critical_points(model, fpk.Grid(x=(-2, 2, 40)))
    np.testing.assert_allclose([p.position[0] for p in points], [-1, 1, 0], atol=1e-12)
    potential = model.potential()
    assert potential is not None
    rise = float((potential.subs(x, 0) - potential.subs(x, 1)).evalf())
    assert points[2].potential is not None
    assert points[2].potential - points[1].potential == pytest.approx(rise, abs=1e-6)


def test_what_is_refused() -> None:
    grid = fpk.Grid(x=(-1, 1, 10), y=(-1, 1, 10))
    time = sp.Symbol("t")
    with pytest.raises(InvalidModel, match="depends on time"):
        fpk.critical_points(fpk.Diffusion((x, y), [-x * time, -y], sp.eye(2), time=time), grid)
    with pytest.raises(UnboundSymbol, match="no value for k"):
        fpk.critical_points(fpk.Diffusion((x, y), [-sp.Symbol("k") * x, -y], sp.eye(2)), grid)
    with pytest.raises(GridMismatch):
        fpk.critical_points(fpk.Diffusion((x,), [-x], [[1]]), grid)
    sgd = fpk.SGD(x**2 + y**2, (x, y), fpk.noise.Isotropic(1), learning_rate=0.1)
    with pytest.raises(InvalidModel, match=r"\.diffusion\(\)"):
        fpk.critical_points(sgd, grid)
    assert kinds(fpk.critical_points(sgd.diffusion(), grid)) == ["minimum"]
    with pytest.warns(UnresolvedWarning, match="not finite at corners"):
        points = search(sp.log(x**2 + y**2) - x**2, fpk.Grid(x=(-2, 2, 10), y=(-2, 2, 10)))
    assert kinds(points) == ["saddle", "saddle"]
