"""Componentwise accuracy against elimination in 40 digits; the operations and their refusals."""

from __future__ import annotations

from itertools import permutations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from fokkerplanck.errors import DisconnectedDomain, FokkerPlanckError, NotConserving
from fokkerplanck.solve.linear import analyze, factorize

FULL_TENSOR = [(1, 0), (0, 1), (1, 1)]


@pytest.mark.parametrize("spread", [0.5, 8.0, 60.0])
def test_stationary_of_irreversible_chain(
    random_chain, exact, relative_error, spread: float
) -> None:
    chain = random_chain((12, 12), FULL_TENSOR, spread, seed=5)
    factor = factorize(chain, shape=(12, 12))
    assert relative_error(factor.stationary(), exact(chain, 0.0).stationary()) < 1e-14


@pytest.mark.parametrize("spread", [0.5, 8.0, 60.0])
def test_solves_with_killing(random_chain, exact, relative_error, spread: float) -> None:
    chain = random_chain((12, 12), FULL_TENSOR, spread, seed=3)
    generator = np.random.default_rng(4)
    killing = np.where(generator.random(144) < 0.05, 1e-9, 0.0)
    b = generator.random(144)
    factor = factorize(chain, killing=killing, shape=(12, 12))
    reference = exact(chain, killing)
    assert relative_error(factor.solve(b), reference.solve(b)) < 1e-14
    assert relative_error(factor.solve_transpose(b), reference.solve_transpose(b)) < 1e-14


def test_reference_agrees_with_lu_in_60_digits(random_chain, exact) -> None:
    """The textbook elimination that everything else is compared with is itself right."""
    chain = random_chain((5, 4), FULL_TENSOR, 4.0, seed=1)
    killing = np.linspace(0.0, 1.0, 20)
    b = np.arange(20.0)
    with mpmath.workdps(60):
        matrix = mpmath.matrix((np.diag(chain.sum(axis=0) + killing) - chain.toarray()).tolist())
        for i in range(20):
            column = mpmath.fsum(mpmath.mpf(float(v)) for v in chain[:, [i]].data)
            matrix[i, i] = column + mpmath.mpf(float(killing[i]))
        direct = mpmath.lu_solve(matrix, mpmath.matrix(b.tolist()))
        ours = exact(chain, killing).solve(b)
        assert max(abs(x / y - 1) for x, y in zip(ours, direct, strict=True)) < 1e-50


@settings(max_examples=60)
@given(
    n=st.integers(2, 9),
    seed=st.integers(0, 10**6),
    decades=st.sampled_from([1.0, 30.0, 140.0]),
    density=st.floats(0.1, 1.0),
)
def test_any_irreducible_chain(
    exact, log_error, n: int, seed: int, decades: float, density: float
) -> None:
    """Rates over up to 280 decades; a ring keeps the chain irreducible."""
    generator = np.random.default_rng(seed)
    rates = 10.0 ** generator.uniform(-decades, decades, (n, n))
    ring = np.roll(np.eye(n, dtype=bool), 1, axis=0)
    rates[~(ring | (generator.random((n, n)) < density))] = 0.0
    np.fill_diagonal(rates, 0.0)
    chain = sparse.csc_array(rates)
    with mpmath.workdps(40):
        weights = factorize(chain).log_stationary()
        assert log_error(weights, exact(chain, 0.0).stationary()) < 1e-14
        killing = np.zeros(n)
        killing[0] = 10.0 ** generator.uniform(-decades, decades)
        b = generator.random(n)
        factor = factorize(chain, killing=killing)
        reference = exact(chain, killing)
        assert log_error(factor.log_solve(b), reference.solve(b)) < 1e-14
        transposed = factor.log_solve_transpose(b)
        assert log_error(transposed, reference.solve_transpose(b)) < 1e-14


