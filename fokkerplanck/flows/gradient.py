"""Gradient flow: gradient descent with infinitely small steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.flows.autonomous import follow
from fokkerplanck.flows.problem import pose
from fokkerplanck.results.trajectory import Trajectory

__all__ = ["gradient_flow"]

Array = NDArray[np.float64]


def gradient_flow(
    loss: Any,
    variables: Any,
    learning_rate: float,
    start: Any,
    steps: int,
    *,
    tolerance: float | None = None,
) -> Trajectory:
    """``dw/dt = -eta grad L(w)``, one step a unit of time.

    At a fixed time ``eta * steps`` the distance to gradient descent is of order eta.

    Parameters
    ----------
    loss, variables, learning_rate, start, steps
        As for `gradient_descent`.
    tolerance : float, optional
        Relative error of a step of the integrator; 1e-9, and 1e-4 for a JAX loss, whose
        steps its largest curvature limits anyway.

    Returns
    -------
    Trajectory

    Raises
    ------
    InvalidModel, UnboundSymbol, InvalidCoefficient, FokkerPlanckError
        When what is given makes no sense.

    Examples
    --------
    >>> import sympy as sp
    >>> w = sp.Symbol("w")
    >>> gradient_flow(w**2 / 2, [w], 0.5, [1.0], 2).parameters.ravel()  # exp(-t/2)
    array([1.    , 0.6065, 0.3679])
    """
    problem = pose(loss, variables, learning_rate, start, steps, tolerance)
    eta, gradient = problem.learning_rate, problem.landscape.gradient

    def velocity(time: float, point: Array) -> Array:
        return -eta * gradient(point)

    return follow(problem, velocity, "gradient flow")
