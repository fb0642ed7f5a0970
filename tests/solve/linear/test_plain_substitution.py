"""Solving in plain doubles is solving with exponents, wherever doubles reach."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fokkerplanck.errors import FokkerPlanckError
from fokkerplanck.solve.linear.subtraction_free import factorize


def walk(side: int, drop: float) -> sparse.csc_array:
    """Rates of a walk on a square lattice that drifts along the first axis."""
    number = np.arange(side * side).reshape(side, side)
    pairs = [(number[:-1], number[1:], np.exp(-drop)), (number[:, :-1], number[:, 1:], 1.0)]
    rows, columns, rates = [], [], []
    for one, other, back in pairs:
        rows += [other.ravel(), one.ravel()]
        columns += [one.ravel(), other.ravel()]
        rates += [np.ones(one.size), np.full(one.size, back)]
    place = (np.concatenate(rows), np.concatenate(columns))
    return sparse.csc_array((np.concatenate(rates), place), shape=(side**2, side**2))


@pytest.mark.parametrize("h", [1e-2, 1.0, 1e8, 1e16])
def test_masses_are_those_with_exponents(h: float) -> None:
    factors = factorize(h * walk(24, 2.0), killing=1.0, shape=(24, 24))
    start = np.random.default_rng(7).dirichlet(np.full(576, 0.05))
    wide, plain = factors.solve(start), factors.solve_masses(start)
    counted = wide > 1e-280
    np.testing.assert_allclose(plain[counted], wide[counted], rtol=1e-13)
    assert plain.min() >= 0.0
    assert plain.sum() == pytest.approx(1.0, abs=1e-13)


def test_factors_beyond_doubles_are_solved_with_exponents() -> None:
    factors = factorize(1e200 * walk(12, 60.0), killing=1.0, shape=(12, 12))
    start = np.full(144, 1 / 144)
    np.testing.assert_array_equal(factors.solve_masses(start), factors.solve(start))


def test_negative_masses_are_refused() -> None:
    factors = factorize(walk(5, 1.0), killing=1.0)
    with pytest.raises(FokkerPlanckError, match="only b >= 0"):
        factors.solve_masses(np.linspace(-1, 1, 25))
