"""Many steps: repeated squaring, laws of passage, spectra, and the limit of small steps."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csc_matrix

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckError, InvalidModel, MetastableWarning
from fokkerplanck.solve.steps import masses_after
from fokkerplanck.solve.steps_spectrum import step_modes
from tests.solve._two_valley import valleys

x, y = sp.symbols("x y", real=True)
DOUBLE_WELL = (x**2 - 1) ** 2 / 4


@pytest.mark.parametrize("grid", [fpk.Panels(x=(-7, 7)), fpk.Grid(x=(-7, 7, 60))])
def test_normal_densities_stay_normal(grid: Any) -> None:
    """Mean ``(1 - eta)^n m``, variance ``(1 - eta)^2n v + eta^2 (1 - (1 - eta)^2n)/...``."""
    eta = 0.5
    sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=eta)
    operator = fpk.transition_operator(sgd, grid)
    start = fpk.gaussian_density(operator.grid, [1.5], [[0.25]])
    steps = [0, 1, 2, 5, 300]
    factor = (1 - eta) ** np.array(steps, float)
    stationary = eta / (2 - eta)
    after = masses_after(operator.matrix, start.masses.ravel(), steps)
    position = operator.grid.mesh[0]
    assert after.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-12)
    assert after @ position == pytest.approx(1.5 * factor, abs=1e-8)
    variance = after @ position**2 - (after @ position) ** 2
    assert variance == pytest.approx(stationary + (0.25 - stationary) * factor**2, abs=1e-7)


@given(
    seed=st.integers(0, 1000),
    size=st.integers(2, 12),
    gaps=st.lists(st.integers(0, 900), min_size=1, max_size=4),
)
def test_powers_are_those_of_single_steps(seed: int, size: int, gaps: list[int]) -> None:
    generator = np.random.default_rng(seed)
    matrix = generator.random((size, size)) ** 4
    matrix /= matrix.sum(axis=0) * (1 + 0.01 * generator.random(size))
    steps = np.cumsum(gaps)
    result = masses_after(csc_matrix(matrix), np.eye(size)[0], steps)
    current, at = np.eye(size)[0], 0
    for row, number in zip(result, steps, strict=True):
        for _ in range(number - at):
            current = matrix @ current
        at = number
        assert row == pytest.approx(current, rel=1e-11, abs=0)


def test_many_steps_end_at_the_stationary_masses() -> None:
    sgd = fpk.SGD(DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.14), learning_rate=0.3)
    operator = fpk.transition_operator(sgd, fpk.Panels(x=(-2.1, 2.1)))
    start, *_ = operator.first_step((1.0,))
    exact = fpk.stationary_density(operator)
    (after,) = masses_after(operator.matrix, start, [10**9])
    assert after == pytest.approx(exact.masses, abs=1e-8)
    with pytest.warns(MetastableWarning, match="rounding has taken"):
        masses_after(operator.matrix, start, [10**12])
    for bad in ([2, 1], [-1], [0.5]):
        with pytest.raises(FokkerPlanckError, match="whole and increase"):
            masses_after(operator.matrix, start, bad)


def test_laws_of_passage_are_consistent() -> None:
    sgd = fpk.SGD(DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.7), learning_rate=0.3)
    operator = fpk.transition_operator(sgd, fpk.Panels(x=(-2.7, 2.7)))
    for start in ((1.0,), x > 0.5, fpk.gaussian_density(operator.grid, [1.0], [[0.01]])):
        law = fpk.first_passage_distribution(operator, start, x < 0, steps=4000)
        assert law.survival + law.arrived == pytest.approx(np.ones(4001), abs=1e-12)
        assert (np.diff(law.arrived) >= 0).all()
        numbers, chance = law.steps[1:], np.diff(law.arrived)
        mean = chance @ numbers
        assert mean == pytest.approx(law.mean, rel=1e-6)
        assert chance @ numbers**2 - mean**2 == pytest.approx(law.variance, rel=1e-5)
        listed = fpk.first_passage_distribution(operator, start, x < 0, steps=[0, 3, 1000])
        assert listed.survival == pytest.approx(law.survival[[0, 3, 1000]], rel=1e-10)
        assert law.standard_deviation**2 == pytest.approx(law.variance)
    # Probabilities far below the rounding of one minus the survival.
    early = fpk.first_passage_distribution(operator, (1.6,), x < -2.4, steps=2)
    assert 0 < early.arrived[1] < 1e-30
    figure, axes = plt.subplots()
    assert law.plot(axes).get_xdata().size == 4001
    plt.close(figure)
    with pytest.raises(FokkerPlanckError, match="ask for more steps"):
        listed.quantile(0.999999999999)
    assert law.arrived[law.quantile(0.5)] >= 0.5 > law.arrived[law.quantile(0.5) - 1]


def test_spectrum_of_a_quadratic() -> None:
    """Eigenvalues ``(1 - eta H)^k``: negative ones past ``eta H = 1``."""
    for eta in (0.5, 1.7):
        sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=eta)
        reach = 10 * np.sqrt(eta / (2 - eta))
        operator = fpk.transition_operator(sgd, fpk.Panels(x=(-reach, reach)))
        modes = step_modes(operator, 5)
        assert modes.eigenvalues == pytest.approx((1 - eta) ** np.arange(5.0), abs=1e-7)
        residual = operator.matrix @ modes.modes.T - modes.modes.T * modes.eigenvalues
        assert np.abs(residual).max() < 1e-12
        assert np.sum(modes.modes * modes.observables, axis=1) == pytest.approx(np.ones(5))
    with pytest.raises(InvalidModel, match="count is between"):
        step_modes(operator, 0)


# A step spreads over 1.3 cells: enough where nothing breaks.
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_spectrum_by_arnoldi() -> None:
    """In two dimensions: products of powers of the multipliers."""
    eta = 0.8
    noise = fpk.noise.Covariance([[2.0, 0.8], [0.8, 1.2]])
    sgd = fpk.SGD(x**2 / 2 + 0.4 * y**2 + 0.3 * x * y, (x, y), noise, learning_rate=eta)
    operator = fpk.transition_operator(sgd, fpk.Grid(x=(-9, 9, 34), y=(-9, 9, 34)))
    assert operator.grid.size > 1000
    modes = step_modes(operator, 4)
    linear = np.linalg.eigvals(np.eye(2) - eta * np.array([[1, 0.3], [0.3, 0.8]]))
    products = np.multiply.outer(linear[0] ** np.arange(5), linear[1] ** np.arange(5)).ravel()
    for value in modes.eigenvalues:
        assert np.abs(products - value).min() < 1e-5
    assert np.abs(modes.eigenvalues).max() < 1 + 1e-9


@pytest.mark.parametrize("edge", [0.3, 1.5, 2.2])
def test_no_eigenvalue_leaves_the_unit_disc(edge: float) -> None:
    sgd = fpk.SGD(
        sp.log(sp.cosh(x)), (x,), fpk.noise.Isotropic((0.1213 / edge) ** 2), learning_rate=edge
    )
    operator = fpk.transition_operator(sgd, fpk.Panels(x=(-3, 3)))
    values = np.linalg.eigvals(operator.matrix.toarray())
    assert np.abs(values).max() < 1 + 1e-12


def test_past_the_edge_of_stability_the_iterate_alternates() -> None:
    """``L = ln cosh w``, ``eta = 2.2``: two peaks, and an eigenvalue near -1 for the phase slips.

    The 2-cycle solves ``eta tanh w = 2 w``; 86.33 steps are an independent computation's.
    """
    eta = 2.2
    sgd = fpk.SGD(
        sp.log(sp.cosh(x)), (x,), fpk.noise.Isotropic((0.1213 / eta) ** 2), learning_rate=eta
    )
    operator = fpk.transition_operator(sgd, fpk.Panels(x=(-3, 3)))
    modes = step_modes(operator, 3)
    assert modes.eigenvalues[1].real < -0.98
    assert -1 / np.log(-modes.eigenvalues[1].real) == pytest.approx(86.33, rel=1e-3)
    density = fpk.stationary_density(operator)
    values, position = density.values, density.grid.mesh[0]
    peaks = position[1:-1][(values[1:-1] > values[:-2]) & (values[1:-1] > values[2:])]
    assert peaks == pytest.approx([-0.5365, 0.5365], abs=0.05)
    runs = fpk.simulate_sgd(sgd, (0.5,), steps=400, runs=4000, seed=3)
    sampled = runs.values[-1, :, 0] ** 2
    error = sampled.std() / np.sqrt(sampled.size)
    assert abs(sampled.mean() - density.covariance()[0, 0]) < 3 * error


def test_small_steps_approach_the_ito_diffusion_across_a_jump() -> None:
    """Odds go as ``sqrt(eta)`` to those of Itô, never to the isothermal ones."""
    sgd, panels, *_ = valleys(3, 1e-3, 0.01)
    low, high = panels.panel_edges[[0, -1]]
    # The jump of the tensor lies on a face.
    width = high / 160
    cells = int(np.ceil(-low / width))
    ito = fpk.assemble(sgd.diffusion(), fpk.Grid(x=(-cells * width, high, cells + 160)))
    limit = fpk.stationary_density(ito).probability(x > 0)
    assert limit == pytest.approx(0.7915965, abs=1e-4)
    gaps = []
    for eta in (0.01, 0.0025, 0.000625):
        sgd, panels, *_ = valleys(3, 1e-3, eta)
        flat = fpk.stationary_density(fpk.transition_operator(sgd, panels)).probability(x > 0)
        gaps.append(limit - flat)
        assert flat > 0.77 > 0.7148989
    ratios = np.array(gaps[:-1]) / gaps[1:]
    assert ratios == pytest.approx([1.57, 1.75], abs=0.01)
    assert np.log2(ratios[-1]) / 2 == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize(("order", "slope"), [(1, 1.0), (2, 2.0)])
def test_small_steps_approach_the_modified_equations(order: Any, slope: float) -> None:
    """The slowest rate per unit of time and the variance: slopes in eta."""
    errors = []
    for eta in (0.05, 0.025, 0.0125):
        sgd = fpk.SGLD(
            DOUBLE_WELL,
            (x,),
            fpk.noise.Isotropic(0.1),
            learning_rate=eta,
            temperature=sp.Rational(1, 8),
            order=order,
        )
        operator = fpk.transition_operator(sgd, fpk.Panels(x=(-2.4, 2.4)))
        step_rate = -np.log(step_modes(operator, 2).eigenvalues[1].real) / eta
        variance = fpk.stationary_density(operator).covariance()[0, 0]
        modified = fpk.assemble(sgd.diffusion(), fpk.Grid(x=(-2.4, 2.4, 4800)))
        # The slowest mode is odd: it decays as what is killed at the ridge.
        rate = fpk.quasi_stationary_density(modified, x < 0).info["decay_rate"]
        diffusive = fpk.stationary_density(modified).covariance()[0, 0]
        errors.append([step_rate / rate - 1, variance / diffusive - 1])
    slopes = np.log2(np.abs(errors[:-1]) / np.abs(errors[1:]))
    assert slopes[-1] == pytest.approx([slope, slope], abs=0.15)
