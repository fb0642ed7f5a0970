"""Rates between regions: exact identities of the chain, and the slow rates of the operator."""

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import InvalidModel, InvalidRegion, NotConserving
from fokkerplanck.solve.absorb import absorb

x, y = sp.symbols("x y", real=True)
LEFT, RIGHT = sp.And(x < -0.8), sp.And(x > 0.8)


def two_wells(barrier: float, turn: float = 0.0, cells: int = 48) -> fpk.FokkerPlanckOperator:
    potential = barrier * ((x**2 - 1) ** 2 + y**2 * (1 + x / 2) + x / 10)
    slope = sp.Matrix([potential.diff(x), potential.diff(y)])
    model = fpk.Diffusion((x, y), -sp.Matrix([[1, turn], [-turn, 1]]) * slope, sp.eye(2))
    grid = fpk.Grid(x=(-1.6, 1.6, cells), y=(-1.3, 1.3, cells // 2))
    return fpk.assemble(model, grid)


def test_populations_fluxes_and_passage_times() -> None:
    """In detailed balance, to rounding, with regions whose boundaries cut the cells."""
    operator = two_wells(8.0)
    chain = fpk.rate_matrix(operator, {"left": LEFT, "right": RIGHT})
    assert chain.names == ("left", "right")
    fluxes = chain.fluxes
    assert fluxes[0, 1] == pytest.approx(fluxes[1, 0], rel=1e-11)
    assert chain.info["imbalance"] < 1e-11
    density = fpk.stationary_density(operator)
    towards = fpk.committor(operator, LEFT, RIGHT)
    masses = density.masses
    # Last in a region as often as next in it.
    assert chain.populations[1] == pytest.approx(float((masses * towards.values).sum()), rel=1e-9)
    # Capacity: the flow of the committor into either region.
    absorption = absorb(operator, {"left": LEFT, "right": RIGHT})
    last = masses.ravel()[absorption.outside] * towards.values.ravel()[absorption.outside]
    capacity = float(last @ absorption.rates[0])
    assert fluxes[0, 1] == pytest.approx(capacity, rel=1e-9)
    # tau = sum pi q / cap, averaged with the measure of last exits from the left region.
    times = fpk.mean_first_passage_time(operator, RIGHT).values.ravel()
    alone = absorb(operator, {"left": LEFT})
    exits = np.zeros(operator.grid.size)
    exits[alone.outside] = masses.ravel()[alone.outside] * alone.rates[0]
    assert chain.rate("left", "right").value == pytest.approx(
        1.0 / (float((masses * (1 - towards.values)).sum()) / capacity), rel=1e-9
    )
    assert exits @ times > 0.0


def test_kac_and_the_mean_time_from_region_to_region() -> None:
    """Boundaries on faces' far ends: regions whose cells are left by whole edges."""
    for turn in (0.0, 1.5):
        operator = two_wells(6.0, turn, 32)
        grid = operator.grid
        dx = grid.axes[0].spacing
        # The crossing is at the centre of the first cell inside: no edge is shortened.
        edge = float(grid.centers[0][6])
        left, right = x < edge + 1e-9 * dx, x > -edge - 1e-9 * dx
        chain = fpk.rate_matrix(operator, [left, right])
        assert chain.info["imbalance"] < 1e-6
        assert chain.populations.sum() == pytest.approx(1.0, abs=1e-14)
        fluxes = chain.fluxes
        assert fluxes[0, 1] == pytest.approx(fluxes[1, 0], rel=1e-12)
        # One over the mean time to the other region, from where the last visit began.
        density = fpk.stationary_density(operator)
        masses = density.masses.ravel()
        inside = np.broadcast_to(grid.mesh[0] <= edge + 1e-6 * dx, grid.shape).ravel()
        other = np.broadcast_to(grid.mesh[0] >= -edge - 1e-6 * dx, grid.shape).ravel()
        matrix = operator.matrix.toarray()
        rest = ~(inside | other)
        inner = -matrix[np.ix_(rest, rest)]
        spent = np.linalg.solve(inner, matrix[np.ix_(rest, inside)] @ masses[inside])
        flux = float((matrix[np.ix_(other, rest)] @ spent).sum())
        population = float(masses[inside].sum() + spent.sum())
        assert fluxes[0, 1] == pytest.approx(flux, rel=1e-6)
        assert chain.rates[0, 1] == pytest.approx(flux / population, rel=1e-6)
        # First entries into the left region from the right; the mean time until the right one.
        entries = matrix[np.ix_(inside, rest)] @ (
            np.linalg.solve(inner, matrix[np.ix_(rest, other)] @ masses[other])
        )
        free = ~other
        times = np.linalg.solve(-matrix[np.ix_(free, free)].T, np.ones(free.sum()))
        mean = float(entries @ times[inside[free]] / entries.sum())
        assert chain.rates[0, 1] == pytest.approx(1.0 / mean, rel=1e-6)
        # Kac: the mean time from entry to entry is one over the flux.
        back = np.linalg.solve(
            -matrix[np.ix_(~inside, ~inside)].T, np.ones(np.count_nonzero(~inside))
        )
        arrivals = matrix[np.ix_(other, rest)] @ spent
        mean_back = float(arrivals @ back[other[~inside]] / arrivals.sum())
        assert mean + mean_back == pytest.approx(1.0 / flux, rel=1e-8)


@pytest.mark.parametrize("turn", [0.0, 1.0])
def test_relaxation_rates_tend_to_those_of_the_operator(turn: float) -> None:
    errors = []
    for barrier in (4.0, 8.0, 40.0):
        operator = two_wells(barrier, turn, 64)
        exact = fpk.spectrum(operator, 2).rates[1].real
        chain = fpk.rate_matrix(operator, [LEFT, RIGHT])
        assert chain.relaxation_rates[0] == 0.0
        assert chain.relaxation_rates[1] == pytest.approx(chain.rates.sum(), rel=1e-10)
        errors.append(abs(chain.relaxation_rates[1] / exact - 1))
    assert exact < 1e-10
    assert errors[1] < 0.3 * errors[0]
    assert errors[2] < 1e-7


def test_three_wells() -> None:
    """Rates of 1e-4 and 1e-9 of each other; no way from the first to the third but the second."""
    height = 26 * sp.exp(-12 * (x + 1) ** 2) + 15 * sp.exp(-12 * (x - 1) ** 2)
    potential = height + sp.Rational(1, 8) * x**4
    operator = fpk.assemble(
        fpk.Diffusion((x,), [-potential.diff(x)], [[1]]), fpk.Grid(x=(-3.2, 3.2, 400))
    )
    regions = {"a": x < -1.6, "b": sp.And(x > -0.4, x < 0.4), "c": x > 1.6}
    chain = fpk.rate_matrix(operator, regions)
    np.testing.assert_allclose(chain.fluxes, chain.fluxes.T, rtol=1e-10)
    assert chain.rates[0, 2] == 0.0
    assert chain.rate("a", "b").value == chain.rates[0, 1]
    assert chain.rate(1, 2).method == "reactive flux over population"
    exact = fpk.spectrum(operator, 3).rates
    assert exact[1] < 1e-4 * exact[2]
    np.testing.assert_allclose(chain.relaxation_rates, exact, rtol=2e-4)
    assert chain.populations.sum() == pytest.approx(1.0, rel=1e-14)
    assert chain.relaxation_rates[1] == pytest.approx(exact[1], rel=1e-6)


def test_the_flux_is_the_same_through_every_surface_between() -> None:
    operator = two_wells(8.0, 0.0)
    flux = fpk.rate_matrix(operator, [LEFT, RIGHT]).fluxes[0, 1]
    masses = fpk.stationary_density(operator).masses.ravel()
    towards = fpk.committor(operator, LEFT, RIGHT).values.ravel()
    entries = operator.matrix.tocoo()
    at = np.broadcast_to(operator.grid.mesh[0], operator.grid.shape).ravel()
    for surface in (-0.51, 0.01, 0.42):
        crossing = (at[entries.col] < surface) & (at[entries.row] > surface)
        source, target = entries.col[crossing], entries.row[crossing]
        rate = entries.data[crossing] * masses[source]
        assert float(rate @ (towards[target] - towards[source])) == pytest.approx(flux, rel=1e-8)


@pytest.mark.parametrize(
    ("regions", "error", "message"),
    [
        ([x < -0.8], InvalidRegion, "two regions or more, not 1"),
        (x < -0.8, InvalidRegion, "a dict of name to region or a list"),
        ([x < 0.2, x > -0.2], InvalidRegion, "regions 0 and 1 have .* cells in common"),
        ([x < 0, x > 0], InvalidRegion, "regions 0 and 1 touch"),
        ({"a": x < -0.8, "b": x > 7}, InvalidRegion, "the region b x > 7 is empty or lies outside"),
    ],
)
def test_regions_that_are_refused(regions: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fpk.rate_matrix(two_wells(4.0, cells=16), regions)


def test_operators_that_are_refused() -> None:
    grid = fpk.Grid(x=(-2, 2, 20), y=(-2, 2, 20), boundary="absorbing")
    tensor = [[1, 0.9], [0.9, 1]]
    model = fpk.Diffusion((x, y), [-x, -y], tensor)
    with pytest.raises(NotConserving, match="walls absorb"):
        fpk.rate_matrix(fpk.assemble(model, grid), [LEFT, RIGHT])
    signed = fpk.assemble(model, fpk.Grid(x=(-2, 2, 20), y=(-2, 2, 20)), fpk.CrossDiffusion())
    with pytest.raises(InvalidModel, match="monotone scheme"):
        fpk.rate_matrix(signed, [LEFT, RIGHT])
    chain = fpk.rate_matrix(two_wells(4.0, cells=16), [LEFT, RIGHT])
    with pytest.raises(InvalidRegion, match="no region 'top'"):
        chain.rate("top", 1)
