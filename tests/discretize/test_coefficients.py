"""From symbols to numbers: shapes, data in chunks, and what is refused, with the place."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize import coefficients as module
from fokkerplanck.discretize.coefficients import Coefficients, compile_expressions
from fokkerplanck.errors import (
    InvalidCoefficient,
    InvalidModel,
    NotPositiveSemidefinite,
    UnboundSymbol,
)
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.samples import Dataset, SampleMean

x, y, t = sp.symbols("x y t", real=True)
u = sp.Symbol("u", real=True)
X = np.linspace(-1.5, 2.5, 5)[:, np.newaxis]
Y = np.linspace(0.5, 3.0, 4)[np.newaxis]
STEPS = (0.1, 0.1)


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        (sp.Integer(3), lambda x, y: 3 + 0 * x * y),
        (sp.pi * x, lambda x, y: np.pi * x + 0 * y),
        (x * y + sp.Rational(1, 3), lambda x, y: x * y + 1 / 3),
        (sp.Max(x, y, sp.Float(0.7)), lambda x, y: np.maximum(np.maximum(x, y), 0.7)),
        (sp.Abs(x) * sp.sign(y - 1), lambda x, y: np.abs(x) * np.sign(y - 1)),
        (
            sp.Piecewise((x, sp.And(x > 0, y > 1)), (y, sp.Or(x < -1, y > 2)), (7, True)),
            lambda x, y: np.where((x > 0) & (y > 1), x, np.where((x < -1) | (y > 2), y, 7)),
        ),
        (sp.erf(x) * sp.gamma(y), None),
        (sp.Integer(10) ** 30 * x, lambda x, y: 1e30 * x + 0 * y),
        (x ** sp.Integer(-2), lambda x, y: x**-2.0 + 0 * y),
    ],
)
def test_values_broadcast(expression: sp.Expr, wanted: object) -> None:
    found = compile_expressions([expression, sp.Integer(1)], (x, y))(X, Y)
    assert found.shape == (2, 5, 4)
    if callable(wanted):
        np.testing.assert_allclose(found[0], np.broadcast_to(wanted(X, Y), (5, 4)), rtol=1e-14)
    else:
        exact = [[float(expression.subs({x: a, y: b})) for b in Y.ravel()] for a in X.ravel()]
        np.testing.assert_allclose(found[0], exact, rtol=1e-13)
    assert np.all(found[1] == 1)


def test_scalars_give_scalars() -> None:
    assert compile_expressions([x, sp.Integer(2)], (x,))(3.0).shape == (2,)
    assert compile_expressions([], (x,))(np.zeros(3)).shape == (0, 3)


@pytest.mark.parametrize("chunk", [1, 7, 64, 2**17])
def test_data_in_chunks(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", chunk)
    rng = np.random.default_rng(0)
    column = rng.normal(size=11)
    data, other = Dataset({"u": column}), Dataset({"u": column[:3]})
    expressions = [
        SampleMean(sp.exp(x * u) * y, data) - SampleMean(u**2, data) * SampleMean(x * u, other),
        SampleMean(sp.Piecewise((u, sp.And(u > x, y > 1)), (0, True)), data),
        x + y,
    ]
    found = compile_expressions(expressions, (x, y))(X, Y)
    points = X[..., np.newaxis], Y[..., np.newaxis]
    first = (np.exp(points[0] * column) * points[1]).mean(-1) - (column**2).mean() * (
        X * column[:3].mean()
    )
    second = np.where((column > points[0]) & (points[1] > 1), column, 0).mean(-1)
    np.testing.assert_allclose(found[0], first, rtol=1e-13)
    np.testing.assert_allclose(found[1], second, rtol=1e-13, atol=1e-16)
    np.testing.assert_array_equal(found[2], X + Y)


def test_unbound_symbols_are_named() -> None:
    a, b = sp.symbols("alpha beta")
    with pytest.raises(UnboundSymbol, match=r"alpha, beta.*subs\(\{alpha: \.\.\., beta"):
        compile_expressions([a * x, b], (x,))
    mean = SampleMean(sp.exp(sp.Symbol("gamma") * u * x), Dataset({"u": [1.0]}))
    with pytest.raises(UnboundSymbol, match="gamma"):
        compile_expressions([mean], (x,))


@pytest.mark.parametrize(
    "expression", [sp.zoo * x, sp.DiracDelta(x), sp.Function("f")(x), x / sp.Integer(0)]
)
def test_expressions_without_numbers(expression: sp.Expr) -> None:
    with pytest.raises(InvalidModel):
        compile_expressions([expression], (x,))(np.zeros(2))


def test_time() -> None:
    diffusion = Diffusion((x,), [-t * x], [[t]], time=t)
    with pytest.raises(UnboundSymbol, match="time t"):
        Coefficients.compile(diffusion)
    at = Coefficients.compile(diffusion, 3.0)
    np.testing.assert_array_equal(at.given([np.array([1.0, 2.0])]), [[-3.0, -6.0]])
    np.testing.assert_array_equal(at.tensor([np.array([1.0, 2.0])]), [[[3.0, 3.0]]])


# Conventions -----------------------------------------------------------------------------------


def smooth(convention: str) -> Diffusion:
    tensor = sp.Matrix(
        [[1 + x**4, sp.sin(x * y) / 4], [sp.sin(x * y) / 4, 2 + sp.sin(x) * sp.cos(y) / 4]]
    )
    if convention == "ito":
        return Diffusion((x, y), [-x, y], tensor)
    if convention == "isothermal":
        return Diffusion.from_isothermal((x, y), [-x, y], tensor)
    return Diffusion.from_stratonovich((x, y), [-x, y], [[1 + x**2, y], [x, 2]])


@pytest.mark.parametrize("convention", ["ito", "isothermal", "stratonovich"])
def test_drift_and_force_are_those_of_the_symbols(convention: str) -> None:
    diffusion = smooth(convention)
    compiled = Coefficients.compile(diffusion)
    for name in ("drift", "force"):
        symbolic = compile_expressions(list(getattr(diffusion, name)), (x, y))(X, Y)
        found = getattr(compiled, name)([X, Y], STEPS)
        np.testing.assert_allclose(found, symbolic, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("convention", ["ito", "isothermal"])
def test_numeric_divergence_is_of_second_order(convention: str) -> None:
    # A clip that never bites makes the divergence numeric; it must converge to the symbolic one.
    given = smooth(convention)
    build = Diffusion if convention == "ito" else Diffusion.from_isothermal
    clipped = build((x, y), given.given, given.tensor, negative="clip")
    name = "force" if convention == "ito" else "drift"
    exact = getattr(Coefficients.compile(given), name)([X, Y], STEPS)
    errors = []
    for h in (0.1, 0.05):
        found = getattr(Coefficients.compile(clipped), name)([X, Y], (h, h))
        errors.append(np.abs(found - exact).max())
    assert errors[0] > 1e-6
    assert 3.8 < errors[0] / errors[1] < 4.2


def test_stratonovich_at_bends_and_jumps() -> None:
    bent = Diffusion.from_stratonovich((x,), [0], [[sp.sqrt(2) * (1 + sp.Abs(x))]])
    points = [np.array([-1.0, 1.5])]
    found = Coefficients.compile(bent).drift(points, (1e-3,))
    # Half of dD/dx, D = (1 + |x|)^2.
    np.testing.assert_allclose(found, [[-2.0, 2.5]], rtol=1e-9)
    jump = sp.Piecewise((1 + x, x < 0), (2 + x, True))
    compiled = Coefficients.compile(Diffusion.from_stratonovich((x,), [1], [[sp.sqrt(2) * jump]]))
    points = [np.array([-0.5, 1.5])]
    np.testing.assert_allclose(compiled.drift(points, (1e-3,)), [[1.5, 4.5]], rtol=1e-9)
    np.testing.assert_allclose(compiled.force(points, (1e-3,)), [[0.5, -2.5]], rtol=1e-9)
    flat = Diffusion.from_stratonovich((x, y), [0, 0], [[2 + sp.sign(x), 0], [0, 1]])
    with pytest.raises(InvalidModel, match="no unique drift"):
        Coefficients.compile(flat).drift([X, Y], STEPS)


def test_tensor_is_symmetric_and_clipped_on_request() -> None:
    matrix = [[x, y], [y, 1]]
    with pytest.raises(NotPositiveSemidefinite):
        Coefficients.compile(Diffusion((x, y), [0, 0], matrix)).tensor([X, Y])
    compiled = Coefficients.compile(Diffusion((x, y), [0, 0], matrix, negative="clip", floor=0.1))
    found = np.moveaxis(compiled.tensor([X, Y]), (0, 1), (-2, -1))
    for i, j in np.ndindex(5, 4):
        plain = np.array([[X[i, 0], Y[0, j]], [Y[0, j], 1.0]]) - 0.1 * np.eye(2)
        values, vectors = np.linalg.eigh(plain)
        wanted = (vectors * np.maximum(values, 0)) @ vectors.T + 0.1 * np.eye(2)
        np.testing.assert_allclose(found[i, j], wanted, atol=1e-13)


# Refused ------------------------------------------------------------------------------------------


def test_the_worst_eigenvalue_and_its_place() -> None:
    diffusion = Diffusion((x, y), [0, 0], [[1, 0], [0, x * y - 1]])
    with pytest.raises(NotPositiveSemidefinite, match=r"-5.5 at \(x, y\) = \(-1.5, 3\)") as caught:
        Coefficients.compile(diffusion).tensor([X, Y])
    negative = int(((X * Y - 1) < 0).sum())
    assert f"at {negative} of 20 points" in str(caught.value)
    assert 'negative="clip"' in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (sp.log(x), "nan"),
        (sp.sqrt(x), "nan"),
        (1 / (x + sp.Rational(3, 2)), "inf"),
        (sp.nan * x, "nan"),
        (sp.I * (x + 4), "nan"),
        (sp.exp(10**4 * (x + 2)), "inf"),
    ],
)
def test_numbers_that_are_none(entry: sp.Expr, shown: str) -> None:
    place = rf"y is {shown} at \(x, y\) = \(-1.5, 0.5\)"
    with pytest.raises(InvalidCoefficient, match=place):
        Coefficients.compile(Diffusion((x, y), [0, entry], sp.eye(2))).given([X, Y])
    with pytest.raises(InvalidCoefficient, match=rf"D\[y, y\] is {shown}"):
        Coefficients.compile(Diffusion((x, y), [0, 0], sp.diag(1, entry))).tensor([X, Y])


def test_how_many_points_are_bad() -> None:
    with pytest.raises(InvalidCoefficient, match="not finite in 8 of 20 points"):
        Coefficients.compile(Diffusion((x, y), [sp.log(x), 0], sp.eye(2))).given([X, Y])


def test_the_divergence_must_be_finite_too() -> None:
    # sqrt(y) is fine at 0, its derivative is not.
    diffusion = Diffusion((x, y), [0, 0], sp.diag(1, sp.sqrt(y)))
    points = [np.array([0.0]), np.array([0.0])]
    Coefficients.compile(diffusion).tensor(points)
    with pytest.raises(InvalidCoefficient, match="the force of y"):
        Coefficients.compile(diffusion).force(points, STEPS)
