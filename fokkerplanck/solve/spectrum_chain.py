"""The chain whose modes are wanted: its coordinates, and its resolvents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from fokkerplanck.errors import DisconnectedDomain
from fokkerplanck.solve.linear.analysis import Analysis, analyze
from fokkerplanck.solve.linear.chains import describe_closed_classes
from fokkerplanck.solve.linear.sparse_lu import SparseLUFactors, factorize_lu
from fokkerplanck.solve.linear.subtraction_free import SubtractionFreeLU, factorize
from fokkerplanck.solve.spectrum_resolvent import EPS, Resolvent, well_heights

__all__ = ["ModalChain"]

Array = NDArray[np.float64]

# Imbalance of an edge's two flows, relative to either, up to which a chain counts as reversible:
# weights and rates have some thirteen digits.
REVERSIBLE = 1e-10
# Weights below e^-1200 of the largest are raised to that: their roots stay within the doubles.
# Modes that live there only are then no longer orthogonal, which costs digits and is reported.
RAREST = 1200.0
# How much faster the one killed cell kills than it is left: it is then as good as removed.
KILL = 2.0**40
# Share of a rate that an ordinary LU may cost.
SAFE = 1e-11


@dataclass(frozen=True)
class ModalChain:
    """A generator with weights that make its slow modes well conditioned.

    Attributes
    ----------
    matrix : csc_array, (n, n); the diagonal is ignored
    killing : (n,)
    log_weights : (n,)
        Logarithm of the stationary distribution; of a chain that ends, of the quasi-stationary one
        over the survival.
    symmetric : bool
        Detailed balance with these weights.
    monotone : bool
    shape : of the grid, or None
    """

    matrix: sparse.csc_array
    killing: Array
    log_weights: Array
    symmetric: bool
    monotone: bool
    shape: tuple[int, ...] | None

    @classmethod
    def of(
        cls,
        matrix: sparse.csc_array,
        killing: Array,
        *,
        log_weights: Array | None = None,
        monotone: bool = True,
        shape: tuple[int, ...] | None = None,
    ) -> ModalChain:
        """Find the weights, where they are not given, and test detailed balance.

        Raises
        ------
        DisconnectedDomain
            When more than one part of the chain is never left, or one although walls absorb.
        """
        _require_one_end(matrix, killing)
        if log_weights is None:
            log_weights = _weights(matrix, killing, monotone, shape)
        log_weights = np.maximum(log_weights - log_weights.max(), -RAREST)
        symmetric = monotone and _balanced(matrix, log_weights)
        return cls(matrix, killing, log_weights, symmetric, monotone, shape)

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.killing.size

    @property
    def conserving(self) -> bool:
        """Whether nothing is killed."""
        return not self.killing.any()

    @cached_property
    def scale(self) -> Array:
        """Square roots of the weights, of length 1."""
        root = np.exp(0.5 * self.log_weights)
        result: Array = root / np.linalg.norm(root)
        return result

    @cached_property
    def heights(self) -> Array:
        """Square root of the weight of the top of the well of every cell, times its own share.

        A random vector of this size meets every well, however rare, at full height.
        """
        tops = well_heights(self.matrix.indptr, self.matrix.indices, self.log_weights)
        result: Array = np.exp(0.5 * (self.log_weights - tops))
        return result

    def resolvent(self, shift: float) -> Resolvent:
        """``(shift - Q)^-1``; at shift 0 of a conserving chain with its heaviest cell killed.

        Between projections on what sums to zero that one is the group inverse exactly.
        """
        killing = self.killing + shift
        if shift == 0.0 and self.conserving:
            root = int(np.argmax(self.log_weights))
            killing[root] = KILL * self._outflow[root]
        # An ordinary LU of an M-matrix needs no pivoting, keeps the size of every component as a
        # subtraction-free one does, and loses this share: it solves for both signs at once, ten
        # times as fast.
        fastest = float(self._outflow.max())
        if self.monotone and EPS * fastest > SAFE * shift:
            exact = self._resolvent(
                shift, factorize(self.matrix, killing=killing, analysis=self._analysis)
            )
            if EPS * fastest > SAFE * exact.unit:
                return exact
        return self._resolvent(shift, factorize_lu(self.matrix, killing=killing))

    def _resolvent(self, shift: float, factors: SubtractionFreeLU | SparseLUFactors) -> Resolvent:
        fastest = float(self._outflow.max())
        resolvent = Resolvent(shift, factors, self.scale, 1.0, fastest)
        # Of the order of the norm: the image of a vector that meets every well.
        probe = np.random.default_rng(1).random((self.size, 1)) * self.heights[:, np.newaxis]
        image = resolvent.times(probe / np.linalg.norm(probe))
        largest = float(np.abs(image).max())
        unit = 1.0 / (largest * float(np.linalg.norm(image / largest)))
        return Resolvent(shift, factors, self.scale, unit, fastest)

    @cached_property
    def _outflow(self) -> Array:
        diagonal = self.matrix.diagonal()
        total: Array = np.abs(self.matrix.sum(axis=0) - diagonal)
        return total

    @cached_property
    def _analysis(self) -> Analysis:
        return analyze(self.matrix, shape=self.shape)


def _require_one_end(matrix: sparse.csc_array, killing: Array) -> None:
    count, labels = connected_components(matrix, directed=True, connection="strong")
    entries = matrix.tocoo()
    left = np.zeros(count, bool)
    moving = (labels[entries.row] != labels[entries.col]) & (entries.data != 0.0)
    left[labels[entries.col[moving]]] = True
    left[labels[killing > 0.0]] = True
    closed = int(np.count_nonzero(~left))
    if killing.any() and closed:
        raise DisconnectedDomain(
            f"{closed} part(s) of the domain are never left, neither for the others nor through "
            "an absorbing wall: as many rates are zero and the others mean decay; add noise where "
            "it vanishes, or leave that part out"
        )
    if closed > 1:
        raise DisconnectedDomain(
            f"{describe_closed_classes(matrix)}; {closed} rates are zero, and their modes are not "
            "unique"
        )


def _weights(
    matrix: sparse.csc_array, killing: Array, monotone: bool, shape: tuple[int, ...] | None
) -> Array:
    """Logarithms of the weights."""
    if not monotone:
        masses = np.abs(factorize_lu(matrix).stationary())
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(masses))
    if not killing.any():
        return factorize(matrix, shape=shape).log_stationary()
    try:
        level = factorize(matrix, shape=shape).log_stationary()
    except DisconnectedDomain:
        level = np.full(killing.size, -np.inf)
    if np.isfinite(level).all() and _balanced(matrix, level):
        return level
    # Two steps of inverse iteration: survivors and survival, up to what decays next.
    factors = factorize(matrix, killing=killing, shape=shape)
    survivors, survival = np.zeros(killing.size), np.zeros(killing.size)
    for _ in range(2):
        survivors = factors.log_solve(np.exp(survivors - survivors.max()))
        survival = factors.log_solve_transpose(np.exp(survival - survival.max()))
    return survivors - survival


def _balanced(matrix: sparse.csc_array, level: Array) -> bool:
    """Whether every edge carries as much one way as the other."""
    entries = matrix.tocoo()
    moving = (entries.row != entries.col) & (entries.data != 0.0)
    row, column, rate = entries.row[moving], entries.col[moving], entries.data[moving]
    if not ((rate > 0.0).all() and np.isfinite(level).all()):
        return False
    flow = np.log(rate) + level[column]
    there, back = np.lexsort([row, column]), np.lexsort([column, row])
    paired = np.array_equal(row[there], column[back]) and np.array_equal(column[there], row[back])
    return paired and bool(np.abs(flow[there] - flow[back]).max(initial=0.0) < REVERSIBLE)
