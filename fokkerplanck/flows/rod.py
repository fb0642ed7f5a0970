"""Rod flow: centre and extent of two successive iterates, as a flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import InvalidModel
from fokkerplanck.flows.closures import Closure, TopEigenvector, average, ends
from fokkerplanck.flows.integrate import ABSOLUTE, RELATIVE, integrate
from fokkerplanck.flows.jax_landscape import JaxLandscape
from fokkerplanck.flows.landscape import Landscape
from fokkerplanck.flows.low_rank import follow_rod
from fokkerplanck.flows.problem import Problem, pose, trajectory
from fokkerplanck.flows.thresholds import require_momentum
from fokkerplanck.results.trajectory import Trajectory
from fokkerplanck.sample.runs import positive_integer

__all__ = ["rod_flow"]

# Small eigenvalues of a Sigma of size 1e-2 are rounded to 1e-18; a floor counts from there on.
EXTENT_ABSOLUTE = 1e-18

Array = NDArray[np.float64]
Step = Callable[[Array], tuple[Array, Array]]


def rod_flow(
    loss: Any,
    variables: Any,
    learning_rate: float,
    start: Any,
    steps: int,
    *,
    momentum: float = 0.0,
    floor: float = 0.0,
    closure: Closure | None = None,
    rank: int = 8,
    tolerance: float | None = None,
) -> Trajectory:
    r"""Flow of the centre ``c = (w + w')/2`` and the extent of two iterates w, w'.

    The extent is ``Sigma ~ delta delta^T``, ``delta = (w' - w)/2``.  With the displacement ``F =
    -eta grad L`` of a step, J its derivative, at the ends ``+-`` of the rod ``c +- delta``::

        dc/dt     = (F+ + F-)/2 - (J+ + J-)(F+ + F-)/8
        dSigma/dt = (F+ F+^T + F- F-^T)/4 - 2 (Sigma - floor)

    per step (Regis and Chewi, arXiv 2602.01480); two steps of gradient descent obey the same
    without the term in J exactly.  Its rods at rest are the 2-cycles of gradient descent, and
    others that are not, of mean curvature ``-2/eta`` (derivations/14_rod_flow.py).  With momentum
    the state is (w, u), u the last displacement, and ``F = (beta u - eta g, (beta - 1) u - eta
    g)``; a rod grows above `critical_sharpness`.

    Parameters
    ----------
    loss, variables, learning_rate, start, steps, momentum
        As for `gradient_descent`.
    floor : float
        Smallest eigenvalue that Sigma decays to, in units of ``delta^2``; noise of covariance
        ``2 floor`` a step has that effect.  It lets a rod grow in an unstable direction in which
        none was left, where the closure sees that direction.
    closure : closure, optional
        `TopEigenvector()` or `AllAxes()`; the former by default.
    rank : int
        For a JAX loss: axes of Sigma that are kept, the largest; `info` has the largest share that
        was cut off.  The floor is exact on them.  It adds the same to every direction, so
        it turns no rod, and with `AllAxes` it has no rods on the directions that were cut off.
    tolerance : float, optional
        As for `gradient_flow`.

    Returns
    -------
    Trajectory
        `parameters` and `average` are the centre, which starts at ``w_0 - (eta/2) grad L(w_0)``;
        `extent` is that of the positions; `mean_loss` the mean loss at the ends.

    Raises
    ------
    InvalidModel, UnboundSymbol, InvalidCoefficient, FokkerPlanckError
        When what is given makes no sense.

    Examples
    --------
    >>> import sympy as sp
    >>> w = sp.Symbol("w")
    >>> rod = rod_flow(2.1 * w**2 / 2 - w**4 / 4, [w], 1.0, [0.01], 200)
    >>> float(rod.extent[-1]), float(rod.parameters[-1, 0])
    (0.1, 0.0)
    """
    require_momentum(momentum)
    if not (np.isfinite(floor) and floor >= 0):
        raise InvalidModel(f"the floor of the extent is a number, 0 or more, not {floor!r}")
    problem = pose(loss, variables, learning_rate, start, steps, tolerance)
    chosen = TopEigenvector() if closure is None else closure
    if isinstance(problem.landscape, JaxLandscape):
        if momentum:
            raise InvalidModel(
                f"rod flow of a JAX loss has no momentum, not {momentum!r}; gradient_descent has"
            )
        kept = positive_integer(rank, "rank")
        return _of_network(problem, problem.landscape, float(floor), chosen, kept)
    eta, landscape, size = problem.learning_rate, problem.landscape, problem.start.size
    step = _step(landscape, eta, momentum)
    state = problem.start if momentum == 0 else np.concatenate([problem.start, np.zeros(size)])
    half = step(state)[0] / 2
    upper = np.triu_indices(state.size)

    def unpack(packed: Array) -> tuple[Array, Array]:
        covariance = np.zeros((state.size, state.size))
        covariance[upper] = packed[state.size :]
        return packed[: state.size], covariance + np.triu(covariance, 1).T

    def velocity(time: float, packed: Array) -> Array:
        center, covariance = unpack(packed)
        if not np.isfinite(packed).all():
            return np.full_like(packed, np.nan)
        rods = chosen.half_rods(covariance)
        displacements, derivatives = step(ends(center, rods))
        mean, spread = average(displacements, rods.shape[1])
        drift = mean - average(derivatives, rods.shape[1])[0] @ mean / 2
        growth = (np.outer(mean, mean) + spread @ spread.T) / 2
        rate = growth - 2 * (covariance - floor * np.eye(state.size))
        return np.concatenate([drift, rate[upper]])

    absolute = np.full(state.size + upper[0].size, EXTENT_ABSOLUTE)
    absolute[: state.size] = ABSOLUTE
    first = np.concatenate([state + half, np.outer(half, half)[upper]])
    absolute *= landscape.tolerance / RELATIVE
    found = integrate(
        velocity,
        first,
        (0, problem.steps),
        method=landscape.integrator,
        relative=landscape.tolerance,
        absolute=absolute,
    )
    centers, extents, losses = [], [], []
    for packed in found.y.T:
        center, covariance = unpack(packed)
        centers.append(center[:size])
        extents.append(max(np.linalg.eigvalsh(covariance[:size, :size])[-1], 0.0))
        rods = chosen.half_rods(covariance)[:size]
        values = landscape.value(ends(center[:size], rods))
        losses.append(float(average(values, rods.shape[1])[0]))
    return trajectory(
        problem,
        np.array(centers),
        np.array(centers),
        extent=np.array(extents),
        mean_loss=np.array(losses),
        method="rod flow",
        closure=chosen,
        floor=float(floor),
        momentum=float(momentum),
        evaluations=found.nfev,
    )


def _of_network(
    problem: Problem, landscape: JaxLandscape, floor: float, closure: Closure, rank: int
) -> Trajectory:
    found = follow_rod(
        landscape,
        problem.learning_rate,
        problem.start,
        problem.steps,
        closure=closure,
        floor=floor,
        rank=rank,
    )
    return trajectory(
        problem,
        np.array(found.centers),
        np.array(found.centers),
        extent=np.array(found.extents),
        mean_loss=np.array(found.losses),
        method="rod flow",
        closure=closure,
        floor=floor,
        rank=rank,
        largest_share_cut_off=found.discarded,
    )


def _step(landscape: Landscape, eta: float, momentum: float) -> Step:
    """Displacement of one step (n, ...) of points (n, ...), and its derivative (n, n, ...)."""
    size = len(landscape.variables)

    def descent(points: Array) -> tuple[Array, Array]:
        slope, curvature = landscape.to_second(points)
        return -eta * slope, -eta * curvature

    def heavy_ball(points: Array) -> tuple[Array, Array]:
        last = points[size:]
        pull, bend = descent(points[:size])
        identity = np.eye(size).reshape(size, size, *[1] * (points.ndim - 1))
        kept = np.broadcast_to(identity, bend.shape)
        above = np.concatenate([bend, momentum * kept], axis=1)
        below = np.concatenate([bend, (momentum - 1) * kept], axis=1)
        displacement = np.concatenate([momentum * last + pull, (momentum - 1) * last + pull])
        return displacement, np.concatenate([above, below])

    return heavy_ball if momentum else descent
