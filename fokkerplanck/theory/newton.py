"""Newton's method for a zero of a vector field, from a point nearby."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.errors import InvalidModel

__all__ = ["as_text", "find_zero"]

Array = NDArray[np.float64]

# Newton doubles the digits a step: from a point good to 10 % a dozen steps reach rounding.
STEPS = 50
# Of the coordinates, or of the first step: the last correction that may be left.
CONVERGED = 1e-10
# Of the force: what a step may leave of it in the linear approximation, where the Jacobian is
# singular.
SOLVED = 1e-6


def find_zero(field: Callable[[Array], tuple[Array, Array]], start: Array, name: str) -> Array:
    """Where a vector vanishes; `field` returns it and its Jacobian.

    Raises
    ------
    InvalidModel
        When the iteration does not converge.
    """
    point, first = start.copy(), 0.0
    for _ in range(STEPS):
        value, jacobian = field(point)
        # Along a line of zeros the shortest step is taken.
        step = np.linalg.lstsq(jacobian, -value, rcond=None)[0]
        size = float(np.linalg.norm(step))
        first = first or size
        if np.linalg.norm(jacobian @ step + value) > SOLVED * np.linalg.norm(value):
            raise InvalidModel(
                f"no {name} near {as_text(start)}: at {as_text(point)} the force is "
                f"{float(np.linalg.norm(value)):.3g} and no step reduces it; start closer"
            )
        point = point + step
        if size <= CONVERGED * max(float(np.linalg.norm(point)), first):
            return point
    raise InvalidModel(
        f"no {name} near {as_text(start)}: step {STEPS} of Newton's method still moves the point "
        f"by {size:.3g}; start closer"
    )


def as_text(point: Array) -> str:
    """Coordinates for a message."""
    return f"({', '.join(f'{c:.6g}' for c in np.atleast_1d(point))})"
