"""Optimizers: one step and the modified equation agree to the order that is claimed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import sympy as sp

from fokkerplanck.errors import InvalidModel
from fokkerplanck.model import noise
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizer import Optimizer
from fokkerplanck.model.optimizers import SGD, SGLD, Momentum

x, y = sp.symbols("x y", real=True)
eta, c, T, beta, h = sp.symbols("eta c T beta h", positive=True)
LOSS = x**4 / 4 + x**2 * y / 2 + y**2
NOISE = noise.Covariance([[1 + x**2, y / 3], [y / 3, 2]])


def generator(diffusion: Diffusion, function: sp.Expr) -> sp.Expr:
    variables = diffusion.variables
    drift = sum(a * sp.diff(function, v) for a, v in zip(diffusion.drift, variables, strict=True))
    return drift + sum(
        diffusion.tensor[i, j] * sp.diff(function, v, w)
        for i, v in enumerate(variables)
        for j, w in enumerate(variables)
    )


def one_step(optimizer: Optimizer, function: sp.Expr) -> sp.Expr:
    """Exact expectation of a quadratic function after one step."""
    state = optimizer.state
    mean, spread = optimizer.step_mean, optimizer.step_covariance
    moved = function.subs(dict(zip(state, mean, strict=True)), simultaneous=True)
    return moved + sum(
        sp.diff(function, v, w) * spread[i, j] / 2
        for i, v in enumerate(state)
        for j, w in enumerate(state)
    )


QUADRATICS = [x, y, x**2, x * y, y**2]


def weak_error(optimizer: Optimizer, function: sp.Expr, order: int) -> sp.Expr:
    """Coefficients of eta^0 .. eta^order of one step minus exp(eta generator)."""
    diffusion = optimizer.diffusion()
    flowed, term = function, function
    for k in range(1, order + 1):
        term = generator(diffusion, term) * eta / k
        flowed += term
    difference = sp.expand(one_step(optimizer, function) - flowed)
    return sp.Add(*(difference.coeff(eta, k) for k in range(order + 1)))


@pytest.mark.parametrize("function", QUADRATICS)
@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(LOSS, (x, y), NOISE, learning_rate=eta, batch_size=3, order=2),
        SGLD(LOSS, (x, y), NOISE, learning_rate=eta, temperature=T, order=2),
    ],
)
def test_local_weak_error_of_order_two(optimizer: Optimizer, function: sp.Expr) -> None:
    assert weak_error(optimizer, function, 2) == 0


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(LOSS, (x, y), NOISE, learning_rate=eta),
        SGLD(LOSS, (x, y), NOISE, learning_rate=eta, temperature=T),
    ],
)
def test_local_weak_error_of_order_one(optimizer: Optimizer) -> None:
    for function in QUADRATICS:
        assert weak_error(optimizer, function, 1) == 0
    assert weak_error(optimizer, x**2, 2) != 0


@pytest.mark.parametrize("temperature", [None, T])
def test_stationary_variance_of_a_quadratic(temperature: sp.Expr | None) -> None:
    # The chain x' = (1 - eta h) x + noise has the variance S = V/(1 - (1 - eta h)^2); the equation
    # of order 1 misses it by -eta h/2 of itself, that of order 2 by (eta h/2)^2 only.
    ratios = []
    for order in (1, 2):
        arguments: dict[str, Any] = {"learning_rate": eta, "batch_size": 4, "order": order}
        model = (SGD, (x,)) if temperature is None else (SGLD, (x,))
        if temperature is not None:
            arguments["temperature"] = temperature
        optimizer = model[0](h * x**2 / 2, model[1], noise.Isotropic(c), **arguments)
        diffusion = optimizer.diffusion()
        variance = sp.simplify(-diffusion.tensor[0, 0] / (diffusion.drift[0] / x))
        chain = optimizer.step_covariance[0, 0] / (1 - (1 - eta * h) ** 2)
        ratios.append(sp.simplify(variance / chain))
    assert sp.simplify(ratios[0] - (1 - eta * h / 2)) == 0
    assert sp.simplify(ratios[1] - (1 - (eta * h / 2) ** 2)) == 0


def test_sgd_of_order_one_in_full() -> None:
    diffusion = SGD(LOSS, (x, y), NOISE, learning_rate=eta, batch_size=8).diffusion()
    assert list(diffusion.drift) == [-(x**3) - x * y, -(x**2) / 2 - 2 * y]
    wanted = eta / 16 * sp.Matrix([[1 + x**2, y / 3], [y / 3, 2]])
    assert sp.simplify(diffusion.tensor - wanted).is_zero_matrix


def test_drift_of_order_two() -> None:
    diffusion = SGD(LOSS, (x, y), NOISE, learning_rate=eta, order=2).diffusion()
    slope = sp.Matrix([x**3 + x * y, x**2 / 2 + 2 * y])
    modified = LOSS + eta / 4 * (slope.T * slope)[0]
    for found, v in zip(diffusion.drift, (x, y), strict=True):
        assert sp.expand(found + sp.diff(modified, v)) == 0


def test_one_step_of_sgd() -> None:
    sgd = SGD(LOSS, (x, y), NOISE, learning_rate=eta, batch_size=2)
    assert list(sgd.step_mean) == [x - eta * (x**3 + x * y), y - eta * (x**2 / 2 + 2 * y)]
    assert sp.simplify(sgd.step_covariance - eta**2 / 2 * NOISE.matrix).is_zero_matrix
    assert list(sgd.update(sp.Matrix([c, h]))) == [x - eta * c, y - eta * h]


def test_langevin_noise_is_not_divided_by_the_batch() -> None:
    sgld = SGLD(x**2, (x,), noise.Isotropic(c), learning_rate=eta, batch_size=10, temperature=T)
    assert sp.simplify(sgld.step_covariance[0] - (eta**2 * c / 10 + 2 * eta * T)) == 0
    assert sp.simplify(sgld.diffusion().tensor[0] - (eta * c / 20 + T)) == 0
    assert sgld.parameters == (T, c, eta)
    # Without gradient noise: the Gibbs density of the loss at temperature T.
    exact = SGLD(x**4, (x,), noise.Isotropic(0), learning_rate=eta, temperature=T)
    assert sp.simplify(exact.diffusion().potential() - x**4 / T) == 0


def test_langevin_noise_raises_the_floor_of_a_clip() -> None:
    model = noise.Hessian(c, negative="clip", floor=h)
    sgd = SGD(LOSS, (x, y), model, learning_rate=eta, batch_size=2)
    assert sp.simplify(sgd.diffusion().floor - eta * h / 4) == 0
    assert sgd.diffusion().negative == "clip"
    sgld = SGLD(LOSS, (x, y), model, learning_rate=eta, batch_size=2, temperature=T)
    assert sp.simplify(sgld.diffusion().floor - eta * h / 4 - T) == 0


def test_momentum_in_phase_space() -> None:
    optimizer = Momentum(
        LOSS, (x, y), noise.Isotropic(c), learning_rate=eta, batch_size=2, momentum=beta
    )
    assert [v.name for v in optimizer.state] == ["x", "y", "v_x", "v_y"]
    diffusion = optimizer.diffusion()
    u, w = optimizer.velocities
    pull = [-(x**3 + x * y), -(x**2 / 2 + 2 * y)]
    wanted = [u, w, (pull[0] - (1 - beta) * u) / eta, (pull[1] - (1 - beta) * w) / eta]
    assert all(sp.simplify(a - b) == 0 for a, b in zip(diffusion.drift, wanted, strict=True))
    assert sp.simplify(diffusion.tensor - sp.diag(0, 0, c / (4 * eta), c / (4 * eta))) == sp.zeros(
        4
    )


def test_momentum_has_the_stationary_density_of_its_docstring() -> None:
    optimizer = Momentum(LOSS, (x, y), noise.Isotropic(c), learning_rate=eta, momentum=beta)
    diffusion = optimizer.diffusion()
    u, w = optimizer.velocities
    density = sp.exp(-2 * (1 - beta) / c * (LOSS / eta + (u**2 + w**2) / 2))
    flux = [
        a * density
        - sum(sp.diff(diffusion.tensor[i, j] * density, v) for j, v in enumerate(optimizer.state))
        for i, a in enumerate(diffusion.drift)
    ]
    change = sum(sp.diff(f, v) for f, v in zip(flux, optimizer.state, strict=True))
    assert sp.simplify(change / density) == 0


def test_one_step_of_momentum() -> None:
    optimizer = Momentum(x**2 / 2, (x,), noise.Isotropic(c), learning_rate=eta, momentum=beta)
    (v,) = optimizer.velocities
    mean = sp.Matrix([x + eta * (beta * v - x), beta * v - x])
    assert sp.simplify(optimizer.step_mean - mean) == sp.zeros(2, 1)
    wanted = c * sp.Matrix([[eta**2, eta], [eta, 1]])
    assert sp.simplify(optimizer.step_covariance - wanted) == sp.zeros(2)


def test_without_momentum_a_step_is_that_of_sgd() -> None:
    arguments: dict[str, Any] = {"learning_rate": eta, "batch_size": 3}
    sgd = SGD(LOSS, (x, y), NOISE, **arguments)
    heavy = Momentum(LOSS, (x, y), NOISE, momentum=0, **arguments)
    assert sp.simplify(heavy.step_mean[:2, 0] - sgd.step_mean) == sp.zeros(2, 1)
    assert sp.simplify(heavy.step_covariance[:2, :2] - sgd.step_covariance) == sp.zeros(2)


# Substitution, values, errors ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer",
    [
        SGD(h * x**2, (x,), noise.Hessian(c), learning_rate=eta, batch_size=beta, order=2),
        SGLD(h * x**2, (x,), noise.Hessian(c), learning_rate=eta, temperature=T),
        Momentum(h * x**2, (x,), noise.Hessian(c), learning_rate=eta, momentum=beta),
    ],
)
def test_substitution_reaches_every_field(optimizer: Any) -> None:
    assert set(optimizer.parameters) >= {h, c, eta}
    values = {"h": 1, sp.Symbol("c"): 0.5, eta: 0.1, "T": 2, "beta": 0.5}
    if isinstance(optimizer, SGD):
        values["beta"] = 4
    fixed = optimizer.subs(values)
    assert fixed.parameters == ()
    assert fixed.diffusion().parameters == ()
    assert optimizer.diffusion().subs(values) == fixed.diffusion()
    assert type(fixed) is type(optimizer)
    for name in optimizer.state:
        with pytest.raises(InvalidModel, match="coordinates"):
            optimizer.subs({name: 1})
    for twin in (pickle.loads(pickle.dumps(optimizer)), copy.deepcopy(optimizer)):
        assert twin == optimizer
        assert hash(twin) == hash(optimizer)


def test_names_match() -> None:
    sgd = SGD(sp.Symbol("x") ** 2, (x,), noise.Isotropic(1), learning_rate=eta)
    assert sgd.parameters == (eta,)
    assert sgd.gradient[0] == 2 * x


def make(kind: Any = SGD, **changes: Any) -> Any:
    arguments: dict[str, Any] = {"learning_rate": 0.1} | changes
    return kind(x**2, (x,), noise.Isotropic(1), **arguments)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: make(learning_rate=-0.1), "learning_rate must be positive, not -0.1"),
        (lambda: make(learning_rate=0), "learning_rate must be positive"),
        (lambda: make(learning_rate=float("nan")), "learning_rate must be positive"),
        (lambda: make(batch_size=0), "batch_size must be positive"),
        (lambda: make(batch_size=2.5), "batch_size must be a whole number"),
        (lambda: make(order=3), "order is 1 or 2"),
        (lambda: make(learning_rate=eta).subs({eta: -1}), "learning_rate must be positive"),
        (lambda: make(SGLD, temperature=-1), "temperature must be positive"),
        (lambda: make(SGLD, temperature=1 + x**2, order=2), "does not depend on the variables"),
        (lambda: make(Momentum, momentum=1), "momentum must lie"),
        (lambda: make(Momentum, momentum=-0.1), "momentum must lie"),
        (lambda: make(Momentum, momentum=0.5, order=2), "order 1 only"),
        (lambda: make(Momentum, momentum=0.5, velocities=[x]), "share a name"),
        (lambda: make(Momentum, momentum=0.5, velocities=sp.symbols("u w")), "2 velocities for 1"),
        (lambda: SGD(x**2, (x, x), noise.Isotropic(1), learning_rate=1), "share a name"),
    ],
)
def test_bad_numbers_are_refused(build: Any, message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        build()


def test_clipped_noise_in_phase_space_is_refused() -> None:
    model = noise.Hessian(1, negative="clip")
    with pytest.raises(InvalidModel, match="phase space"):
        Momentum(x**4, (x,), model, learning_rate=1, momentum=0.5).diffusion()


def test_whole_floats_are_batch_sizes() -> None:
    assert make(batch_size=8.0).covariance[0] == sp.Rational(1, 8)
