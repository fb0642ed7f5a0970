"""What the figures of the diagonal network claim, on small versions of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from figures import (
    diagonal_network_balance,
    diagonal_network_density,
    diagonal_network_moments,
    diagonal_network_phases,
    diagonal_network_relu,
    diagonal_network_tails,
)
from figures._diagonal_network import equation, network, sample, solved
from fokkerplanck.discretize.coefficients import compile_expressions


def parameters(figure: Any, **small: Any) -> dict[str, Any]:
    return figure.PARAMETERS | small


# The clock -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth", "temperature"), [(0, 0.2), (1, 0.3), (2, 0.5)])
def test_the_clock_keeps_the_stationary_density(depth: int, temperature: float) -> None:
    """``p/h`` has no flux on the clock: ``h A p/h - (h D p/h)' = 0`` is that of p."""
    model = network(depth, temperature)
    diffusion, clock, value = equation(model)
    (x,) = diffusion.variables
    drift, tensor, h, v, slope = compile_expressions(
        [diffusion.drift[0], diffusion.tensor[0], clock, value, sp.diff(value, x)], (x,)
    )(points := np.linspace(-0.9, 1.1, 5))

    def flowing(s: np.ndarray) -> np.ndarray:
        v, slope, tensor, h = compile_expressions(
            [value, sp.diff(value, x), diffusion.tensor[0], clock], (x,)
        )(s)
        return tensor * model.pdf(v) * slope / h

    step = 1e-5
    change = (flowing(points + step) - flowing(points - step)) / (2 * step)
    np.testing.assert_allclose(drift * model.pdf(v) * slope / h, change, rtol=1e-6, atol=1e-9)
    assert (tensor > 0).all()


@pytest.mark.parametrize("temperature", [0.05, 0.15, 0.3, 0.4, 0.44])
def test_paths_have_the_moments(temperature: float) -> None:
    model = network(1, temperature)
    mean, mean_error, variance, error = sample(model, 300.0, 800, 7).moments()
    assert abs(mean - model.mean()) < 3 * mean_error
    assert abs(variance - model.variance()) < 3 * error
    # The estimates are worth something: near T_c the mass is spread over 200 units of ln v.
    limit = 0.03 if temperature < 0.4 else 0.05 if temperature < 0.44 else 0.4
    assert mean_error < limit * model.mean()
    assert error < limit * model.variance()


def test_paths_at_other_depths() -> None:
    for depth in (0, 2):
        model = network(depth, 0.05)
        mean, mean_error, variance, error = sample(model, 100.0, 800, 8).moments()
        assert abs(mean - model.mean()) < 3 * mean_error < 0.01
        assert abs(variance - model.variance()) < 3 * error < 0.1 * model.variance()


# Balance ---------------------------------------------------------------------------------------


def test_balance_along_sgd() -> None:
    figure = diagonal_network_balance
    arrays = figure.compute(**parameters(figure, steps=2000, runs=100))
    ratio, error = arrays["full_ratio"]
    assert abs(ratio - 1) < 3 * error < 0.03
    # The law of the diffusion lacks the mean gradient's own step, some 5 % at this rate.
    assert 0.01 < arrays["ratio"][0] - ratio < 0.08
    # Gradient descent keeps q but for its step, Gaussian noise keeps its mean and spreads it.
    np.testing.assert_allclose(arrays["descent"], arrays["descent"][0], rtol=0.03)
    mean, error = arrays["gaussian_mean"]
    assert abs(mean - 2.16) < 3 * error
    low, _, high = arrays["gaussian"][:, -1]
    assert high - low > 5
    # SGD keeps the sign of v, and of q.
    assert arrays["smallest"] > 0
    assert (arrays["sgd"] > 0).all()
    assert arrays["sgd"][2, -1] < 0.6 * 2.16


def test_forms_of_the_relu_network_are_the_symbolic_law() -> None:
    """``w^T C2 w - u^T C1 u`` of the figure against `balance_rate` on two hidden units."""
    weights = sp.symbols("u1:5 w1:3", real=True)
    x1, x2, y = sp.symbols("x1 x2 y", real=True)
    hidden = [sp.Max(0, weights[k] * x1 + weights[2 + k] * x2) for k in range(2)]
    loss = (weights[4] * hidden[0] + weights[5] * hidden[1] - y) ** 2 / 2
    rng = np.random.default_rng(4)
    inputs, targets = rng.standard_normal((30, 2)), rng.standard_normal((30, 1))
    noise = fpk.noise.PerSample(loss, {x1: inputs[:, 0], x2: inputs[:, 1], y: targets[:, 0]})
    rate = fpk.symmetry.balance_rate(loss, sp.diag(1, 1, 1, 1, -1, -1), weights, noise)
    theta = rng.standard_normal(6)
    found = diagonal_network_relu.forms(
        (theta[:4].reshape(2, 2), theta[4:, np.newaxis]), inputs, targets
    )
    expected = compile_expressions([rate], weights)(*theta)[0]
    assert found[0] - found[1] == pytest.approx(expected, rel=1e-10)
    assert abs(expected) > 0.1


def test_every_step_of_the_relu_network() -> None:
    """20-200-20: mean change of Q over all steps of one sample, without approximation."""
    figure = diagonal_network_relu
    p = parameters(figure, samples=60)
    inputs, targets = figure.data(p)
    weights = figure.start(p, 1)
    rate = 0.01

    def charge(slope: Any) -> float:
        inner, outer = (w - rate * g for w, g in zip(weights, slope, strict=True))
        return float(np.sum(inner**2) - np.sum(outer**2))

    single = [
        charge(figure.gradients(weights, inputs[k : k + 1], targets[k : k + 1])) for k in range(60)
    ]
    descent = charge(figure.gradients(weights, inputs, targets))
    inner, outer, step = figure.forms(weights, inputs, targets)
    assert np.mean(single) - descent == pytest.approx(rate**2 * (inner - outer), rel=1e-8)
    still = charge([0, 0])
    assert descent - still == pytest.approx(rate**2 * step, rel=1e-6, abs=1e-9)


