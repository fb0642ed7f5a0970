"""W2 with scikit-fem: quadratic elements for the backward equation in self-adjoint form."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.w2_method import Method
from benchmarks.w2_problem import BOX, START, TARGET, potential

__all__ = ["METHODS"]


def _solve(barrier: float, cells: int) -> float:
    import skfem

    elements = round((TARGET - BOX[0]) / (BOX[1] - BOX[0]) * cells) // 2
    mesh = skfem.MeshLine(np.linspace(BOX[0], TARGET, elements + 1))
    # Ten points an element: exp(-V/T) is no polynomial.
    basis = skfem.Basis(mesh, skfem.ElementLineP2(), intorder=19)

    @skfem.BilinearForm
    def stiffness(u: Any, v: Any, w: Any) -> Any:
        return np.exp(-barrier * potential(w.x[0])) / barrier * u.grad[0] * v.grad[0]

    @skfem.LinearForm
    def load(v: Any, w: Any) -> Any:
        return np.exp(-barrier * potential(w.x[0])) * v

    target = basis.get_dofs(lambda x: np.isclose(x[0], TARGET))
    times = skfem.solve(*skfem.condense(stiffness.assemble(basis), load.assemble(basis), D=target))
    return float((basis.probes(np.array([[START]])) @ times)[0])


METHODS = (
    Method(
        "scikit-fem P2",
        "scikit-fem",
        _solve,
        note="ElementLineP2 on N/2 elements a box, (exp(-V/T) T tau')' = -exp(-V/T), its solver",
    ),
)
