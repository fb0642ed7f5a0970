"""Resolvents of a generator in the coordinates in which slow modes are well conditioned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.solve.linear.sparse_lu import SparseLUFactors
from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU

__all__ = ["EPS", "Resolvent", "well_heights"]

Array = NDArray[np.float64]
Whole = NDArray[np.integer[Any]]

EPS = float(np.finfo(float).eps)


@dataclass
class Resolvent:
    """``A = d^-1 (shift - Q)^-1 d`` times a unit of rate, with ``d = sqrt(weights)``.

    In these coordinates the norm of A is that of the resolvent in ``L^2(1/pi)``, at most
    ``1/shift``, however unequal the weights of the wells.  Parts of either sign are solved for by
    themselves: the error of a product is a share of what the parts are, not of ``|Q|``.

    Attributes
    ----------
    shift : float
    factors : of ``shift - Q``, with one cell killed where the shift is zero
    scale : (n,) ``d``
    unit : float
        Rate that makes the norm of A about one: powers of the longest times would overflow.
    fastest : float
        Largest outflow of a cell.
    noise : float
        Largest rounding error of a product with a vector of length 1, so far.
    """

    shift: float
    factors: SubtractionFreeLU | SparseLUFactors
    scale: Array
    unit: float
    fastest: float
    noise: float = field(default=0.0)

    def times(self, block: Array) -> Array:
        """``A v`` for every column."""
        return self._applied(block, transposed=False)

    def times_transpose(self, block: Array) -> Array:
        """``A^T v`` for every column."""
        return self._applied(block, transposed=True)

    def rates(self, values: NDArray[np.generic]) -> NDArray[np.complex128]:
        """Relaxation rates of eigenvalues of A; infinite for zero."""
        size = values.astype(complex)
        seen = size != 0.0
        rates = np.full(size.shape, np.inf, complex)
        rates[seen] = self.unit / size[seen] - self.shift
        return rates

    def _applied(self, block: Array, *, transposed: bool) -> Array:
        factors = self.factors
        solve = factors.solve_transpose if transposed else factors.solve
        inward = 1.0 / self.scale if transposed else self.scale
        result = np.empty(block.shape)
        for k in range(block.shape[1]):
            source = block[:, k] * inward
            if isinstance(factors, SparseLUFactors):
                result[:, k] = solve(source) / inward * self.unit
                # Backward error of Gaussian elimination: A is that of Q with an error eps |Q|.
                size = float(np.linalg.norm(result[:, k]))
                self.noise = max(self.noise, EPS * self.fastest / self.unit * size**2)
                continue
            above = solve(np.maximum(source, 0.0)) / inward * self.unit
            below = solve(np.maximum(-source, 0.0)) / inward * self.unit
            result[:, k] = above - below
            self.noise = max(self.noise, EPS * float(np.linalg.norm(above + below)))
        return result


def well_heights(indptr: Whole, indices: Whole, level: Array) -> Array:
    """For every cell the largest level to which steepest ascent along the edges leads.

    Parameters
    ----------
    indptr, indices : pattern of a matrix, column by column
    level : (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import diags_array
    >>> path = diags_array([np.ones(4), np.ones(5), np.ones(4)], offsets=[-1, 0, 1]).tocsc()
    >>> well_heights(path.indptr, path.indices, np.array([3.0, 1.0, 0.0, 2.0, 1.0]))
    array([3., 3., 3., 2., 2.])
    """
    size = level.size
    columns = np.repeat(np.arange(size), np.diff(indptr))
    # Sorted by column, then by level: the last entry of each column is its highest neighbour.
    order = np.lexsort([level[indices], columns])
    leads = np.arange(size)
    filled = np.diff(indptr) > 0
    highest = indices[order][indptr[1:][filled] - 1]
    own = np.flatnonzero(filled)
    climbs = level[highest] > level[own]
    leads[own[climbs]] = highest[climbs]
    while True:
        further = leads[leads]
        if np.array_equal(further, leads):
            return np.asarray(level[leads])
        leads = further
