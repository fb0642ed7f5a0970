"""Optimizer steps with real minibatches: rows of the data, drawn anew for every run and step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.sample.amplitude import factor
from fokkerplanck.sample.lanes import add_noise, largest
from fokkerplanck.sample.recursion import Recursion

__all__ = ["draw_rows", "step_on_minibatches"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def draw_rows(
    data: Array, replacement: bool, order: Integers, rng: np.random.Generator, batch: Array
) -> None:
    """Copy random rows of `data` to `batch`.

    Parameters
    ----------
    order : (samples,)
        Any permutation of the row numbers; changed in place.  Without replacement its first
        entries are shuffled (Fisher and Yates, stopped after the batch), which is as random from
        any permutation as from the ordered one.
    """
    samples, size = data.shape[0], batch.shape[0]
    for k in range(size):
        # A random double has 53 bits: no row is favoured by more than samples / 2^53.
        if replacement:
            row = int(rng.random() * samples)
        else:
            other = k + int(rng.random() * (samples - k))
            row = order[other]
            order[other] = order[k]
            order[k] = row
        for c in range(data.shape[1]):
            batch[k, c] = data[row, c]


@njit(cache=True, nogil=True, error_model="numpy")
def step_on_minibatches(
    coefficients: Callable[..., None],
    parameters: Array,
    data: Array,
    recursion: Recursion,
    x: Array,
    size: int,
    lanes: int,
    scale: Array,
    work: Array,
    batch: Array,
    permutation: Integers,
    marks: Integers,
    proposed: Array,
    rng: np.random.Generator,
) -> int:
    """Propose the states after one step, every path on rows of its own.

    The coefficients are the state after one step, as averages over the rows that they are given,
    and, when the recursion is noisy, the lower triangle of the covariance that the optimizer
    injects.  `batch` and `permutation` are for `draw_rows`, the others as for
    `fokkerplanck.sample.euler_maruyama.step_euler_maruyama`.
    """
    pairs = size * (size + 1) // 2
    out, rest = work[: (size + pairs) * LANES], work[(size + pairs) * LANES :]
    amplitude, normals = rest[: (pairs + 1) * LANES], rest[(pairs + 1) * LANES :]
    for i in range(lanes):
        draw_rows(data, recursion.replacement, permutation, rng, batch)
        coefficients(x[i:], 0.0, parameters, batch, out[i:], 1)
    for row in range(size * LANES):
        proposed[row] = out[row]
    if not recursion.noisy:
        return 0
    covariance = out[size * LANES :]
    if scale[0] < 0.0:
        scale[0] = largest(covariance, lanes)
    failed = factor(covariance, size, lanes, x, scale[0], amplitude, marks)
    if failed == 0:
        add_noise(proposed, amplitude, size, lanes, rng, normals)
    return failed
