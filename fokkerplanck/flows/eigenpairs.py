"""Largest eigenvalues of a symmetric matrix known by its products only."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh, lobpcg

from fokkerplanck.errors import NotConverged

__all__ = ["top_eigenpairs"]

Array = NDArray[np.float64]

# LOBPCG converges at the gap behind the last vector of its block, not behind the last one wanted.
GUARDS = 2
# A matrix of fewer rows than this many blocks is filled: as cheap, and without an iteration.
FEWEST_BLOCKS = 8
# Block iterations, about three times what a start that has moved by a step takes.
ITERATIONS = 60


def top_eigenpairs(
    products: Callable[[Array], Array],
    size: int,
    count: int,
    *,
    tolerance: float,
    start: Array | None = None,
) -> tuple[Array, Array]:
    """The `count` largest eigenvalues, largest first, and at least as many eigenvectors.

    Lanczos (`scipy.sparse.linalg.eigsh`) without a start, LOBPCG from one: several eigenvalues held
    at the same number are found by a block only.

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
    block = count + GUARDS
    if size < FEWEST_BLOCKS * block:
        values, vectors = np.linalg.eigh(_symmetric(products(np.eye(size))))
        return values[::-1][:count], vectors[:, ::-1][:, : max(block, count)]
    if start is not None and start.shape[1] >= count:
        found = _block(products, start[:, :block], tolerance)
        if _residual(products, *found, count) <= tolerance:
            return found[0][:count], found[1]
    operator = LinearOperator(
        (size, size), matvec=lambda v: products(v.reshape(-1, 1))[:, 0], dtype=np.float64
    )
    # A Krylov space finds one vector of a multiple eigenvalue, rounding the others: it is large.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values, vectors = eigsh(
            operator, k=block, which="LA", v0=_first(size), ncv=min(size, 4 * block + 20)
        )
    values, vectors = values[::-1], vectors[:, ::-1]
    residual = _residual(products, values, vectors, count)
    if not residual <= tolerance:
        raise NotConverged(
            f"the {count} largest curvatures have a residual of {residual:.2g} of the sharpness, "
            f"above the tolerance {tolerance:.2g}: the next curvature is too near"
        )
    return values[:count], vectors


def _block(products: Callable[[Array], Array], start: Array, tolerance: float) -> tuple[Array, Array]:
    """LOBPCG, its residual below half the tolerance if it gets there."""
    basis = np.linalg.qr(start)[0]
    scale = float(np.abs(np.sum(basis * products(basis), axis=0)).max())
    operator = LinearOperator(
        (len(start),) * 2, matvec=lambda v: products(v.reshape(-1, 1)), matmat=products,
        dtype=np.float64,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        values, vectors = lobpcg(
            operator, basis, largest=True, tol=tolerance * scale / 2, maxiter=ITERATIONS
        )
    order = np.argsort(values)[::-1]
    return np.asarray(values)[order], np.asarray(vectors)[:, order]


def _residual(
    products: Callable[[Array], Array], values: Array, vectors: Array, count: int
) -> float:
    wanted = vectors[:, :count]
    residuals = np.linalg.norm(products(wanted) - wanted * values[:count], axis=0)
    # A failed iteration may return vectors of another length.
    lengths = np.linalg.norm(wanted, axis=0)
    return float((residuals / lengths).max() / np.abs(values).max())


def _symmetric(matrix: Array) -> Array:
    return (matrix + matrix.T) / 2


def _first(size: int) -> Array:
    return np.random.default_rng(0).normal(size=size)
