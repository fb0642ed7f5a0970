"""Gradient flow against exact solutions; both smooth flows' orders against gradient descent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

from fokkerplanck import flows
from fokkerplanck.results.trajectory import Trajectory

w, x, y = sp.symbols("w x y")
# Third derivatives, mixed ones too: each coefficient of the stable flow matters.
PLANE = x**2 / 2 + y**2 / 3 + x**2 * y / 3 + sp.cos(x - y) / 4
HORIZON = 1.0


def test_gradient_flow_of_a_quadratic() -> None:
    """``exp(-eta H t)`` of a Hessian with eigenvalues 1 and 3."""
    flow = flows.gradient_flow(x**2 + x * y + y**2, (x, y), 0.7, (1.0, 0.4), 12)
    t = flow.times
    modes = np.array([1.4 * np.exp(-2.1 * t), 0.6 * np.exp(-0.7 * t)]) / 2
    expected = np.column_stack([modes[0] + modes[1], modes[0] - modes[1]])
    np.testing.assert_allclose(flow.parameters, expected, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(flow.sharpness, 3)
    assert not flow.extent.any()


def test_gradient_flow_of_a_quartic() -> None:
    """``w(t) = w_0/sqrt(1 + 2 eta w_0^2 t)`` on ``w^4/4``."""
    flow = flows.gradient_flow(w**4 / 4, (w,), 0.5, (2.0,), 100)
    np.testing.assert_allclose(flow.parameters[:, 0], 2 / np.sqrt(1 + 4 * flow.times), rtol=1e-7)
    middle = (flow.parameters[:-1] + flow.parameters[1:]) / 2
    np.testing.assert_allclose(flow.average[:-1], middle)


def test_gradient_flow_beyond_the_edge_is_smooth() -> None:
    """A sharpness of a thousand steps needs a stiff method, and passes no oscillation on."""
    flow = flows.gradient_flow(1000 * x**2 + y**2 / 2, (x, y), 1.0, (1.0, 1.0), 50)
    np.testing.assert_allclose(flow.parameters[:, 1], np.exp(-flow.times), rtol=1e-6, atol=1e-11)
    assert np.abs(flow.parameters[1:, 0]).max() < 1e-9
    assert flow.info["evaluations"] < 5000


def errors(flow: Callable[..., Trajectory], loss: sp.Expr, counts: list[int]) -> np.ndarray:
    """Distance from gradient descent at the same time ``eta * steps``."""
    variables, start = (x, y), (0.9, -0.7)
    return np.array(
        [
            np.linalg.norm(
                flow(loss, variables, HORIZON / n, start, n).parameters[-1]
                - flows.gradient_descent(loss, variables, HORIZON / n, start, n).parameters[-1]
            )
            for n in counts
        ]
    )


def test_gradient_flow_is_of_order_one() -> None:
    found = errors(flows.gradient_flow, PLANE, [10, 20, 40])
    np.testing.assert_allclose(np.log2(found[:-1] / found[1:]), 1, atol=0.1)


def test_stable_flow_is_of_order_three() -> None:
    found = errors(flows.stable_flow, PLANE, [10, 20, 40])
    np.testing.assert_allclose(np.log2(found[:-1] / found[1:]), 3, atol=0.1)
    assert found[0] < 1e-4


def test_one_step_of_the_stable_flow_is_off_by_the_fourth_power() -> None:
    found = []
    for eta in (0.4, 0.2, 0.1):
        flow = flows.stable_flow(PLANE, (x, y), eta, (0.9, -0.7), 1)
        step = flows.gradient_descent(PLANE, (x, y), eta, (0.9, -0.7), 1)
        found.append(np.linalg.norm(flow.parameters[1] - step.parameters[1]))
    np.testing.assert_allclose(np.log2(np.array(found[:-1]) / found[1:]), 4, atol=0.25)


def test_stable_flow_of_a_quadratic() -> None:
    flow = flows.stable_flow(w**2 / 2, (w,), 0.5, (1.0,), 20)
    rate = 0.5 * (1 + 0.5 / 2 + 0.25 / 3)
    np.testing.assert_allclose(flow.parameters[:, 0], np.exp(-rate * flow.times), rtol=1e-6)


@pytest.mark.parametrize("flow", [flows.gradient_flow, flows.stable_flow])
def test_no_oscillation_where_descent_oscillates(flow: Callable[..., Trajectory]) -> None:
    run = flow(2.5 * w**2 / 2, (w,), 1.0, (1.0,), 10)
    assert np.all(np.diff(run.loss) < 0)
