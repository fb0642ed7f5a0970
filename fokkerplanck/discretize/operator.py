"""The Fokker–Planck operator as a sparse matrix, and `assemble`, which makes one."""

from __future__ import annotations

import time as clock
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import DisconnectedWarning, InvalidModel
from fokkerplanck.model.diffusion import Diffusion

__all__ = ["FokkerPlanckOperator", "Problem", "Scheme", "assemble", "require_rates"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What `assemble` discretised, and how.

    Attributes
    ----------
    diffusion : Diffusion
    scheme : Scheme
        The one that was chosen, where none was given.
    time : float or None
    """

    diffusion: Diffusion
    scheme: Scheme
    time: float | None


@dataclass(frozen=True)
class FokkerPlanckOperator:
    """Generator ``Q`` of cell masses, ``dP/dt = Q P``.

    Attributes
    ----------
    matrix : csc_matrix, shape (n, n)
        ``Q``; column j holds the rates out of cell j.  Its names elsewhere: transposed rate
        matrix, forward generator, minus an M-matrix.  Columns sum to ``-killing``.
    grid : Grid
        Masses are in its C order; the density is mass over `Grid.volumes`.
    killing : (n,)
        Rate of loss through absorbing walls.
    potential : (n,) or None
        ``Phi`` at the centres where detailed balance holds: then ``Q (volume e^-Phi) = 0`` to
        rounding, cell by cell.
    monotone : bool
        Whether every off-diagonal entry is nonnegative: the operator is a Markov generator.
    info : Info
    problem : Problem or None
        None where the operator was not made by `assemble`.
    """

    matrix: csc_matrix
    grid: Grid
    killing: Array
    potential: Array | None
    monotone: bool
    info: Info
    problem: Problem | None = None

    @property
    def adjoint(self) -> csr_matrix:
        """Backward generator ``L = Q^T``, which acts on observables."""
        return self.matrix.T

    @property
    def conserving(self) -> bool:
        """Whether no probability is lost."""
        return not self.killing.any()

    @property
    def entries(self) -> int:
        """Stored entries."""
        return int(self.matrix.nnz)

    def with_info(self, **entries: Any) -> FokkerPlanckOperator:
        """The same operator with entries added to its info."""
        return replace(self, info=self.info.extended(**entries))

    def on(self, grid: Grid) -> FokkerPlanckOperator:
        """The same problem, by the same scheme, on another grid.

        Raises
        ------
        InvalidModel
            When the operator was not made by `assemble`.
        """
        if self.problem is None:
            raise InvalidModel(
                "this operator does not know its Diffusion: make it with assemble(...)"
            )
        return assemble(self.problem.diffusion, grid, self.problem.scheme, time=self.problem.time)

    @cached_property
    def components(self) -> tuple[int, NDArray[np.int32]]:
        """Number of strongly connected parts, and the part of each cell."""
        count, labels = connected_components(self.matrix, directed=True, connection="strong")
        return int(count), labels


@runtime_checkable
class Scheme(Protocol):
    """A way to discretise; a value passed to `assemble`."""

    def assemble(
        self, diffusion: Diffusion, grid: Grid, time: float | None
    ) -> FokkerPlanckOperator:
        """The operator on the grid."""


def assemble(
    diffusion: Diffusion,
    grid: Grid,
    scheme: Scheme | None = None,
    *,
    time: float | None = None,
) -> FokkerPlanckOperator:
    """Discretise a Fokker–Planck equation on a grid.

    Parameters
    ----------
    diffusion : Diffusion
        With a value for every parameter.
    grid : Grid
        Axes named as the variables, in their order.
    scheme : Scheme, optional
        By default one is chosen by detailed balance and anisotropy; ``info["choice"]`` says which
        and why.
    time : float, optional
        Where the coefficients depend on time.

    Raises
    ------
    GridMismatch, UnboundSymbol, InvalidCoefficient, NotPositiveSemidefinite, UnsupportedTensor

    Warns
    -----
    DisconnectedWarning
        When the noise vanishes on a surface and the grid falls into parts.

    Examples
    --------
    >>> import sympy as sp
    >>> import fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> operator = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-4, 4, 8)))
    >>> operator.matrix.shape, bool(abs(operator.matrix.sum(axis=0)).max() < 1e-14)
    ((8, 8), True)
    """
    if not isinstance(diffusion, Diffusion):
        hint = ".diffusion()" if hasattr(diffusion, "diffusion") else "a Diffusion"
        raise InvalidModel(f"assemble needs a Diffusion, not {type(diffusion).__name__}: {hint}")
    if scheme is not None and not isinstance(scheme, Scheme):
        raise InvalidModel(f"a scheme is a value such as Selling(), not {scheme!r}")
    grid.require(diffusion.variables)
    if scheme is None and not isinstance(grid, Grid):
        raise InvalidModel("a mesh is discretised by FiPy(): pass it as the scheme")
    if isinstance(grid, Panels):
        raise InvalidModel("panels are for transition_operator(sgd, panels); use a Grid")
    began = clock.perf_counter()
    if scheme is None:
        operator, scheme = _assemble_with_choice(diffusion, grid, time)
    else:
        operator = scheme.assemble(diffusion, grid, time)
    _warn_if_disconnected(operator)
    operator = operator.with_info(
        unknowns=grid.size, entries=operator.entries, seconds=clock.perf_counter() - began
    )
    # Operators of some schemes have constructors of their own; this one is not yet handed out.
    object.__setattr__(operator, "problem", Problem(diffusion, scheme, time))
    return operator


def require_rates(operator: Any, what: str) -> None:
    """Refuse what is no operator in continuous time, such as that of an optimizer's step.

    Raises
    ------
    InvalidModel
    """
    if not isinstance(operator, FokkerPlanckOperator):
        raise InvalidModel(
            f"{what} takes the operator of a Diffusion, made with assemble, not "
            f"{type(operator).__name__}"
        )


def _assemble_with_choice(
    diffusion: Diffusion, grid: Grid, time: float | None
) -> tuple[FokkerPlanckOperator, Scheme]:
    # The schemes import this file.
    from fokkerplanck.discretize.choose import choose
    from fokkerplanck.discretize.schemes.selling import Selling, known_potential

    coefficients = Coefficients.compile(diffusion, time)
    potential = known_potential(coefficients, grid)
    scheme, reason = choose(coefficients, grid, potential)
    if isinstance(scheme, Selling):
        operator = scheme.assemble_compiled(coefficients, grid, potential)
    else:
        operator = scheme.assemble(diffusion, grid, time)
    return operator.with_info(choice=reason), scheme


def _warn_if_disconnected(operator: FokkerPlanckOperator) -> None:
    if not operator.monotone:
        return
    count, _ = operator.components
    if count > 1:
        warnings.warn(
            f"the grid falls into {count} parts between which probability cannot flow both ways: "
            "the noise vanishes on a surface; a stationary density is then not unique and an "
            "escape time may be infinite",
            DisconnectedWarning,
            stacklevel=3,
        )
