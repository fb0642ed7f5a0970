"""Stable flow: the modified equation that gradient descent follows where it does not oscillate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.flows.autonomous import follow
from fokkerplanck.flows.problem import pose
from fokkerplanck.results.trajectory import Trajectory

__all__ = ["stable_flow"]

Array = NDArray[np.float64]


def stable_flow(
    loss: Any,
    variables: Any,
    learning_rate: float,
    start: Any,
    steps: int,
    *,
    tolerance: float | None = None,
) -> Trajectory:
    """``dw/dt = -eta [g + (eta/2) H g + eta^2 (H^2 g/3 + L'''[g, g]/12)]``, ``g = grad L``.

    Backward error analysis to relative order eta^2: a step of gradient descent is a unit of time of
    this flow up to eta^4, and at a fixed time ``eta * steps`` the distance is of order eta^3
    (Hairer, Lubich and Wanner 2006, ch. IX; derivations/15_edge_of_stability.py).  The first two
    terms descend ``L + (eta/4) |grad L|^2`` (Barrett and Dherin, ICLR 2021).  A flow passes no
    oscillation on: from a sharpness above ``2/eta`` it descends smoothly, where the iterates
    do not.

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
    Gradient descent is at .8 after one step:

    >>> import sympy as sp
    >>> w = sp.Symbol("w")
    >>> stable_flow(w**2 / 2, [w], 0.2, [1.0], 1).parameters.ravel()
    array([1.     , 0.80038])
    """
    problem = pose(loss, variables, learning_rate, start, steps, tolerance)
    eta, landscape = problem.learning_rate, problem.landscape

    def velocity(time: float, point: Array) -> Array:
        slope, bent, bent_twice, bend = landscape.along_gradient(point)
        second = bent_twice / 3 + bend / 12
        result: Array = -eta * (slope + eta / 2 * bent + eta**2 * second)
        return result

    return follow(problem, velocity, "stable flow")
