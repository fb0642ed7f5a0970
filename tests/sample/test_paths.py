"""Euler–Maruyama paths against the exact recursions of their moments."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.errors import (
    FokkerPlanckError,
    FokkerPlanckWarning,
    InvalidCoefficient,
    InvalidModel,
    NotPositiveSemidefinite,
    UnboundSymbol,
)
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.noise import Isotropic
from fokkerplanck.model.optimizers import Momentum
from fokkerplanck.sample.paths import simulate
from tests.sample._moments import assert_moments

Array = NDArray[np.float64]
x, y, z, t = sp.symbols("x y z t", real=True)


def linear_moments(
    matrix: Array, tensor: Array, start: Array, step: float, steps: int
) -> tuple[Array, Array]:
    """Mean and covariance of ``x' = (1 + h M) x + sqrt(2 h D) z`` after so many steps."""
    advance = np.eye(len(start)) + step * matrix
    mean, covariance = np.array(start, float), np.zeros_like(matrix)
    for _ in range(steps):
        mean = advance @ mean
        covariance = advance @ covariance @ advance.T + 2 * step * tensor
    return mean, covariance


ROTATING = np.array([[-1.0, 2.0], [-2.5, -0.5]])
FULL = np.array([[0.5, 0.3], [0.3, 0.4]])


@pytest.mark.parametrize("steps", [5, 40, 800])
def test_rotating_ornstein_uhlenbeck(steps: int) -> None:
    diffusion = Diffusion((x, y), sp.Matrix(ROTATING) * sp.Matrix([x, y]), FULL)
    start = np.array([2.0, -1.0])
    ensemble = simulate(diffusion, start, duration=0.02 * steps, step=0.02, paths=20_000, seed=4)
    assert_moments(ensemble, *linear_moments(ROTATING, FULL, start, 0.02, steps))


def test_phase_space() -> None:
    """Degenerate noise, no noise on the positions."""
    momentum = Momentum(
        x**2 + x * y + y**2, (x, y), Isotropic(0.3), learning_rate=0.1, momentum=0.9
    )
    diffusion = momentum.diffusion()
    state = sp.Matrix(diffusion.variables)
    matrix = np.array(diffusion.drift.jacobian(state).tolist(), float)
    tensor = np.array(diffusion.tensor.tolist(), float)
    start = np.array([1.0, 0.0, 0.0, 2.0])
    ensemble = simulate(diffusion, tuple(start), duration=1, step=0.01, paths=10_000, seed=8)
    assert_moments(ensemble, *linear_moments(matrix, tensor, start, 0.01, 100))


def test_without_noise_it_is_euler() -> None:
    ensemble = simulate(
        Diffusion((x,), [t - x**2], [[0]], time=t), (0.5,), duration=1, step=0.1, paths=3, seed=0
    )
    position = 0.5
    for k in range(10):
        position += 0.1 * (0.1 * k - position**2)
    np.testing.assert_allclose(ensemble.values[-1], position, rtol=1e-13)


def test_time_dependent_tensor() -> None:
    diffusion = Diffusion((x,), [0], [[sp.cos(t) ** 2]], time=sp.Symbol("t"))
    ensemble = simulate(diffusion, (0.0,), duration=2, step=0.05, paths=20_000, seed=6)
    variance = 2 * 0.05 * np.sum(np.cos(0.05 * np.arange(40)) ** 2)
    assert_moments(ensemble, np.zeros(1), np.array([[variance]]))


def test_stratonovich_drift() -> None:
    """``dx = s x o dW`` grows as ``exp(s^2 t/2)``; its recursion as ``(1 + s^2 h/2)^n``."""
    diffusion = Diffusion.from_stratonovich((x,), [0], [[0.5 * x]])
    ensemble = simulate(diffusion, (1.0,), duration=2, step=0.02, paths=40_000, seed=3)
    exact = (1 + 0.125 * 0.02) ** 100
    error = ensemble.mean_standard_error()[0]
    assert abs(ensemble.mean()[0] - exact) < 4 * error
    assert exact - 1 > 20 * error


def test_isothermal_drift() -> None:
    """Flux ``F p - D grad p`` with ``D = 1 + x^2``, ``F = -2 x D``: stationary ``exp(-x^2)``."""
    diffusion = Diffusion.from_isothermal((x,), [-2 * x * (1 + x**2)], [[1 + x**2]])
    ensemble = simulate(
        diffusion, (0.0,), duration=6, step=0.0005, paths=4000, seed=5, save_every=1000
    )
    error = ensemble.covariance_standard_error(after=2)[0, 0]
    # The Itô reading of the same symbols would give a variance of 0.38, 0.12 away.
    assert error < 0.01
    assert abs(ensemble.covariance(after=2)[0, 0] - 0.5) < 4 * error + 0.002


@pytest.mark.parametrize(
    ("variables", "tensor", "floor"),
    [
        ((x,), [[x]], 0.0),
        ((x, y), [[x, 0.7], [0.7, -0.2]], 0.1),
        ((x, y, z), [[x, 0.7, 0.1], [0.7, -0.2, 0.4], [0.1, 0.4, 0.6]], 0.2),
    ],
)
@pytest.mark.parametrize("place", [-0.9, 0.4])
def test_clipped_tensor(
    variables: tuple[sp.Symbol, ...], tensor: list[list[sp.Expr]], floor: float, place: float
) -> None:
    """One step from a point where the tensor is indefinite, or negative."""
    size = len(variables)
    diffusion = Diffusion(variables, [0] * size, tensor, negative="clip", floor=floor)
    ensemble = simulate(diffusion, (place,) * size, duration=1, step=1, paths=40_000, seed=size)
    matrix = np.array(sp.Matrix(tensor).subs({x: place}).tolist(), float) - floor * np.eye(size)
    values, vectors = np.linalg.eigh(matrix)
    assert values[0] < 0 or place > 0
    positive = (vectors * np.maximum(values, 0)) @ vectors.T + floor * np.eye(size)
    assert_moments(ensemble, np.full(size, place), 2 * positive)


