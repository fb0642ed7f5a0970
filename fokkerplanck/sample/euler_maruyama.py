"""The Euler–Maruyama recursion ``x' = x + h A + sqrt(2 h) D^(1/2) z``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.sample.amplitude import clip_negative, factor
from fokkerplanck.sample.lanes import NEGATIVE, accept, add_noise, largest, save

__all__ = ["advance"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def advance(
    coefficients: Callable[..., None],
    parameters: Array,
    data: Array,
    clip: bool,
    time_step: float,
    drift_factor: float,
    noise_factor: float,
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
    """Steps `first` to `last` of one block; returns the size of a variance at the first one.

    The coefficients are the drift, the lower triangle of the tensor, and the floor of its clip.
    The drift counts `drift_factor` times, the tensor `noise_factor` times: ``h`` and ``2 h`` for a
    diffusion; 1 and 1 for discrete SGD, whose one step has that mean and that covariance.

    Parameters
    ----------
    patient : bool
        Go on with the other paths when one diverges.  A negative eigenvalue always ends the call.
    x : rows of states, changed in place
    saved : (times, lanes, size)
        Entry ``k`` is written after step ``k save_every``.
    scale : float
        What an earlier call returned; negative in the first call.
    stopped, reason : (LANES,)
        Step at which a path stopped, and why; changed in place.
    """
    pairs = size * (size + 1) // 2
    out = np.empty((size + pairs + 1) * LANES)
    drift, tensor = out[: size * LANES], out[size * LANES : (size + pairs) * LANES]
    floor = out[(size + pairs) * LANES :]
    proposed, normals = np.empty(size * LANES), np.empty(size * LANES)
    amplitude, marks = np.empty((pairs + 1) * LANES), np.zeros(LANES, np.int64)
    halted = 0
    for step in range(first, last):
        if halted < lanes:
            coefficients(x, step * time_step, parameters, data, out, lanes)
            for r in range(size):
                for i in range(lanes):
                    proposed[r * LANES + i] = x[r * LANES + i] + drift_factor * drift[r * LANES + i]
            for r in range(size, size + pairs + 1):
                for i in range(lanes):
                    out[r * LANES + i] *= noise_factor
            if clip:
                clip_negative(tensor, size, lanes, floor, amplitude, marks)
            if scale < 0.0:
                scale = largest(tensor, lanes)
            if factor(tensor, size, lanes, x, scale, amplitude, marks) > 0:
                for i in range(lanes):
                    if marks[i] != 0 and reason[i] == 0:
                        reason[i], stopped[i] = NEGATIVE, step
                        return scale
            add_noise(proposed, amplitude, size, lanes, rng, normals)
            halted = accept(x, proposed, size, lanes, step, stopped, reason)
            if halted > 0 and not patient:
                return scale
        if (step + 1) % save_every == 0:
            save(x, size, lanes, saved[(step + 1) // save_every])
    return scale
