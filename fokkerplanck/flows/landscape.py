"""A symbolic loss with its derivatives as numbers, and the trajectory of states on it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import (
    FokkerPlanckError,
    FokkerPlanckWarning,
    InvalidCoefficient,
    InvalidModel,
)
from fokkerplanck.model.symbols import as_variables, differentiate, match_names
from fokkerplanck.results.trajectory import Trajectory
from fokkerplanck.sample.runs import as_states, place, positive_integer

__all__ = ["Landscape", "Problem", "pose", "trajectory"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Landscape:
    """Derivatives of a loss at many points at once.

    Points have shape (d, ...), so have gradients; Hessians have (d, d, ...), third derivatives
    (d, d, d, ...).  Numbers that are not finite are returned as they are: whoever steps there
    stops.
    """

    loss: sp.Expr
    variables: tuple[sp.Symbol, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the variables."""
        return tuple(v.name for v in self.variables)

    @cached_property
    def _loss(self) -> Callable[..., Array]:
        return compile_expressions([self.loss], self.variables)

    @cached_property
    def _gradient(self) -> Callable[[Array], tuple[Array, ...]]:
        return self._compile(1)

    @cached_property
    def _to_second(self) -> Callable[[Array], tuple[Array, ...]]:
        return self._compile(2)

    @cached_property
    def _to_third(self) -> Callable[[Array], tuple[Array, ...]]:
        return self._compile(3)

    def _compile(self, highest: int) -> Callable[[Array], tuple[Array, ...]]:
        """All derivatives up to an order in one function, which shares what they have in common."""
        size, orders = len(self.variables), range(1, highest + 1)
        indices = [i for k in orders for i in combinations_with_replacement(range(size), k)]
        entries = [
            differentiate(self.loss, *(self.variables[i] for i in index)) for index in indices
        ]
        compiled = compile_expressions(entries, self.variables)
        number = {index: k for k, index in enumerate(indices)}
        # Entry (i, j, k) of a full tensor is that of its indices in order.
        full = [[number[tuple(sorted(i))] for i in np.ndindex((size,) * k)] for k in orders]

        def evaluate(points: Array) -> tuple[Array, ...]:
            values = compiled(*points)
            return tuple(
                values[entry].reshape((size,) * order + values.shape[1:])
                for order, entry in zip(orders, full, strict=True)
            )

        return evaluate

    def value(self, points: Array) -> Array:
        """``L``."""
        values: Array = self._loss(*points)[0]
        return values

    def gradient(self, points: Array) -> Array:
        """``grad L``."""
        return self._gradient(points)[0]

    def to_second(self, points: Array) -> tuple[Array, Array]:
        """``grad L`` and the Hessian."""
        slope, curvature = self._to_second(points)
        return slope, curvature

    def to_third(self, points: Array) -> tuple[Array, Array, Array]:
        """``grad L``, the Hessian and the third derivatives."""
        slope, curvature, bend = self._to_third(points)
        return slope, curvature, bend

    def sharpness(self, points: Array) -> Array:
        """Largest eigenvalue of ``H`` at points of shape (d, n), shape (n,)."""
        values = np.linalg.eigvalsh(np.moveaxis(self.to_second(points)[1], -1, 0))
        return np.asarray(values[:, -1], dtype=np.float64)


@dataclass(frozen=True)
class Problem:
    """What every flow is given, checked."""

    landscape: Landscape
    learning_rate: float
    start: Array
    steps: int


def pose(loss: Any, variables: Any, learning_rate: Any, start: Any, steps: Any) -> Problem:
    """Check what a flow was given.

    Raises
    ------
    InvalidModel
        When the learning rate is not positive, or the variables make no sense.
    UnboundSymbol
        When the loss has a parameter without a value.
    InvalidCoefficient
        When the loss or a derivative is not finite at the start.
    FokkerPlanckError
        When the start or the number of steps makes no sense.
    """
    symbols = as_variables(variables)
    landscape = Landscape(match_names(loss, symbols), symbols)
    try:
        rate = float(learning_rate)
    except (TypeError, ValueError):
        rate = np.nan
    if not (np.isfinite(rate) and rate > 0):
        raise InvalidModel(f"the learning rate is a positive number, not {learning_rate!r}")
    point = as_states(start, 1, landscape.names)[0]
    numbers = (landscape.value(point), *landscape.to_second(point))
    for name, number in zip(("loss", "gradient", "Hessian"), numbers, strict=True):
        if not np.isfinite(number).all():
            raise InvalidCoefficient(
                f"the {name} is not finite at the start {place(landscape.names, point)}; start "
                "elsewhere or change the formula"
            )
    return Problem(landscape, rate, point, positive_integer(steps, "steps"))


def trajectory(
    problem: Problem,
    parameters: Array,
    average: Array,
    *,
    extent: Array | None = None,
    mean_loss: Callable[[Array], Array] | Array | None = None,
    **evidence: Any,
) -> Trajectory:
    """The states at steps 0, 1, ..., cut where the first of their numbers is not finite.

    Parameters
    ----------
    parameters, average : (n, d)
    extent : (n,), optional
        Zero without.
    mean_loss : (n,), or function of the losses, optional
        The loss itself without.
    **evidence
        For `Trajectory.info`.

    Raises
    ------
    FokkerPlanckError
        When not even the first step is finite.

    Warns
    -----
    FokkerPlanckWarning
        When fewer than the steps asked for are left.
    """
    landscape, count = problem.landscape, min(len(parameters), problem.steps + 1)
    with np.errstate(all="ignore"):
        points = np.array(parameters[:count]).T
        loss, hessian = landscape.value(points), landscape.to_second(points)[1]
        means = mean_loss(loss) if callable(mean_loss) else loss if mean_loss is None else mean_loss
    spread = np.zeros(count) if extent is None else extent[:count]
    series = [*points, *average[:count].T, loss, *hessian.reshape(-1, count), spread, means[:count]]
    finite = np.isfinite(series).all(axis=0)
    kept = count if finite.all() else int(np.argmin(finite))
    if kept == 0:
        raise FokkerPlanckError(
            f"the first step from {place(landscape.names, problem.start)} leaves to infinity: use "
            "a smaller learning rate or another start"
        )
    if kept <= problem.steps:
        where = place(landscape.names, parameters[kept - 1])
        warnings.warn(
            f"the trajectory left to infinity after step {kept - 1}, from {where}, and ends there; "
            "a smaller learning rate may keep it",
            FokkerPlanckWarning,
            stacklevel=3,
        )
    return Trajectory(
        np.arange(kept, dtype=np.float64),
        parameters[:kept],
        average[:kept],
        loss[:kept],
        landscape.sharpness(points[:, :kept]),
        spread[:kept],
        means[:kept],
        landscape.names,
        Info(learning_rate=problem.learning_rate, **evidence),
    )