@pytest.mark.parametrize("power", [880, 960, 1020, 1040, 1060, 1070, 1100, 1500])
def test_rates_at_the_end_of_doubles(exact, log_error, power: int) -> None:
    """State 1 is reached with odds 2**-power: denormal, and so imprecise, from 1022 on."""
    rare, common = 2.0 ** (-power // 2), 2.0 ** (power // 2)
    rates = np.array(
        [[0.0, 1.1 * rare, 1.3 * common], [0.7, 0.0, 0.3], [0.9, 0.6 * rare**1.5, 0.0]]
    )
    chain = sparse.csc_array(rates.T)
    weights = factorize(chain).log_stationary()
    assert log_error(weights, exact(chain, 0.0).stationary()) < 1e-14


@pytest.mark.parametrize("power", [400, 500, 515, 530])
def test_products_at_the_end_of_doubles(exact, log_error, power: int) -> None:
    """State 1 is reached through 0 only, at odds 2**-power twice: the product is denormal."""
    rare = 2.0**-power
    rates = [
        [0.0, 1.1 * rare, 1.3, 0.9],
        [0.7, 0.0, 0.3, 0.2],
        [1.7 * rare, 0.0, 0.0, 1.0],
        [0.6 * rare, 0.0, 1.2, 0.0],
    ]
    chain = sparse.csc_array(np.array(rates).T)
    weights = factorize(chain).log_stationary()
    assert log_error(weights, exact(chain, 0.0).stationary()) < 1e-14


def test_killing_at_the_end_of_doubles(exact, log_error) -> None:
    """A killing rate some 2**-1500 of the others, yet all that ends the chain."""
    chain = sparse.csc_array(np.array([[0.0, 2.0**750], [2.0**740, 0.0]]))
    killing = np.array([2.0**-750, 0.0])
    factor = factorize(chain, killing=killing)
    reference = exact(chain, killing)
    ones = np.ones(2)
    assert log_error(factor.log_solve(ones), reference.solve(ones)) < 1e-14
    assert log_error(factor.log_solve_transpose(ones), reference.solve_transpose(ones)) < 1e-14


def test_stochastic_matrix(relative_error) -> None:
    """A dense transition matrix in discrete time: K itself, or K - I."""
    generator = np.random.default_rng(0)
    kernel = generator.random((300, 300)) ** 4
    kernel /= kernel.sum(axis=0)
    weights = factorize(kernel).stationary()
    assert np.abs(kernel @ weights / weights - 1.0).max() < 1e-13
    np.testing.assert_array_equal(factorize(kernel - np.eye(300)).stationary(), weights)


def test_implicit_euler_keeps_mass(random_chain) -> None:
    chain = random_chain((20, 20), FULL_TENSOR, 5.0, seed=8)
    density = np.random.default_rng(1).random(400)
    for step in (1e-6, 1.0, 1e12):
        later = factorize(chain, killing=1.0 / step, shape=(20, 20)).solve(density / step)
        assert later.sum() == pytest.approx(density.sum(), rel=1e-13)
        assert later.min() > 0.0


def test_solve_and_its_transpose_are_adjoint(random_chain) -> None:
    chain = random_chain((20, 20), FULL_TENSOR, 5.0, seed=9)
    generator = np.random.default_rng(2)
    a, b = generator.random((2, 400))
    factor = factorize(chain, killing=generator.random(400) * 1e-3, shape=(20, 20))
    assert a @ factor.solve(b) == pytest.approx(factor.solve_transpose(a) @ b, rel=1e-13)


def test_killing_probabilities_sum_to_one(random_chain) -> None:
    chain = random_chain((20, 20), FULL_TENSOR, 5.0, seed=10)
    ends = np.zeros((400, 2))
    ends[3, 0] = 2.0
    ends[300, 1] = 5.0
    committors = factorize(chain, killing=ends.sum(axis=1), shape=(20, 20)).solve_transpose(ends)
    np.testing.assert_allclose(committors.sum(axis=1), 1.0, rtol=1e-13)


def test_kac_return_time(random_chain) -> None:
    """Kac: pi_i * outflow_i * (mean time from leaving i to coming back) + pi_i = 1."""
    chain = random_chain((10, 10), FULL_TENSOR, 3.0, seed=11)
    weights = factorize(chain, shape=(10, 10)).stationary()
    others = np.arange(1, 100)
    to_target = chain[[0]][:, others].toarray()[0]
    times = factorize(
        chain[others][:, others], killing=to_target, shape=(10, 10), cells=others
    ).solve_transpose(np.ones(99))
    flow = chain[:, [0]].toarray()[others, 0]
    assert weights[0] * (1.0 + flow @ times) == pytest.approx(1.0, rel=1e-13)


def test_analysis_is_reused_and_input_untouched(random_chain) -> None:
    first = random_chain((15, 15), FULL_TENSOR, 1.0, seed=1)
    second = random_chain((15, 15), FULL_TENSOR, 1.0, seed=2)
    kept = second.data.copy()
    analysis = analyze(first, shape=(15, 15))
    ours = factorize(second, analysis=analysis)
    np.testing.assert_array_equal(ours.stationary(), factorize(second, shape=(15, 15)).stationary())
    np.testing.assert_array_equal(second.data, kept)
    assert ours.analysis is analysis
    assert ours.memory > 8 * ours.nnz
    assert ours.wide_fronts == 0
    other = random_chain((15, 15), [(1, 0), (0, 1)], 1.0, seed=1)
    with pytest.raises(FokkerPlanckError, match="another pattern"):
        factorize(other, analysis=analysis)


def test_stored_diagonal_is_ignored(random_chain) -> None:
    chain = random_chain((6, 6), FULL_TENSOR, 1.0, seed=1)
    garbage = sparse.csc_array(chain + sparse.diags_array(-np.arange(36.0)))
    np.testing.assert_array_equal(
        factorize(garbage, shape=(6, 6)).stationary(), factorize(chain, shape=(6, 6)).stationary()
    )


def test_closed_classes_are_counted() -> None:
    path = sparse.diags_array([np.ones(49), np.ones(49)], offsets=[-1, 1])
    ring = sparse.csc_array(sparse.block_diag([path, path, path]))
    with pytest.raises(DisconnectedDomain, match=r"3 closed classes, of 50, 50, 50 of its 150"):
        factorize(ring).stationary()


def test_transient_cells_have_no_weight() -> None:
    """Cells 0..9 drift to the right and never come back from 9 to 8."""
    rates = sparse.lil_array((30, 30))
    for i in range(29):
        rates[i + 1, i] = 2.0
        if i >= 9:
            rates[i, i + 1] = 1.0
    weights = factorize(sparse.csc_array(rates)).stationary()
    np.testing.assert_array_equal(weights[:9], 0.0)
    np.testing.assert_allclose(weights[10:] / weights[9:-1], 2.0, rtol=1e-14)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_time_that_never_ends_is_infinite(order: tuple[int, ...]) -> None:
    """0 <-> 1 -> 2, and 2 stays: only a killing rate at 2 makes the time finite.

    In every order of elimination: the state that stays may come first, last or between.
    """
    state = list(order)
    chain = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])[np.ix_(state, state)]
    start = np.array([1.0, 0.0, 0.0])[state]
    stuck = factorize(chain, killing=start)
    np.testing.assert_array_equal(stuck.solve_transpose(np.ones(3)), np.inf)
    killed = np.array([2 / 3, 1 / 3, 0.0])[state]
    np.testing.assert_allclose(stuck.solve_transpose(start), killed, rtol=1e-15)
    spent = np.array([2 / 3, 1 / 3, np.inf])[state]
    np.testing.assert_allclose(stuck.solve(start), spent, rtol=1e-15)


def test_refusals() -> None:
    chain = np.array([[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(NotConserving, match="killed"):
        factorize(chain, killing=1.0).stationary()
    with pytest.raises(FokkerPlanckError, match="from cell 1 to cell 0"):
        factorize(np.array([[0.0, -1.0], [1.0, 0.0]]))
    with pytest.raises(FokkerPlanckError, match="killing rates"):
        factorize(chain, killing=[-1.0, 0.0])
    with pytest.raises(FokkerPlanckError, match="smallest entry -1"):
        factorize(chain, killing=1.0).solve([1.0, -1.0])
    with pytest.raises(FokkerPlanckError, match="shape"):
        factorize(chain, killing=1.0).solve([1.0, 1.0, 1.0])
    with pytest.raises(FokkerPlanckError, match="square"):
        analyze(np.ones((2, 3)))
    with pytest.raises(FokkerPlanckError, match="cells="):
        analyze(chain, shape=(3,))
