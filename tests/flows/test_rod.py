"""Rod flow: closed forms, cycles of gradient descent, what it misses and what cures it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy as sp

from fokkerplanck import flows
from fokkerplanck.errors import InvalidModel
from fokkerplanck.results.trajectory import Trajectory
from fokkerplanck.systems.edge_of_stability import MinimalProblem, Quartic

ETA = 0.3
w, x, y = sp.symbols("w x y")


@pytest.mark.parametrize("closure", [flows.TopEigenvector(), flows.AllAxes()])
@pytest.mark.parametrize("product", [1.8, 2.2])
def test_quadratic(product: float, closure: flows.TopEigenvector | flows.AllAxes) -> None:
    """``c = c_0 exp(-r t)`` and the solution of ``dSigma/dt = lambda Sigma + (eta S c)^2/2``."""
    rod = flows.rod_flow(product * w**2 / 2, (w,), 1.0, (1.0,), 10, closure=closure)
    rate, growth = product * (1 + product / 2), product**2 / 2 - 2
    c0, s0, t = 1 - product / 2, product**2 / 4, rod.times
    forced = (product * c0) ** 2 / 2 / (-2 * rate - growth)
    extent = (s0 - forced) * np.exp(growth * t) + forced * np.exp(-2 * rate * t)
    np.testing.assert_allclose(rod.parameters[:, 0], c0 * np.exp(-rate * t), atol=1e-9)
    np.testing.assert_allclose(rod.extent, extent, rtol=1e-6)
    np.testing.assert_allclose(rod.mean_loss, product * (rod.parameters[:, 0] ** 2 + extent) / 2)


@pytest.mark.parametrize(
    ("product", "extent", "center"),
    [
        (2.1, 0.04762, 0.0),
        (2.3, 0.13043, 0.0),
        (2.6, 0.23077, 0.0),
        (2.9, 0.31034, 0.0),
        (3.1, 0.33065, 0.0898),
    ],
)
def test_cycles_of_the_quartic(product: float, extent: float, center: float) -> None:
    """S = Q = 1: both reach the same cycle, with the pitchfork between 2.9 and 3.1."""
    quartic = Quartic(1, 1)
    assert float(quartic.extent(product)) == pytest.approx(extent, abs=5e-6)
    for flow in (flows.gradient_descent, flows.rod_flow):
        run = flow(quartic.loss, quartic.variables, product, (0.3,), 400)
        assert run.extent[-1] == pytest.approx(extent, abs=6e-6)
        assert abs(run.average[-1, 0]) == pytest.approx(center, abs=1e-4)


@pytest.mark.parametrize("closure", [flows.TopEigenvector(), flows.AllAxes()])
def test_cycle_of_the_minimal_problem_is_at_rest(
    closure: flows.TopEigenvector | flows.AllAxes,
) -> None:
    problem = MinimalProblem(0.01)
    center, half = (np.array(part, dtype=float) for part in problem.two_cycle(ETA))
    arguments = (problem.loss, problem.variables, ETA, tuple(center + half), 100)
    rod, descent = flows.rod_flow(*arguments, closure=closure), flows.gradient_descent(*arguments)
    for run in (rod, descent):
        np.testing.assert_allclose(run.average, np.tile(center, (101, 1)), atol=1e-9)
        np.testing.assert_allclose(run.extent, half @ half, rtol=1e-7)
    np.testing.assert_allclose(rod.mean_loss, descent.mean_loss, rtol=1e-4)


def test_spurious_rest_is_no_cycle() -> None:
    """At ``delta^2 = (S + 2/eta)/Q`` the rod's extent has velocity zero; descent leaves."""
    quartic = Quartic(1, 1)
    length = float(sp.sqrt(quartic.spurious_extent(1.0)))
    slope = length - length**3
    assert slope**2 / 2 - 2 * length**2 == pytest.approx(0, abs=1e-12)
    with pytest.warns(UserWarning, match="left to infinity"):
        run = flows.gradient_descent(quartic.loss, quartic.variables, 1.0, (length,), 5)
    assert run.parameters[1, 0] == pytest.approx(3 * length)


