"""Flows of a JAX loss: those of the same symbolic loss, and what a tiny network must fulfil."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fokkerplanck import flows
from fokkerplanck.errors import FokkerPlanckError, InvalidCoefficient, InvalidModel
from fokkerplanck.flows.jax_landscape import JaxLandscape, jax_landscape
from fokkerplanck.flows.landscape import Landscape
from fokkerplanck.systems.edge_of_stability import MinimalProblem, Quartic

ETA = 0.3
TIGHT = 1e-9
SERIES = ("parameters", "average", "loss", "sharpness", "extent", "mean_loss")


def minimal(weights: dict[str, Any]) -> Any:
    x, y = weights["x"], weights["y"]
    return (y + x) * x**2 / 2 - 0.01 * (x + y)


def quartic(w: Any) -> Any:
    return 2.3 * w**2 / 2 - w**4 / 4


def agree(jax_run: Any, symbolic: Any) -> None:
    for name in SERIES:
        np.testing.assert_allclose(
            getattr(jax_run, name), getattr(symbolic, name), rtol=1e-8, atol=1e-8, err_msg=name
        )


@pytest.mark.parametrize(
    ("name", "start", "options"),
    [
        ("gradient_descent", (0.05, 6.5), {}),
        ("gradient_flow", (0.05, 6.5), {"tolerance": TIGHT}),
        ("stable_flow", (0.05, 6.0), {"tolerance": TIGHT}),
        ("central_flow", (0.0, 6.65), {"tolerance": TIGHT}),
        ("rod_flow", (0.05, 6.5), {"tolerance": TIGHT}),
        ("rod_flow", (0.05, 6.5), {"tolerance": TIGHT, "floor": 1e-6}),
        ("rod_flow", (0.05, 6.5), {"tolerance": TIGHT, "closure": flows.AllAxes()}),
    ],
)
def test_same_as_the_symbolic_loss(
    name: str, start: tuple[float, float], options: dict[str, Any]
) -> None:
    pytest.importorskip("jax")
    flow, problem = getattr(flows, name), MinimalProblem(0.01)
    found = flow(minimal, None, ETA, {"x": start[0], "y": start[1]}, 25, **options)
    expected = flow(problem.loss, problem.variables, ETA, start, 25, **options)
    agree(found, expected)
    assert found.variables == ("['x']", "['y']")
    if name == "central_flow":
        assert found.info["largest_number_at_edge"] == 1
        assert found.extent[-1] > 0.01


def test_rod_of_the_quartic_is_its_cycle() -> None:
    pytest.importorskip("jax")
    rod = flows.rod_flow(quartic, None, 1.0, 0.3, 60, tolerance=1e-7)
    assert rod.extent[-1] == pytest.approx(float(Quartic(2.3, 1).extent(1)), abs=1e-6)


# A tiny network ---------------------------------------------------------------------------------


def network() -> tuple[Any, Any]:
    """8 inputs, 6 tanh units, 2 outputs: 68 parameters."""
    import jax.numpy as jnp

    rng = np.random.default_rng(5)
    inputs, targets = rng.normal(size=(30, 8)), rng.normal(size=(30, 2))
    start = {
        "first": (rng.normal(size=(8, 6)) / 3, np.zeros(6)),
        "last": (rng.normal(size=(6, 2)) / 2, np.zeros(2)),
    }

    def loss(weights: Any) -> Any:
        hidden = jnp.tanh(inputs @ weights["first"][0] + weights["first"][1])
        output = hidden @ weights["last"][0] + weights["last"][1]
        return jnp.mean((output - targets) ** 2)

    return loss, start


def dense_hessian(landscape: JaxLandscape, point: np.ndarray) -> np.ndarray:
    """By central differences of the gradient: independent of the products."""
    step = 1e-5
    shifts = step * np.eye(point.size)
    columns = [
        (landscape.gradient(point + s) - landscape.gradient(point - s)) / (2 * step) for s in shifts
    ]
    return np.array(columns)


def test_products_curvatures_and_third_derivatives() -> None:
    pytest.importorskip("jax")
    landscape, point = jax_landscape(*network())
    assert point.size == 68
    hessian = dense_hessian(landscape, point)
    rng = np.random.default_rng(6)
    vectors = rng.normal(size=(68, 5))
    np.testing.assert_allclose(landscape.block(point, vectors), hessian @ vectors, atol=1e-8)
    points = point[:, None] + 0.1 * rng.normal(size=(68, 4))
    many = landscape.products(points, vectors[:, 0])
    for k in range(4):
        expected = landscape.block(points[:, k], vectors[:, :1])[:, 0]
        np.testing.assert_allclose(many[:, k], expected, atol=1e-12)
    values, basis = landscape.top(point, 4)
    np.testing.assert_allclose(values, np.linalg.eigvalsh(hessian)[::-1][:4], rtol=1e-6)
    np.testing.assert_allclose(basis.T @ hessian @ basis, np.diag(values), atol=1e-3 * values[0])
    step = 1e-4
    along = dense_hessian(landscape, point + step * vectors[:, 0])
    against = dense_hessian(landscape, point - step * vectors[:, 0])
    bend = (along - against) @ vectors[:, 1] / (2 * step)
    np.testing.assert_allclose(
        landscape.bend(point, vectors[:, 0], vectors[:, 1]), bend, rtol=1e-4, atol=1e-4
    )


def test_central_flow_holds_the_edge_of_a_network() -> None:
    """Sharpness at most ``2/eta``; an extent exactly where it is reached."""
    pytest.importorskip("jax")
    loss, start = network()
    landscape, point = jax_landscape(loss, start)
    # An edge that progressive sharpening is about to reach.
    rate = 2 / (1.05 * landscape.top(point, 1)[0][0])
    flow = flows.central_flow(loss, None, rate, start, 60)
    free = flows.gradient_flow(loss, None, rate, start, 60)
    edge = flows.critical_sharpness(rate)
    assert free.sharpness.max() > 1.02 * edge
    assert flow.sharpness.max() < edge * (1 + 2e-3)
    held = flow.extent > 0
    assert held.any()
    assert np.all(flow.sharpness[held] > edge * (1 - 2e-3))
    assert flow.info["gradients_per_step"] > 1
    assert flow.info["bends"] > 0


def test_descent_costs_one_gradient_a_step() -> None:
    pytest.importorskip("jax")
    loss, start = network()
    assert flows.gradient_descent(loss, None, 0.1, start, 9).info["gradients_per_step"] == 1


def test_settings_of_jax_stay_as_they_were() -> None:
    jax = pytest.importorskip("jax")
    before = jax.config.jax_enable_x64
    run = flows.gradient_descent(quartic, None, 0.5, np.float32(0.1), 3)
    assert jax.config.jax_enable_x64 == before
    # Double precision: a float32 iterate would be off by 1e-8.
    step = float(np.float32(0.1))
    assert run.parameters[1, 0] == pytest.approx(step - 0.5 * (2.3 * step - step**3), rel=1e-15)


def test_refused() -> None:
    jnp = pytest.importorskip("jax.numpy")
    with pytest.raises(InvalidModel, match="not one number of double precision"):
        flows.gradient_descent(lambda w: jnp.float32(w**2), None, 0.1, 1.0, 3)
    with pytest.raises(InvalidModel, match="not one number"):
        flows.gradient_descent(lambda w: w**2, None, 0.1, np.ones(3), 3)
    with pytest.raises(InvalidModel, match="give the variables of a symbolic loss"):
        flows.gradient_descent(sp.Symbol("x") ** 2, None, 0.1, [1.0], 3)
    with pytest.raises(FokkerPlanckError, match="not made of real numbers"):
        flows.gradient_descent(quartic, None, 0.1, 1j, 3)
    with pytest.raises(InvalidCoefficient, match="loss is not finite at the start"):
        flows.gradient_descent(lambda w: jnp.log(w), None, 0.1, -1.0, 3)
    with pytest.raises(InvalidModel, match="has no momentum"):
        flows.rod_flow(quartic, None, 0.1, 1.0, 3, momentum=0.5)


def test_without_jax_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.partition(".")[0] == "jax":
            raise ImportError(name)
        return found(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install 'fokkerplanck\[networks\]'"):
        flows.gradient_descent(quartic, None, 0.1, 1.0, 3)


def test_symbolic_and_jax_landscapes_answer_alike() -> None:
    pytest.importorskip("jax")
    problem = MinimalProblem(0.01)
    symbolic = Landscape(sp.sympify(problem.loss), tuple(problem.variables))
    landscape, point = jax_landscape(minimal, {"x": 0.3, "y": 2.0})
    for one, other in zip(
        symbolic.along_gradient(point), landscape.along_gradient(point), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-13)
    slope, values, _, derivative = symbolic.critical(point, 2)
    found = landscape.critical(point, 2)
    np.testing.assert_allclose(found[0], slope, atol=1e-13)
    np.testing.assert_allclose(found[1], values, atol=1e-13)
    np.testing.assert_allclose(np.abs(found[3]), np.abs(derivative), atol=1e-12)
