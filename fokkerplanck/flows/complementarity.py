"""Small semidefinite complementarity: which oscillation holds curvatures at their bound."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import NotConverged

__all__ = ["as_matrix", "as_vector", "solve_complementarity"]

Array = NDArray[np.float64]

# Where the curvatures depend on too few parameters, several X give the same force; this share of
# the largest entry of M picks one, and changes the force in the tenth digit.
REGULARISATION = 1e-10
# Complementarity <X, Y> and residual of problems scaled to entries of size 1, at which the interior
# point hands over: rounding stops it at some 1e-9, and Newton's method converges from there.
HANDOVER = 1e-8
# A solution this large exists by the regularisation alone.
LARGEST = 1e7
# Each iteration takes about a tenth of the complementarity: 10 for the handover.
ITERATIONS = 60
CENTRING, TO_BOUNDARY = 0.1, 0.95
# After a step shorter than half, one that first returns to the centre of the cone.
RECENTRING = 0.8
# Quadratic convergence from 1e-8 takes two steps; more where a solution is nearly degenerate.
POLISH = 6


@cache
def _upper(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.triu_indices(size)


def as_vector(matrices: Array) -> Array:
    """Symmetric matrices (..., m, m) as vectors (..., m (m + 1)/2) with the same inner product."""
    rows, columns = _upper(matrices.shape[-1])
    vectors: Array = np.where(rows == columns, 1.0, np.sqrt(2)) * matrices[..., rows, columns]
    return vectors


def as_matrix(vector: Array) -> Array:
    """The symmetric matrix of a vector."""
    size = int((np.sqrt(8 * vector.size + 1) - 1) / 2)
    rows, columns = _upper(size)
    matrix = np.zeros((size, size))
    matrix[rows, columns] = vector / np.where(rows == columns, 1.0, np.sqrt(2))
    return matrix + np.triu(matrix, 1).T


def solve_complementarity(operator: Array, constant: Array) -> Array:
    """``X >= 0`` with ``Y = M X + A >= 0`` and ``<X, Y> = 0``.

    Both orders are those of symmetric matrices.  For M positive semidefinite it is the minimum of
    ``<X, M X>/2 + <X, A>``; of several the smallest is taken.  An interior-point method in the
    directions of Nesterov and Todd (SIAM J. Optim. 8, 1998), then Newton's on the normal map
    ``M P(Z) + A + Z - P(Z) = 0``, P the projection onto the cone (Robinson 1992).

    Parameters
    ----------
    operator : (n, n), n = m (m + 1)/2
        ``M`` on the vectors of `as_vector`.
    constant : (n,)
        ``A`` as a vector.

    Returns
    -------
    (m, m)

    Raises
    ------
    NotConverged
        When there is no solution: A is negative where M vanishes.
    """
    size = as_matrix(constant).shape[0]
    scale, height = float(np.abs(operator).max()), float(np.abs(constant).max())
    if np.linalg.eigvalsh(as_matrix(constant))[0] >= 0:
        return np.zeros((size, size))
    if size == 1 and scale > 0:
        return np.array([[-constant[0] / operator[0, 0]]])
    if scale > 0:
        matrix = operator / scale + REGULARISATION * np.eye(constant.size)
        found = _interior_point(matrix, constant / height, size)
        if found is not None:
            return found * height / scale
    raise NotConverged(
        f"no oscillation holds {size} curvature{'s' if size > 1 else ''} at the edge: they do not "
        "depend on the parameters, as in a quadratic loss, or too weakly"
    )


def _interior_point(matrix: Array, vector: Array, size: int) -> Array | None:
    """The solution of a scaled problem; None when it is too large or not reached."""
    x = y = as_vector(np.eye(size))
    length = 1.0
    for _ in range(ITERATIONS):
        residual = matrix @ x + vector - y
        gap = float(x @ y) / size
        large = float(np.abs(x).max())
        if large > LARGEST:
            return None
        if max(gap, float(np.abs(residual).max())) <= HANDOVER * max(1.0, large):
            return _polish(matrix, vector, x - y)
        root = _power(as_matrix(x), 0.5)
        inverse_root = _power(as_matrix(x), -0.5)
        # W^-1 of the scaling W Y W = X.
        scaling = inverse_root @ _power(root @ as_matrix(y) @ root, 0.5) @ inverse_root
        twice = np.stack([as_vector(scaling @ as_matrix(e) @ scaling) for e in np.eye(x.size)])
        centring = CENTRING if length > 0.5 else RECENTRING
        target = centring * gap * _power(as_matrix(y), -1.0) - as_matrix(x)
        right = as_vector(scaling @ target @ scaling) - residual
        step: Array = np.asarray(np.linalg.solve(twice + matrix, right), np.float64)
        other: Array = matrix @ step + residual
        length = min(_longest(x, step), _longest(y, other))
        x, y = x + length * step, y + length * other
    return None


def _polish(matrix: Array, vector: Array, z: Array) -> Array:
    """Newton's method on the normal map, as long as it improves; the best X."""
    best, smallest = z, np.inf
    for _ in range(POLISH):
        projected, derivative = _project(z)
        residual = matrix @ projected + vector + z - projected
        norm = float(np.linalg.norm(residual))
        if not norm < smallest:
            break
        best, smallest = projected, norm
        jacobian = matrix @ derivative + np.eye(z.size) - derivative
        z = z - np.linalg.lstsq(jacobian, residual, rcond=None)[0]
    return as_matrix(best)


def _project(vector: Array) -> tuple[Array, Array]:
    """Projection onto the cone of semidefinite matrices, and its derivative (n, n)."""
    values, basis = np.linalg.eigh(as_matrix(vector))
    positive = np.maximum(values, 0.0)
    difference = values[:, None] - values[None, :]
    apart = difference != 0
    share = np.where(values[:, None] + values[None, :] > 0, 1.0, 0.0)
    share[apart] = (positive[:, None] - positive[None, :])[apart] / difference[apart]
    directions = np.stack([as_matrix(unit) for unit in np.eye(vector.size)])
    derivative = as_vector(basis @ (share * (basis.T @ directions @ basis)) @ basis.T).T
    return as_vector((basis * positive) @ basis.T), derivative


def _power(matrix: Array, exponent: float) -> Array:
    values, basis = np.linalg.eigh(matrix)
    floor = np.finfo(float).tiny
    result: Array = (basis * np.maximum(values, floor) ** exponent) @ basis.T
    return result


def _longest(point: Array, step: Array) -> float:
    """Largest step, at most 1, that stays within the cone by the share TO_BOUNDARY."""
    scaling = _power(as_matrix(point), -0.5)
    lowest = float(np.linalg.eigvalsh(scaling @ as_matrix(step) @ scaling)[0])
    return 1.0 if lowest >= -TO_BOUNDARY else TO_BOUNDARY / -lowest
