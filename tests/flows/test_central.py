"""The central flow: its conditions along the way, several curvatures at the edge, its claims."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from fokkerplanck import flows
from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.systems.edge_of_stability import MinimalProblem

ETA = 0.3
EDGE = 2 / ETA
x1, x2, a, b, c = sp.symbols("x1 x2 a b c")


def test_sharpness_never_passes_the_edge_and_sigma_lives_there_only() -> None:
    problem = MinimalProblem(0.01)
    flow = flows.central_flow(problem.loss, problem.variables, ETA, (0.05, 6.2), 400)
    assert flow.sharpness.max() < EDGE * (1 + 1e-7)
    below = flow.sharpness < EDGE * (1 - 1e-6)
    assert 50 < below.sum() < 350
    assert not flow.extent[below].any()
    assert np.all(flow.extent[~below] > 0)
    flow_below = flows.gradient_flow(problem.loss, problem.variables, ETA, (0.05, 6.2), 400)
    np.testing.assert_allclose(flow.parameters[below], flow_below.parameters[below], rtol=1e-7)


def test_extent_of_one_curvature_is_the_closed_form() -> None:
    """``sigma^2 = -2 grad lambda . grad L/|grad lambda|^2`` at every step at the edge."""
    problem = MinimalProblem(0.02)
    x, y = problem.variables
    flow = flows.central_flow(problem.loss, (x, y), ETA, (0.05, 6.2), 300)
    held = np.flatnonzero(flow.extent)
    assert held.size > 200
    for k in held[:12:3]:
        point, extent = flow.parameters[k], flow.extent[k]
        values = dict(zip((x, y), point, strict=True))
        h = 1e-5

        def top(dx: float, dy: float, values: dict[sp.Symbol, float] = values) -> float:
            moved = {x: values[x] + dx, y: values[y] + dy}
            hessian = np.array(sp.hessian(problem.loss, (x, y)).subs(moved), dtype=float)
            return float(np.linalg.eigvalsh(hessian)[-1])

        steepness = np.array([top(h, 0) - top(-h, 0), top(0, h) - top(0, -h)]) / (2 * h)
        slope = np.array([float(sp.diff(problem.loss, v).subs(values)) for v in (x, y)])
        expected = -2 * steepness @ slope / (steepness @ steepness)
        assert extent == pytest.approx(expected, rel=1e-5)


def test_rest_is_the_two_cycle_of_gradient_descent() -> None:
    """Exactly so where the loss is cubic: centre, extent, and mean loss ``L + sigma^2/eta``."""
    problem = MinimalProblem(0.01)
    center, half = (np.array(part, dtype=float) for part in problem.two_cycle(ETA))
    flow = flows.central_flow(problem.loss, problem.variables, ETA, (0.05, 6.5), 400)
    start = tuple(center + half)
    descent = flows.gradient_descent(problem.loss, problem.variables, ETA, start, 200)
    np.testing.assert_allclose(descent.average[-1], center, atol=1e-12)
    np.testing.assert_allclose(flow.average[-1], center, atol=1e-8)
    assert flow.extent[-1] == pytest.approx(descent.extent[-1], rel=1e-6)
    assert flow.mean_loss[-1] == pytest.approx(descent.mean_loss[-1], rel=1e-4)
    assert abs(flow.loss[-1] - descent.mean_loss[-1]) > 10 * abs(descent.mean_loss[-1])


def test_two_curvatures_reach_the_edge_one_after_the_other() -> None:
    """Each is held by its own oscillation, ``Sigma_ii = 2 epsilon_i``."""
    loss = a * x1**2 / 2 + b * x2**2 / 2 - 0.01 * (a + 0.8 * b)
    flow = flows.central_flow(loss, (x1, x2, a, b), ETA, (0, 0, 6.5, 6.4), 300)
    assert flow.info["largest_number_at_edge"] == 2
    np.testing.assert_allclose(flow.parameters[-1], [0, 0, EDGE, EDGE], atol=1e-7)
    assert flow.extent[-1] == pytest.approx(0.02, rel=1e-6)
    trace = (flow.mean_loss[-1] - flow.loss[-1]) * ETA
    assert trace == pytest.approx(0.02 + 0.016, rel=1e-6)


@pytest.mark.parametrize("coupling", [0.5, 1.5])
def test_block_at_the_edge_moves_to_the_nearest_allowed_side(coupling: float) -> None:
    """A free 2 x 2 block, pulled by E: Sigma balances it when that is semidefinite, else in part.

    At ``[[a, b], [b, c]] = 2/eta`` the velocity is E plus the force of Sigma, and must not raise
    the block: ``-dH/dt`` semidefinite, without what Sigma acts on.
    """
    pull = 0.01 * np.array([1.0, 2 * coupling, 1.0])
    loss = (a * x1**2 + 2 * b * x1 * x2 + c * x2**2) / 2 - sp.Matrix(pull).dot([a, b, c])
    flow = flows.central_flow(loss, (x1, x2, a, b, c), ETA, (0, 0, EDGE, 0, EDGE), 10)
    velocity = (flow.parameters[1] - flow.parameters[0])[2:] / ETA
    # With X = Sigma/2: velocity (pull_a - X11, pull_b - 2 X12, pull_c - X22).
    if coupling <= 1:
        np.testing.assert_allclose(velocity, 0, atol=1e-8)
        assert flow.extent[0] == pytest.approx(0.02 * (1 + coupling), rel=1e-6)
        return
    # By symmetry X = s [[1, 1], [1, 1]]: minimises 2 (.01 - s)^2 + 4 (.015 - s)^2.
    s = (0.01 + 2 * 0.015) / 3
    np.testing.assert_allclose(velocity, [0.01 - s, 0.03 - 2 * s, 0.01 - s], rtol=1e-5)
    assert flow.extent[0] == pytest.approx(4 * s, rel=1e-5)


def test_leaves_the_edge_when_nothing_pushes() -> None:
    """The push on the curvature turns round as z passes zero."""
    z = sp.Symbol("z")
    loss = a * x1**2 / 2 - 0.02 * z * a + z / 5
    flow = flows.central_flow(loss, (x1, a, z), ETA, (0.0, 6.6, 1.0), 150)
    edge = np.abs(flow.parameters[:, 1] - EDGE) < 1e-5
    assert edge.any()
    assert flow.info["segments"] == 3
    assert flow.parameters[-1, 1] < EDGE - 0.01
    assert not flow.extent[-1]


def test_curvatures_that_enter_within_one_step() -> None:
    """Three, at times .2, .5 and .8: segments without a whole step between."""
    x3, d = sp.symbols("x3 d")
    loss = a * x1**2 / 2 + b * x2**2 / 2 + d * x3**2 / 2 - 0.01 * (a + b + d)
    start = (0, 0, 0, *(EDGE - 0.01 * ETA * np.array([0.2, 0.5, 0.8])))
    flow = flows.central_flow(loss, (x1, x2, x3, a, b, d), ETA, start, 6)
    assert flow.info["segments"] == 4
    np.testing.assert_allclose(flow.parameters[1:, 3:], EDGE, rtol=1e-9)
    np.testing.assert_allclose(flow.times, np.arange(7))


def test_start_beyond_the_edge_is_refused() -> None:
    with pytest.raises(
        FokkerPlanckError, match=r"at the start is 7, beyond the edge 2/eta = 6\.66"
    ):
        flows.central_flow(7 * x1**2 / 2, (x1,), ETA, (1.0,), 5)