def test_saved_times_and_rounded_step() -> None:
    ensemble = simulate(
        Diffusion((x,), [-x], [[1]]),
        np.linspace(-1, 1, 5)[:, np.newaxis],
        duration=1,
        step=0.15,
        paths=5,
        seed=1,
        save_every=3,
    )
    assert ensemble.info["steps"] == 7
    np.testing.assert_allclose(ensemble.times, np.array([0, 3, 6, 7]) / 7)
    np.testing.assert_array_equal(ensemble.values[0, :, 0], np.linspace(-1, 1, 5))
    assert ensemble.variables == ("x",)
    exact = simulate(Diffusion((x,), [-x], [[1]]), (0.0,), duration=0.3, step=0.1, paths=2, seed=1)
    assert exact.info["steps"] == 3


def test_intermediate_states_lie_on_the_same_paths() -> None:
    diffusion = Diffusion((x,), [-(x**3)], [[1 + x**2 / 10]])
    fine = simulate(diffusion, (1.0,), duration=1, step=0.1, paths=40, seed=2, save_every=1)
    coarse = simulate(diffusion, (1.0,), duration=1, step=0.1, paths=40, seed=2)
    np.testing.assert_array_equal(fine.values[-1], coarse.values[-1])
    increments = np.diff(fine.values[..., 0], axis=0)
    previous = fine.values[:-1, :, 0]
    normals = (increments + 0.1 * previous**3) / np.sqrt(0.2 * (1 + previous**2 / 10))
    assert abs(normals.mean()) < 4 / 20
    assert abs(normals.var() - 1) < 4 * np.sqrt(2 / 400)


def test_negative_tensor_is_refused_with_its_place() -> None:
    diffusion = Diffusion((x, y), [1, 0], [[1 - x, 0], [0, 0]])
    with pytest.raises(NotPositiveSemidefinite, match=r"D has eigenvalue -0\.\d+ at \(x, y\) = \("):
        simulate(diffusion, (0.0, 0.5), duration=5, step=0.01, paths=10, seed=1)


def test_tensor_that_cancels_to_rounding_is_not_negative() -> None:
    """Near x = 1 this rounds to either sign of 1e-16."""
    diffusion = Diffusion((x,), [10 * (1 - x)], [[1 - 2 * x + x**2]])
    ensemble = simulate(diffusion, (0.5,), duration=10, step=0.05, paths=50, seed=1)
    np.testing.assert_allclose(ensemble.values[-1], 1.0, atol=1e-6)


def test_explosion_names_the_cure() -> None:
    diffusion = Diffusion((x,), [-(x**3)], [[0.1]])
    with pytest.raises(InvalidCoefficient, match=r"path 2 was at \(x\) = .* smaller step"):
        simulate(diffusion, [[0.0], [1.0], [9.0]], duration=10, step=0.5, paths=3, seed=1)


def test_singular_drift_is_reported() -> None:
    with pytest.raises(
        InvalidCoefficient, match=r"\(x\) = \(-0\.\d+\) at step 1.*not finite there"
    ):
        simulate(Diffusion((x,), [sp.log(x)], [[0]]), (0.5,), duration=2, step=1, paths=1, seed=1)


def test_isothermal_jump_warns() -> None:
    step = sp.Piecewise((1, x < 0), (2, True))
    with pytest.warns(FokkerPlanckWarning, match="delta function"):
        simulate(
            Diffusion.from_isothermal((x,), [-x], [[step]]),
            (0.0,),
            duration=1,
            step=0.1,
            paths=2,
            seed=1,
        )


def test_clipped_isothermal_tensor_is_refused() -> None:
    diffusion = Diffusion.from_isothermal((x,), [-x], [[x]], negative="clip")
    with pytest.raises(InvalidModel, match="Itô drift"):
        simulate(diffusion, (0.0,), duration=1, step=0.1, paths=2, seed=1)


def test_parameters_need_values() -> None:
    diffusion = Diffusion((x,), [-sp.Symbol("k") * x], [[1]])
    with pytest.raises(UnboundSymbol, match=r"subs\(\{k: \.\.\.\}\)"):
        simulate(diffusion, (0.0,), duration=1, step=0.1, paths=2, seed=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": (0.0, 1.0)}, r"shape \(2,\).*\(4, 1\)"),
        ({"start": (np.inf,)}, "not finite"),
        ({"start": ("a",)}, "real numbers"),
        ({"duration": -1}, "positive"),
        ({"step": 0}, "positive"),
        ({"paths": 2.5}, "paths is a whole number"),
        ({"save_every": 0}, "save_every is a whole number"),
        ({"seed": None}, "seed is a whole number"),
        ({"seed": -3}, "seed is a whole number"),
    ],
)
def test_arguments_are_checked(changes: dict[str, object], message: str) -> None:
    arguments = {"start": (0.0,), "duration": 1, "step": 0.1, "paths": 4, "seed": 1, **changes}
    with pytest.raises(FokkerPlanckError, match=message):
        simulate(Diffusion((x,), [-x], [[1]]), arguments.pop("start"), **arguments)  # type: ignore[arg-type]
