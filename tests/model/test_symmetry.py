"""Laws of balance against cases worked by hand, and against SGD on a ReLU network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import InvalidModel
from fokkerplanck.model.symmetry import balance_rate

u, w, x, y = sp.symbols("u w x y", real=True)
T, s, gamma = sp.symbols("T s gamma", positive=True)
NORMAL = {1: 0, 2: 1, 3: 0, 4: 3}


def test_two_layers_of_one_unit() -> None:
    e = sp.Symbol("e", real=True)
    loss = (u * w * x - x - s * e) ** 2
    data = fpk.noise.PerSample(loss, {x: NORMAL, e: NORMAL})
    rate = balance_rate(loss, sp.diag(1, -1), (u, w), data, temperature=T, weight_decay=gamma)
    v, q = u * w, u**2 - w**2
    # Var[dl/dv] = 4 G with alpha = (2, 2, 2 + s^2); tr(A C) = Var[dl/dv] (w^2 - u^2).
    strength = 2 * v**2 - 4 * v + 2 + s**2
    assert sp.expand(rate + 4 * (T * strength + gamma) * q) == 0


@pytest.mark.parametrize("pair", [(0, 1), (1, 2), (0, 2)])
def test_every_pair_of_layers_of_a_deep_product(pair: tuple[int, int]) -> None:
    weights = sp.symbols("a b c", positive=True)
    loss = (sp.Mul(*weights) - y) ** 2
    labels = fpk.noise.PerSample(loss, {y: {1: 1, 2: 1 + s**2}})
    generator = sp.zeros(3)
    i, j = pair
    generator[i, i], generator[j, j] = 1, -1
    rate = balance_rate(loss, generator, weights, labels, temperature=T)
    v, (first, second) = sp.Mul(*weights), (weights[i], weights[j])
    expected = -4 * T * s**2 * v**2 * (first**2 - second**2) / (first * second) ** 2
    assert sp.simplify(rate - expected) == 0
    # Towards balance at any weights.
    assert sp.simplify(rate / (first**2 - second**2)).is_negative


def test_rotation_of_two_inner_units() -> None:
    """A symmetric generator that is not diagonal: u -> cosh, sinh mixtures, w the inverse ones."""
    a, b, c, d = weights = sp.symbols("a b c d", real=True)
    loss = (a * c + b * d - y) ** 2
    mix = sp.Matrix([[0, 1], [1, 0]])
    labels = fpk.noise.PerSample(loss, {y: {1: 0, 2: s**2}})
    rate = balance_rate(loss, sp.diag(mix, -mix), weights, labels, temperature=T)
    # Q = 2 (a b - c d); the gradient is 2 (v - y) (c, d, a, b).
    assert sp.expand(rate - T * 4 * s**2 * 2 * (c * d - a * b)) == 0


def test_covariance_in_symbols() -> None:
    g = sp.Symbol("g", positive=True)
    given = fpk.noise.Covariance(g * sp.Matrix([[w**2, u * w], [u * w, u**2]]))
    rate = balance_rate((u * w - 1) ** 2, sp.diag(1, -1), (u, w), given, temperature=T)
    assert sp.expand(rate + g * T * (u**2 - w**2)) == 0


def test_names_are_matched() -> None:
    plain = sp.Symbol("u") * sp.Symbol("w")
    given = fpk.noise.Covariance([[0, 0], [0, 0]])
    decay = balance_rate((plain - 1) ** 2, sp.diag(1, -1), (u, w), given, weight_decay=gamma)
    assert sp.expand(decay + 4 * gamma * (u**2 - w**2)) == 0


def relu_network() -> tuple[sp.Expr, tuple[sp.Symbol, ...], sp.Matrix]:
    """Two inputs, two hidden units, one output; scaling of the first unit's weights."""
    weights = sp.symbols("u1:5 w1:3", real=True)
    inputs = sp.symbols("x1 x2", real=True)
    output = sum(
        weights[4 + k] * sp.Max(0, weights[2 * k] * inputs[0] + weights[2 * k + 1] * inputs[1])
        for k in range(2)
    )
    return (output - y) ** 2, weights, sp.diag(1, 1, 0, 0, -1, 0)


