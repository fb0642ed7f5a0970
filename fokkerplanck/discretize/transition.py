"""The exact one-step operator of discrete SGD, and `transition_operator`, which makes one."""

from __future__ import annotations

import time as clock
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, eye

from fokkerplanck.discretize.gauss_panels import Panels
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.info import Info
from fokkerplanck.discretize.operator import FokkerPlanckOperator
from fokkerplanck.discretize.transition_cells import cell_columns, lattice_step
from fokkerplanck.discretize.transition_momentum import momentum_columns, require_fitting
from fokkerplanck.discretize.transition_panels import (
    Columns,
    adapted,
    moments,
    panel_columns,
    require_room,
    widest,
)
from fokkerplanck.discretize.transition_step import GaussianStep
from fokkerplanck.errors import GridMismatch, InvalidGrid, InvalidModel, UnresolvedWarning
from fokkerplanck.model.optimizer import Optimizer
from fokkerplanck.model.optimizers import SGD, SGLD, Momentum

__all__ = ["TransitionOperator", "transition_operator"]

Array = NDArray[np.float64]

# Standard deviation of a step, in cells, below which sums over cells show the lattice: 1e-5 of a
# smooth density at 1, 2e-10 at 1.5.
COARSE = 1.5
# What quadrature on panels may miss of the mass of a step.
MISSED = 1e-6


@dataclass(frozen=True)
class TransitionOperator:
    """One-step operator ``K`` of masses, ``P(n + 1) = K P(n)``; times and rates count steps.

    Attributes
    ----------
    matrix : csc_matrix, shape (n, n)
        ``K >= 0``; column j holds the probabilities of where a step from state j ends.  Columns
        sum to ``1 - killing``.
    grid : Grid or Panels
        Masses are in its C order; the density is mass over `Grid.volumes`.  Panels as they were
        divided.
    killing : (n,)
        Probability that a step leaves through an absorbing wall.
    lost : (n,)
        Probability that a step leaves through another wall.  It was given back by normalising
        the column; `stationary_density` says how much that is altogether.
    optimizer : SGD or SGLD
    info : Info
    """

    matrix: csc_matrix
    grid: Grid
    killing: Array
    lost: Array
    optimizer: SGD | SGLD | Momentum
    info: Info

    def __post_init__(self) -> None:
        for name in ("killing", "lost"):
            array = np.array(getattr(self, name))
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __reduce__(self) -> tuple[Any, ...]:
        # Compiled functions stay behind.
        return TransitionOperator, tuple(getattr(self, f.name) for f in fields(self))

    @property
    def adjoint(self) -> csr_matrix:
        """Backward operator ``K^T``: expectations after one step."""
        return self.matrix.T

    @property
    def conserving(self) -> bool:
        """Whether no probability is lost."""
        return not self.killing.any()

    @cached_property
    def step(self) -> GaussianStep:
        """Mean and covariance of the step as functions of points."""
        return GaussianStep.compile(self.optimizer)

    @cached_property
    def generator(self) -> FokkerPlanckOperator:
        """``K - I``, the chain as rates per step."""
        rates = csc_matrix(self.matrix - eye(self.grid.size, format="csc"))
        return FokkerPlanckOperator(rates, self.grid, self.killing, None, True, self.info)

    def with_info(self, **entries: Any) -> TransitionOperator:
        """The same operator with entries added to its info."""
        return replace(self, info=self.info.extended(**entries))

    def on(self, grid: Grid) -> TransitionOperator:
        """The same optimizer on another grid."""
        return transition_operator(self.optimizer, grid)

    def with_edges(self, points: Iterable[float]) -> TransitionOperator:
        """The operator on panels that have an edge at these points too; itself where they have."""
        if not isinstance(self.grid, Panels):
            return self
        panels = self.grid.with_edges(points)
        return self if panels is self.grid else self.on(panels)

    def first_step(self, start: Sequence[float]) -> tuple[Array, float, float]:
        """Masses (n,) after one exact step from a point, what was killed, and what was given back.

        Raises
        ------
        GridMismatch
            When the point has not one finite number for each axis.
        """
        try:
            point = np.asarray(start, dtype=float)
        except (TypeError, ValueError) as error:
            raise GridMismatch(f"a point is a tuple of numbers, not {start!r}") from error
        if point.shape != (self.grid.dimension,) or not np.isfinite(point).all():
            raise GridMismatch(
                f"a point of {self.grid.names} has {self.grid.dimension} numbers, not {start!r}"
            )
        columns = _columns(self.grid, self.step, [p[np.newaxis] for p in point])[0]
        masses = columns.masses
        masses = masses if isinstance(masses, np.ndarray) else masses.toarray()
        return masses[:, 0], float(columns.killing[0]), float(columns.lost[0])


