"""Closed forms at the edge of stability, against plain iteration."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from fokkerplanck.errors import InvalidModel, UnboundSymbol
from fokkerplanck.systems.edge_of_stability import MinimalProblem, Quadratic, Quartic


def iterate_quartic(product: float, start: float, steps: int) -> np.ndarray:
    """S = Q = 1, ``eta = product``."""
    points = [start]
    for _ in range(steps):
        points.append(points[-1] - product * (points[-1] - points[-1] ** 3))
    return np.array(points)


def iterate_minimal(eta: float, epsilon: float, start: tuple[float, float], steps: int) -> np.ndarray:  # fmt: skip  # noqa: E501
    points = [start]
    for _ in range(steps):
        x, y = points[-1]
        points.append((x - eta * (y * x + 1.5 * x**2 - epsilon), y - eta * (x**2 / 2 - epsilon)))
    return np.array(points)


def test_quadratic() -> None:
    model = Quadratic(2.5)
    assert float(model.multiplier(1.0)) == -1.5
    assert float(model.extent_rate(0.8)) == pytest.approx(0)
    assert float(model.extent_rate(0.9)) > 0 > float(model.extent_rate(0.7))


@pytest.mark.parametrize("product", [1.9, 2.1, 2.5, 2.95, 3.05, 3.2])
def test_quartic_cycle(product: float) -> None:
    model = Quartic(1, 1)
    points = iterate_quartic(product, 0.3, 4000)[-2:]
    assert np.ptp(points) ** 2 / 4 == pytest.approx(float(model.extent(product)), abs=1e-9)
    assert points.mean() ** 2 == pytest.approx(float(model.center_squared(product)), abs=1e-9)


def test_cycles_to_the_digits_given() -> None:
    model = Quartic(1, 1)
    extents = {2.1: 0.04762, 2.3: 0.13043, 2.6: 0.23077, 2.9: 0.31034, 3.1: 0.33065}
    for product, extent in extents.items():
        assert float(model.extent(product)) == pytest.approx(extent, abs=5e-6)
    assert float(sp.sqrt(model.center_squared(3.1))) == pytest.approx(0.0898, abs=5e-5)
    points = iterate_quartic(3.1, 0.3, 2000)[-2:]
    assert abs(points.mean()) == pytest.approx(0.0898, abs=5e-5)


def test_scales_of_the_quartic() -> None:
    """w scales as ``Q^-1/2``, and S only matters through ``eta S``."""
    for extent in ("symmetric_extent", "asymmetric_extent", "spurious_extent"):
        one, other = Quartic(1, 1), Quartic(2, 5)
        assert getattr(other, extent)(1.6) * 5 / 2 == pytest.approx(getattr(one, extent)(3.2))


@pytest.mark.parametrize("product", [2.2, 2.9, 3.02, 3.15])
def test_multiplier_is_the_rate_at_which_a_cycle_is_reached(product: float) -> None:
    model = Quartic(1, 1)
    cycle = float(sp.sqrt(model.center_squared(product)) + sp.sqrt(model.extent(product)))
    offsets = iterate_quartic(product, cycle + 1e-7, 2)[::2] - cycle
    expected = float(model.cycle_multiplier(product))
    assert offsets[1] / offsets[0] == pytest.approx(expected, abs=1e-4)


def test_period_doubles_beyond_one_plus_root_five() -> None:
    for product, distinct in ((3.22, 2), (3.25, 4)):
        points = iterate_quartic(product, 0.3, 6000)[-64:]
        assert len(np.unique(points.round(6))) == distinct


@pytest.mark.parametrize(("epsilon", "eta"), [(0.01, 0.3), (0.001, 0.3), (0.01, 0.1)])
def test_minimal_two_cycle(epsilon: float, eta: float) -> None:
    problem = MinimalProblem(epsilon)
    center, half = (np.array(part, dtype=float) for part in problem.two_cycle(eta))
    points = iterate_minimal(eta, epsilon, tuple(center + half), 2)
    np.testing.assert_allclose(points[1], center - half, atol=1e-13)
    np.testing.assert_allclose(points[2], center + half, atol=1e-13)
    assert np.mean(points[:2, 0] ** 2) == pytest.approx(2 * epsilon, rel=1e-12)
    assert center[1] == pytest.approx(2 / eta + 3 * eta * epsilon, abs=5 * epsilon**2)


def test_minimal_cycle_attracts_and_y_stays_near_the_edge() -> None:
    """To four decimals y is 6.6667 for small epsilon only: ``3 eta epsilon`` is added."""
    assert float(MinimalProblem(1e-5).two_cycle(0.3).center[1]) == pytest.approx(6.6667, abs=5e-5)
    points = iterate_minimal(0.3, 1e-3, (0.01, 6.6), 40_000)[-2:]
    assert points[:, 1].mean() == pytest.approx(2 / 0.3 + 9e-4, abs=1e-5)
    assert (np.ptp(points[:, 0]) / 2) ** 2 == pytest.approx(2e-3, rel=1e-4)
    points = iterate_minimal(0.3, 0.01, (0.05, 6.6), 8000)[-2:]
    assert points[:, 1].mean() == pytest.approx(6.67565, abs=1e-5)


def test_oscillator_keeps_what_it_conserves_and_its_frequency() -> None:
    problem, eta = MinimalProblem(0.01), 0.3

    def velocity(time: float, state: np.ndarray) -> list[float]:
        return [float(v) for v in problem.oscillator(*state, eta)]

    period = 2 * np.pi / float(problem.frequency(eta))
    start = (np.sqrt(2) * 1.001, 0.0)
    found = solve_ivp(velocity, (0, period), start, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.y[:, -1], start, atol=1e-5)
    wide = solve_ivp(velocity, (0, 30), (0.2, 0.5), rtol=1e-9, atol=1e-12)
    energies = [float(problem.conserved(*state)) for state in wide.y.T]
    np.testing.assert_allclose(energies, energies[0], rtol=1e-6)
    assert np.ptp(wide.y[0]) > 0.1


def test_descent_follows_the_oscillator_for_small_epsilon() -> None:
    """Half a period; the damping that the oscillator lacks is smaller by ``sqrt(epsilon)``."""
    epsilon, eta = 1e-5, 0.3
    problem = MinimalProblem(epsilon)
    root, (a, b) = np.sqrt(epsilon), (0.8, 0.6)
    steps = 2 * int(np.pi / float(problem.frequency(eta)) / 2)
    points = iterate_minimal(eta, epsilon, (root * a, 2 / eta + root * b), steps)
    found = solve_ivp(
        lambda time, state: [float(v) for v in problem.oscillator(*state, eta)],
        (0, steps),
        (a, b),
        rtol=1e-9,
    ).y[:, -1]
    reached = np.array([points[-1, 0] / root, (points[-1, 1] - 2 / eta) / root])
    np.testing.assert_allclose(reached, found, atol=10 * root)


def test_refused() -> None:
    with pytest.raises(InvalidModel, match="sharpness must be positive, not -1"):
        Quadratic(-1)
    with pytest.raises(InvalidModel, match="quartic must be positive, not 0"):
        Quartic(1, 0)
    with pytest.raises(InvalidModel, match="epsilon must be positive"):
        MinimalProblem(-0.1)
    with pytest.raises(UnboundSymbol, match="needs numbers"):
        MinimalProblem().two_cycle(0.3)
