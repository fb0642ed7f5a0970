"""Where the ends of the rods stand: closures of the rod flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["AllAxes", "Closure", "TopEigenvector", "average", "ends"]

Array = NDArray[np.float64]


class Closure(Protocol):
    """What is read off the covariance of the rod."""

    def half_rods(self, covariance: Array) -> Array:
        """Half-rods ``delta`` as columns, shape (d, r)."""


@dataclass(frozen=True)
class TopEigenvector:
    """One rod along the eigenvector of the largest eigenvalue: the closure of Regis and Chewi.

    All other directions feel no curvature: their part of Sigma decays at the rate 2 whatever the
    sharpness there.  Below the edge the largest eigenvalue belongs to the drift, not to the
    direction about to become unstable, so an onset is missed (derivations/14_rod_flow.py).

    Examples
    --------
    >>> import numpy as np
    >>> TopEigenvector().half_rods(np.diag([1.0, 4.0])).ravel() ** 2
    array([0., 4.])
    """

    def half_rods(self, covariance: Array) -> Array:
        values, vectors = np.linalg.eigh(covariance)
        rods: Array = np.sqrt(max(values[-1], 0.0)) * vectors[:, -1:]
        return rods


@dataclass(frozen=True)
class AllAxes:
    """A rod along every eigenvector.

    Means are those of a symmetric distribution of covariance Sigma, up to fourth moments; where
    Sigma has rank one they are those of `TopEigenvector`.

    Examples
    --------
    >>> import numpy as np
    >>> AllAxes().half_rods(np.diag([1.0, 4.0])) ** 2
    array([[1., 0.],
           [0., 4.]])
    """

    def half_rods(self, covariance: Array) -> Array:
        values, vectors = np.linalg.eigh(covariance)
        rods: Array = vectors * np.sqrt(np.maximum(values, 0.0))
        return rods


def ends(center: Array, rods: Array) -> Array:
    """Ends of the rods, and the centre unless there is one rod."""
    ends = center[:, None] + np.concatenate([rods, -rods], axis=1)
    return ends if rods.shape[1] == 1 else np.concatenate([ends, center[:, None]], axis=1)


def average(values: Array, count: int) -> tuple[Array, Array]:
    """Mean over the rods of values at `ends`, and half-differences between the ends (..., r).

    ``f(c) + sum_i [(f(c + delta_i) + f(c - delta_i))/2 - f(c)]``: exact for one rod, and to the
    second moment for several.
    """
    plus, minus = values[..., :count], values[..., count : 2 * count]
    mean = np.sum(plus + minus, axis=-1) / 2
    if count > 1:
        mean = mean - (count - 1) * values[..., -1]
    return mean, (plus - minus) / 2