def transition_operator(optimizer: SGD | SGLD | Momentum, grid: Grid) -> TransitionOperator:
    """The exact one-step operator of discrete SGD with normal noise.

    ``p'(theta') = int N(theta'; theta - eta grad L(theta), eta^2 C(theta)) p(theta) dtheta``,
    at learning rates of any size; the solvers take it wherever they take an operator, and then
    count steps.

    Parameters
    ----------
    optimizer : SGD, SGLD or Momentum
        With a value for every parameter; its `order` has no effect.  Minibatch noise
        (`noise.PerSample`) is replaced by normal noise of its covariance.
    grid : Panels, or Grid in one or two dimensions
        On `Panels`, the better choice in one dimension, errors fall faster than any power of the
        number of nodes.  On uniform cells likewise as long as nothing breaks and a step spreads
        over two cells or more; breaks, targets and absorbing walls leave an error of second order,
        for which four cells a step are advisable.  For `Momentum` in one variable a uniform grid of
        its phase space on which ``learning_rate * v`` is a whole number of cells in x.

    Returns
    -------
    TransitionOperator
        `info` holds ``deviation`` (the smallest and largest standard deviation of a step, in
        cells on a `Grid`), ``entries``, ``seconds``, and on panels ``quadrature_error``, the
        largest share of a step's mass that the nodes missed before columns were normalised.

    Raises
    ------
    InvalidModel
        When there is no optimizer.
    GridMismatch, UnboundSymbol, InvalidCoefficient, NotPositiveSemidefinite
    InvalidGrid
        When an axis is mapped, the grid has more than two, the matrix takes more than 2 GB, or the
        cells do not fit `Momentum`; the message has a grid that does.

    Warns
    -----
    UnresolvedWarning
        When a step is too narrow for the cells or panels.

    Examples
    --------
    The stationary variance of a quadratic is ``eta c/(H (2 - eta H))``, here 0.8/1.2:

    >>> import sympy as sp, fokkerplanck as fpk
    >>> x = sp.Symbol("x", real=True)
    >>> sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=0.8)
    >>> operator = fpk.transition_operator(sgd, fpk.Panels(x=(-8, 8)))
    >>> float(fpk.stationary_density(operator).covariance()[0, 0])
    0.66666667
    """
    began = clock.perf_counter()
    _require_supported(optimizer, grid)
    step = GaussianStep.compile(optimizer)
    if isinstance(grid, Panels):
        grid = adapted(grid, step)
    points = [np.broadcast_to(x, grid.shape).ravel() for x in grid.mesh]
    columns, evidence = _columns(grid, step, points)
    matrix = csc_matrix(columns.masses)
    info = Info(
        scheme="Panels" if isinstance(grid, Panels) else "cells",
        unit="step",
        unknowns=grid.size,
        entries=int(matrix.nnz),
        learning_rate=step.learning_rate,
        **evidence,
        seconds=clock.perf_counter() - began,
    )
    _warn_of_resolution(grid, step, info)
    return TransitionOperator(matrix, grid, columns.killing, columns.lost, optimizer, info)


def _require_supported(optimizer: Any, grid: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise InvalidModel(
            f"a transition operator is that of an optimizer such as SGD, not of "
            f"{type(optimizer).__name__}; for a Diffusion use assemble"
        )
    if not isinstance(grid, Grid):
        raise GridMismatch(f"a step is discretised on Panels or a Grid, not {grid!r}")
    grid.require(optimizer.state)
    if isinstance(grid, Panels):
        return
    if isinstance(optimizer, Momentum) and grid.dimension == 2:
        require_fitting(grid, float(optimizer.learning_rate))
    if grid.dimension > 2:
        raise InvalidGrid(f"steps are discretised in one and two dimensions, not {grid.dimension}")
    if not grid.uniform:
        raise InvalidGrid("steps need cells of one size: leave out Mapped, or use Panels")


def _columns(grid: Grid, step: GaussianStep, points: Any) -> tuple[Columns, dict[str, Any]]:
    """Masses after a step from points, one array (k,) a variable, and the evidence."""
    if isinstance(grid, Panels):
        mean, deviation = moments(step, points[0])
        columns = panel_columns(grid, mean, deviation)
        return columns, {
            "deviation": (float(deviation.min()), float(deviation.max())),
            "quadrature_error": float(columns.error.max()),
        }
    if step.degenerate:
        columns, thinnest = momentum_columns(grid, step, points)
        return columns, {
            "deviation": (float(thinnest.min()), float(thinnest.max())),
            "coarse": int((thinnest < COARSE).sum()),
            "widened": 0,
        }
    lattice = lattice_step(grid, step, points)
    require_room(1.5 * float(np.minimum(lattice.entries, grid.size).sum()), grid.size)
    thinnest = lattice.thinnest
    return cell_columns(grid, lattice), {
        "deviation": (float(thinnest.min()), float(thinnest.max())),
        "coarse": int((thinnest < COARSE).sum()),
        "widened": int(lattice.widened.sum()),
    }


def _warn_of_resolution(grid: Grid, step: GaussianStep, info: Info) -> None:
    if isinstance(grid, Panels):
        if info["quadrature_error"] > MISSED:
            x, needed = widest(grid, step)
            here = np.searchsorted(grid.panel_edges, x) - 1
            share = np.diff(grid.panel_edges)[here] / needed
            worst = int(np.argmax(share))
            warnings.warn(
                f"the nodes miss {info['quadrature_error']:.2g} of the mass of a step: panels are "
                f"{share[worst]:.3g} times as wide as the step needs at {grid.names[0]} = "
                f"{x[worst]:.4g}, where {needed[worst]:.3g} is enough; leave out width=",
                UnresolvedWarning,
                stacklevel=3,
            )
    elif info["coarse"]:
        warnings.warn(
            f"the standard deviation of a step is down to {info['deviation'][0]:.2g} cells and "
            f"below {COARSE:g} from {info['coarse']} of {grid.size}; from {info['widened']} the "
            f"noise is thinner than {np.sqrt(0.36):.1g} cells and was widened to that: refine the "
            "grid, to four cells a step where a break, a target or an absorbing wall matters",
            UnresolvedWarning,
            stacklevel=3,
        )
