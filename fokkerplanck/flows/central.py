"""Central flow: gradient flow that the oscillations of gradient descent keep at the edge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import FokkerPlanckError, NotConverged
from fokkerplanck.flows.complementarity import as_vector, solve_complementarity
from fokkerplanck.flows.integrate import ABSOLUTE, RELATIVE, integrate
from fokkerplanck.flows.problem import Problem, pose, trajectory
from fokkerplanck.flows.thresholds import critical_sharpness
from fokkerplanck.results.trajectory import Trajectory

__all__ = ["central_flow"]

Array = NDArray[np.float64]

# Rate per step at which a curvature at the edge, which rounding moved off it, returns there.
RETURN_RATE = 1.0
# Share of the critical sharpness below which a curvature has left the edge: well above the
# integrator's error, at least this many tolerances, and far below what the flow can be trusted to.
LEFT, LEFT_TOLERANCES = 1e-6, 10.0
# Changes of the number at the edge, per step: a flow that is resolved has a few in all.
MOST_CHANGES = 10


def central_flow(
    loss: Any,
    variables: Any,
    learning_rate: float,
    start: Any,
    steps: int,
    *,
    tolerance: float | None = None,
) -> Trajectory:
    r"""``dw/dt = -eta [grad L + grad <H, Sigma>/2]`` with sharpness at most ``2/eta``.

    Sigma >= 0, the covariance of the oscillation, lives on the eigenvectors of H at the edge and is
    complementary to ``2/eta - H >= 0``: it is just large enough that no curvature passes ``2/eta``,
    and any number of them may stay there.  For one, ``sigma^2 = max(0, -2 grad lambda . grad L /
    |grad lambda|^2)`` (Cohen et al., ICLR 2025).  The velocity is the one nearest to that of
    gradient flow among those that raise no curvature past the edge.

    Parameters
    ----------
    loss, variables, learning_rate, start, steps
        As for `gradient_descent`; the sharpness at the start must not exceed ``2/eta``.
    tolerance : float, optional
        As for `gradient_flow`; for a JAX loss that of the eigenvectors at the edge, too.

    Returns
    -------
    Trajectory
        `extent` is the largest eigenvalue of Sigma, `mean_loss` is ``L + tr Sigma/eta``.

    Raises
    ------
    FokkerPlanckError
        When the start is beyond the edge.
    NotConverged
        When curvatures reach the edge that do not depend on the parameters, or reach and leave it
        without end.
    InvalidModel, UnboundSymbol, InvalidCoefficient, FokkerPlanckError
        When what is given makes no sense.

    Examples
    --------
    The minimal problem: sharpness grows to ``2/eta`` and stays.

    >>> from fokkerplanck.systems.edge_of_stability import MinimalProblem
    >>> problem = MinimalProblem(0.01)
    >>> flow = central_flow(problem.loss, problem.variables, 0.3, (0.1, 6.0), 500)
    >>> float(flow.sharpness[-1]), float(flow.extent[-1]), flow.info["largest_number_at_edge"]
    (6.66667, 0.01999, 1)
    """
    problem = pose(loss, variables, learning_rate, start, steps, tolerance)
    edge = critical_sharpness(problem.learning_rate)
    left = max(LEFT, LEFT_TOLERANCES * problem.landscape.tolerance)
    flow = _CentralFlow(problem, edge, left)
    sharpness = float(problem.landscape.sharpness(problem.start[:, None])[0])
    if sharpness > edge * (1 + flow.left):
        raise FokkerPlanckError(
            f"the sharpness at the start is {sharpness:.6g}, beyond the edge 2/eta = {edge:.6g}, "
            "where the central flow is not defined; start below it or use rod_flow"
        )
    states, held, segments = flow.run(flow.number_at_edge())
    extents, traces = held[:-1].T
    return trajectory(
        problem,
        states[:-1],
        (states[:-1] + states[1:]) / 2,
        extent=extents,
        mean_loss=lambda losses: losses[: len(traces)] + traces / problem.learning_rate,
        method="central flow",
        segments=segments,
        largest_number_at_edge=max(flow.numbers),
    )


@dataclass
class _CentralFlow:
    """The flow with a given number of curvatures at the edge, and its changes of that number."""

    problem: Problem
    edge: float
    left: float
    numbers: list[int] = field(default_factory=list)

    def number_at_edge(self) -> int:
        """How many curvatures are at the edge at the start."""
        size, count = self.problem.start.size, 1
        while True:
            values = self.problem.landscape.top(self.problem.start, count)[0]
            if count == size or values[-1] < self.edge:
                return int(np.sum(values >= self.edge))
            count = min(2 * count, size)

    def force(self, point: Array, number: int) -> tuple[Array, Array]:
        """``grad L + grad <H, Sigma>/2``, and Sigma on the `number` directions that are held."""
        landscape = self.problem.landscape
        if number == 0:
            return landscape.gradient(point), np.zeros((1, 1))
        slope, values, _, derivative = landscape.critical(point, number)
        if not np.isfinite(derivative).all():
            return np.full_like(point, np.nan), np.zeros((1, 1))
        gap = np.diag(self.edge - values)
        speed = RETURN_RATE / self.problem.learning_rate
        held = solve_complementarity(
            derivative.T @ derivative / 2, slope @ derivative + speed * as_vector(gap)
        )
        return slope + derivative @ as_vector(held) / 2, held

    def run(self, number: int) -> tuple[Array, Array, int]:
        """States and (largest eigenvalue, trace) of Sigma at whole steps; number of segments."""
        state, time, end = self.problem.start, 0.0, self.problem.steps + 1
        states, extents, segments = [], [], 0
        tolerance = self.problem.landscape.tolerance
        while time < end:
            self.numbers.append(number)
            segments += 1
            if segments > MOST_CHANGES * end:
                raise NotConverged(
                    f"curvatures reach and leave the edge more than {MOST_CHANGES} times a step, "
                    f"the last time after {time:.6g} steps; smooth the loss there"
                )

            def velocity(time: float, point: Array, number: int = number) -> Array:
                return -self.problem.learning_rate * self.force(point, number)[0]

            found = integrate(
                velocity,
                state,
                (time, end),
                method=self.problem.landscape.integrator,
                relative=tolerance,
                absolute=tolerance * ABSOLUTE / RELATIVE,
                events=self._events(number),
            )
            # A segment within one step has no whole number, and SciPy then no array.
            for point in np.reshape(found.y, (state.size, len(found.t))).T:
                states.append(point)
                held = self.force(point, number)[1]
                extents.append((np.linalg.eigvalsh(held)[-1], np.trace(held)))
            if found.status != 1 or found.t_events[-1].size:
                break
            entered = bool(found.t_events[0].size)
            which = 0 if entered else 1
            time, state = float(found.t_events[which][0]), found.y_events[which][0]
            number += 1 if entered else -1
        return np.array(states), np.array(extents), segments

    def _events(self, number: int) -> list[Any]:
        """Another curvature reaches the edge; one that was held leaves it."""
        top = self.problem.landscape.top

        def reaches(time: float, point: Array) -> float:
            if number == point.size:
                return -1.0
            return float(top(point, number + 1)[0][number] - self.edge)

        def leaves(time: float, point: Array) -> float:
            if number == 0:
                return 1.0
            values = top(point, min(number + 1, point.size))[0]
            return float(values[number - 1] - self.edge * (1 - self.left))

        for event, direction in ((reaches, 1.0), (leaves, -1.0)):
            event.terminal = True  # type: ignore[attr-defined]
            event.direction = direction  # type: ignore[attr-defined]
        return [reaches, leaves]
