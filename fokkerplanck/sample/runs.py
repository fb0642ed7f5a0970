"""What every sampler checks before it runs, and says when a path had to stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.kernels import Kernel
from fokkerplanck.errors import (
    FokkerPlanckError,
    GridMismatch,
    InvalidCoefficient,
    NotPositiveSemidefinite,
)
from fokkerplanck.results.density import Density
from fokkerplanck.sample.chain import Outcome
from fokkerplanck.sample.lanes import DIVERGED, NEGATIVE

__all__ = [
    "as_states",
    "draw_states",
    "lower_triangle",
    "place",
    "positive_integer",
    "require_finite",
    "require_inside",
    "require_semidefinite",
]

Array = NDArray[np.float64]


def positive_integer(value: Any, name: str) -> int:
    """A whole number, 1 or more.

    Raises
    ------
    FokkerPlanckError
    """
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1 or number != value:
        raise FokkerPlanckError(f"{name} is a whole number, 1 or more, not {value!r}")
    return number


def as_states(start: Any, count: int, names: Sequence[str], *, default: int = 0) -> Array:
    """One row of coordinates a path, from one point for all or one point each.

    Parameters
    ----------
    default : int
        How many of the last coordinates may be left out, and are then zero.

    Raises
    ------
    FokkerPlanckError
        When the shape does not fit, or a number is not finite.
    """
    try:
        states = np.array(start, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise FokkerPlanckError(f"the start is not made of real numbers: {error}") from error
    size = len(names)
    if states.ndim in (1, 2) and default and states.shape[-1] == size - default:
        states = np.concatenate([states, np.zeros((*states.shape[:-1], default))], axis=-1)
    if states.shape not in ((size,), (count, size)):
        raise FokkerPlanckError(
            f"the start has shape {np.shape(start)}; give one number for each of "
            f"({', '.join(names)}), or an array of shape ({count}, {size})"
        )
    if not np.isfinite(states).all():
        raise FokkerPlanckError("the start is not finite")
    return np.array(np.broadcast_to(states, (count, size)))


def draw_states(
    density: Density, count: int, names: Sequence[str], seed: np.random.SeedSequence
) -> Array:
    """Starts drawn from a density: a cell by its probability, a place in it evenly.

    Raises
    ------
    GridMismatch
        When its axes are not the coordinates.
    """
    grid = density.grid
    if grid.names != tuple(names):
        raise GridMismatch(f"the start has the axes {grid.names}, the paths {tuple(names)}")
    rng = np.random.default_rng(seed)
    masses = np.maximum(density.masses.ravel(), 0.0)
    cells = rng.choice(grid.size, count, p=masses / masses.sum())
    states = np.empty((count, grid.dimension))
    for k, index in enumerate(np.unravel_index(cells, grid.shape)):
        edges = grid.edges[k]
        states[:, k] = edges[index] + rng.random(count) * np.diff(edges)[index]
    return states


def require_inside(states: Array, walls: Grid | None, names: Sequence[str]) -> None:
    """Refuse starts outside the box.

    Raises
    ------
    FokkerPlanckError
    """
    for axis in walls.axes if walls is not None else ():
        values = states[:, list(names).index(axis.name)]
        lower, upper = axis.edges[0], axis.edges[-1]
        outside = (values < lower) | (values > upper)
        if outside.any():
            raise FokkerPlanckError(
                f"{int(outside.sum())} paths start outside the walls, the first with {axis.name} = "
                f"{values[outside][0]:.6g} outside [{lower:.6g}, {upper:.6g}]"
            )


def lower_triangle(matrix: sp.MatrixBase) -> list[sp.Expr]:
    """Entries on and below the diagonal, row by row, as the drivers want them."""
    return [matrix[r, c] for r in range(matrix.rows) for c in range(r + 1)]


def place(names: Sequence[str], point: Array) -> str:
    """``(x, y) = (0.02, -0.4)``."""
    return f"({', '.join(names)}) = ({', '.join(f'{value:.6g}' for value in point)})"


def require_semidefinite(
    outcomes: Sequence[Outcome], kernel: Kernel, names: Sequence[str], what: str, step: float
) -> None:
    """Raise when a path met a tensor with a negative eigenvalue, with the number and the place.

    Raises
    ------
    NotPositiveSemidefinite
    """
    for outcome in outcomes:
        for path in np.flatnonzero(outcome.reason == NEGATIVE):
            point, number = outcome.values[-1, path], int(outcome.stopped[path])
            low = _lowest_eigenvalue(kernel(point, number * step), len(names))
            raise NotPositiveSemidefinite(
                f"{what} has eigenvalue {low:.4g} at {place(names, point)}, where path "
                f"{outcome.first + path} was at step {number}; Hessian noise is indefinite near "
                'saddles: use Hessian(scale, negative="clip"), else check the noise model'
            )


def require_finite(
    outcomes: Sequence[Outcome], kernel: Kernel, names: Sequence[str], step: float
) -> None:
    """Raise when a path of a diffusion left to infinity.

    Raises
    ------
    InvalidCoefficient
    """
    for outcome in outcomes:
        for path in np.flatnonzero(outcome.reason == DIVERGED):
            point, number = outcome.values[-1, path], int(outcome.stopped[path])
            finite = bool(np.isfinite(kernel(point, number * step)).all())
            cause = (
                f"the next one, of size {step:.3g}, leaves to infinity: use a smaller step"
                if finite
                else "the drift or the tensor is not finite there: use a smaller step, or change "
                "the formula when it is singular at that place"
            )
            raise InvalidCoefficient(
                f"path {outcome.first + path} was at {place(names, point)} at step {number}, and "
                + cause
            )


def _lowest_eigenvalue(values: Array, size: int) -> float:
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = values[size : size + size * (size + 1) // 2]
    return float(np.linalg.eigvalsh(matrix, UPLO="L")[0])
