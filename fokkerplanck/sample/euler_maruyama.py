"""The Euler–Maruyama step ``x' = x + h A + sqrt(2 h) D^(1/2) z``, plain and tamed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.sample.amplitude import clip_negative, factor
from fokkerplanck.sample.lanes import add_noise, largest
from fokkerplanck.sample.recursion import TAMED, Recursion

__all__ = ["amplitude_at", "step_euler_maruyama"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def amplitude_at(
    coefficients: Callable[..., None],
    parameters: Array,
    data: Array,
    recursion: Recursion,
    time: float,
    point: Array,
    size: int,
    lanes: int,
    scale: Array,
    out: Array,
    amplitude: Array,
    marks: Integers,
) -> int:
    """Coefficients at points, and the factor of the covariance of one step.

    Parameters
    ----------
    scale : (1,)
        Size of a variance, set at the first call, negative before.
    out : rows
        Filled with the drift, the lower triangle of the tensor times `noise_factor`, the floor.
    amplitude : rows of a lower triangle, and one more for work
    marks : (LANES,)
        Nonzero where the tensor has a negative eigenvalue.

    Returns
    -------
    int
        How many are marked.
    """
    pairs = size * (size + 1) // 2
    tensor, floor = out[size * LANES : (size + pairs) * LANES], out[(size + pairs) * LANES :]
    coefficients(point, time, parameters, data, out, lanes)
    if recursion.scheme == TAMED:
        _tame(out, point, size, lanes, recursion)
    for r in range(size, size + pairs + 1):
        for i in range(lanes):
            out[r * LANES + i] *= recursion.noise_factor
    if recursion.clip:
        clip_negative(tensor, size, lanes, floor, amplitude, marks)
    if scale[0] < 0.0:
        scale[0] = largest(tensor, lanes)
    return factor(tensor, size, lanes, point, scale[0], amplitude, marks)


@njit(cache=True, nogil=True, error_model="numpy")
def _tame(out: Array, point: Array, size: int, lanes: int, recursion: Recursion) -> None:
    """Bound the mean change of a step and its standard deviation by the distance ``rho``.

    ``A / sqrt(1 + (h |A|/rho)^2)`` and ``D / sqrt(1 + (2 h tr D/rho^2)^2)``.
    """
    pairs = size * (size + 1) // 2
    for i in range(lanes):
        square, length, trace = recursion.scale**2, 0.0, 0.0
        for r in range(size):
            square += point[r * LANES + i] ** 2
            length += out[r * LANES + i] ** 2
            trace += out[(size + r * (r + 1) // 2 + r) * LANES + i]
        drift = 1.0 / np.sqrt(1.0 + recursion.drift_factor**2 * length / square)
        noise = 1.0 / np.sqrt(1.0 + (recursion.noise_factor * trace / square) ** 2)
        for r in range(size):
            out[r * LANES + i] *= drift
        for r in range(size, size + pairs + 1):
            out[r * LANES + i] *= noise


@njit(cache=True, nogil=True, error_model="numpy")
def step_euler_maruyama(
    coefficients: Callable[..., None],
    parameters: Array,
    data: Array,
    recursion: Recursion,
    time: float,
    x: Array,
    size: int,
    lanes: int,
    scale: Array,
    work: Array,
    marks: Integers,
    proposed: Array,
    rng: np.random.Generator,
) -> int:
    """Propose the states after one step; the arguments are those of `amplitude_at`.

    Parameters
    ----------
    work : rows, ``2 d + 2 p + 2`` of them with ``p = d (d + 1)/2``

    Returns
    -------
    int
        How many paths met a negative tensor; nothing is proposed then.
    """
    pairs = size * (size + 1) // 2
    out, rest = work[: (size + pairs + 1) * LANES], work[(size + pairs + 1) * LANES :]
    amplitude, normals = rest[: (pairs + 1) * LANES], rest[(pairs + 1) * LANES :]
    failed = amplitude_at(
        coefficients,
        parameters,
        data,
        recursion,
        time,
        x,
        size,
        lanes,
        scale,
        out,
        amplitude,
        marks,
    )
    if failed > 0:
        return failed
    for r in range(size):
        for i in range(lanes):
            row = r * LANES + i
            proposed[row] = x[row] + recursion.drift_factor * out[row]
    add_noise(proposed, amplitude, size, lanes, rng, normals)
    return 0
