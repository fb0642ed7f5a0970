"""Gradient descent, and what all flows refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fokkerplanck import flows
from fokkerplanck.errors import (
    FokkerPlanckError,
    FokkerPlanckWarning,
    InvalidCoefficient,
    InvalidModel,
    UnboundSymbol,
)
from fokkerplanck.results.trajectory import Trajectory

x, y = sp.symbols("x y")
LOSS = x**2 + x * y / 2 + y**2 + sp.cos(x) * y
FLOWS = [
    flows.gradient_descent,
    flows.gradient_flow,
    flows.stable_flow,
    flows.central_flow,
    flows.rod_flow,
]


def gradient(point: np.ndarray) -> np.ndarray:
    return np.array(
        [
            2 * point[0] + point[1] / 2 - np.sin(point[0]) * point[1],
            point[0] / 2 + 2 * point[1] + np.cos(point[0]),
        ]
    )


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.6, False), (0.6, True)])
def test_iterates(momentum: float, nesterov: bool) -> None:
    run = flows.gradient_descent(
        LOSS, (x, y), 0.3, (1.0, -0.5), 20, momentum=momentum, nesterov=nesterov
    )
    point, last, expected = np.array([1.0, -0.5]), np.zeros(2), []
    for _ in range(22):
        expected.append(point)
        last = momentum * last - 0.3 * gradient(point + momentum * last * nesterov)
        point = point + last
    iterates = np.array(expected)
    np.testing.assert_allclose(run.parameters, iterates[:-1], rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(run.average, (iterates[1:] + iterates[:-1]) / 2, atol=1e-14)
    np.testing.assert_allclose(run.extent, np.sum(np.diff(iterates, axis=0) ** 2, axis=1) / 4)
    np.testing.assert_allclose(run.mean_loss[:-1], (run.loss[1:] + run.loss[:-1]) / 2)
    hessian = [[2 - np.cos(1) * -0.5, 0.5 - np.sin(1)], [0.5 - np.sin(1), 2]]
    assert run.sharpness[0] == pytest.approx(np.linalg.eigvalsh(hessian)[-1])


def test_variables_are_matched_by_name() -> None:
    real = sp.symbols("x y", real=True)
    first = flows.gradient_descent(LOSS, real, 0.3, (1.0, -0.5), 5)
    np.testing.assert_array_equal(
        first.parameters, flows.gradient_descent(LOSS, (x, y), 0.3, (1.0, -0.5), 5).parameters
    )


def test_divergence_is_announced_and_what_was_computed_is_kept() -> None:
    with pytest.warns(FokkerPlanckWarning, match="left to infinity after step"):
        run = flows.gradient_descent(x**4 / 4, (x,), 1.0, (1.5,), 50)
    # The last finite loss: its logarithm triples from step to step.
    assert 3 < run.steps < 10
    assert np.isfinite(run.loss).all()


def test_flow_that_leaves_in_finite_time_is_announced() -> None:
    # dx/dt = x^3 from 1/2 is at infinity at t = 2, here after 20 steps.
    with pytest.warns(FokkerPlanckWarning, match="left to infinity after step 1[89]"):
        run = flows.gradient_flow(-(x**4) / 4, (x,), 0.1, (0.5,), 40)
    np.testing.assert_allclose(run.parameters[10], 1 / np.sqrt(4 - 2), rtol=1e-7)


@pytest.mark.parametrize("flow", FLOWS)
def test_shapes(flow: Callable[..., Trajectory]) -> None:
    run = flow(LOSS, (x, y), 0.1, (0.3, -0.5), 7)
    assert run.parameters.shape == run.average.shape == (8, 2)
    for series in (run.times, run.loss, run.sharpness, run.extent, run.mean_loss):
        assert series.shape == (8,)
    assert run.variables == ("x", "y")
    assert run.info["learning_rate"] == 0.1


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((LOSS, (x, y), 0.0, (0, 0), 5), InvalidModel, "learning rate is a positive number"),
        ((LOSS, (x, y), "a", (0, 0), 5), InvalidModel, "learning rate is a positive number"),
        ((LOSS, (x, y), 0.1, (0,), 5), FokkerPlanckError, "one number for each of"),
        ((LOSS, (x, y), 0.1, (0, np.nan), 5), FokkerPlanckError, "not finite"),
        ((LOSS, (x, y), 0.1, (0, 0), 0), FokkerPlanckError, "steps is a whole number"),
        ((sp.Symbol("a") * x, (x,), 0.1, (0,), 5), UnboundSymbol, "no value for a"),
        ((sp.sqrt(x), (x,), 0.1, (0,), 5), InvalidCoefficient, "gradient is not finite"),
    ],
)
def test_refused(
    flow: Callable[..., Trajectory],
    arguments: tuple[Any, ...],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        flow(*arguments)


@pytest.mark.parametrize("momentum", [-0.1, 1.0])
def test_momentum_out_of_range_is_refused(momentum: float) -> None:
    for flow in (flows.gradient_descent, flows.rod_flow):
        with pytest.raises(InvalidModel, match="momentum must lie in"):
            flow(LOSS, (x, y), 0.1, (0, 0), 5, momentum=momentum)
