"""Chains to test linear solvers on, and elimination in many digits to compare with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]


def bernoulli(z: Array) -> Array:
    """B(z) = z / (e^z - 1), from B(|z|) and B(-|z|) = e^|z| B(|z|), both computed directly."""
    size = np.abs(z)
    safe = np.where(size < 1e-5, 1.0, size)
    uphill = np.where(size < 1e-5, 1 - size / 2 + size**2 / 12, safe * np.exp(-safe))
    uphill /= np.where(size < 1e-5, 1.0, -np.expm1(-safe))
    downhill = np.where(size < 1e-5, 1 + size / 2 + size**2 / 12, safe / -np.expm1(-safe))
    return np.where(z >= 0.0, uphill, downhill)


def edges(
    shape: Sequence[int], offset: Sequence[int], periodic: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells x and x + offset, in C order."""
    cells = np.arange(np.prod(shape)).reshape(shape)
    if periodic:
        there = np.roll(cells, [-k for k in offset], axis=range(len(shape)))
        return cells.ravel(), there.ravel()
    pairs = list(zip(offset, shape, strict=True))
    here = cells[tuple(slice(max(0, -k), min(m, m - k)) for k, m in pairs)]
    there = cells[tuple(slice(max(0, k), min(m, m + k)) for k, m in pairs)]
    return here.ravel(), there.ravel()


@pytest.fixture
def random_chain() -> Callable[..., sparse.csc_array]:
    """Rates e^(spread * normal) along every offset, both directions independently."""

    def build(
        shape: Sequence[int],
        offsets: Sequence[Sequence[int]],
        spread: float,
        seed: int,
        periodic: bool = False,
    ) -> sparse.csc_array:
        ends = [edges(shape, offset, periodic) for offset in offsets]
        a = np.concatenate([here for here, _ in ends])
        b = np.concatenate([there for _, there in ends])
        rates = np.exp(spread * np.random.default_rng(seed).standard_normal(2 * len(a)))
        n = int(np.prod(shape))
        where = (np.concatenate([a, b]), np.concatenate([b, a]))
        return sparse.csc_array((rates, where), shape=(n, n))

    return build


@pytest.fixture
def gibbs_chain() -> Callable[..., sparse.csc_array]:
    """Exponentially fitted rates c B(V(y) - V(x)) from x to y: exp(-V) is stationary exactly."""

    def build(potential: Array, weights: dict[tuple[int, ...], float]) -> sparse.csc_array:
        v = potential.ravel()
        rates, rows, columns = [], [], []
        for offset, weight in weights.items():
            a, b = edges(potential.shape, offset, False)
            rates += [weight * bernoulli(v[b] - v[a]), weight * bernoulli(v[a] - v[b])]
            rows += [b, a]
            columns += [a, b]
        where = (np.concatenate(rows), np.concatenate(columns))
        return sparse.csc_array((np.concatenate(rates), where), shape=(v.size, v.size))

    return build


class Exact:
    """Textbook elimination without subtractions, dense, in 40 digits of unlimited range."""

    def __init__(self, chain: sparse.csc_array, killing: Array) -> None:
        self.n = n = chain.shape[0]
        number = mpmath.mpf
        self.rates = [[number(0)] * n for _ in range(n)]
        coo = chain.tocoo()
        for target, source, rate in zip(coo.row, coo.col, coo.data, strict=True):
            if target != source:
                self.rates[source][target] += number(float(rate))
        killed = [number(float(k)) for k in np.broadcast_to(killing, (n,))]
        self.out = [number(0)] * n
        for i in range(n):
            self.out[i] = mpmath.fsum(self.rates[i][i + 1 :]) + killed[i]
            for r in range(i + 1, n):
                if self.rates[r][i] > 0 and self.out[i] > 0:
                    share = self.rates[r][i] / self.out[i]
                    for j in range(i + 1, n):
                        self.rates[r][j] += share * self.rates[i][j]
                    killed[r] += share * killed[i]

    def stationary(self) -> list[mpmath.mpf]:
        weights = [mpmath.mpf(0)] * self.n
        weights[-1] = mpmath.mpf(1)
        for i in range(self.n - 2, -1, -1):
            inflow = mpmath.fsum(weights[r] * self.rates[r][i] for r in range(i + 1, self.n))
            weights[i] = inflow / self.out[i]
        total = mpmath.fsum(weights)
        return [w / total for w in weights]

    def solve(self, b: Array) -> list[mpmath.mpf]:
        x = [mpmath.mpf(float(v)) for v in b]
        for i in range(self.n):
            for j in range(i + 1, self.n):
                x[j] += x[i] / self.out[i] * self.rates[i][j]
        for i in range(self.n - 1, -1, -1):
            inflow = mpmath.fsum(x[r] * self.rates[r][i] for r in range(i + 1, self.n))
            x[i] = (x[i] + inflow) / self.out[i]
        return x

    def solve_transpose(self, b: Array) -> list[mpmath.mpf]:
        u = [mpmath.mpf(float(v)) for v in b]
        for i in range(self.n):
            for r in range(i + 1, self.n):
                u[r] += self.rates[r][i] * u[i] / self.out[i]
        for i in range(self.n - 1, -1, -1):
            later = mpmath.fsum(self.rates[i][j] * u[j] for j in range(i + 1, self.n))
            u[i] = (u[i] + later) / self.out[i]
        return u


@pytest.fixture(scope="session")
def exact() -> type[Exact]:
    return Exact


@pytest.fixture
def relative_error() -> Callable[[Array, Sequence[mpmath.mpf]], float]:
    """Largest componentwise relative error."""

    def error(values: Array, reference: Sequence[mpmath.mpf]) -> float:
        assert len(values) == len(reference)
        return max(
            float(abs(mpmath.mpf(float(v)) / e - 1)) for v, e in zip(values, reference, strict=True)
        )

    return error


@pytest.fixture(scope="session")
def log_error() -> Callable[[Array, Sequence[mpmath.mpf]], float]:
    """Largest error of logarithms, relative to their own rounding."""

    def error(logarithms: Array, reference: Sequence[mpmath.mpf]) -> float:
        exact_logarithms = [mpmath.log(e) for e in reference]
        return max(
            float(abs(mpmath.mpf(float(v)) - e) / max(1, abs(e)))
            for v, e in zip(logarithms, exact_logarithms, strict=True)
        )

    return error


@pytest.fixture(autouse=True)
def forty_digits() -> object:
    with mpmath.workdps(40):
        yield
