"""A derivative-free step of weak order 2 for noise that depends on the state in any way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fokkerplanck.discretize.kernels import LANES
from fokkerplanck.sample.euler_maruyama import amplitude_at
from fokkerplanck.sample.recursion import Recursion

__all__ = ["step_weak_second_order", "weak_second_order_rows"]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


@njit(cache=True, nogil=True, error_model="numpy")
def weak_second_order_rows(size: int) -> int:
    """Rows of work that a step needs."""
    pairs = size * (size + 1) // 2
    return (size + pairs + 1) + 2 * (pairs + 1) + 4 * size + pairs


@njit(cache=True, nogil=True, error_model="numpy")
def step_weak_second_order(
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
    point: Array,
    marks: Integers,
    proposed: Array,
    rng: np.random.Generator,
) -> int:
    """Propose the states after one step; `point` holds the places of marked tensors.

    With ``b = sqrt(2) D^(1/2)``, ``Y = x + h A + sqrt(h) b z`` and random signs ``s_q``, ``s_qr``::

        x' = x + h/2 (A(x) + A(Y))
               + sqrt(h)/2 sum_r (b_r(x + h A/2 + sqrt(h/2) b s) + b_r(x + h A/2 - ...)) z_r
               + 1/2 sum_r (b_r(x + sum_q b_q J_qr) - b_r(x - sum_q b_q J_qr))

    ``J_qq = h (z_q^2 - 1)/2`` and ``J_qr = h (z_q z_r +- s_qr)/2``, plus for ``q < r``.  Half of
    it falls away where the tensor is constant.
    """
    h, pairs = recursion.time_step, size * (size + 1) // 2
    at = (size + pairs + 1) * LANES
    out = work[:at]
    base, other = work[at : at + (pairs + 1) * LANES], work[at + (pairs + 1) * LANES :]
    other, rest = other[: (pairs + 1) * LANES], other[(pairs + 1) * LANES :]
    normals, signs = rest[: size * LANES], rest[size * LANES : (size + pairs) * LANES]
    change, middle = rest[(size + pairs) * LANES :], rest[(2 * size + pairs) * LANES :]
    drift = middle[size * LANES :]
    for row in range(size * LANES):
        point[row] = x[row]
    failed = amplitude_at(
        coefficients, parameters, data, recursion, time, point, size, lanes, scale, out, base, marks
    )
    if failed > 0:
        return failed
    _draw(size, lanes, rng, normals, signs)
    for r in range(size):
        for i in range(lanes):
            row = r * LANES + i
            drift[row], change[row] = h * out[row], 0.0
            middle[row] = x[row] + 0.5 * drift[row]
    _add(change, 1.0, base, normals, size, lanes)
    for r in range(size):
        for i in range(lanes):
            row = r * LANES + i
            point[row] = x[row] + drift[row] + change[row]
    coefficients(point, time + h, parameters, data, out, lanes)
    for r in range(size):
        for i in range(lanes):
            row = r * LANES + i
            proposed[row] = x[row] + 0.5 * (drift[row] + h * out[row])
    if recursion.constant:
        _add(proposed, 1.0, base, normals, size, lanes)
        return 0
    for sign in (1.0, -1.0):
        for row in range(size * LANES):
            point[row] = middle[row]
        _add(point, sign * np.sqrt(0.5), base, signs, size, lanes)
        failed = amplitude_at(
            coefficients,
            parameters,
            data,
            recursion,
            time + 0.5 * h,
            point,
            size,
            lanes,
            scale,
            out,
            other,
            marks,
        )
        if failed > 0:
            return failed
        _add(proposed, 0.5, other, normals, size, lanes)
    for r in range(size):
        _integrals(normals, signs, r, size, lanes, middle)
        for sign in (1.0, -1.0):
            for row in range(size * LANES):
                point[row] = x[row]
            _add(point, 0.5 * sign * np.sqrt(h), base, middle, size, lanes)
            failed = amplitude_at(
                coefficients,
                parameters,
                data,
                recursion,
                time,
                point,
                size,
                lanes,
                scale,
                out,
                other,
                marks,
            )
            if failed > 0:
                return failed
            for s in range(r, size):
                entry = (s * (s + 1) // 2 + r) * LANES
                for i in range(lanes):
                    proposed[s * LANES + i] += 0.5 * sign / np.sqrt(h) * other[entry + i]
    return 0


@njit(cache=True, nogil=True, error_model="numpy")
def _draw(size: int, lanes: int, rng: np.random.Generator, normals: Array, signs: Array) -> None:
    """Normal numbers, and signs from the bits of a random number: d, and one for each pair."""
    for row in range(0, size * LANES, LANES):
        for i in range(lanes):
            normals[row + i] = rng.standard_normal()
    for i in range(lanes):
        # In 4 dimensions 10 of its 53 bits.
        uniform = rng.random()
        for row in range(0, size * (size + 1) // 2 * LANES, LANES):
            uniform *= 2.0
            signs[row + i] = 1.0 if uniform >= 1.0 else -1.0
            uniform -= 1.0 if uniform >= 1.0 else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _add(
    target: Array, weight: float, amplitude: Array, numbers: Array, size: int, lanes: int
) -> None:
    """Add the product of a lower triangle and a vector, times a weight, to the rows of `target`."""
    for r in range(size):
        for c in range(r + 1):
            entry = (r * (r + 1) // 2 + c) * LANES
            for i in range(lanes):
                target[r * LANES + i] += weight * amplitude[entry + i] * numbers[c * LANES + i]


@njit(cache=True, nogil=True, error_model="numpy")
def _integrals(normals: Array, signs: Array, r: int, size: int, lanes: int, target: Array) -> None:
    """``2 J_qr / h`` for every ``q``, in the rows of `target`."""
    for q in range(size):
        low, high = min(q, r), max(q, r)
        # The signs of the pairs follow the d of the points in the middle.
        pair = (size + high * (high - 1) // 2 + low) * LANES
        for i in range(lanes):
            other = -1.0 if q == r else (signs[pair + i] if q < r else -signs[pair + i])
            target[q * LANES + i] = normals[q * LANES + i] * normals[r * LANES + i] + other
