"""What a flow is given, checked, and the trajectory that it returns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import (
    FokkerPlanckError,
    FokkerPlanckWarning,
    InvalidCoefficient,
    InvalidModel,
)
from fokkerplanck.flows.jax_landscape import JaxLandscape, jax_landscape
from fokkerplanck.flows.landscape import Landscape
from fokkerplanck.model.symbols import as_variables, match_names
from fokkerplanck.results.trajectory import Trajectory
from fokkerplanck.sample.runs import as_states, positive_integer

__all__ = ["Problem", "pose", "trajectory"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What every flow is given, checked."""

    landscape: Landscape | JaxLandscape
    learning_rate: float
    start: Array
    steps: int


def pose(
    loss: Any,
    variables: Any,
    learning_rate: Any,
    start: Any,
    steps: Any,
    tolerance: float | None = None,
) -> Problem:
    """Check what a flow was given.

    Parameters
    ----------
    variables : sequence of Symbol, or None
        None for a JAX loss of the start's pytree.
    tolerance : float, optional
        The landscape's without.

    Raises
    ------
    InvalidModel
        When the learning rate is not positive, or the variables make no sense.
    ImportError
        When the loss needs JAX, which is not installed.
    UnboundSymbol
        When the loss has a parameter without a value.
    InvalidCoefficient
        When the loss or a derivative is not finite at the start.
    FokkerPlanckError
        When the start or the number of steps makes no sense.
    """
    rate = _positive(learning_rate, "learning rate")
    landscape: Landscape | JaxLandscape
    if variables is None:
        landscape, point = jax_landscape(loss, start)
    else:
        symbols = as_variables(variables)
        landscape = Landscape(match_names(loss, symbols), symbols)
        point = as_states(start, 1, landscape.names)[0]
    if tolerance is not None:
        landscape = replace(landscape, tolerance=_positive(tolerance, "tolerance"))
    for name, number in landscape.derivatives(point).items():
        if not np.isfinite(number).all():
            raise InvalidCoefficient(
                f"the {name} is not finite at the start {landscape.place(point)}; start "
                "elsewhere or change the formula"
            )
    return Problem(landscape, rate, point, positive_integer(steps, "steps"))


def _positive(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not (np.isfinite(number) and number > 0):
        raise InvalidModel(f"the {name} is a positive number, not {value!r}")
    return number


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
    # Before the diagnostics, which are no cost of a flow.
    cost = problem.landscape.cost(problem.steps)
    landscape, count = problem.landscape, min(len(parameters), problem.steps + 1)
    with np.errstate(all="ignore"):
        points = np.array(parameters[:count]).T
        loss, probes = landscape.value(points), landscape.probes(points)
        means = mean_loss(loss) if callable(mean_loss) else loss if mean_loss is None else mean_loss
    spread = np.zeros(count) if extent is None else extent[:count]
    series = [*points, *average[:count].T, loss, *probes, spread, means[:count]]
    finite = np.isfinite(series).all(axis=0)
    kept = count if finite.all() else int(np.argmin(finite))
    if kept == 0:
        raise FokkerPlanckError(
            f"the first step from {landscape.place(problem.start)} leaves to infinity: use "
            "a smaller learning rate or another start"
        )
    if kept <= problem.steps:
        where = landscape.place(parameters[kept - 1])
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
        Info(learning_rate=problem.learning_rate, **evidence, **cost),
    )
