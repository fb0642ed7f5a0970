"""Differences and means of cell values along one axis, of second or fourth order.

Fourth order falls back to second in the cells and faces next to a wall.  A face array has one
entry fewer along its axis than the cell array; along a periodic axis as many, the last of them
between the last cell and the first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["cell_slope", "face_difference", "face_mean"]

Array = NDArray[np.float64]

# How far, per cell, the fourth-order difference across a face may leave the second-order one:
# smooth resolved functions stay far within, and a kink in a tail does not overshoot (measured).
CORRECTION = 0.25


def cell_slope(values: Array, axis: int, periodic: bool, order: int) -> Array:
    """Derivative per cell at the centres; one-sided in the cells at a wall.

    Examples
    --------
    >>> cell_slope(np.array([0.0, 1.0, 4.0, 9.0]), 0, False, 2)
    array([1., 2., 4., 5.])
    """
    v = np.moveaxis(values, axis, 0)
    if periodic:
        slope = (np.roll(v, -1, 0) - np.roll(v, 1, 0)) / 2
        if order == 4:
            slope = (4 * slope - (np.roll(v, -2, 0) - np.roll(v, 2, 0)) / 4) / 3
    else:
        slope = np.empty_like(v)
        slope[0], slope[-1] = v[1] - v[0], v[-1] - v[-2]
        slope[1:-1] = (v[2:] - v[:-2]) / 2
        if order == 4:
            slope[2:-2] = (4 * slope[2:-2] - (v[4:] - v[:-4]) / 4) / 3
    return np.moveaxis(slope, 0, axis)


def face_mean(values: Array, axis: int, periodic: bool, order: int) -> Array:
    """Interpolation to the faces.

    Examples
    --------
    >>> face_mean(np.array([0.0, 1.0, 8.0, 27.0]), 0, False, 4)
    array([ 0.5  ,  3.375, 17.5  ])
    """
    before, low, high, after = _around(values, axis, periodic)
    mean = (low + high) / 2
    if order == 4:
        inner = _inner(mean, periodic)
        inner += (inner - (before + after) / 2) / 8
    return np.moveaxis(mean, 0, axis)


def face_difference(values: Array, axis: int, periodic: bool, order: int) -> Array:
    """Derivative per cell at the faces.

    Examples
    --------
    >>> face_difference(np.array([0.0, 1.0, 8.0, 27.0]) / 27, 0, False, 4) * 27
    array([ 1.  ,  6.75, 19.  ])
    """
    before, low, high, after = _around(values, axis, periodic)
    difference = high - low
    if order == 4:
        inner = _inner(difference, periodic)
        inner += np.clip((3 * inner - (after - before)) / 24, -CORRECTION, CORRECTION)
    return np.moveaxis(difference, 0, axis)


def _around(values: Array, axis: int, periodic: bool) -> tuple[Array, Array, Array, Array]:
    """The cells below and above each face, and the next ones out, along axis 0.

    At walls the next ones are missing for the first and the last face, see `_inner`.
    """
    v = np.moveaxis(values, axis, 0)
    if periodic:
        return np.roll(v, 1, 0), v, np.roll(v, -1, 0), np.roll(v, -2, 0)
    return v[:-3], v[:-1], v[1:], v[3:]


def _inner(faces: Array, periodic: bool) -> Array:
    return faces if periodic else faces[1:-1]
