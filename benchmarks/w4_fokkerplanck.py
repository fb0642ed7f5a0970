"""W4 with this package, and its ceiling: the random numbers alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import sympy as sp
from numba import njit
from numpy.typing import NDArray

import fokkerplanck as fpk
from benchmarks.w4_method import Method
from benchmarks.w4_problem import COLUMNS, DRIFT, START, STEP, X, Y

__all__ = ["METHODS"]

Array = NDArray[np.float64]
BLOCKS = 64


def _simulate(paths: int, steps: int, threads: int) -> Array:
    noise = sp.Matrix(COLUMNS)
    model = fpk.Diffusion((X, Y), DRIFT, noise * noise.T / 2)
    with ThreadPoolExecutor(threads) as executor:
        ensemble = fpk.simulate(
            model, START, duration=steps * STEP, step=STEP, paths=paths, seed=1, executor=executor
        )
    return ensemble.values[-1]


def _second_order(paths: int, steps: int, threads: int) -> Array:
    noise = sp.Matrix(COLUMNS)
    model = fpk.Diffusion((X, Y), DRIFT, noise * noise.T / 2)
    with ThreadPoolExecutor(threads) as executor:
        ensemble = fpk.simulate(
            model,
            START,
            duration=steps * STEP,
            step=STEP,
            paths=paths,
            seed=1,
            scheme=fpk.WeakSecondOrder(),
            executor=executor,
        )
    return ensemble.values[-1]


@njit(nogil=True, error_model="numpy")
def _draw(count: int, rng: np.random.Generator) -> float:
    """Normal numbers as the package draws them, 512 at a time into memory that stays cached."""
    numbers = np.empty(512)
    for _ in range(count // 512):
        for i in range(512):
            numbers[i] = rng.standard_normal()
    return float(numbers[-1])


def _ceiling(paths: int, steps: int, threads: int) -> Array:
    children = np.random.SeedSequence(1).spawn(BLOCKS)
    share = 2 * paths * steps // BLOCKS
    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(lambda seed: _draw(share, np.random.default_rng(seed)), children))
    return np.empty((0, 2))


METHODS = (
    Method(
        "ceiling: two normal numbers a path-step",
        "numba",
        _ceiling,
        paths=2**14,
        steps=2000,
        threads=(1, 2),
        note="numpy's Generator inside numba; no steps, the numbers alone",
    ),
    Method(
        "fokkerplanck EulerMaruyama",
        "fokkerplanck",
        _simulate,
        paths=2**14,
        steps=2000,
        threads=(1, 2),
        note="from the symbols; compiled code in the cache",
    ),
    Method(
        "fokkerplanck WeakSecondOrder",
        "fokkerplanck",
        _second_order,
        paths=2**14,
        steps=200,
        threads=(1, 2),
        note="the same, of weak order 2",
    ),
)
