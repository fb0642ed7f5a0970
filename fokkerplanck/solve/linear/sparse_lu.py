"""SciPy's sparse LU with the operations of `subtraction_free`, for matrices of any sign.

Schemes whose off-diagonals may be negative are no Markov generators, and only an ordinary LU
solves with them. Its answers carry errors of about eps ||Q|| / gap relative to the largest
weight, where gap is the slowest relaxation rate, so that rate is estimated along with them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import SuperLU, splu

from fokkerplanck.errors import DisconnectedDomain, FokkerPlanckError, NotConserving
from fokkerplanck.solve.linear.blas import single_threaded_blas

__all__ = ["SparseLUFactors", "StationaryEvidence", "factorize_lu"]

Array = NDArray[np.float64]

# Steps of the uniformised chain that let a uniform density slide towards the wells: enough to
# leave the walls, where a pinned weight would be tiny, at the cost of a few per cent of the LU.
_SLIDE = 50
# A pinned weight below this share of the largest costs three digits: pin the largest instead.
_POOR_PIN = 1e-3
# Inverse iterations for the slowest rate; only its order of magnitude is used.
_INVERSE_ITERATIONS = 4


@dataclass(frozen=True)
class StationaryEvidence:
    """How good a stationary vector is, measured before anything is clipped.

    Attributes
    ----------
    relative_residual : max |Q pi| / max(outflow pi).
    smallest : smallest entry of pi, negative where the scheme or the rounding made it so.
    negative_mass : sum of the negative entries of pi, times -1.
    slowest_rate : estimate of the slowest relaxation rate (gap).
    rounding : eps max|Q| / slowest_rate, the error to expect relative to the largest weight.
    """

    relative_residual: float
    smallest: float
    negative_mass: float
    slowest_rate: float
    rounding: float


@dataclass(frozen=True)
class SparseLUFactors:
    """LU factors of ``M = -Q + diag(killing)``, from `factorize_lu`.

    Where nothing is killed, M is singular, and the factors are those of M without the row and
    column of cell ``pin``.
    """

    matrix: sparse.csc_array
    pin: int | None
    seconds: float
    _lu: SuperLU = field(repr=False)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(self.matrix.shape[0])

    @property
    def conserving(self) -> bool:
        """Whether nothing is killed."""
        return self.pin is not None

    @property
    def nnz(self) -> int:
        """Stored entries of the factors."""
        return int(self._lu.nnz)

    @property
    def memory(self) -> int:
        """Bytes held by the factors: a double and a 32-bit index for each entry."""
        return 12 * self.nnz

    def stationary(self) -> Array:
        """Null vector of Q with sum 1, shape (n,); negative entries are left as they are.

        Raises
        ------
        NotConserving : something is killed.
        """
        return self._stationary.copy()

    def evidence(self) -> StationaryEvidence:
        """Residual, smallest entry, negative mass and slowest rate of `stationary`."""
        weights = self._stationary
        outflow = self.matrix.diagonal()
        residual = np.abs(self.matrix @ weights).max() / np.abs(outflow * weights).max()
        rate = self.slowest_rate()
        return StationaryEvidence(
            float(residual),
            float(weights.min()),
            float(-weights[weights < 0.0].sum()),
            rate,
            float(np.finfo(float).eps * np.abs(outflow).max() / rate),
        )

    def solve(self, b: ArrayLike) -> Array:
        """Solve ``(-Q + diag(killing)) x = b``; b of shape (n,) or (n, k), of any sign."""
        return self._solve(b, "N")

    def solve_transpose(self, b: ArrayLike) -> Array:
        """Solve ``(-Q + diag(killing))^T u = b``; b of shape (n,) or (n, k), of any sign."""
        return self._solve(b, "T")

    def slowest_rate(self) -> float:
        """Slowest relaxation rate of a conserving matrix, by inverse iteration; >= 0.

        Rates below about eps max|Q| come back as rounding noise of that size.
        """
        weights = self._stationary
        others = np.arange(self.size) != self.pin
        vector = np.random.default_rng(0).standard_normal(self.size) * np.sqrt(np.abs(weights))
        ratio = np.inf
        for _ in range(_INVERSE_ITERATIONS):
            vector -= weights * vector.sum()
            vector /= np.abs(vector).sum()
            vector[others] = self._lu.solve(vector[others])
            vector[~others] = 0.0
            vector -= weights * vector.sum()
            ratio = 1.0 / np.abs(vector).sum()
        return float(ratio)

    @cached_property
    def _stationary(self) -> Array:
        if self.pin is None:
            raise NotConserving(
                "a matrix that kills has no stationary density; factorise it without killing"
            )
        others = np.arange(self.size) != self.pin
        inflow = -self.matrix[:, [self.pin]].toarray()[:, 0]
        weights = np.ones(self.size)
        weights[others] = self._lu.solve(inflow[others])
        weights /= weights.sum()
        weights.flags.writeable = False
        return weights

    def _solve(self, b: ArrayLike, transposed: str) -> Array:
        if self.pin is not None:
            raise FokkerPlanckError(
                "without killing the matrix is singular: nothing ever ends, and times are "
                "infinite; pass killing="
            )
        right = np.asarray(b, dtype=np.float64)
        if right.shape[:1] != (self.size,) or right.ndim > 2:
            raise FokkerPlanckError(
                f"the right-hand side has shape {right.shape}, the matrix {self.size} rows"
            )
        # The stubs of SciPy forget the second argument.
        solution: Array = self._lu.solve(right, transposed)  # type: ignore[call-overload]
        return solution


def factorize_lu(
    generator: sparse.sparray | sparse.spmatrix | Array, *, killing: ArrayLike | float = 0.0
) -> SparseLUFactors:
    """Factorise ``-Q + diag(killing)`` with SuperLU.

    Parameters
    ----------
    generator : (n, n) matrix Q whose columns sum to zero once the diagonal is right. As in
        `factorize` the stored diagonal is ignored; off-diagonals may have any sign.
    killing : (n,) or one rate >= 0.

    Returns
    -------
    SparseLUFactors

    Raises
    ------
    DisconnectedDomain : the matrix is exactly singular although a cell was pinned.

    Examples
    --------
    >>> import numpy as np
    >>> factorize_lu(np.array([[0.0, 3.0], [1.0, 0.0]])).stationary()
    array([0.75, 0.25])
    """
    begin = time.perf_counter()
    rates = sparse.csc_array(generator, dtype=np.float64)
    n = rates.shape[0]
    off_diagonal = sparse.csc_array(rates - sparse.diags_array(rates.diagonal()))
    lost = np.broadcast_to(np.asarray(killing, dtype=np.float64), (n,))
    outflow = off_diagonal.sum(axis=0) + lost
    matrix = sparse.csc_array(sparse.diags_array(outflow) - off_diagonal)
    if lost.any():
        return SparseLUFactors(matrix, None, time.perf_counter() - begin, _factors(matrix))
    pin = _likely_cell(off_diagonal, outflow)
    factors = SparseLUFactors(matrix, pin, 0.0, _factors(_without(matrix, pin)))
    weights = np.abs(factors.stationary())
    if weights[pin] < _POOR_PIN * weights.max() or not np.isfinite(weights).all():
        pin = int(np.argmax(np.nan_to_num(weights)))
        factors = SparseLUFactors(matrix, pin, 0.0, _factors(_without(matrix, pin)))
    return SparseLUFactors(matrix, pin, time.perf_counter() - begin, factors._lu)


def _factors(matrix: sparse.csc_array) -> SuperLU:
    """Symmetric ordering with almost no pivoting: generators are column diagonally dominant."""
    try:
        with single_threaded_blas():
            return splu(
                sparse.csc_matrix(matrix),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=1e-3,
                options={"SymmetricMode": True},
            )
    except RuntimeError as error:
        raise DisconnectedDomain(
            "the matrix is exactly singular: some cells exchange no probability with the others; "
            "add noise where it vanishes, or solve on the connected part"
        ) from error


def _without(matrix: sparse.csc_array, cell: int) -> sparse.csc_array:
    others = np.delete(np.arange(matrix.shape[0]), cell)
    return sparse.csc_array(matrix[others][:, others])


def _likely_cell(off_diagonal: sparse.csc_array, outflow: Array) -> int:
    """A cell of large stationary weight: where a uniform density slides to."""
    step = 0.5 / np.abs(outflow).max()
    density = np.ones(len(outflow))
    for _ in range(_SLIDE):
        density = density + step * (off_diagonal @ density - outflow * density)
    return int(np.argmax(density))
