"""Gradient descent with large steps, and deterministic flows that model it.

Each takes ``(loss, variables, learning_rate, start, steps)`` and returns a `Trajectory`; the unit
of time is one step.  The loss is symbolic, or a JAX function of a pytree with ``variables=None``.
"""

from fokkerplanck.flows.central import central_flow
from fokkerplanck.flows.closures import AllAxes, TopEigenvector
from fokkerplanck.flows.descent import gradient_descent
from fokkerplanck.flows.gradient import gradient_flow
from fokkerplanck.flows.rod import rod_flow
from fokkerplanck.flows.stable import stable_flow
from fokkerplanck.flows.thresholds import critical_sharpness

__all__ = [
    "AllAxes",
    "TopEigenvector",
    "central_flow",
    "critical_sharpness",
    "gradient_descent",
    "gradient_flow",
    "rod_flow",
    "stable_flow",
]
