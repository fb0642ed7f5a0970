"""W4 by hand: NumPy over all paths at once, and numba with the legacy generator, path by path."""

from __future__ import annotations

import math

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads
from numpy.typing import NDArray

from benchmarks.w4_method import Method
from benchmarks.w4_problem import START, STEP, amplitude, drift

__all__ = ["METHODS"]

Array = NDArray[np.float64]


def _numpy(paths: int, steps: int, threads: int) -> Array:
    rng = np.random.default_rng(1)
    x, y = np.full(paths, START[0]), np.full(paths, START[1])
    normals, root = np.empty((2, paths)), math.sqrt(STEP)
    for _ in range(steps):
        rng.standard_normal(out=normals)
        ax, ay = drift(x, y)
        b11, b21, b22 = amplitude(x, y)
        x = x + STEP * ax + root * b11 * normals[0]
        y = y + STEP * ay + root * (b21 * normals[0] + b22 * normals[1])
    return np.stack([x, y], axis=-1)


@njit(parallel=True, error_model="numpy")
def _paths(paths: int, steps: int, h: float, start: tuple[float, float]) -> Array:
    ends = np.empty((paths, 2))
    root = math.sqrt(h)
    for path in prange(paths):
        x, y = start
        for _ in range(steps):
            z1, z2 = root * np.random.normal(), root * np.random.normal()  # noqa: NPY002
            x2 = x * x
            ax, ay = x - x2 * x - 0.5 * y, -y + 0.5 * x
            b11, b21, b22 = 0.5 + 0.1 * x2, 0.2 + 0.1 * y, 0.4 + 0.05 * x2
            x, y = x + h * ax + b11 * z1, y + h * ay + b21 * z1 + b22 * z2
        ends[path, 0], ends[path, 1] = x, y
    return ends


def _numba(paths: int, steps: int, threads: int) -> Array:
    before = get_num_threads()
    set_num_threads(threads)
    try:
        ends: Array = _paths(paths, steps, STEP, START)
    finally:
        set_num_threads(before)
    return ends


METHODS = (
    Method(
        "numpy",
        "numpy",
        _numpy,
        paths=20_000,
        steps=400,
        note="arrays of all paths, Generator, the equations by hand",
    ),
    Method(
        "numba np.random.normal",
        "numba",
        _numba,
        paths=2**12,
        steps=1000,
        threads=(1, 2),
        note="a loop over the steps inside a parallel one over the paths, by hand",
    ),
)