def test_relu_network_against_steps_of_sgd() -> None:
    """Mean of Q over every possible SGD step, less that of gradient descent, is the rate."""
    loss, weights, generator = relu_network()
    rng = np.random.default_rng(2)
    data = {"x1": rng.standard_normal(40), "x2": rng.standard_normal(40)}
    data["y"] = np.maximum(data["x1"] - data["x2"], 0) + 0.3 * rng.standard_normal(40)
    noise = fpk.noise.PerSample(loss, data)
    rate = balance_rate(loss, generator, weights, noise, temperature=1)
    theta = rng.standard_normal(6)
    predicted = compile_expressions([rate], weights)(*theta)[0]

    hidden = theta[:4].reshape(2, 2)
    before = hidden @ np.stack([data["x1"], data["x2"]])
    residual = 2 * (theta[4:] @ np.maximum(before, 0) - data["y"])
    inner = (theta[4:, np.newaxis] * (before > 0) * residual)[:, np.newaxis, :]
    inner = inner * np.stack([data["x1"], data["x2"]])
    gradients = np.vstack([inner.reshape(4, -1), residual * np.maximum(before, 0)])
    charge = np.diag(np.array(generator, float))

    def q(state: np.ndarray) -> Any:
        return charge @ state**2

    eta = 1e-2
    steps = theta[:, np.newaxis] - eta * gradients
    change = q(steps).mean() - q(theta - eta * gradients.mean(axis=1))
    assert change / eta == pytest.approx(eta * predicted, rel=1e-8)
    assert abs(predicted) > 0.1


def test_simulated_charge_decays_at_the_rate() -> None:
    """dQ/dt = -4 (T s^2 + gamma) Q at constant noise, sampled; no randomness is left in Q."""
    loss = (u * w - y) ** 2
    labels = fpk.noise.PerSample(loss, {y: {1: 1, 2: 1.25}})
    sgd = fpk.SGD(loss + (u**2 + w**2) / 10, (u, w), labels, learning_rate=0.002)
    rate = balance_rate(loss, sp.diag(1, -1), (u, w), labels, temperature=0.002, weight_decay=0.1)
    constant = float(sp.simplify(rate / (u**2 - w**2)))
    runs = fpk.simulate(sgd.diffusion(), (1.5, 0.5), duration=2.0, step=0.001, paths=400, seed=3)
    first, second = runs.values[-1].T
    charge = first**2 - second**2
    assert charge.mean() == pytest.approx(2 * np.exp(2 * constant), rel=5e-3)
    assert charge.std() < 0.01 * charge.mean() < (first * second).std()


@pytest.mark.parametrize(
    ("loss", "generator", "noise", "message"),
    [
        ((u * w - y) ** 2 + u**2, sp.diag(1, -1), None, r"2\*u\*\*2 does not vanish"),
        ((u * w - y) ** 2, sp.diag(1, 1), None, "no such symmetry"),
        ((u * w - y) ** 2, [[1, 2], [0, -1]], None, "not symmetric"),
        ((u * w - y) ** 2, sp.diag(u, -u), None, "depends on the variables"),
        ((u * w - 1) ** 2, sp.diag(1, -1), fpk.noise.Isotropic(s), "moves Q at random"),
        (
            (u * w - y) ** 2,
            sp.diag(1, -1),
            fpk.noise.PerSample(2 * (u * w - y) ** 2, {y: {1: 0, 2: 1}}),
            "belongs to another loss",
        ),
    ],
)
def test_refused(loss: sp.Expr, generator: Any, noise: Any, message: str) -> None:
    labels = fpk.noise.PerSample(loss, {y: {1: 0, 2: 1}})
    with pytest.raises(InvalidModel, match=message):
        balance_rate(loss, generator, (u, w), noise or labels)
