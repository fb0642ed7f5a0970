"""Averages over data as expressions, and expectations from moments."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import InvalidData
from fokkerplanck.model.samples import Dataset, Moments, SampleMean, as_data

x, y = sp.symbols("x y", real=True)
u, w = sp.symbols("u w", real=True)
TABLE = {"u": np.array([0.3, -1.2, 2.0, 0.5]), "w": np.array([1.0, 0.0, -1.0, 3.0])}
DATA = Dataset(TABLE)


def value(expression: sp.Expr, **point: float) -> float:
    symbols = tuple(sp.Symbol(name, real=True) for name in point)
    return float(compile_expressions([expression], symbols)(*point.values())[0])


def test_constants_move_outside() -> None:
    mean = SampleMean(3 * x**2 * u * w + 2 * y + 5, DATA)
    assert mean == 3 * x**2 * SampleMean(u * w, DATA) + 2 * y + 5
    assert SampleMean(x * y, DATA) == x * y
    assert SampleMean(sp.Integer(0), DATA) == 0


def test_mean_of_the_data() -> None:
    exact = np.mean(3 * 0.5**2 * TABLE["u"] * TABLE["w"] + np.exp(0.5 * TABLE["u"]))
    mean = SampleMean(3 * x**2 * u * w + sp.exp(x * u), DATA)
    assert value(mean, x=0.5) == pytest.approx(exact, rel=1e-14)
    # Means of products are not products of means.
    product = SampleMean(u, DATA) * SampleMean(w, DATA)
    assert value(product) == pytest.approx(TABLE["u"].mean() * TABLE["w"].mean(), rel=1e-14)


def test_derivative_goes_under_the_mean() -> None:
    mean = SampleMean(sp.log(1 + sp.exp(x * u + y * w)), DATA)
    slope = sp.diff(mean, x)
    assert slope.free_symbols == {x, y}
    sigmoid = 1 / (1 + np.exp(-(0.4 * TABLE["u"] - 0.7 * TABLE["w"])))
    assert value(slope, x=0.4, y=-0.7) == pytest.approx(np.mean(TABLE["u"] * sigmoid), rel=1e-13)
    mixed = np.mean(TABLE["u"] * TABLE["w"] * sigmoid * (1 - sigmoid))
    assert value(sp.diff(mean, x, y), x=0.4, y=-0.7) == pytest.approx(mixed, rel=1e-13)
    assert sp.diff(mean, sp.Symbol("q")) == 0
    assert sp.diff(mean, u) == 0


def test_data_symbols_are_bound() -> None:
    mean = SampleMean(sp.exp(x * u), DATA)
    assert mean.free_symbols == {x}
    assert mean.subs(u, 7) == mean
    assert mean.subs(x, 0) == 1
    assert mean.subs({x: y, u: 3}) == SampleMean(sp.exp(y * u), DATA)
    assert (mean + u).subs(u, 2) == mean + 2


def test_means_over_different_data_differ() -> None:
    other = Dataset({"u": TABLE["u"], "w": TABLE["w"] + 1e-15})
    assert SampleMean(w, DATA) != SampleMean(w, other)
    assert SampleMean(w, DATA) == SampleMean(w, Dataset(TABLE))
    assert hash(SampleMean(w, DATA)) == hash(SampleMean(w, Dataset(TABLE)))
    renamed = Dataset({"w": TABLE["u"], "u": TABLE["w"]})
    assert renamed != DATA


def test_copies() -> None:
    mean = SampleMean(sp.exp(x * u) * w, DATA) * x + sp.sin(SampleMean(u, DATA))
    for twin in (pickle.loads(pickle.dumps(mean)), copy.deepcopy(mean)):
        assert twin == mean
        assert hash(twin) == hash(mean)
        assert value(twin, x=0.3) == value(mean, x=0.3)


def test_printing() -> None:
    mean = x * SampleMean(sp.exp(x * u), DATA)
    assert sp.latex(mean) == r"x \left\langle e^{u x} \right\rangle"
    assert str(mean) == "x*mean(exp(u*x))"


def test_the_table_is_closed_and_a_copy() -> None:
    column = np.array([1.0, 2.0])
    data = Dataset({"u": column})
    column[0] = 9.0
    assert data.table[0, 0] == 1.0
    with pytest.raises(ValueError, match="read-only"):
        data.table[0, 0] = 5.0


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"u": [1.0, 2.0], "w": [1.0]}, r"unequal lengths: \{'u': 2, 'w': 1\}"),
        ({"u": []}, "non-empty"),
        ({"u": 3.0}, "one-dimensional"),
        ({"u": [[1.0, 2.0]]}, "one-dimensional"),
        ({"u": [1.0, float("nan"), float("inf")]}, r"row 1 \(nan\), 2 of 3"),
        ({"u": ["red", "blue"]}, "not real numbers"),
        ({"u": np.array([1 + 2j])}, "not real numbers"),
        ({sp.Symbol("u"): [1.0], sp.Symbol("u", real=True): [2.0]}, "share a name"),
        ({"u": [1.0], "w": {1: 0}}, "mixes arrays and moments"),
        ({sp.Symbol("u"): {1: 0}, sp.Symbol("u", real=True): {1: 0}}, "share a name"),
        ({}, "dictionary"),
        ([1.0, 2.0], "dictionary"),
    ],
)
def test_bad_data_is_refused(columns: object, message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        as_data(columns)


def test_moments_of_independent_variables() -> None:
    s = sp.Symbol("s", positive=True)
    moments = Moments({"u": {1: 0, 2: s**2, 4: 3 * s**4}, "w": {1: 2, 2: 5}})
    expression = (x * u**2 + w) ** 2 + sp.exp(x)
    # x^2 E u^4 + 2 x E u^2 E w + E w^2
    assert (
        sp.expand(moments.average(expression) - (3 * x**2 * s**4 + 4 * x * s**2 + 5 + sp.exp(x)))
        == 0
    )
    assert moments.average(sp.Integer(7)) == 7
    assert moments.subs({s: sp.Integer(2)}).average(u**4) == 48
    assert moments.free_symbols == {s}


def test_moments_are_values() -> None:
    moments = Moments({"u": {1: 0, 2: 1}})
    assert moments == Moments({sp.Symbol("u"): {2: 1, 1: 0}})
    assert pickle.loads(pickle.dumps(moments)) == moments
    assert hash(copy.deepcopy(moments)) == hash(moments)
    assert moments != Moments({"u": {1: 0, 2: 2}})


@pytest.mark.parametrize("expression", [sp.exp(u), 1 / (1 + u), sp.sqrt(u), sp.Abs(u)])
def test_moments_need_polynomials(expression: sp.Expr) -> None:
    with pytest.raises(InvalidData, match="no polynomial"):
        Moments({"u": {1: 0, 2: 1}}).average(expression)


def test_missing_moments_are_named() -> None:
    with pytest.raises(InvalidData, match="order 3 of u"):
        Moments({"u": {1: 0, 2: 1}}).average(x * u**3)
