"""Deterministic trajectories: of gradient descent, and of the flows that model it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.info import Info
from fokkerplanck.errors import FokkerPlanckError

__all__ = ["Trajectory"]

Array = NDArray[np.float64]
SERIES = ("loss", "sharpness", "extent", "mean_loss")


@dataclass(frozen=True, eq=False)
class Trajectory:
    """States at whole numbers of steps, with what large steps are judged by.

    Attributes
    ----------
    times : (steps + 1,)
        Numbers of steps, from 0.
    parameters : (steps + 1, d)
        Iterates of gradient descent; the state of a flow; the centre of a rod.
    average : (steps + 1, d)
        Mean of the states at k and k + 1: what is left of an oscillation of period 2, and the place
        to compare trajectories at.  The centre of a rod is that mean already.
    loss, sharpness : (steps + 1,)
        Loss and largest eigenvalue of its Hessian at `parameters`.
    extent : (steps + 1,)
        Largest eigenvalue of ``Sigma``, the square of the half-difference ``delta`` of two
        iterates; zero for flows without oscillation.
    mean_loss : (steps + 1,)
        Mean of the losses at k and k + 1; for flows, what they predict of it.
    variables : tuple of str
    info : Info

    Raises
    ------
    FokkerPlanckError
        When shapes do not fit, or a number is not finite.
    """

    times: Array
    parameters: Array
    average: Array
    loss: Array
    sharpness: Array
    extent: Array
    mean_loss: Array
    variables: tuple[str, ...]
    info: Info = field(default_factory=Info)

    def __post_init__(self) -> None:
        count, size = np.size(self.times), len(self.variables)
        shapes: dict[str, tuple[int, ...]] = {"times": (count,)}
        shapes |= dict.fromkeys(("parameters", "average"), (count, size))
        shapes |= dict.fromkeys(SERIES, (count,))
        for name, shape in shapes.items():
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.shape != shape:
                raise FokkerPlanckError(
                    f"{name} has shape {array.shape}; {count} times and the variables "
                    f"{self.variables} need {shape}"
                )
            if not np.isfinite(array).all():
                bad = int(np.argwhere(~np.isfinite(array))[0][0])
                raise FokkerPlanckError(f"{name} is not finite at step {self.times[bad]:g}")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @property
    def steps(self) -> int:
        """Number of steps that were made, fewer than asked for where the loss was left."""
        return int(self.times.size - 1)

    def distance(self, other: Trajectory) -> Array:
        """Euclidean distance of the two averages, as far as both reach.

        Raises
        ------
        FokkerPlanckError
            When the variables differ.
        """
        if self.variables != other.variables:
            raise FokkerPlanckError(
                f"trajectories of {self.variables} and of {other.variables} have no distance"
            )
        count = min(self.times.size, other.times.size)
        separation: Array = np.linalg.norm(self.average[:count] - other.average[:count], axis=1)
        return separation

    def plot(self, quantity: str = "loss", ax: Any = None, **options: Any) -> Any:
        """A line over the steps; returns the Matplotlib artist.

        Parameters
        ----------
        quantity : str
            ``"loss"``, ``"sharpness"``, ``"extent"``, ``"mean_loss"``, or the name of a variable.
        ax : Axes, optional
        **options
            Passed to Matplotlib's ``plot``.

        Raises
        ------
        FokkerPlanckError
            When the quantity is unknown.
        """
        from fokkerplanck.plot.trajectory import plot_trajectory

        return plot_trajectory(self.times, self._series(quantity), quantity, ax, options)

    def _series(self, quantity: str) -> Array:
        if quantity in self.variables:
            values: Array = self.parameters[:, self.variables.index(quantity)]
            return values
        if quantity not in SERIES:
            raise FokkerPlanckError(
                f"a trajectory has {', '.join((*SERIES, *self.variables))}, not {quantity!r}"
            )
        values = getattr(self, quantity)
        return values
