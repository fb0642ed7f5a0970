"""Optimizer steps with real minibatches: rows of the data, drawn anew for every run and step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.sample.amplitude import factor
from fokkerplanck.sample.lanes import NEGATIVE, accept, add_noise, largest, save

__all__ = ["advance", "draw_rows"]

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
def advance(
    coefficients: Callable[..., None],
    parameters: Array,
    data: Array,
    batch_size: int,
    replacement: bool,
    noisy: bool,
    patient: bool,
    x: Array,
    size: int,
    lanes: int,
    first: int,
    last: int,
    save_every: int,
    saved: Array,
    scale: float,
    stopped: Integers,
    reason: Integers,
    rng: np.random.Generator,
) -> float:
    """Steps `first` to `last` of one block; returns the size of an injected variance.

    The coefficients are the state after one step, as averages over the rows that they are given,
    and, when `noisy`, the lower triangle of the covariance that the optimizer injects.  The other
    arguments are those of `fokkerplanck.sample.euler_maruyama.advance`.
    """
    pairs = size * (size + 1) // 2
    out = np.empty((size + pairs) * LANES)
    covariance, normals = out[size * LANES :], np.empty(size * LANES)
    amplitude, marks = np.empty((pairs + 1) * LANES), np.zeros(LANES, np.int64)
    batch, order = np.empty((batch_size, data.shape[1])), np.arange(data.shape[0])
    halted = 0
    for step in range(first, last):
        if halted < lanes:
            for i in range(lanes):
                draw_rows(data, replacement, order, rng, batch)
                coefficients(x[i:], 0.0, parameters, batch, out[i:], 1)
            if noisy:
                if scale < 0.0:
                    scale = largest(covariance, lanes)
                if factor(covariance, size, lanes, x, scale, amplitude, marks) > 0:
                    for i in range(lanes):
                        if marks[i] != 0 and reason[i] == 0:
                            reason[i], stopped[i] = NEGATIVE, step
                            return scale
                add_noise(out, amplitude, size, lanes, rng, normals)
            halted = accept(x, out, size, lanes, step, stopped, reason)
            if halted > 0 and not patient:
                return scale
        if (step + 1) % save_every == 0:
            save(x, size, lanes, saved[(step + 1) // save_every])
    return scale
