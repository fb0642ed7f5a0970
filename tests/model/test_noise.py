"""Every noise model against its formula, and per-sample noise against sums over the data."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import InvalidData, InvalidModel
from fokkerplanck.model import noise
from fokkerplanck.model.optimizers import SGD, Momentum

x, y = sp.symbols("x y", real=True)
c, s = sp.symbols("c s", positive=True)
LOSS = x**4 / 4 + x * y**2
HESSIAN = sp.Matrix([[3 * x**2, 2 * y], [2 * y, 2 * x]])


def numbers(expressions: Any, point: tuple[float, float]) -> np.ndarray:
    matrix = sp.Matrix(expressions)
    return compile_expressions(list(matrix), (x, y))(*point).reshape(matrix.shape)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (noise.Isotropic(c * x**2), c * x**2 * sp.eye(2)),
        (noise.Isotropic(0.5), sp.eye(2) / 2),
        (noise.Covariance([[1, x], [x, 2]]), sp.Matrix([[1, x], [x, 2]])),
        (noise.Covariance(np.diag([1.0, 2.0])), sp.diag(1, 2)),
        (noise.Hessian(c), c * HESSIAN),
        (noise.Hessian(c, negative="clip", floor=s), c * HESSIAN + s * sp.eye(2)),
        (noise.HessianSquared(c), c * HESSIAN * HESSIAN),
        (noise.LossScaled(2), 2 * LOSS * HESSIAN),
        (noise.LossScaled(c, floor=s), c * LOSS * HESSIAN + s * sp.eye(2)),
    ],
)
def test_formulas(model: noise.Noise, wanted: sp.Matrix) -> None:
    assert isinstance(model, noise.Noise)
    found = model.covariance(LOSS, (x, y))
    assert sp.simplify(sp.Matrix(found) - wanted).is_zero_matrix
    assert model.objective(LOSS, (x, y)) == LOSS
    assert pickle.loads(pickle.dumps(model)) == model


@pytest.mark.parametrize(
    "model",
    [
        noise.Isotropic(sp.Symbol("x") ** 2),
        noise.Covariance(sp.diag(sp.Symbol("x") ** 2, 1)),
        noise.Hessian(sp.Symbol("x") ** 2),
        noise.Hessian(1, floor=sp.Symbol("x")),
        noise.HessianSquared(sp.Symbol("x")),
        noise.LossScaled(sp.Symbol("x"), floor=sp.Symbol("x", positive=True)),
    ],
)
def test_symbols_match_by_name(model: noise.Noise) -> None:
    loss = sp.Symbol("x") ** 4 + sp.Symbol("y", complex=True) ** 2
    assert model.covariance(loss, (x, y)).free_symbols <= {x, y}
    assert SGD(loss, (x, y), model, learning_rate=1).parameters == ()


def test_random_shift_is_the_squared_hessian() -> None:
    # loss(theta + shift) to first order: the gradient of a quadratic changes by H shift.
    rng = np.random.default_rng(0)
    curvature = np.array([[2.0, 0.7], [0.7, 1.0]])
    shifts = rng.multivariate_normal([0, 0], 0.3 * np.eye(2), 200_000)
    sampled = np.cov((shifts @ curvature).T)
    quadratic = x**2 + sp.Rational(7, 10) * x * y + y**2 / 2
    exact = numbers(noise.HessianSquared(0.3).covariance(quadratic, (x, y)), (0.0, 0.0))
    # Relative standard error of a covariance entry: sqrt(2/n), at most 1.5 times the diagonal.
    assert np.abs(sampled - exact).max() < 4 * np.sqrt(2 / 200_000) * exact.max()


def test_substitution() -> None:
    model = noise.Hessian(c, negative="clip", floor=s).subs({"c": 2, s: 3})
    assert model == noise.Hessian(2, negative="clip", floor=3)
    assert noise.Covariance([[c]]).subs({c: 5}).matrix[0, 0] == 5


def test_unknown_treatment_of_negative_eigenvalues() -> None:
    with pytest.raises(InvalidModel, match="clip"):
        noise.Hessian(1, negative="drop")  # type: ignore[arg-type]
    with pytest.raises(InvalidModel, match="shape"):
        noise.Covariance([[1]]).covariance(LOSS, (x, y))
    with pytest.raises(InvalidModel, match="noise is a model"):
        SGD(LOSS, (x, y), 0.5, learning_rate=1)  # type: ignore[arg-type]


# Per sample ------------------------------------------------------------------------------------

RNG = np.random.default_rng(7)
FEATURES = RNG.normal(size=(37, 2))
LABELS = np.where(RNG.random(37) < 0.5, -1.0, 1.0)
a, b, q = sp.symbols("a b q")
LOGISTIC = sp.log(1 + sp.exp(-q * (x * a + y * b))) + (x**2 + y**2) / 20
COLUMNS = {a: FEATURES[:, 0], b: FEATURES[:, 1], q: LABELS}
POINT = (0.8, -1.3)


def sample_gradients(point: tuple[float, float]) -> np.ndarray:
    margin = LABELS * (FEATURES @ np.array(point))
    pull = -LABELS / (1 + np.exp(margin))
    return pull[:, None] * FEATURES + np.array(point) / 10


def brute_covariance(point: tuple[float, float]) -> np.ndarray:
    return np.cov(sample_gradients(point).T, bias=True)


@pytest.fixture
def logistic() -> SGD:
    return SGD(LOGISTIC, (x, y), noise.PerSample(LOGISTIC, COLUMNS), learning_rate=c, batch_size=4)


def test_per_sample_against_sums_over_the_data(logistic: SGD) -> None:
    margin = LABELS * (FEATURES @ np.array(POINT))
    loss = np.mean(np.log1p(np.exp(-margin))) + np.sum(np.square(POINT)) / 20
    assert numbers([logistic.objective], POINT).item() == pytest.approx(loss, rel=1e-13)
    mean = sample_gradients(POINT).mean(axis=0)
    assert numbers(logistic.gradient, POINT).ravel() == pytest.approx(mean, rel=1e-12)
    found = numbers(logistic.covariance, POINT)
    assert found == pytest.approx(brute_covariance(POINT) / 4, rel=1e-11)


def test_derivative_of_the_covariance(logistic: SGD) -> None:
    step = 1e-5
    slope = numbers(sp.Matrix(logistic.covariance).diff(y), POINT)
    ends = [brute_covariance((POINT[0], POINT[1] + h)) / 4 for h in (step, -step)]
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-7)


def test_without_replacement() -> None:
    model = noise.PerSample(LOGISTIC, COLUMNS, replacement=False)
    sgd = SGD(LOGISTIC, (x, y), model, learning_rate=1, batch_size=5)
    # The covariance of the mean of 5 rows of 37, by drawing.
    rng = np.random.default_rng(3)
    gradients = sample_gradients(POINT)
    drawn = np.array(
        [gradients[rng.choice(37, 5, replace=False)].mean(axis=0) for _ in range(40_000)]
    )
    exact = numbers(sgd.covariance, POINT)
    assert np.abs(np.cov(drawn.T) - exact).max() < 4 * np.sqrt(2 / 40_000) * exact.max()
    whole = SGD(LOGISTIC, (x, y), model, learning_rate=1, batch_size=37)
    assert np.all(numbers(whole.covariance, POINT) == 0.0)
    with pytest.raises(InvalidModel, match="batch of 38"):
        SGD(LOGISTIC, (x, y), model, learning_rate=1, batch_size=38)
    with pytest.raises(InvalidModel, match="batch of 38"):
        SGD(LOGISTIC, (x, y), model, learning_rate=1, batch_size=c).subs({c: 38})
    # With replacement a batch may exceed the data.
    SGD(LOGISTIC, (x, y), noise.PerSample(LOGISTIC, COLUMNS), learning_rate=1, batch_size=38)


def test_parameters_leave_the_data_alone(logistic: SGD) -> None:
    assert logistic.parameters == (c,)
    assert logistic.subs({"a": 5, c: 0.1}).parameters == ()
    same = logistic.subs({"a": 5})
    assert numbers(same.covariance, POINT) == pytest.approx(brute_covariance(POINT) / 4, rel=1e-11)
    mean = sample_gradients(POINT).mean(axis=0)
    assert numbers(same.gradient, POINT).ravel() == pytest.approx(mean, rel=1e-12)
    assert pickle.loads(pickle.dumps(logistic)) == logistic


def test_ridge_as_a_parameter() -> None:
    ridge = sp.Symbol("ridge", positive=True)
    loss = sp.log(1 + sp.exp(-q * (x * a + y * b))) + ridge * (x**2 + y**2)
    sgd = SGD(loss, (x, y), noise.PerSample(loss, COLUMNS), learning_rate=c)
    assert sgd.parameters == (c, ridge)
    fixed = sgd.subs({"ridge": 0.05})
    assert numbers(fixed.gradient, POINT).ravel() == pytest.approx(
        sample_gradients(POINT).mean(axis=0), rel=1e-12
    )


def test_moments_of_the_diagonal_network() -> None:
    # l = (u1 u2 w - target)^2, target = k w + noise: Cov = 4 v^2/(u_i u_j) G(v), v = u1 u2, with
    # alpha = (2, 2k, 2k^2 + s^2) and beta = (1, k).
    k = sp.Symbol("k", positive=True)
    data, error = sp.symbols("data error")
    loss = (x * y * data - k * data - error) ** 2
    model = noise.PerSample(
        loss,
        {data: {1: 0, 2: 1, 3: 0, 4: 3}, error: {1: 0, 2: s**2, 3: 0, 4: 3 * s**4}},
    )
    sgd = SGD(loss, (x, y), model, learning_rate=c)
    v = x * y
    spread = 2 * v**2 - 4 * k * v + 2 * k**2 + s**2
    direction = sp.Matrix([y, x])
    assert sp.simplify(sgd.gradient - 2 * direction * (v - k)).is_zero_matrix
    assert sp.simplify(sgd.covariance - 4 * spread * direction * direction.T).is_zero_matrix
    assert sgd.parameters == (c, k, s)
    assert sgd.subs({"s": 0.5, k: 1}).parameters == (c,)


@pytest.mark.parametrize("name", ["x", "y"])
def test_data_named_like_a_variable(name: str) -> None:
    loss = (x - sp.Symbol(name)) ** 2
    model = noise.PerSample(loss, {name: [1.0, 2.0]})
    with pytest.raises(InvalidModel, match="both variables and data"):
        _ = SGD(loss, (x, y), model, learning_rate=1).covariance


def test_data_named_like_a_velocity() -> None:
    loss = (x - sp.Symbol("v_x")) ** 2
    model = noise.PerSample(loss, {"v_x": [1.0, 2.0]})
    with pytest.raises(InvalidModel, match="velocities and data"):
        Momentum(loss, (x,), model, learning_rate=1, momentum=0.5)
    named = Momentum(
        loss, (x,), model, learning_rate=1, momentum=0.5, velocities=[sp.Symbol("speed")]
    )
    assert named.parameters == ()


def test_moments_are_no_sample_to_draw_from() -> None:
    with pytest.raises(InvalidData, match="without replacement"):
        noise.PerSample(a * x**2, {a: {1: 0, 2: 1}}, replacement=False)
