"""Largest eigenvalues of a symmetric matrix known by its products only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import NotConverged

__all__ = ["top_eigenpairs"]

Array = NDArray[np.float64]

# Vectors behind those wanted, for a next call, whose order may have changed.
GUARDS = 2
# A matrix of fewer rows than this many blocks is filled: as cheap, and without an iteration.
FEWEST_BLOCKS = 8
# Columns of the basis before a restart keeps the best: linear algebra stays cheaper than products.
COLUMNS = 80
# Ten times what a random start takes where curvatures are a few per cent apart.
MOST_PRODUCTS = 2000


def top_eigenpairs(
    products: Callable[[Array], Array],
    size: int,
    count: int,
    *,
    tolerance: float,
    start: Array | None = None,
) -> tuple[Array, Array]:
    """The `count` largest eigenvalues, largest first, and at least as many eigenvectors.

    Rayleigh and Ritz on a basis that the residuals of the vectors wanted extend: the Krylov space
    of a block, which sees eigenvalues that are held at the same number, and costs little from
    vectors nearby.  SciPy's ``eigsh`` starts from one vector, its ``lobpcg`` ends when every vector
    of the block has converged, guards included.

    Parameters
    ----------
    products : function
        Of a block of vectors (size, m), the matrix times it.
    count : int
        At most `size`.
    tolerance : float
        Residual ``|H v - lambda v|`` at which an eigenvector is one, relative to the largest
        ``|lambda|``; the eigenvalue is off by about its square.
    start : (size, m), optional
        Eigenvectors of a matrix nearby.

    Returns
    -------
    values : (count,)
    vectors : (size, m)
        ``m >= count``; those beyond are the start of a next call.

    Raises
    ------
    NotConverged
    """
    block = min(count + GUARDS, size)
    if size < FEWEST_BLOCKS * block:
        matrix = products(np.eye(size))
        values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
        return values[::-1][:count], vectors[:, ::-1][:, :block]
    first = np.random.default_rng(0).normal(size=(size, block))
    if start is not None:
        first[:, : start.shape[1]] = start[:, :block]
    basis = np.linalg.qr(first)[0]
    images = products(basis)
    spent = block
    while True:
        small = basis.T @ images
        if not np.isfinite(small).all():
            raise NotConverged("the curvatures are not finite: products with the Hessian are not")
        values, mixing = np.linalg.eigh((small + small.T) / 2)
        values, mixing = values[::-1], mixing[:, ::-1]
        vectors = basis @ mixing[:, :block]
        residuals = images @ mixing[:, :count] - vectors[:, :count] * values[:count]
        sizes = np.linalg.norm(residuals, axis=0) / np.abs(values).max()
        unfinished = sizes > tolerance
        if not unfinished.any():
            return values[:count], vectors
        spent += int(unfinished.sum())
        if spent > MOST_PRODUCTS:
            raise NotConverged(
                f"the {count} largest curvatures have a residual of {sizes.max():.2g} of the "
                f"sharpness after {spent} products, above the tolerance {tolerance:.2g}"
            )
        if basis.shape[1] + block > COLUMNS:
            basis, images = basis @ mixing[:, : COLUMNS // 2], images @ mixing[:, : COLUMNS // 2]
        added = _orthogonal(residuals[:, unfinished], basis)
        basis = np.concatenate([basis, added], axis=1)
        images = np.concatenate([images, products(added)], axis=1)


def _orthogonal(vectors: Array, basis: Array) -> Array:
    """Orthonormal columns, orthogonal to the basis: projected twice, as rounding needs."""
    for _ in range(2):
        vectors = vectors - basis @ (basis.T @ vectors)
        vectors = np.linalg.qr(vectors)[0]
    return vectors
