"""SciPy's LU behind the same operations."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from fokkerplanck.errors import DisconnectedDomain, FokkerPlanckError, NotConserving
from fokkerplanck.solve.linear import factorize, factorize_lu

FULL_TENSOR = [(1, 0), (0, 1), (1, 1)]


def test_same_answers_as_without_subtractions(random_chain) -> None:
    chain = random_chain((20, 20), FULL_TENSOR, 1.0, seed=1)
    ours, lu = factorize(chain, shape=(20, 20)), factorize_lu(chain)
    np.testing.assert_allclose(lu.stationary(), ours.stationary(), rtol=1e-11)
    evidence = lu.evidence()
    assert evidence.relative_residual < 1e-14
    assert evidence.smallest > 0.0
    assert evidence.negative_mass == 0.0
    assert evidence.rounding < 1e-10

    b = np.random.default_rng(0).random((400, 2))
    ours, lu = factorize(chain, killing=0.1, shape=(20, 20)), factorize_lu(chain, killing=0.1)
    np.testing.assert_allclose(lu.solve(b), ours.solve(b), rtol=1e-11)
    np.testing.assert_allclose(lu.solve_transpose(b), ours.solve_transpose(b), rtol=1e-11)
    np.testing.assert_allclose(lu.solve(-b[:, 0]), -ours.solve(b[:, 0]), rtol=1e-11)


def test_slowest_rate(gibbs_chain) -> None:
    x = np.linspace(-1.5, 1.5, 200)
    chain = gibbs_chain(4.0 * (x**2 - 1) ** 2, {(1,): 1.0 / (x[1] - x[0]) ** 2})
    generator = chain.toarray() - np.diag(chain.sum(axis=0))
    exact = -np.sort(np.linalg.eigvals(generator).real)[-2]
    assert factorize_lu(chain).slowest_rate() == pytest.approx(exact, rel=0.02)


def test_pin_moves_to_the_weight(gibbs_chain) -> None:
    """A uniform density slides fastest into a narrow well, but the weight lies in the wide one."""
    x = np.linspace(-3.0, 3.0, 301)
    potential = np.minimum(10.0 + 40.0 * (x + 1.5) ** 2, 4.0 * (x - 1.5) ** 2)
    factors = factorize_lu(gibbs_chain(potential, {(1,): 1.0}))
    assert factors.pin == np.argmin(potential)
    weights = np.exp(-potential)
    np.testing.assert_allclose(factors.stationary(), weights / weights.sum(), atol=1e-13)


def test_negative_rates_are_solved_and_reported() -> None:
    """A central cross term makes some off-diagonals negative: no Markov generator."""
    n = 30
    second = sparse.diags_array([np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1])
    shift = sparse.diags_array([np.ones(n - 1), -np.ones(n - 1)], offsets=[-1, 1])
    eye = sparse.eye_array(n)
    rates = sparse.kron(second, eye) + sparse.kron(eye, second) + 0.4 * sparse.kron(shift, shift)
    factors = factorize_lu(sparse.csc_array(rates))
    weights = factors.stationary()
    outflow = rates.sum(axis=0)
    np.testing.assert_allclose(rates @ weights, outflow * weights, atol=1e-14)
    assert weights.sum() == pytest.approx(1.0)
    evidence = factors.evidence()
    assert evidence.smallest == weights.min()
    assert evidence.negative_mass == pytest.approx(-weights[weights < 0].sum())
    with pytest.raises(FokkerPlanckError, match="SparseLU"):
        factorize(rates)


def test_refusals() -> None:
    path = sparse.diags_array([np.ones(49), np.ones(49)], offsets=[-1, 1])
    with pytest.raises(DisconnectedDomain, match="singular"):
        factorize_lu(sparse.block_diag([path, path]))
    with pytest.raises(NotConserving, match="kills"):
        factorize_lu(path, killing=1.0).stationary()
    with pytest.raises(FokkerPlanckError, match="killing="):
        factorize_lu(path).solve(np.ones(50))
    with pytest.raises(FokkerPlanckError, match="shape"):
        factorize_lu(path, killing=1.0).solve(np.ones(51))
