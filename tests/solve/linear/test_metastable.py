"""Barriers of tens to thousands of noise strengths: Gibbs weights and passage times."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from fokkerplanck.solve.linear import factorize, factorize_lu

Array = NDArray[np.float64]
FULL_TENSOR = {(1, 0): 1.0, (0, 1): 2.0, (1, 1): 0.7}


def log_gibbs(potential: Array) -> Array:
    v = potential.ravel()
    return -(v - v.min()) - np.log(np.exp(-(v - v.min())).sum())


def double_well(n: int, barrier: float) -> Array:
    x, y = np.meshgrid(*2 * [np.linspace(-1.5, 1.5, n)], indexing="ij")
    return barrier * ((x**2 - 1) ** 2 + 2 * (y - 0.2 * x) ** 2)


@pytest.mark.parametrize(
    ("n", "barrier"),
    [(64, 50.0), pytest.param(256, 50.0, marks=pytest.mark.slow), (64, 200.0), (64, 1000.0)],
)
def test_gibbs_in_every_cell(gibbs_chain, n: int, barrier: float) -> None:
    """To 1e-12 in each cell; beyond, to the rounding of the potential differences themselves."""
    potential = double_well(n, barrier)
    factor = factorize(gibbs_chain(potential, FULL_TENSOR), shape=(n, n))
    tolerance = max(1e-12, 4 * np.finfo(float).eps * potential.max())
    difference = factor.log_stationary() - log_gibbs(potential)
    assert np.abs(np.expm1(difference)).max() < tolerance
    weights = factor.stationary()
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    visible = log_gibbs(potential) > -690.0
    exact = np.exp(log_gibbs(potential)[visible])
    np.testing.assert_allclose(weights[visible], exact, rtol=2 * tolerance)


def test_lu_gets_the_same_problem_wrong_and_says_so(gibbs_chain) -> None:
    potential = double_well(64, 50.0)
    factors = factorize_lu(gibbs_chain(potential, FULL_TENSOR))
    exact = np.exp(log_gibbs(potential))
    assert np.abs(factors.stationary() - exact).max() > 0.1 * exact.max()
    assert factors.evidence().relative_residual < 1e-14
    assert factors.evidence().rounding > 1e-6


def one_dimensional(beta: float, n: int, gibbs_chain) -> tuple[sparse.csc_array, Array, Array]:
    x = np.linspace(-1.8, 1.8, n)
    potential = beta * (x**2 - 1) ** 2
    return gibbs_chain(potential, {(1,): 1.0 / (x[1] - x[0]) ** 2}), x, potential


@pytest.mark.parametrize("beta", [30.0, 100.0, 300.0, 700.0, 3000.0])
def test_passage_time_over_a_barrier(gibbs_chain, log_error, relative_error, beta: float) -> None:
    """From every cell left of x = 1, against the recursion for a chain of neighbours.

    t_i = (1 + l_i t_(i-1)) / r_i is the time from i to i + 1, with rates r to the right and l to
    the left.
    """
    chain, x, potential = one_dimensional(beta, 1200, gibbs_chain)
    kept = np.flatnonzero(x < 1.0)
    right, left = chain.diagonal(-1), chain.diagonal(1)
    step, steps = mpmath.mpf(0), []
    for i in kept:
        back = mpmath.mpf(float(left[i - 1])) if i > 0 else 0
        step = (1 + back * step) / mpmath.mpf(float(right[i]))
        steps.append(step)
    times = [mpmath.fsum(steps[i:]) for i in range(len(kept))]

    killing = np.zeros(len(kept))
    killing[-1] = right[kept[-1]]
    factor = factorize(chain[kept][:, kept], killing=killing, shape=(1200,), cells=kept)
    assert log_error(factor.log_solve_transpose(np.ones(len(kept))), times) < 1e-14
    if beta <= 700.0:
        assert relative_error(factor.solve_transpose(np.ones(len(kept))), times) < 1e-13
        kramers = mpmath.pi / (2 * mpmath.sqrt(2) * beta) * mpmath.exp(beta)
        middle = int(np.argmin(np.abs(x + 1.0)))
        # Both saddle-point and grid errors are of a few per cent.
        assert float(times[middle] / kramers) == pytest.approx(1.0, abs=0.1)
    weights = factorize(chain, shape=(1200,)).log_stationary()
    rounding = 4 * np.finfo(float).eps * potential.max()
    np.testing.assert_allclose(weights, log_gibbs(potential), rtol=0, atol=rounding)


def test_passage_time_in_the_plane(gibbs_chain) -> None:
    """Barrier 200: the mean time from well to well against the theory of Eyring and Kramers."""
    n, barrier = 96, 200.0
    x, y = np.meshgrid(*2 * [np.linspace(-1.5, 1.5, n)], indexing="ij")
    potential = barrier * ((x**2 - 1) ** 2 + 2 * y**2)
    spacing = 3.0 / (n - 1)
    isotropic = {(1, 0): spacing**-2, (0, 1): spacing**-2}
    chain = gibbs_chain(potential, isotropic)
    target = (x > 0.9).ravel()
    kept = np.flatnonzero(~target)
    killing = chain[target][:, kept].sum(axis=0)
    factor = factorize(chain[kept][:, kept], killing=killing, shape=(n, n), cells=kept)
    times = np.full(n * n, np.nan)
    times[kept] = factor.solve_transpose(np.ones(len(kept)))
    start = np.argmin(((x + 1) ** 2 + y**2).ravel())
    # Curvatures along x are 8 beta in the well and 4 beta on the barrier; those along y cancel.
    kramers = 2 * np.pi / (np.sqrt(32.0) * barrier) * np.exp(barrier)
    assert np.isfinite(times[kept]).all()
    # Grid error of order beta h^2 = 0.2, as in one dimension.
    assert times[start] == pytest.approx(kramers, rel=0.25)
    # Same wells, so the chain spends half of its life in each: kinetic detailed balance.
    log_weights = factorize(chain, shape=(n, n)).log_stationary()
    mirrored = log_weights.reshape(n, n)[::-1].ravel()
    np.testing.assert_allclose(log_weights, mirrored, rtol=0, atol=1e-11)


def test_committor_far_from_the_target(gibbs_chain, log_error) -> None:
    """Chance to reach the right end before the left one: 1e-600 and less near the left end."""
    x = np.linspace(0.0, 1.0, 400)
    potential = 1500.0 * x
    chain = gibbs_chain(potential, {(1,): 1.0})
    inner = np.arange(1, 399)
    right = np.zeros(398)
    right[-1] = chain[399, 398]
    killing = right.copy()
    killing[0] = chain[0, 1]
    factor = factorize(chain[inner][:, inner], killing=killing, shape=(400,), cells=inner)
    # Rates of a constant slope: a gambler's ruin with odds q = exp(1500 / 399) against.
    odds = mpmath.mpf(float(chain[0, 1])) / mpmath.mpf(float(chain[1, 0]))
    ruin = [(odds**i - 1) / (odds**399 - 1) for i in range(1, 399)]
    logarithms = factor.log_solve_transpose(right)
    # The odds of all edges differ by the rounding of the potential, 1500 eps each at most.
    errors = [abs(float(a) - float(mpmath.log(b))) for a, b in zip(logarithms, ruin, strict=True)]
    assert max(errors) < 1e-10
