"""Classifiers of tables: losses, gradients, and what is said without scikit-learn."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import InvalidData, InvalidModel
from fokkerplanck.systems.tabular import Classifier, load_table


def test_table_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match="pip install"):
        load_table()


def test_table_of_an_unknown_name() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(InvalidData, match="one of"):
        load_table("iris")  # type: ignore[arg-type]


def test_covariance_of_logistic_regression_is_that_of_its_gradients() -> None:
    pytest.importorskip("sklearn")
    model = Classifier(*load_table(columns=[0, 1]), decay=0.0)
    sgd = model.optimizer(0.1)
    place = dict(zip(model.variables, (-3.4, -0.9), strict=True))
    labels, inputs = model.labels, model.inputs
    # By hand: gradient -z x (1 - p).
    other = 1 / (1 + np.exp(labels * (inputs @ [-3.4, -0.9])))
    gradients = -(labels * other)[:, np.newaxis] * inputs
    hand = np.cov(gradients.T, bias=True)
    mine = compile_expressions(list(sgd.covariance), model.variables)(*place.values())
    np.testing.assert_allclose(mine.reshape(2, 2), hand, rtol=1e-9)


def test_scale_multiplies_the_hessian_at_the_same_loss() -> None:
    inputs, labels = [[0.3, 1.0], [1.0, -0.4], [0.2, 0.1]], [1, -1, 1]
    plain, scaled = (Classifier(inputs, labels, scale=k, decay=0.1) for k in (1, 4))
    a, b = plain.variables
    at, half = {a: 0.6, b: -0.2}, {a: 0.3, b: -0.1}
    values = {s: column[0] for s, column in plain.data.items()}
    first, second = plain.sample_loss.subs(values), scaled.sample_loss.subs(values)
    assert float(first.subs(at)) == pytest.approx(float(second.subs(half)))
    bend = float(sp.diff(first, a, b).subs(at)), float(sp.diff(second, a, b).subs(half))
    assert bend[1] == pytest.approx(4 * bend[0])


def test_refused() -> None:
    with pytest.raises(InvalidData, match="labels are -1 or 1"):
        Classifier([[0.0], [1.0]], [0, 1])
    with pytest.raises(InvalidData, match="shape"):
        Classifier([0.0, 1.0], [1, -1])
    with pytest.raises(InvalidModel, match="hidden is a number"):
        Classifier([[0.0], [1.0]], [1, -1], hidden=-1)
