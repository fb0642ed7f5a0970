"""Block Arnoldi and Lanczos iteration for the eigenvalues of largest modulus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import NotConverged

__all__ = ["RitzPairs", "leading_pairs"]

Array = NDArray[np.float64]
Values = NDArray[Any]

# Residual over eigenvalue at which a pair is done.
TOLERANCE = 1e-11
# Multiples of the rounding noise of one product: residuals do not fall below the first, and an
# eigenvalue below the second is not seen at all.
FLOOR, VISIBLE = 8.0, 1e3
# Vectors kept at a restart, beyond the wanted ones, and vectors at which it happens.
SPARE, LARGEST = 12, 72
# Products with a block before giving up.
PRODUCTS = 400
# Products after which eigenvalues that hide in the noise are taken to be there.
HIDDEN = 3


@dataclass(frozen=True)
class RitzPairs:
    """Eigenpairs, by falling modulus of the eigenvalue.

    Attributes
    ----------
    values : (k,)
    vectors : (n, k) of length 1
    residuals : (k,) length of ``A x - theta x``
    converged : (k,) whether the residual is below the tolerance or in the noise
    """

    values: Values
    vectors: Values
    residuals: Array
    converged: NDArray[np.bool_]


def leading_pairs(
    apply: Callable[[Array], Array],
    start: Array,
    wanted: int,
    *,
    symmetric: bool,
    noise: Callable[[], float],
    tolerance: float = TOLERANCE,
    rounding: float = 1.0 / VISIBLE,
) -> RitzPairs:
    """Eigenpairs of largest modulus of a real matrix that is known by its products.

    Parameters
    ----------
    apply : product with a block, (n, b) to (n, b)
    start : (n, b) block to begin with; eigenvalues of multiplicity above b are found b times.
    wanted : number of pairs; a conjugate pair is never split
    noise : rounding error of a product with a vector of length 1, so far
    rounding : share of an eigenvalue in noise with which it is not worth its products

    Raises
    ------
    NotConverged
    """
    n, width = start.shape
    basis, images = np.empty((n, 0)), np.empty((n, 0))
    block = _orthonormal(start, basis)
    hidden = 0
    for _ in range(PRODUCTS):
        image = apply(block)
        basis, images = np.hstack([basis, block]), np.hstack([images, image])
        values, coordinates = _eigen(basis.T @ images, symmetric)
        count = _unsplit(values, min(wanted, values.size))
        pairs = _pairs(basis, images, values[:count], coordinates[:, :count], noise(), tolerance)
        unseen = np.abs(pairs.values) * rounding < noise()
        hidden = hidden + 1 if (pairs.converged | unseen).all() else 0
        enough = count >= wanted or basis.shape[1] == n
        if enough and (pairs.converged.all() or hidden >= HIDDEN):
            return pairs
        block = _orthonormal(image, basis)
        if block.shape[1] == 0:
            return pairs
        if basis.shape[1] + width > LARGEST + wanted:
            kept = _unsplit(values, min(wanted + SPARE, values.size))
            parts = np.hstack([coordinates[:, :kept].real, coordinates[:, :kept].imag])
            rotation, size, _ = np.linalg.svd(parts, full_matrices=False)
            # Imaginary parts of real vectors, and those of conjugates, add no direction.
            rotation = rotation[:, size > 1e-10 * size[0]]
            basis, images = basis @ rotation, images @ rotation
    raise NotConverged(
        f"after {PRODUCTS} products {np.count_nonzero(~pairs.converged)} of {wanted} eigenpairs "
        "have residuals of up to "
        f"{(pairs.residuals / np.abs(pairs.values)).max():.2g}: eigenvalues close to each other; "
        "ask for another number of them"
    )


def _eigen(projected: Array, symmetric: bool) -> tuple[Values, Values]:
    values: Values
    vectors: Values
    if symmetric:
        values, vectors = np.linalg.eigh(0.5 * (projected + projected.T))
    else:
        values, vectors = np.linalg.eig(projected)
    # By modulus; conjugates, whose moduli are the same numbers, stay together.
    order = np.lexsort([values.imag, np.abs(values.imag), -np.abs(values)])
    return values[order], vectors[:, order]


def _unsplit(values: Values, count: int) -> int:
    """A number of eigenvalues, one more where it would part a conjugate pair."""
    if 0 < count < values.size and values[count - 1].imag != 0.0:
        inside = values[:count]
        if np.count_nonzero(inside == values[count - 1].conjugate()) < np.count_nonzero(
            inside == values[count - 1]
        ):
            return count + 1
    return count


def _pairs(
    basis: Array, images: Array, values: Values, coordinates: Values, noise: float, tolerance: float
) -> RitzPairs:
    vectors = basis @ coordinates
    residuals = np.linalg.norm(images @ coordinates - vectors * values, axis=0)
    done = residuals <= np.maximum(tolerance * np.abs(values), FLOOR * noise)
    done &= np.abs(values) > VISIBLE * noise
    if done.all():
        # One more product, which is there already: it smooths what rounding left in rare cells.
        vectors = images @ coordinates / values
    return RitzPairs(values, vectors / np.linalg.norm(vectors, axis=0), residuals, done)


def _orthonormal(block: Array, basis: Array) -> Array:
    """The block made orthogonal to the basis; directions that are in it already fall away."""
    columns: list[Array] = []
    for k in range(block.shape[1]):
        if basis.shape[1] + len(columns) == basis.shape[0]:
            break
        vector = block[:, k] / (np.linalg.norm(block[:, k]) or 1.0)
        before = np.column_stack([basis, *columns])
        # Twice is enough (Parlett, The Symmetric Eigenvalue Problem, section 6.9).
        for _ in range(2):
            vector = vector - before @ (before.T @ vector)
        length = np.linalg.norm(vector)
        if length > 1e-12:
            vector = vector / length
            columns.append(vector - before @ (before.T @ vector))
    return np.column_stack(columns) if columns else np.empty((basis.shape[0], 0))
