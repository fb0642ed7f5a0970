"""The step in resolvents is TR-BDF2, its error is what it says, and it stays positive."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import expm
from scipy.sparse import csc_matrix

import fokkerplanck as fpk
from fokkerplanck.discretize.info import Info
from fokkerplanck.solve.stepping.dynamics import Record
from fokkerplanck.solve.stepping.positive import combination
from fokkerplanck.solve.stepping.resolvents import Resolvents
from fokkerplanck.solve.stepping.trbdf2 import _Powers, _weights

Array = NDArray[np.float64]


def chain(seed: int, size: int = 12) -> tuple[Array, fpk.FokkerPlanckOperator]:
    """A random Markov generator."""
    rates = np.random.default_rng(seed).uniform(0.1, 2.0, (size, size))
    np.fill_diagonal(rates, 0.0)
    rates -= np.diag(rates.sum(axis=0))
    grid = fpk.Grid(x=(0, 1, size))
    operator = fpk.FokkerPlanckOperator(csc_matrix(rates), grid, np.zeros(size), None, True, Info())
    return rates, operator


def powers(operator: fpk.FokkerPlanckOperator, step: float, masses: Array) -> _Powers:
    """Powers of the resolvent of a step."""
    return _Powers.of(Resolvents(operator, Record()), step, masses)


@pytest.mark.parametrize("step", [1e-3, 0.1, 10.0])
def test_step_is_the_textbook_one(step: float) -> None:
    rates, operator = chain(1)
    start = np.random.default_rng(2).dirichlet(np.ones(12))
    gamma, one = 2 - np.sqrt(2), np.eye(12)
    middle = np.linalg.solve(
        one - gamma / 2 * step * rates, start + gamma / 2 * step * rates @ start
    )
    right = (middle - (1 - gamma) ** 2 * start) / (gamma * (2 - gamma))
    end = np.linalg.solve(one - (1 - gamma) / (2 - gamma) * step * rates, right)
    found, limited = powers(operator, step, start).at(1.0)
    np.testing.assert_allclose(found, end, atol=1e-13)
    assert limited == 0.0


def test_estimate_is_the_leading_term_and_bounds_the_inside() -> None:
    rates, operator = chain(3)
    start = np.random.default_rng(4).dirichlet(np.ones(12))
    for step in (4e-3, 1e-3):
        one = powers(operator, step, start)
        errors = [
            np.abs(one.at(f)[0] - expm(f * step * rates) @ start).sum()
            for f in np.linspace(0.0, 1.0, 21)
        ]
        assert one.error() == pytest.approx(errors[-1], rel=30 * step)
        assert max(errors) <= one.error() * (1 + 30 * step)


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_weights_inside_a_step_are_of_second_order(fraction: float) -> None:
    d = 1 - np.sqrt(0.5)
    z = np.array([1e-2, 1e-3])
    combined = sum(w * (1 + d * z) ** -k for k, w in enumerate(_weights(fraction), start=1))
    error = np.abs(combined - np.exp(-fraction * z))
    assert error[0] < 0.05 * z[0] ** 3
    assert error[1] < 0.05 * z[1] ** 3 + 1e-15


def test_combination_is_bent_smoothly_and_keeps_the_mass() -> None:
    reference = np.ones(1001)
    wanted = np.linspace(-5.0, 5.0, 1001)
    bent, moved = combination([wanted], [1.0], reference)
    assert bent.min() > 0.0
    low = wanted < 0.5
    assert bent.sum() > wanted.sum(), "nearly all mass cancels here: nothing is scaled"
    np.testing.assert_array_equal(bent[~low], wanted[~low])
    assert np.abs(np.diff(bent)).max() < 1.01 * np.diff(wanted).max(), "no jump at the bend"
    assert moved == pytest.approx(np.abs(bent - wanted).sum())
    shifted = wanted + 4.0
    bent, _ = combination([shifted], [1.0], reference)
    assert bent.sum() == pytest.approx(shifted.sum(), rel=1e-14)
    assert bent.min() > 0.0


def test_combination_keeps_empty_cells_and_leaves_signed_schemes_alone() -> None:
    vectors = [np.array([0.0, 0.2, 0.8]), np.array([0.0, 0.9, 0.1])]
    bent, moved = combination(vectors, [2.0, -1.0], vectors[0])
    assert bent[0] == 0.0
    assert bent[1] > 0.0
    assert moved > 0.0
    linear, moved = combination(vectors, [2.0, -1.0], None)
    assert linear[1] == pytest.approx(-0.5)
    assert moved == 0.0


def test_factors_are_used_again() -> None:
    _, operator = chain(5)
    record = Record()
    resolvents = Resolvents(operator, record)
    masses = np.full(12, 1 / 12)
    for h in (0.1, 0.1, 0.2, 0.1, 0.2):
        masses = resolvents.apply(h, masses)
    assert (record.factorizations, record.solves) == (2, 5)
    assert masses.sum() == pytest.approx(1.0, abs=1e-14)
