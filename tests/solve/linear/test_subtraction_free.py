"""Componentwise accuracy against elimination in 60 digits, and closed forms."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from fokkerplanck.solve.linear import analyze, factorize

Array = NDArray[np.float64]
mpmath.mp.dps = 60


def random_chain(shape: tuple[int, ...], offsets: list[tuple[int, ...]], spread: float, seed: int):
    """Rates e^(spread * normal) along every offset, in both directions independently."""
    generator = np.random.default_rng(seed)
    cells = np.arange(np.prod(shape)).reshape(shape)
    rows, columns = [], []
    for offset in offsets:
        low = tuple(slice(max(0, -k), min(m, m - k)) for k, m in zip(offset, shape, strict=True))
        high = tuple(slice(max(0, k), min(m, m + k)) for k, m in zip(offset, shape, strict=True))
        rows += [cells[low].ravel(), cells[high].ravel()]
        columns += [cells[high].ravel(), cells[low].ravel()]
    row, column = np.concatenate(rows), np.concatenate(columns)
    data = np.exp(spread * generator.standard_normal(len(row)))
    return sparse.csc_array((data, (row, column)), shape=(cells.size, cells.size))


def exact_elimination(generator: sparse.csc_array, killing: Array):
    """The matrix -Q + diag(killing) in 60 digits."""
    n = generator.shape[0]
    exact = mpmath.matrix(n, n)
    coo = generator.tocoo()
    for target, source, rate in zip(coo.row, coo.col, coo.data, strict=True):
        if target != source:
            exact[int(target), int(source)] -= mpmath.mpf(float(rate))
            exact[int(source), int(source)] += mpmath.mpf(float(rate))
    for i in range(n):
        exact[i, i] += mpmath.mpf(float(killing[i]))
    return exact


def relative_error(values: Array, exact) -> float:
    return max(float(abs(mpmath.mpf(float(v)) / e - 1)) for v, e in zip(values, exact, strict=True))


@pytest.mark.parametrize("spread", [0.5, 8.0])
def test_solves_match_60_digits(spread: float) -> None:
    shape = (9, 8)
    chain = random_chain(shape, [(1, 0), (0, 1), (1, 1)], spread, seed=3)
    generator = np.random.default_rng(4)
    killing = np.where(generator.random(72) < 0.1, 1e-9, 0.0)
    b = generator.random(72)
    factor = factorize(chain, killing=killing, shape=shape)
    exact = exact_elimination(chain, killing)
    right = mpmath.matrix([mpmath.mpf(float(v)) for v in b])
    assert relative_error(factor.solve(b), mpmath.lu_solve(exact, right)) < 1e-14
    assert relative_error(factor.solve_transpose(b), mpmath.lu_solve(exact.T, right)) < 1e-14


@pytest.mark.parametrize("spread", [0.5, 8.0])
def test_stationary_matches_60_digits(spread: float) -> None:
    shape = (9, 8)
    chain = random_chain(shape, [(1, 0), (0, 1), (1, 1)], spread, seed=5)
    exact = exact_elimination(chain, np.zeros(72))
    for j in range(72):
        exact[0, j] = 1
    right = mpmath.matrix(72, 1)
    right[0] = 1
    weights = factorize(chain, analysis=analyze(chain, shape=shape)).stationary()
    assert relative_error(weights, mpmath.lu_solve(exact, right)) < 1e-14
