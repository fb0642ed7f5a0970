"""Discrete SGD against its modified equations: weak errors of order 1 and 2 in the learning rate.

Linear regression in one weight: a quadratic loss whose gradient noise depends on the weight.  The
second moment of SGD obeys an exact recursion and that of each diffusion a linear equation, so that
the errors are computed without sampling; samples then confirm both sides at one rate.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.linalg import expm

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.model.noise import PerSample
from fokkerplanck.model.optimizers import SGD
from fokkerplanck.sample.paths import simulate
from fokkerplanck.sample.sgd import simulate_sgd

Array = NDArray[np.float64]
x, a, b = sp.symbols("x a b", real=True)
INPUTS, TARGETS = np.array([1.5, -0.5, 1.0, 2.0]), np.array([0.4, 0.3, -0.6, 0.1])
LOSS = (a * x - b) ** 2 / 2
DURATION, START = 1.0, 2.0


def regression(rate: float, order: Literal[1, 2] = 1) -> SGD:
    data = {a: INPUTS, b: TARGETS}
    return SGD(LOSS, (x,), PerSample(LOSS, data), learning_rate=rate, order=order)


def averages() -> dict[tuple[int, int], float]:
    return {(i, j): float(np.mean(INPUTS**i * TARGETS**j)) for i in range(5) for j in range(3)}


def second_moment_of_sgd(rate: float) -> float:
    """``x' = (1 - eta a^2) x + eta a b`` with a row drawn anew every step."""
    mean = averages()
    first, second = START, START**2
    for _ in range(round(DURATION / rate)):
        second = (
            (1 - 2 * rate * mean[2, 0] + rate**2 * mean[4, 0]) * second
            + 2 * (rate * mean[1, 1] - rate**2 * mean[3, 1]) * first
            + rate**2 * mean[2, 2]
        )
        first = (1 - rate * mean[2, 0]) * first + rate * mean[1, 1]
    return second


def second_moment_of_diffusion(
    rate: float, order: Literal[1, 2], step: float | None = None
) -> float:
    """``d(1, m1, m2)/dt`` from ``E A f' + E D f''``; of Euler–Maruyama paths, given a step."""
    diffusion = regression(rate, order).diffusion()
    points = np.array([-1.0, 0.0, 1.0])
    drift, tensor = compile_expressions([diffusion.drift[0], diffusion.tensor[0, 0]], (x,))(points)

    def coefficients(*values: Array) -> Array:
        # Polynomials of degree 2, hence known from three values.
        return np.linalg.solve(np.vander(points, increasing=True), np.transpose(values)).T

    generator = coefficients(0 * points, drift, 2 * points * drift + 2 * tensor)
    if step is None:
        propagator = expm(DURATION * generator)
    else:
        one_step = (
            np.eye(3) + step * generator + coefficients(0 * points, 0 * points, step**2 * drift**2)
        )
        propagator = np.linalg.matrix_power(one_step, round(DURATION / step))
    return float(propagator[2] @ [1.0, START, START**2])


RATES = [1 / 32, 1 / 64, 1 / 128, 1 / 256, 1 / 512]


@pytest.mark.parametrize("order", [1, 2])
def test_order_of_the_weak_error(order: Literal[1, 2]) -> None:
    errors = [
        abs(second_moment_of_diffusion(rate, order) - second_moment_of_sgd(rate)) for rate in RATES
    ]
    slopes = -np.diff(np.log2(errors))
    assert slopes[-1] == pytest.approx(order, abs=0.03), (errors, slopes)


def test_samples_tell_the_orders_apart() -> None:
    rate = 1 / 16
    steps = round(DURATION / rate)
    runs = simulate_sgd(regression(rate), (START,), steps=steps, runs=200_000, seed=1)
    squares = runs.values[-1, :, 0] ** 2
    error = squares.std() / math.sqrt(squares.size)
    assert abs(squares.mean() - second_moment_of_sgd(rate)) < 4 * error
    assert abs(squares.mean() - second_moment_of_diffusion(rate, 2)) < 6 * error
    assert abs(squares.mean() - second_moment_of_diffusion(rate, 1)) > 50 * error


@pytest.mark.parametrize("order", [1, 2])
def test_paths_of_the_modified_equations(order: Literal[1, 2]) -> None:
    rate, step = 1 / 16, 0.01
    diffusion = regression(rate, order).diffusion()
    paths = simulate(diffusion, (START,), duration=DURATION, step=step, paths=50_000, seed=2)
    squares = paths.values[-1, :, 0] ** 2
    exact = second_moment_of_diffusion(rate, order, step)
    assert abs(squares.mean() - exact) < 4 * squares.std() / math.sqrt(squares.size)
