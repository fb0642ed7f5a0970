"""Pictures of evolutions."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import numpy as np
import pytest

import fokkerplanck as fpk
from fokkerplanck.errors import GridMismatch


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


def evolution(times: np.ndarray, **axes: tuple[float, float, int]) -> fpk.Evolution:
    """Normal densities that widen."""
    grid = fpk.Grid(**axes)
    zero, one = np.zeros(grid.dimension), np.eye(grid.dimension)
    values = [
        fpk.gaussian_density(grid, zero, (0.1 + 0.1 * k) * one).values for k in range(times.size)
    ]
    return fpk.Evolution(times, np.array(values), grid)


def test_lines_are_coloured_by_time() -> None:
    lines = evolution(np.array([0.0, 1.0, 10.0, 1000.0]), x=(-2, 2, 40)).plot()
    assert len(lines) == 4
    np.testing.assert_array_equal(lines[0].get_color(), lines[1].get_color())
    assert len({line.get_color() for line in lines}) == 3
    axes, bar = plt.gcf().axes
    assert axes.get_xlabel() == "x"
    assert bar.get_yscale() == "log"
    _, other = plt.subplots()
    assert evolution(np.array([1.0]), x=(-2, 2, 40)).plot(other, color="k")[0].axes is other


def test_maps_are_small_multiples() -> None:
    maps = evolution(np.linspace(0, 1, 7), x=(-2, 2, 12), y=(-2, 2, 10)).plot()
    assert len(maps) == 7
    assert maps[3].axes.get_title() == "$t = 0.5$"
    shown = [axes for axes in plt.gcf().axes if axes.get_visible() and axes.get_title()]
    assert len(shown) == 7


def test_what_does_not_fit_is_refused() -> None:
    many = evolution(np.arange(21.0), x=(-2, 2, 6), y=(-2, 2, 6))
    with pytest.raises(GridMismatch, match="21 maps"):
        many.plot()
    _, axes = plt.subplots(1, 2)
    with pytest.raises(GridMismatch, match="2 axes for 21"):
        many.plot(axes)
    with pytest.raises(GridMismatch, match="marginals"):
        evolution(np.array([1.0]), x=(-2, 2, 4), y=(-2, 2, 4), z=(-2, 2, 4)).plot()