def test_balance_along_training_of_the_relu_network() -> None:
    figure = diagonal_network_relu
    arrays = figure.compute(**parameters(figure, samples=500, steps=1000, every=20))
    ratio, error = arrays["ratio"]
    assert abs(ratio - 1) < max(3 * error, 0.01)
    assert error < 0.03
    assert arrays["measured"][0, -1] < -0.5


# Transition, tails, moments ----------------------------------------------------------------------


def test_lyapunov_exponents_of_sgd() -> None:
    figure = diagonal_network_phases
    p = parameters(figure, runs=400)
    low = figure.measured(1.5, 0.1, p, 3)
    assert low[0] > 0
    model = network(1, 0.02, 7.0)
    critical = float(model.critical_temperature())
    for fraction, sign in ((0.5, 1), (1.6, -1)):
        exponent, error, expected = figure.measured(7.0, fraction * critical, p, 4)
        assert abs(exponent - expected) < 3 * error
        assert sign * exponent > 3 * error
    # A diffusion at small steps: 4 (beta2 - T alpha3).
    product = np.prod(figure.products(7.0, 400_000, 5), axis=0)
    moments = 4 * (product.mean() - 1e-3 * product.var())
    assert figure.growth(1e-3, product) == pytest.approx(moments, rel=0.05)


def test_sgd_never_collapses_with_little_label_noise() -> None:
    figure = diagonal_network_phases
    product = np.prod(figure.products(0.5, 50_000, 6), axis=0)
    assert all(figure.growth(rate, product) > 0 for rate in np.geomspace(1e-3, 10, 30))
    assert float(network(1, 0.1).critical_temperature()) == pytest.approx(0.4444, abs=1e-4)


def test_no_maximum_is_where_the_mode_is_zero() -> None:
    for noise in (1.0, 1.4, 3.0):
        edge = diagonal_network_phases.no_maximum(noise)
        assert network(1, 0.999 * edge, noise).mode() > 0
        mode = network(1, 1.001 * edge, noise).mode()
        assert not mode.is_real or mode == 0


@pytest.mark.parametrize(("depth", "exponent"), [(1, 3.5), (2, 4.0), (3, 4.25)])
def test_tails_at_depth(depth: int, exponent: float) -> None:
    figure = diagonal_network_tails
    assert figure.slope(depth, 0.6 if depth > 1 else 0.3) == pytest.approx(exponent, abs=1e-3)
    p = parameters(figure, paths=500)
    fitted, error = figure.fitted(depth, 0.6 if depth > 1 else 0.3, p, 9)
    assert abs(fitted - exponent) < 3 * error < 0.6


def test_tails_at_depth_zero() -> None:
    figure = diagonal_network_tails
    p = parameters(figure, paths=500, runs=1000)
    for temperature in (0.3, 0.6):
        fitted, error = figure.fitted(0, temperature, p, 10)
        assert abs(fitted - (2 + 0.5 / temperature)) < 3 * error < 0.3
    inputs = np.random.default_rng(11).standard_normal(p["samples"])
    fitted, error = figure.sgd_tail(0.4, inputs, p, 12)
    kesten = figure.kesten(0.4, inputs)
    assert abs(fitted - kesten) < 3 * error < 0.1
    # Not that of the diffusion at eta = T: 2 + 1/(2 T) = 3.25.
    assert fitted < 2.8


def test_moments_and_modes_through_the_critical_temperature() -> None:
    figure = diagonal_network_moments
    temperature, variance = figure.turning_point()
    assert (temperature, variance) == pytest.approx((0.35944, 0.30107), abs=1e-4)
    assert figure.boxed(0.4, (1e-14, 60.0)) == pytest.approx((0.4004, 0.2729), abs=1e-4)
    for temperature in (0.05, 0.3):
        model = network(1, temperature)
        values, masses, densities = solved(model, 2000)
        assert masses @ values == pytest.approx(model.mean(), rel=1e-3)
        peak = figure.peak(values, densities)
        assert peak == pytest.approx(float(model.mode()), abs=1e-3)
        peak, error = figure.sampled_peak(sample(model, 200.0, 800, 13))
        assert abs(peak - float(model.mode())) < 3 * error < 0.02
    # Above T_c the mass lies at the lower wall, wherever that is.
    values, masses, _ = solved(network(1, 0.48), 2000)
    assert masses @ values < 1e-3


def test_histograms_of_three_kinds() -> None:
    figure = diagonal_network_density
    p = parameters(
        figure,
        temperatures=[0.005, 0.5],
        sampled=[0.005],
        depths=[0, 1],
        cells=800,
        runs=300,
        samples=2000,
        paths=300,
        duration=100.0,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figure, "WINDOWS", [(0.8, 1.2), (0.0, 2.0)])
        arrays = figure.compute(**p)
    assert {"formula_00", "solver_00", "sgd_00", "sgd_01", "paths_0", "sgd_10"} <= set(arrays)
    assert "formula_11" not in arrays
    model, edges = network(0, 0.5), np.linspace(0, 2, p["bins"] + 1)
    exact = model.pdf((edges[1:] + edges[:-1]) / 2)
    value, error = arrays["paths_0"]
    # Thirty bins; more than one in ten beyond two standard errors would be wrong.
    assert (np.abs(value - exact) < 3.5 * error).all()
    assert (np.abs(value - exact) > 2 * error).mean() < 0.15
