"""A flow of the parameters alone, followed from the start as a trajectory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.flows.integrate import ABSOLUTE, RELATIVE, integrate
from fokkerplanck.flows.problem import Problem, trajectory
from fokkerplanck.results.trajectory import Trajectory

__all__ = ["follow"]

Array = NDArray[np.float64]


def follow(problem: Problem, velocity: Callable[[float, Array], Array], method: str) -> Trajectory:
    """Integrate ``dw/dt = velocity(t, w)``, one step further than asked for the last average.

    Parameters
    ----------
    method : str
        What the trajectory says it is.
    """
    landscape = problem.landscape
    found = integrate(
        velocity,
        problem.start,
        (0, problem.steps + 1),
        method=landscape.integrator,
        relative=landscape.tolerance,
        absolute=landscape.tolerance * ABSOLUTE / RELATIVE,
    )
    states = found.y.T
    return trajectory(
        problem,
        states[:-1],
        (states[:-1] + states[1:]) / 2,
        method=method,
        evaluations=found.nfev,
    )
