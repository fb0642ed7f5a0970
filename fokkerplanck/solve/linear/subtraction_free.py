"""Subtraction-free sparse LU of Markov generators (Grassmann-Taksar-Heyman on nested dissection).

An ordinary LU of a generator Q loses about eps ||Q|| / gap relative digits, where gap is the
slowest relaxation rate: none are left for barriers of some 30 noise strengths, whatever the
pivoting. Gaussian elimination whose pivots are recomputed as sums of rates never subtracts, and
each component of the answer is right to some n-independent multiple of machine precision.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from fokkerplanck.errors import DisconnectedDomain, FokkerPlanckError, NotConserving
from fokkerplanck.solve.linear import substitution
from fokkerplanck.solve.linear.analysis import Analysis, analyze
from fokkerplanck.solve.linear.blas import single_threaded_blas
from fokkerplanck.solve.linear.chains import check_rates, describe_closed_classes
from fokkerplanck.solve.linear.multifrontal import Factors, factors_of
from fokkerplanck.solve.linear.plain_substitution import is_plain, solve_plain

__all__ = ["SubtractionFreeLU", "factorize"]

Array = NDArray[np.float64]
_Number = TypeVar("_Number", np.float64, np.int64)
_LOG_2 = float(np.log(2.0))


@dataclass(frozen=True)
class SubtractionFreeLU:
    """Factors of ``M = -Q + diag(killing)``, from `factorize`.

    Every result has componentwise relative accuracy; sums and weights of any magnitude are held
    with exponents of their own and rounded to doubles at the very end.

    Attributes
    ----------
    analysis : elimination order and structure, for reuse with the same pattern.
    conserving : whether no state is killed.
    seconds : time that the numerical factorisation took.
    """

    analysis: Analysis
    conserving: bool
    seconds: float
    _factors: Factors = field(repr=False)
    _generator: sparse.csc_array = field(repr=False)

    @property
    def size(self) -> int:
        """Number of states."""
        return self.analysis.size

    @property
    def nnz(self) -> int:
        """Stored entries of the factors."""
        return self.analysis.nnz

    @property
    def flops(self) -> float:
        """Floating-point operations of the factorisation."""
        return self.analysis.flops

    @property
    def memory(self) -> int:
        """Bytes held by the factors."""
        return sum(array.nbytes for array in self._factors)

    @property
    def wide_fronts(self) -> int:
        """Fronts that left the range of doubles and were eliminated with wide exponents."""
        return int(self._factors.wide.sum())

    def stationary(self) -> Array:
        """Stationary distribution: ``Q pi = 0``, ``sum(pi) = 1``, shape (n,).

        Weights below the smallest double come back as zero; `log_stationary` has them.

        Raises
        ------
        NotConserving : a state is killed.
        DisconnectedDomain : there are several closed classes, hence no unique answer.
        """
        m, e = self._stationary()
        largest = int(e[m > 0.0].max())
        weights = np.ldexp(m, np.maximum(e - largest, -3000).astype(np.int32))
        result: Array = weights / weights.sum()
        return result

    def log_stationary(self) -> Array:
        """Natural logarithm of the stationary distribution, finite however small the weight.

        Transient states, which the chain leaves for ever, have minus infinity.
        """
        m, e = self._stationary()
        largest = int(e[m > 0.0].max())
        total = np.ldexp(m, np.maximum(e - largest, -3000).astype(np.int32)).sum()
        return _logarithm(m / total, e - largest)

    def solve(self, b: ArrayLike) -> Array:
        """Solve ``(-Q + diag(killing)) x = b`` for b >= 0: the time spent in each state.

        Parameters
        ----------
        b : (n,) or (n, k) mass that starts in each state.

        Returns
        -------
        Smallest nonnegative solution, of the shape of ``b``: infinite in states that mass
        reaches and cannot leave towards any killing.
        """
        return _to_doubles(*self._solve(b, transposed=False))

    def solve_masses(self, b: Array) -> Array:
        """`solve` in plain doubles, some times faster: entries below 1e-290 come back as zero.

        For masses of total 1 or so, (n,), and killing of order 1 everywhere; factors beyond the
        range of doubles are solved with exponents.
        """
        if not is_plain(self._factors):
            return self.solve(b)
        x = self._checked(b)[self.analysis.order]
        solve_plain(self.analysis.fronts, self._factors, x)
        return self._in_cells(x)

    def solve_transpose(self, b: ArrayLike) -> Array:
        """Solve ``(-Q + diag(killing))^T u = b`` for b >= 0: the cost until killed.

        With b = 1 mean first-passage times, with b = rates into a target the committor.

        Parameters
        ----------
        b : (n,) or (n, k) cost per unit time in each state.

        Returns
        -------
        Smallest nonnegative solution, of the shape of ``b``: infinite where killing is not sure.
        """
        return _to_doubles(*self._solve(b, transposed=True))

    def log_solve(self, b: ArrayLike) -> Array:
        """Natural logarithm of `solve`, finite where the solution leaves the range of doubles."""
        return _logarithm(*self._solve(b, transposed=False))

    def log_solve_transpose(self, b: ArrayLike) -> Array:
        """Natural logarithm of `solve_transpose`."""
        return _logarithm(*self._solve(b, transposed=True))

    def _stationary(self) -> tuple[Array, NDArray[np.int64]]:
        if not self.conserving:
            raise NotConserving(
                "a chain that is killed has no stationary distribution; "
                "use the quasi-stationary one, or factorise without killing"
            )
        closed = np.flatnonzero(self._factors.outflow == 0.0)
        if len(closed) != 1:
            raise DisconnectedDomain(describe_closed_classes(self._generator))
        m = np.zeros(self.size)
        e = np.zeros(self.size, np.int64)
        substitution.pull(self.analysis.fronts, self._factors, int(closed[0]), m, e)
        return self._in_cells(m), self._in_cells(e)

    def _checked(self, b: ArrayLike) -> Array:
        source = np.asarray(b, dtype=np.float64)
        if source.shape[:1] != (self.size,) or source.ndim > 2:
            raise FokkerPlanckError(
                f"the right-hand side has shape {source.shape}, the matrix {self.size} rows"
            )
        if not (np.isfinite(source).all() and (source >= 0.0).all()):
            raise FokkerPlanckError(
                f"the right-hand side has smallest entry {source.min()}; without subtractions "
                "only b >= 0 can be solved: solve for its positive and negative part"
            )
        return source

    def _solve(self, b: ArrayLike, *, transposed: bool) -> tuple[Array, NDArray[np.int64]]:
        source = self._checked(b)
        fronts = self.analysis.fronts
        columns = source.reshape(self.size, -1)
        m = np.empty(columns.shape)
        e = np.empty(columns.shape, np.int64)
        for k in range(columns.shape[1]):
            mantissa, exponent = np.frexp(columns[self.analysis.order, k])
            wide = exponent.astype(np.int64)
            if transposed:
                substitution.charge(fronts, self._factors, mantissa, wide)
                substitution.spread(fronts, self._factors, mantissa, wide)
            else:
                substitution.push(fronts, self._factors, mantissa, wide)
                substitution.pull(fronts, self._factors, -1, mantissa, wide)
            m[self.analysis.order, k] = mantissa
            e[self.analysis.order, k] = wide
        return m.reshape(source.shape), e.reshape(source.shape)

    def _in_cells(self, values: NDArray[_Number]) -> NDArray[_Number]:
        result = np.empty_like(values)
        result[self.analysis.order] = values
        return result


def _to_doubles(m: Array, e: NDArray[np.int64]) -> Array:
    with np.errstate(over="ignore"):
        result: Array = np.ldexp(m, np.clip(e, -3000, 3000).astype(np.int32))
    return result


def _logarithm(m: Array, e: NDArray[np.int64]) -> Array:
    with np.errstate(divide="ignore"):
        result: Array = np.log(m) + e * _LOG_2
    return result


def factorize(
    generator: sparse.sparray | sparse.spmatrix | Array,
    *,
    killing: ArrayLike | float = 0.0,
    shape: tuple[int, ...] | None = None,
    cells: ArrayLike | None = None,
    analysis: Analysis | None = None,
) -> SubtractionFreeLU:
    """Factorise ``-Q + diag(killing)`` without subtractions.

    Parameters
    ----------
    generator : (n, n) matrix Q whose entry Q[j, i] >= 0 is the rate from state i to state j.
        The diagonal is ignored: it is minus the sum of its column and the killing rate. For a
        stochastic matrix K (columns sum to one) pass K or K - I alike.
    killing : (n,) or one rate >= 0 at which probability is lost from each state: rates into an
        absorbing set, 1/dt of an implicit Euler step, the parameter of a resolvent.
    shape, cells : grid whose cells are the states, for a better elimination order: see `analyze`.
    analysis : result of `analyze` for this pattern, instead of these two.

    Returns
    -------
    SubtractionFreeLU

    Raises
    ------
    FokkerPlanckError : a rate or a killing rate is negative or not finite, or the pattern is
        not that of ``analysis``.

    Examples
    --------
    A particle hops to the right at rate 1 and back at rate 3:

    >>> import numpy as np
    >>> chain = np.array([[0.0, 3.0], [1.0, 0.0]])
    >>> factorize(chain).stationary()
    array([0.75, 0.25])
    >>> factorize(chain, killing=[0.0, 1.0]).solve_transpose([1.0, 1.0])
    array([5., 4.])
    """
    matrix = sparse.csc_array(generator, dtype=np.float64)
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    n = matrix.shape[0]
    rates = np.array(np.broadcast_to(np.asarray(killing, dtype=np.float64), (n,)))
    if not (np.isfinite(rates).all() and (rates >= 0.0).all()):
        raise FokkerPlanckError(f"killing rates must be nonnegative, one is {rates.min()}")
    structure = analyze(matrix, shape=shape, cells=cells) if analysis is None else analysis
    if not (
        np.array_equal(matrix.indptr, structure.indptr)
        and np.array_equal(matrix.indices, structure.indices)
    ):
        raise FokkerPlanckError(
            "the matrix has another pattern than the analysis was made for; analyse it anew"
        )
    check_rates(matrix)
    data = matrix.data.view()
    data.flags.writeable = False
    begin = time.perf_counter()
    with single_threaded_blas():
        factors = factors_of(structure, data, rates)
    seconds = time.perf_counter() - begin
    return SubtractionFreeLU(structure, not rates.any(), seconds, factors, matrix)
