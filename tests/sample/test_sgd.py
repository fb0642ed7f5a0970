"""Discrete optimizers against exact recursions, minibatches against exact moments of one step."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.errors import (
    FokkerPlanckError,
    FokkerPlanckWarning,
    InvalidModel,
    NotPositiveSemidefinite,
    UnboundSymbol,
)
from fokkerplanck.model import noise
from fokkerplanck.model.optimizers import SGD, SGLD, Momentum
from fokkerplanck.sample.minibatch import draw_rows
from fokkerplanck.sample.sgd import simulate_sgd
from tests.sample._moments import assert_moments

Array = NDArray[np.float64]
x, y, a, b, c = sp.symbols("x y a b c", real=True)

HESSIAN = np.array([[2.0, 0.6], [0.6, 0.7]])
COVARIANCE = np.array([[0.5, -0.2], [-0.2, 0.9]])
QUADRATIC = (sp.Matrix([[x, y]]) * sp.Matrix(HESSIAN) * sp.Matrix([x, y]))[0] / 2


def stationary(transition: Array, injected: Array) -> Array:
    """Solution of ``S = M S M^T + N``."""
    size = len(transition)
    system = np.eye(size**2) - np.kron(transition, transition)
    return np.linalg.solve(system, injected.ravel()).reshape(size, size)


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 1.5])
def test_covariance_at_finite_learning_rate(sharpness: float) -> None:
    """``H S + S H - eta H S H = eta C``, Hessian and noise not commuting."""
    eta = sharpness / np.linalg.eigvalsh(HESSIAN)[-1]
    optimizer = SGD(
        QUADRATIC, (x, y), noise.Covariance(4 * COVARIANCE), learning_rate=eta, batch_size=4
    )
    runs = simulate_sgd(optimizer, (0.0, 0.0), steps=300, runs=40_000, seed=2)
    covariance = stationary(np.eye(2) - eta * HESSIAN, eta**2 * COVARIANCE)
    residual = HESSIAN @ covariance + covariance @ HESSIAN - eta * COVARIANCE
    np.testing.assert_allclose(residual, eta * HESSIAN @ covariance @ HESSIAN, atol=1e-13)
    assert_moments(runs, np.zeros(2), covariance)
    # The continuous-time formula without the last term would be seen to fail at large rates.
    continuous = stationary(np.eye(2) - 1e-5 * HESSIAN, 1e-5 * eta * COVARIANCE)
    deviation = np.abs(runs.covariance() - continuous) / runs.covariance_standard_error()
    assert deviation.max() > 5


def test_langevin_dynamics() -> None:
    optimizer = SGLD(
        QUADRATIC, (x, y), noise.Covariance(COVARIANCE), learning_rate=0.4, temperature=0.3
    )
    runs = simulate_sgd(optimizer, (0.0, 0.0), steps=200, runs=40_000, seed=3)
    injected = 0.16 * COVARIANCE + 2 * 0.4 * 0.3 * np.eye(2)
    assert_moments(runs, np.zeros(2), stationary(np.eye(2) - 0.4 * HESSIAN, injected))


@pytest.mark.parametrize("steps", [1, 7, 300])
def test_momentum(steps: int) -> None:
    eta, beta = 0.3, 0.8
    optimizer = Momentum(
        QUADRATIC, (x, y), noise.Covariance(COVARIANCE), learning_rate=eta, momentum=beta
    )
    one = np.eye(2)
    transition = np.block([[one - eta * HESSIAN, eta * beta * one], [-HESSIAN, beta * one]])
    response = np.vstack([eta * one, one])
    mean, covariance = np.array([1.0, -0.5, 0.0, 0.0]), np.zeros((4, 4))
    for _ in range(steps):
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + response @ COVARIANCE @ response.T
    runs = simulate_sgd(optimizer, (1.0, -0.5), steps=steps, runs=20_000, seed=5)
    assert runs.variables == ("x", "y", "v_x", "v_y")
    assert_moments(runs, mean, covariance)


def test_momentum_starts_with_given_velocities() -> None:
    optimizer = Momentum(x**2, (x,), noise.Isotropic(0), learning_rate=0.5, momentum=0.5)
    runs = simulate_sgd(optimizer, (1.0, 3.0), steps=1, runs=2, seed=1)
    np.testing.assert_allclose(runs.values[-1], [[0.75, -0.5], [0.75, -0.5]])


DATA = np.random.default_rng(11).normal(size=(3, 12)) + np.array([[0.5], [0.0], [1.0]])
COLUMNS = {a: DATA[0], b: DATA[1], c: DATA[2]}
SAMPLE_LOSS = (a * x + b * y - c) ** 2 / 2
START = np.array([0.7, -0.4])


def exact_gradient_moments() -> tuple[Array, Array]:
    residual = DATA[0] * START[0] + DATA[1] * START[1] - DATA[2]
    gradients = residual * DATA[:2]
    return gradients.mean(axis=1), np.cov(gradients, bias=True)


@pytest.mark.parametrize("replacement", [True, False])
@pytest.mark.parametrize("batch", [1, 5])
def test_one_step_of_minibatches(replacement: bool, batch: int) -> None:
    model = noise.PerSample(SAMPLE_LOSS, COLUMNS, replacement=replacement)
    optimizer = SGD(SAMPLE_LOSS, (x, y), model, learning_rate=0.5, batch_size=batch)
    runs = simulate_sgd(optimizer, tuple(START), steps=1, runs=40_000, seed=batch)
    mean, covariance = exact_gradient_moments()
    factor = 1 / batch if replacement else (12 - batch) / (11 * batch)
    assert_moments(runs, START - 0.5 * mean, 0.25 * factor * covariance)
    predicted = compile_expressions(list(optimizer.covariance), (x, y))(*START)
    np.testing.assert_allclose(predicted.reshape(2, 2), factor * covariance, rtol=1e-12)


def test_batches_of_one_step_are_those_of_the_data() -> None:
    """With one sample a step there are twelve possible states, and no others."""
    optimizer = SGD(SAMPLE_LOSS, (x, y), noise.PerSample(SAMPLE_LOSS, COLUMNS), learning_rate=0.5)
    runs = simulate_sgd(optimizer, tuple(START), steps=1, runs=4000, seed=7)
    residual = DATA[0] * START[0] + DATA[1] * START[1] - DATA[2]
    possible = START - 0.5 * (residual * DATA[:2]).T
    distances = np.abs(runs.values[-1][:, np.newaxis] - possible).max(axis=2)
    assert distances.min(axis=1).max() < 1e-14
    counts = np.bincount(distances.argmin(axis=1), minlength=12)
    assert np.abs(counts - 4000 / 12).max() < 4 * np.sqrt(4000 / 12)


def test_the_whole_data_is_gradient_descent() -> None:
    model = noise.PerSample(SAMPLE_LOSS, COLUMNS, replacement=False)
    optimizer = SGD(SAMPLE_LOSS, (x, y), model, learning_rate=0.5, batch_size=12)
    runs = simulate_sgd(optimizer, tuple(START), steps=1, runs=20, seed=7)
    mean, _ = exact_gradient_moments()
    np.testing.assert_allclose(runs.values[-1], np.tile(START - 0.5 * mean, (20, 1)), rtol=1e-13)


def test_weight_decay_beyond_the_sample_loss() -> None:
    model = noise.PerSample(SAMPLE_LOSS + a**2, COLUMNS)
    loss = SAMPLE_LOSS + sp.Rational(3, 10) * (x**2 + y**2) - a
    runs = simulate_sgd(
        SGD(loss, (x, y), model, learning_rate=0.5), tuple(START), steps=1, runs=40_000, seed=3
    )
    mean, covariance = exact_gradient_moments()
    assert_moments(runs, START - 0.5 * (mean + 0.6 * START), 0.25 * covariance)


def test_minibatches_with_injected_noise_and_with_momentum() -> None:
    sample_loss = (x - a) ** 2 / 2
    model, variance = noise.PerSample(sample_loss, {a: DATA[0]}), np.var(DATA[0])
    langevin = SGLD(sample_loss, (x,), model, learning_rate=0.4, temperature=0.2, batch_size=2)
    runs = simulate_sgd(langevin, (0.0,), steps=60, runs=20_000, seed=3)
    injected = np.array([[0.16 * variance / 2 + 2 * 0.4 * 0.2]])
    assert_moments(runs, np.mean(DATA[:1], axis=1), stationary(np.array([[0.6]]), injected))
    heavy = Momentum(sample_loss, (x,), model, learning_rate=0.4, momentum=0.5, batch_size=2)
    runs = simulate_sgd(heavy, (0.0,), steps=60, runs=20_000, seed=4)
    response = np.array([[0.4], [1.0]]) * np.sqrt(variance / 2)
    transition = np.array([[0.6, 0.2], [-1.0, 0.5]])
    covariance = stationary(transition, response @ response.T)
    assert_moments(runs, np.array([DATA[0].mean(), 0.0]), covariance)


def test_moments_give_gaussian_noise() -> None:
    sample_loss = (a * x - b) ** 2 / 2
    normal = {1: 0, 2: 1, 3: 0, 4: 3}
    model = noise.PerSample(sample_loss, {a: normal, b: normal})
    runs = simulate_sgd(
        SGD(sample_loss, (x,), model, learning_rate=0.5), (2.0,), steps=1, runs=40_000, seed=1
    )
    # g = a (a x - b): mean x, mean square 3 x^2 + 1.
    assert_moments(runs, np.array([1.0]), np.array([[0.25 * (2 * 4 + 1)]]))
    assert runs.info["method"] == "Gaussian gradient noise"


@pytest.mark.parametrize("optimizer", [SGD, SGLD])
def test_clipped_noise_at_a_saddle(optimizer: type[SGD] | type[SGLD]) -> None:
    loss = x**2 - sp.Rational(3, 2) * y**2 + x * y
    model = noise.Hessian(2.0, negative="clip", floor=0.1)
    options: dict[str, Any] = {"temperature": 0.05} if optimizer is SGLD else {}
    runs = simulate_sgd(
        optimizer(loss, (x, y), model, learning_rate=0.4, batch_size=5, order=2, **options),
        (0.0, 0.0),
        steps=1,
        runs=40_000,
        seed=9,
    )
    values, vectors = np.linalg.eigh(2.0 * np.array([[2.0, 1.0], [1.0, -3.0]]))
    assert values[0] < 0
    gradient = ((vectors * np.maximum(values, 0)) @ vectors.T + 0.1 * np.eye(2)) / 5
    injected = (2 * 0.4 * 0.05 if optimizer is SGLD else 0.0) * np.eye(2)
    assert_moments(runs, np.zeros(2), 0.16 * gradient + injected)


def test_indefinite_noise_is_refused() -> None:
    optimizer = SGD(x**2 - y**2, (x, y), noise.Hessian(1), learning_rate=0.1)
    with pytest.raises(NotPositiveSemidefinite, match=r"eigenvalue -0\.02 at \(x, y\)"):
        simulate_sgd(optimizer, (0.0, 0.0), steps=1, runs=3, seed=1)


def test_clipped_momentum_is_refused() -> None:
    model = noise.Hessian(1, negative="clip")
    optimizer = Momentum(x**2, (x,), model, learning_rate=0.1, momentum=0.5)
    with pytest.raises(InvalidModel, match="phase space"):
        simulate_sgd(optimizer, (0.0,), steps=1, runs=3, seed=1)


def test_order_has_no_effect_and_time_is_rate_times_steps() -> None:
    first, second = (
        simulate_sgd(
            SGD(x**4, (x,), noise.Isotropic(1), learning_rate=0.01, order=order),  # type: ignore[arg-type]
            (0.1,),
            steps=10,
            runs=5,
            seed=1,
            save_every=4,
        )
        for order in (1, 2)
    )
    np.testing.assert_array_equal(first.values, second.values)
    assert first.steps is not None
    np.testing.assert_array_equal(first.steps, [0, 4, 8, 10])
    np.testing.assert_allclose(first.times, [0, 0.04, 0.08, 0.1])


def test_divergence_is_counted_not_dropped() -> None:
    """``x' = x - eta x^3`` leaves when ``x^2 > 2/eta`` and comes to rest below."""
    optimizer = SGD(x**4 / 4, (x,), noise.Isotropic(1e-4), learning_rate=1.0)
    start = np.array([[0.5], [2.0], [0.1], [-3.0], [0.9]])
    with pytest.warns(FokkerPlanckWarning, match=r"2 of 5 runs.*run 3, at step 4 from"):
        runs = simulate_sgd(optimizer, start, steps=50, runs=5, seed=1, save_every=1)
    assert runs.diverged.tolist() == [False, True, False, True, False]
    assert runs.info["diverged"] == 2
    assert np.isfinite(runs.values).all()
    assert runs.diverged_at is not None
    stopped = int(runs.diverged_at[1])
    moving = runs.values[stopped, 1, 0]
    assert abs(moving - moving**3) > 1e100
    np.testing.assert_array_equal(runs.values[stopped:, 1, 0], moving)
    histogram = runs.histogram(Grid(x=(-1, 1, 4)))
    assert histogram.mass == pytest.approx(0.6)
    assert (histogram.info["samples"], histogram.info["diverged"]) == (5, 2)
    # Still there until they leave, whatever the grid.
    early = runs.histogram(Grid(x=(-4, 4, 4)), after=-1)
    assert early.info["diverged"] == np.sum(50 - runs.diverged_at[runs.diverged])
    with pytest.raises(FokkerPlanckError, match=r"2 of 5 paths.*survivors\(\)"):
        runs.mean()
    assert runs.survivors().mean()[0] == pytest.approx(runs.values[-1, [0, 2, 4], 0].mean())
    assert runs.survivors().info["left_out"] == 2