def test_heavy_ball_cycle() -> None:
    """``delta^2 = (S - (2 + 2 beta)/eta)/Q``, at the same extent in descent and in rod flow."""
    excess, beta = 0.15, 0.5
    loss = (3 + excess) * w**2 / 2 - w**4 / 4
    arguments = (loss, (w,), 1.0, (0.01,), 300)
    for flow in (flows.gradient_descent, flows.rod_flow):
        assert flow(*arguments, momentum=beta).extent[-1] == pytest.approx(excess, rel=1e-6)


# Distance to gradient descent, S near the edge at the start -------------------------------------


@cache
def run(name: str, steps: int, start: tuple[float, float], floor: float = 0.0) -> Trajectory:
    problem = MinimalProblem(0.01)
    arguments = (problem.loss, problem.variables, ETA, start, steps)
    if name == "descent":
        return flows.gradient_descent(*arguments)
    if name == "central":
        return flows.central_flow(*arguments)
    closure = flows.AllAxes() if name == "all axes" else flows.TopEigenvector()
    return flows.rod_flow(*arguments, floor=floor, closure=closure)


def test_rod_is_nearer_to_descent_than_the_central_flow() -> None:
    """It follows the swings of y about the edge, which the central flow averages away."""
    start, steps = (0.05, 6.5), 500
    descent = run("descent", steps, start)
    central = descent.distance(run("central", steps, start))
    rod = descent.distance(run("top", steps, start))
    assert central.mean() == pytest.approx(0.0623, rel=0.01)
    assert rod.mean() == pytest.approx(0.0115, rel=0.02)
    assert rod.max() < 0.25 * central.max()
    loss = [np.abs(descent.mean_loss - run(n, steps, start).mean_loss).mean() for n in ("top", "central")]  # fmt: skip  # noqa: E501
    assert loss[0] < 0.3 * loss[1]


FAR = (0.1, 6.0)
LONG = 600


def test_onset_is_missed_by_one_rod() -> None:
    """From further below Sigma_xx decays under the drift's Sigma_yy, and y climbs for ever."""
    descent, missed = run("descent", LONG, FAR), run("top", LONG, FAR)
    assert descent.average[:, 1].max() == pytest.approx(7.378, abs=1e-3)
    assert np.all(np.diff(missed.average[10:, 1]) > 0)
    assert missed.average[-1, 1] > 7.79
    # The drift's own rod: (eta epsilon/2)^2.
    assert missed.extent[-1] == pytest.approx((ETA * 0.01 / 2) ** 2, rel=0.1)
    assert descent.distance(missed)[-1] > 1


def test_floor_below_the_drift_does_not_help_and_one_above_does() -> None:
    """Sigma_xx stays the larger one when ``f > (eta epsilon)^2/4 (4 - u^2)/u^2``, u = eta y."""
    u = ETA * FAR[1]
    least = (ETA * 0.01) ** 2 / 4 * (4 - u**2) / u**2
    assert least == pytest.approx(5.28e-7, rel=0.01)
    missed, found = run("top", LONG, FAR, least / 4), run("top", LONG, FAR, 2 * least)
    assert missed.average[-1, 1] > 7.79
    assert found.average[:, 1].max() < 7
    assert found.extent[-1] > 1e-3


def test_rods_on_all_axes_need_no_floor() -> None:
    seen = run("all axes", LONG, FAR)
    descent = run("descent", LONG, FAR)
    assert seen.average[:, 1].max() == pytest.approx(7.240, abs=2e-3)
    # Earlier than descent, as the drift of the centre counts as an oscillation of x.
    assert seen.average[:, 1].argmax() < descent.average[:, 1].argmax()
    assert descent.distance(seen)[-1] < 0.5


def test_closures_agree_on_rank_one() -> None:
    rng = np.random.default_rng(3)
    delta = rng.normal(size=3)
    covariance = np.outer(delta, delta)
    for closure in (flows.TopEigenvector(), flows.AllAxes()):
        rods = closure.half_rods(covariance)
        np.testing.assert_allclose(rods @ rods.T, covariance, atol=1e-14)
    assert flows.TopEigenvector().half_rods(covariance).shape == (3, 1)


@pytest.mark.parametrize("floor", [-1e-3, np.nan])
def test_floor_is_not_negative(floor: float) -> None:
    with pytest.raises(InvalidModel, match="floor of the extent"):
        flows.rod_flow(w**2, (w,), 0.1, (1.0,), 5, floor=floor)
