"""Small semidefinite complementarity problems: which oscillation holds curvatures at their bound."""

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
# The residual is a difference of numbers of this relative rounding, summed over few entries.
TOLERANCE = 1e-12
ITERATIONS = 200


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
    ``<X, M X>/2 + <X, A>``; of several the smallest is taken.  Newton's method on the normal map
    ``M P(Z) + A + c (Z - P(Z)) = 0`` (Robinson 1992), P the projection onto the cone, with steps
    of the projected gradient where Newton's do not descend.

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
    scale = float(np.abs(operator).max())
    if scale == 0.0 or constant.size == 1:
        return _trivial(operator, constant)
    matrix = operator / scale + REGULARISATION * np.eye(constant.size)
    vector = constant / scale
    size = float(np.abs(vector).max())
    z = -vector
    for _ in range(ITERATIONS):
        projected, derivative = _project(z)
        residual = matrix @ projected + vector + z - projected
        norm = float(np.linalg.norm(residual))
        if norm <= TOLERANCE * max(size, float(np.abs(projected).max())):
            return as_matrix(projected)
        jacobian = matrix @ derivative + np.eye(z.size) - derivative
        step = np.linalg.lstsq(jacobian, residual, rcond=None)[0]
        trial = z - step
        ahead = _project(trial)[0]
        if np.linalg.norm(matrix @ ahead + vector + trial - ahead) < norm:
            z = trial
        else:
            z = projected - (matrix @ projected + vector) / float(np.linalg.norm(matrix, 2))
    raise NotConverged(
        f"no oscillation holds {as_matrix(constant).shape[0]} curvatures at the edge: the residual "
        f"is {norm:.2g} of {size:.2g} after {ITERATIONS} iterations; they do not depend on the "
        "parameters strongly enough"
    )


def _trivial(operator: Array, constant: Array) -> Array:
    """Without M, or for one curvature."""
    lowest = float(np.linalg.eigvalsh(as_matrix(constant))[0])
    if lowest >= 0:
        return np.zeros_like(as_matrix(constant))
    if constant.size == 1 and operator[0, 0] > 0:
        return np.array([[-lowest / operator[0, 0]]])
    raise NotConverged(
        "no oscillation holds the sharpness at the edge: it does not depend on the parameters, as "
        "in a quadratic loss"
    )


def _project(vector: Array) -> tuple[Array, Array]:
    """Projection onto the cone of semidefinite matrices, and its derivative (n, n)."""
    values, basis = np.linalg.eigh(as_matrix(vector))
    positive = np.maximum(values, 0.0)
    difference = values[:, None] - values[None, :]
    apart = np.abs(difference) > 0
    share = np.where(values[:, None] > 0, 1.0, 0.0) * np.ones_like(difference)
    share[apart] = ((positive[:, None] - positive[None, :])[apart]) / difference[apart]
    directions = np.stack([as_matrix(unit) for unit in np.eye(vector.size)])
    turned = basis.T @ directions @ basis
    derivative = as_vector(basis @ (share * turned) @ basis.T).T
    return as_vector((basis * positive) @ basis.T), derivative
