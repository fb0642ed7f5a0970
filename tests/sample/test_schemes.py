"""Weak orders measured on equations whose moments are known; taming."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.linalg import expm

from fokkerplanck.errors import FokkerPlanckError, InvalidCoefficient, InvalidModel
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.sample.paths import simulate
from fokkerplanck.sample.schemes import EulerMaruyama, Scheme, Tamed, WeakSecondOrder
from tests.sample._moments import assert_moments

Array = NDArray[np.float64]
x, y, z, t, u, w = sp.symbols("x y z t u w", real=True)

# A linear drift, a rotation and a dilation as noise, which do not commute with a third part.
DRIFT = np.array([[0.4, -0.6], [0.3, -0.2]])
NOISE = [np.array([[0.5, 0.2], [0.0, 0.4]]), np.array([[0.0, -0.6], [0.6, 0.0]])]
ADDED = 0.3
START = np.array([1.0, 0.5])


def linear_model() -> Diffusion:
    """``dX = M X dt + sum_k B_k X dW_k + s dW``: ``D = (sum_k B_k X X^T B_k^T + s^2)/2``."""
    state = sp.Matrix([x, y])
    tensor = sp.eye(2) * ADDED**2 / 2
    for matrix in NOISE:
        column = sp.Matrix(matrix) * state
        tensor += column * column.T / 2
    return Diffusion((x, y), sp.Matrix(DRIFT) * state, tensor)


def linear_second_moment(duration: float) -> Array:
    """``E X X^T`` from ``dP/dt = M P + P M^T + sum_k B_k P B_k^T + s^2``."""
    one = np.eye(2)
    generator = np.kron(DRIFT, one) + np.kron(one, DRIFT)
    generator += sum(np.kron(matrix, matrix) for matrix in NOISE)
    whole = np.zeros((5, 5))
    whole[:4, :4], whole[:4, 4] = generator, ADDED**2 * one.ravel()
    start = np.append(np.outer(START, START).ravel(), 1.0)
    return np.asarray(expm(duration * whole) @ start)[:4].reshape(2, 2)


def weak_errors(
    model: Diffusion, start: Array, exact: float, scheme: Scheme, steps: list[float], paths: int
) -> tuple[Array, Array]:
    """Errors of the mean of ``|x|^2`` at time 1, and their standard errors."""
    found, sigmas = [], []
    for number, step in enumerate(steps):
        ends = simulate(
            model, start, duration=1, step=step, paths=paths, seed=number, scheme=scheme
        ).values[-1]
        squares = (ends**2).sum(axis=1)
        found.append(squares.mean() - exact)
        sigmas.append(squares.std() / math.sqrt(paths))
    return np.array(found), np.array(sigmas)


def geometric() -> tuple[Diffusion, Array, float]:
    return Diffusion((x,), [x / 2], [[x**2 / 8]]), np.array([1.0]), math.exp(1.25)


def non_commuting() -> tuple[Diffusion, Array, float]:
    first, second = NOISE
    assert np.abs(first @ second - second @ first).max() > 0.05
    return linear_model(), START, float(np.trace(linear_second_moment(1.0)))


@pytest.mark.parametrize(
    ("scheme", "order", "equation", "steps", "paths"),
    [
        (EulerMaruyama(), 1, geometric, [1 / 4, 1 / 8], 400_000),
        (EulerMaruyama(), 1, non_commuting, [1 / 4, 1 / 8], 400_000),
        (Tamed(), 1, non_commuting, [1 / 8, 1 / 16], 400_000),
        (WeakSecondOrder(), 2, geometric, [1 / 2, 1 / 4], 1_000_000),
        pytest.param(
            *(WeakSecondOrder(), 2, non_commuting, [1 / 2, 1 / 4], 4_000_000),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_weak_order(scheme: Scheme, order: int, equation, steps: list[float], paths: int) -> None:  # type: ignore[no-untyped-def]
    errors, sigmas = weak_errors(*equation(), scheme, steps, paths)
    slope = math.log2(errors[0] / errors[1])
    sigma = float(np.hypot(*(sigmas / errors))) / math.log(2)
    assert sigma < 0.32
    # A slope between two finite steps is off by O(h).
    assert abs(slope - order) < 3 * sigma + 0.15


def test_second_order_where_the_noise_does_not_commute() -> None:
    model, start, exact = non_commuting()
    found, sigma = weak_errors(model, start, exact, WeakSecondOrder(), [1 / 8], 400_000)
    euler, _ = weak_errors(model, start, exact, EulerMaruyama(), [1 / 8], 400_000)
    assert abs(found[0]) < 4 * sigma[0]
    assert abs(euler[0]) > 15 * sigma[0]


def test_area_swept_by_two_wiener_processes() -> None:
    """``dz = (x dW_2 - y dW_1)/2``, variance ``t^2/4``: in one step from the signs alone."""
    noise = sp.Matrix([[1, 0], [0, 1], [-y / 2, x / 2]])
    model = Diffusion((x, y, z), [0, 0, 0], noise * noise.T / 2)
    for steps in (1, 3):
        ensemble = simulate(
            model,
            (0.0, 0.0, 0.0),
            duration=2,
            step=2 / steps,
            paths=40_000,
            seed=steps,
            scheme=WeakSecondOrder(),
        )
        assert_moments(ensemble, np.zeros(3), np.diag([2.0, 2.0, 1.0]))


def test_second_order_with_time_and_constant_noise() -> None:
    """Additive noise takes the short way; drift ``cos t - x`` is exact up to ``h^3`` a step."""
    model = Diffusion((x,), [sp.cos(t) - x], [[0.02]], time=t)
    ensemble = simulate(
        model, (1.0,), duration=1, step=0.1, paths=20_000, seed=3, scheme=WeakSecondOrder()
    )
    mean = (math.cos(1) + math.sin(1)) / 2 + math.exp(-1) / 2
    variance = 0.02 * (1 - math.exp(-2))
    error = ensemble.mean_standard_error()[0]
    assert abs(ensemble.mean()[0] - mean) < 4 * error + 3e-4
    # Heun's rule for the variance: (1 - h + h^2/2)^2 a step, and 2 D h (1 - h/2)^2 + ... ~ h^3.
    assert (
        abs(ensemble.covariance()[0, 0] - variance)
        < 4 * (ensemble.covariance_standard_error()[0, 0]) + 2e-5
    )


def test_time_dependent_amplitude_is_taken_in_the_middle() -> None:
    model = Diffusion((x,), [0], [[sp.exp(2 * t)]], time=t)
    ensemble = simulate(
        model, (0.0,), duration=1, step=0.25, paths=100_000, seed=3, scheme=WeakSecondOrder()
    )
    variance = 2 * 0.25 * sum(math.exp(2 * (k + 0.5) * 0.25) for k in range(4))
    assert_moments(ensemble, np.zeros(1), np.array([[variance]]))


def test_three_dimensions() -> None:
    """Second moments of a linear equation; pairs of Wiener processes have signs of their own."""
    state = sp.Matrix([x, y, z])
    twist = sp.Matrix([[0, -1, 0.5], [1, 0, -0.7], [-0.5, 0.7, 0]]) / 2
    shift = twist * state
    tensor = sp.Matrix([[1, 0.2, 0], [0.2, 1, 0.3], [0, 0.3, 1]]) / 4 + shift * shift.T / 2
    numbers = np.array(twist.tolist(), float)
    added = 2 * np.array(tensor.subs({x: 0, y: 0, z: 0}).tolist(), float)
    moment, start = np.outer([1.0, 0, 1], [1.0, 0, 1]), (1.0, 0.0, 1.0)
    for _ in range(2000):
        middle = moment + 5e-4 / 2 * (-moment + numbers @ moment @ numbers.T + added)
        moment = moment + 5e-4 * (-middle + numbers @ middle @ numbers.T + added)
    ends = simulate(
        Diffusion((x, y, z), -state / 2, tensor),
        start,
        duration=1,
        step=0.125,
        paths=200_000,
        seed=2,
        scheme=WeakSecondOrder(),
    ).values[-1]
    products = np.einsum("pi,pj->pij", ends, ends)
    error = products.std(axis=0) / math.sqrt(len(ends))
    np.testing.assert_array_less(np.abs(products.mean(axis=0) - moment), 4 * error + 1e-3)


# The two-layer scalar network of y = x + noise: Var x^2, Cov(x^2, xy), Var xy, E x^2, E xy.
ALPHA, BETA, TEMPERATURE = (2.0, 2.0, 2.25), (1.0, 1.0), 0.15


def network() -> Diffusion:
    v = u * w
    slope = BETA[0] * v - BETA[1]
    spread = TEMPERATURE * (ALPHA[0] * v**2 - 2 * ALPHA[1] * v + ALPHA[2])
    return Diffusion(
        (u, w),
        [-2 * w * slope, -2 * u * slope],
        [[2 * spread * w**2, 2 * spread * u * w], [2 * spread * u * w, 2 * spread * u**2]],
    )


def stationary_product(v: float) -> float:
    """Unnormalised stationary density of ``v = u w > 0`` on balanced layers."""
    spread = ALPHA[0] * v**2 - 2 * ALPHA[1] * v + ALPHA[2]
    delta = math.sqrt(ALPHA[0] * ALPHA[2] - ALPHA[1] ** 2)
    angle = math.atan((ALPHA[0] * v - ALPHA[1]) / delta)
    power = BETA[1] / (2 * ALPHA[2] * TEMPERATURE) - 1.5
    weight = (ALPHA[2] * BETA[0] - ALPHA[1] * BETA[1]) / (ALPHA[2] * delta)
    return (
        v**power
        * spread ** (-1 - BETA[1] / (4 * TEMPERATURE * ALPHA[2]))
        * math.exp(-weight * angle / (2 * TEMPERATURE))
    )


def test_tamed_network_does_not_explode_and_has_its_density() -> None:
    """Plain Euler leaves to infinity at the same step; no fourth moment of v exists."""
    run = {"duration": 12, "step": 0.002, "paths": 4000, "seed": 1}
    with pytest.raises(InvalidCoefficient, match=r"smaller step|not finite there"):
        simulate(network(), (1.0, 1.0), **run)  # type: ignore[arg-type]
    ensemble = simulate(network(), (1.0, 1.0), scheme=Tamed(), **run)  # type: ignore[arg-type]
    v = ensemble.values[-1].prod(axis=1)
    assert (v > 0).mean() > 0.995
    norm = quad(stationary_product, 0, np.inf)[0]
    mean = quad(lambda s: s * stationary_product(s), 0, np.inf)[0] / norm
    assert mean == pytest.approx(0.9221, abs=2e-4)
    assert abs(v.mean() - mean) < 4 * v.std() / math.sqrt(v.size)
    for edge in (0.4, 0.7, 0.9, 1.1, 1.5, 2.0):
        share = quad(stationary_product, 0, edge)[0] / norm
        error = math.sqrt(share * (1 - share) / v.size)
        assert abs((v < edge).mean() - share) < 4 * error


def test_tamed_cubic_drift_from_far_away() -> None:
    model = Diffusion((x,), [-(x**3)], [[1]])
    starts = np.array([[0.0], [50.0], [-1e6], [1e30]])
    with pytest.raises(InvalidCoefficient):
        simulate(model, starts, duration=10, step=0.1, paths=4, seed=1)
    ends = simulate(model, starts, duration=10, step=0.1, paths=4, seed=1, scheme=Tamed())
    assert np.abs(ends.values[-1]).max() < 5


def test_scale_of_taming() -> None:
    """A drift of 1e3 per unit time in a world of size 1e3 is not large."""
    model = Diffusion((x,), [sp.Float(1e3)], [[0]])
    run = {"duration": 0.1, "step": 0.1, "paths": 1, "seed": 1}
    small = simulate(model, (0.0,), scheme=Tamed(), **run).values[-1, 0, 0]  # type: ignore[arg-type]
    large = simulate(model, (0.0,), scheme=Tamed(scale=1e3), **run).values[-1, 0, 0]  # type: ignore[arg-type]
    assert small == pytest.approx(100 / math.sqrt(1 + 100**2))
    assert large == pytest.approx(100 / math.sqrt(1.01))
    with pytest.raises(InvalidModel, match="positive number"):
        Tamed(scale=0)


def test_schemes_are_values() -> None:
    with pytest.raises(FokkerPlanckError, match=r"WeakSecondOrder\(\)"):
        simulate(
            Diffusion((x,), [-x], [[1]]),
            (0.0,),
            duration=1,
            step=0.1,
            paths=2,
            seed=1,
            scheme="euler",  # type: ignore[arg-type]
        )


def test_negative_tensor_at_a_supporting_point_is_named_there() -> None:
    """At the path itself the tensor is positive: the message must show where it is not."""
    model = Diffusion((x,), [0], [[x]])
    with pytest.raises(Exception, match=r"D has eigenvalue -.* at \(x\) = \(-"):
        simulate(model, (0.3,), duration=4, step=0.1, paths=50, seed=1, scheme=WeakSecondOrder())
