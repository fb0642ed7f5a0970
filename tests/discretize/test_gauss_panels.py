"""Gauss–Legendre panels as grids: quadrature, edges, regions that cut a panel, refusals."""

from __future__ import annotations

import pickle
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

import fokkerplanck as fpk
from fokkerplanck.discretize.panel_regions import region_ends, resampled
from fokkerplanck.discretize.regions import region_fraction
from fokkerplanck.errors import GridMismatch, InvalidGrid, InvalidModel

x = sp.Symbol("x", real=True)


@given(
    nodes=st.integers(2, 20),
    width=st.floats(0.05, 5.0),
    edges=st.lists(st.floats(-1.0, 2.0), max_size=4),
)
def test_polynomials_up_to_twice_the_nodes_are_integrated(
    nodes: int, width: float, edges: list[float]
) -> None:
    panels = fpk.Panels(x=(-1, 2), nodes=nodes, width=width, edges=edges)
    power = 2 * nodes - 1
    integral = panels.volumes @ panels.mesh[0] ** power
    assert integral == pytest.approx((2 ** (power + 1) - 1) / (power + 1), rel=1e-12)
    # It is a grid: every node lies in a cell of its own whose width is the weight.
    cells = panels.edges[0]
    assert np.all((cells[:-1] < panels.mesh[0]) & (panels.mesh[0] < cells[1:]))
    assert np.diff(cells) == pytest.approx(panels.volumes, abs=1e-14)
    assert np.diff(panels.panel_edges).max() <= width * (1 + 1e-9)
    assert all(panels.has_edge(edge) for edge in edges)


def test_probability_of_a_region_that_cuts_a_panel() -> None:
    panels = fpk.Panels(x=(-6, 6), nodes=12, width=2)
    density = fpk.gaussian_density(panels, [0.0], [[1.0]])
    from scipy.special import ndtr

    for region, exact in [
        (x > 0.3, ndtr(-0.3)),
        (lambda x: x > 0.3, ndtr(-0.3)),
        (sp.And(x > -0.4, x < 1.3), ndtr(1.3) - ndtr(-0.4)),
        (sp.And(x > 0.1, x < 0.2), ndtr(0.2) - ndtr(0.1)),
        (sp.Or(x < -0.5, x > 0.5), 2 * ndtr(-0.5)),
    ]:
        assert density.probability(region) == pytest.approx(exact, abs=2e-8)
    # Nodes counted in or out would be off by this much.
    counted = density.masses[panels.mesh[0] > 0.3].sum()
    assert abs(counted - ndtr(-0.3)) > 1e-3
    fraction = region_fraction(x > 0.3, panels.with_edges([0.3]))
    assert set(fraction) == {0.0, 1.0}


def test_density_offers_all_that_it_does_on_cells() -> None:
    panels = fpk.Panels(x=(-8, 9), width=1.0)
    density = fpk.gaussian_density(panels, [0.7], [[1.44]])
    assert density.mean()[0] == pytest.approx(0.7, abs=1e-9)
    assert density.covariance()[0, 0] == pytest.approx(1.44, abs=1e-8)
    assert density.marginal("x").grid == panels
    figure, axes = plt.subplots()
    assert density.plot(axes).get_xdata().size == panels.size
    plt.close(figure)
    again = pickle.loads(pickle.dumps(density))
    assert again.grid == panels
    assert isinstance(again.grid, fpk.Panels)
    assert again.grid.panels == panels.panels == 17
    assert fpk.effective_potential(density).values.min() == 0.0


def test_resampling_is_exact_for_the_polynomials_of_the_panels() -> None:
    old = fpk.Panels(x=(-1, 1), nodes=6, edges=(0.2,))
    new = old.with_edges([-0.3, 0.7])
    values = old.mesh[0] ** 5 - old.mesh[0] ** 2
    expected = new.mesh[0] ** 5 - new.mesh[0] ** 2
    assert resampled(values, old, new) == pytest.approx(expected, abs=1e-14)


def test_ends_of_a_region_are_found_to_the_last_digit() -> None:
    from fokkerplanck.discretize.level import level_function

    panels = fpk.Panels(x=(-1, 1), width=0.1)
    ends = region_ends(level_function(x**2 < sp.Rational(1, 2), ("x",)), panels)
    assert ends == pytest.approx([-np.sqrt(0.5), np.sqrt(0.5)], rel=1e-15)
    assert panels.with_edges(ends).panels == panels.panels + 2
    assert panels.with_edges([0.1, -1, 7]) is panels


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": (1, 0)}, "upper must exceed lower"),
        ({"x": (0, 1, 10)}, r"need \(lower, upper\)"),
        ({"x": (0, np.inf)}, "upper must exceed lower"),
        ({"x": (0, 1), "y": (0, 1)}, "one axis, not 2"),
        ({"x": (0, 1), "width": 0}, "positive width"),
        ({"x": (0, 1), "edges": (2,)}, "do not all lie between"),
        ({"x": (0, 1), "nodes": 1}, "2 to 64 nodes"),
        ({"x": (0, 1), "boundary": "periodic"}, "use a Grid"),
        ({"x": (0, 1), "boundary": "open"}, "use one of"),
    ],
)
def test_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidGrid, match=message):
        fpk.Panels(**arguments)


def test_panels_are_no_grid_for_diffusions() -> None:
    panels = fpk.Panels(x=(-1, 1))
    with pytest.raises(InvalidModel, match="transition_operator"):
        fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), panels)
    with pytest.raises(InvalidGrid, match="more nodes"):
        panels.coarsened()
    with pytest.raises(GridMismatch):
        panels.only("y")
