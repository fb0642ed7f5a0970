"""W1 with fplanck: isotropic noise only, a shift-inverted eigenvalue problem."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.w1_method import Method
from benchmarks.w1_problem import BOX, TEMPERATURE, Problem, loss

__all__ = ["METHODS"]

Array = NDArray[np.float64]


def _refuses(problem: Problem) -> str | None:
    return "does not apply: no off-diagonal entries of D" if problem.correlation else None


def _solve(problem: Problem, cells: int) -> Array:
    # fplanck 0.2.2 calls a name that NumPy 2 no longer has.
    vars(np).setdefault("product", np.prod)
    import fplanck
    from scipy.constants import k

    extent = BOX[1] - BOX[0]
    # Half a cell less: it takes the ceiling of extent / resolution.
    model = fplanck.fokker_planck(
        temperature=TEMPERATURE / k,
        drag=1.0,
        extent=[extent * (1 - 0.5 / cells)] * 2,
        resolution=extent / cells,
        potential=loss,
    )
    area = (extent / cells) ** 2
    return np.asarray(model.steady_state()) / area


METHODS = (
    Method("fplanck", "fplanck", _solve, refuses=_refuses, largest=256, note="steady_state()"),
)