def test_no_warning_without_divergence() -> None:
    optimizer = SGD(x**2, (x,), noise.Isotropic(1), learning_rate=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not simulate_sgd(optimizer, (0.0,), steps=5, runs=3, seed=1).diverged.any()


@pytest.mark.parametrize("batch", [1, 3, 6])
def test_rows_without_replacement_differ_and_are_equally_likely(batch: int) -> None:
    data, rng = np.arange(6.0)[:, np.newaxis], np.random.default_rng(2)
    order, rows = np.arange(6), np.empty((batch, 1))
    counts = np.zeros((6, 6))
    for _ in range(6000):
        draw_rows(data, False, order, rng, rows)
        drawn = rows[:, 0].astype(int)
        assert len(set(drawn)) == batch
        counts[np.ix_(drawn, drawn)] += 1
    share, pairs = batch / 6, batch * (batch - 1) / 30
    for entry, expected in [(np.diag(counts), share), (counts[~np.eye(6, dtype=bool)], pairs)]:
        error = np.sqrt(6000 * expected * (1 - expected))
        assert np.abs(entry - 6000 * expected).max() <= 4 * error


def test_losses_that_fluctuate_differently_are_refused() -> None:
    model = noise.PerSample(SAMPLE_LOSS, COLUMNS)
    with pytest.raises(InvalidModel, match="depends on the data"):
        simulate_sgd(
            SGD(SAMPLE_LOSS + a * x, (x, y), model, learning_rate=0.1),
            (0.0, 0.0),
            steps=1,
            runs=1,
            seed=1,
        )


@pytest.mark.parametrize(
    ("loss", "model", "rate", "batch", "name"),
    [
        (QUADRATIC, noise.Isotropic(1), sp.Symbol("eta"), 1, "eta"),
        (QUADRATIC, noise.Isotropic(1), 0.1, sp.Symbol("B"), "B"),
        (SAMPLE_LOSS, noise.PerSample(SAMPLE_LOSS, COLUMNS), 0.1, sp.Symbol("B"), "B"),
    ],
)
def test_parameters_need_values(
    loss: sp.Expr, model: Any, rate: Any, batch: Any, name: str
) -> None:
    optimizer = SGD(loss, (x, y), model, learning_rate=rate, batch_size=batch)
    with pytest.raises(UnboundSymbol, match=name):
        simulate_sgd(optimizer, (0.0, 0.0), steps=1, runs=1, seed=1)
