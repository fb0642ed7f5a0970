"""Gradient descent itself: the discrete iteration that the flows model."""

from __future__ import annotations

from typing import Any

import numpy as np

from fokkerplanck.flows.problem import pose, trajectory
from fokkerplanck.flows.thresholds import require_momentum
from fokkerplanck.results.trajectory import Trajectory

__all__ = ["gradient_descent"]


def gradient_descent(
    loss: Any,
    variables: Any,
    learning_rate: float,
    start: Any,
    steps: int,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> Trajectory:
    """Iterates ``w' = w - eta grad L(w)``; with momentum, the heavy ball.

    The heavy ball is ``u' = beta u - eta grad L(w)``, ``w' = w + u'`` from ``u = 0``; Nesterov's
    variant takes the gradient at ``w + beta u``.

    Parameters
    ----------
    loss : expression, or function
        A function is JAX's, of a pytree, as of the weights of a network; it is evaluated in double
        precision.  `Trajectory.parameters` are then the leaves in one row, and
        ``jax.flatten_util.ravel_pytree(start)[1]`` makes a pytree of a row.
    variables : sequence of Symbol, length d, or None
        None for a function.
    learning_rate : float
    start : d numbers, or pytree
    steps : int
    momentum : float
        ``beta`` in [0, 1).
    nesterov : bool

    Returns
    -------
    Trajectory
        `extent` is ``|w_{k+1} - w_k|^2 / 4``, `average` ``(w_k + w_{k+1})/2``.

    Raises
    ------
    ImportError
        When the loss is a function and JAX, the extra ``networks``, is not installed.
    InvalidModel, UnboundSymbol, InvalidCoefficient, FokkerPlanckError
        When what is given makes no sense.

    Warns
    -----
    FokkerPlanckWarning
        When the iterates leave to infinity; the trajectory ends before.

    Examples
    --------
    Sharpness 2.1 at ``eta = 1`` is unstable; the quartic term holds the oscillation at
    ``delta^2 = S - 2/eta``:

    >>> import sympy as sp
    >>> w = sp.Symbol("w")
    >>> descent = gradient_descent(2.1 * w**2 / 2 - w**4 / 4, [w], 1.0, [0.01], 200)
    >>> float(descent.extent[-1]), float(descent.parameters[-1, 0]) ** 2
    (0.1, 0.1)
    """
    require_momentum(momentum)
    problem = pose(loss, variables, learning_rate, start, steps)
    eta, gradient = problem.learning_rate, problem.landscape.gradient
    # One step more than asked for, whose half-difference is the last extent.
    iterates = np.empty((problem.steps + 2, problem.start.size))
    iterates[0] = point = problem.start
    displacement = np.zeros_like(point)
    for k in range(1, len(iterates)):
        place = point + momentum * displacement if nesterov else point
        displacement = momentum * displacement - eta * gradient(place)
        iterates[k] = point = point + displacement
        if not np.isfinite(point).all():
            iterates = iterates[: k + 1]
            break
    now, later = iterates[:-1], iterates[1:]
    with np.errstate(all="ignore"):
        difference = (later - now) / 2
        losses = problem.landscape.value(iterates.T)
        return trajectory(
            problem,
            now,
            (now + later) / 2,
            extent=np.sum(difference**2, axis=1),
            mean_loss=(losses[:-1] + losses[1:]) / 2,
            method="Nesterov" if nesterov else "heavy ball" if momentum else "gradient descent",
            momentum=float(momentum),
        )
