"""W2 with fokkerplanck, with an ordinary LU of its matrix, and with the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import spsolve

import fokkerplanck as fpk
from benchmarks.w2_method import Method
from benchmarks.w2_problem import BOX, START, TARGET, X, at_start

__all__ = ["METHODS", "operator"]


def operator(barrier: float, cells: int) -> fpk.FokkerPlanckOperator:
    """The assembled operator."""
    model = fpk.Diffusion((X,), [-4 * X * (X**2 - 1)], [[1 / barrier]])
    return fpk.assemble(model, fpk.Grid(x=(*BOX, cells)))


def _solve(barrier: float, cells: int) -> float:
    rate = fpk.escape_rate(operator(barrier, cells), (START,), X > TARGET)
    return float(rate.info["mean_time"])


def _ordinary_lu(barrier: float, cells: int) -> float:
    made = operator(barrier, cells)
    centers: Any = made.grid.centers[0]  # type: ignore[union-attr]
    outside = centers < TARGET
    matrix = made.matrix[outside][:, outside].T.tocsc()
    return at_start(centers[outside], spsolve(matrix, -np.ones(int(outside.sum()))))


def _formula(order: Any) -> Method:
    def solve(barrier: float, _: int) -> float:
        rate = fpk.theory.kramers_rate(
            (X**2 - 1) ** 2, minimum=-1, saddle=0, noise=1 / barrier, order=order
        )
        return 1 / rate.value

    return Method(
        f"fokkerplanck kramers_rate, order {order}",
        "fokkerplanck",
        solve,
        largest=0,
        note="the formula, without a grid",
    )


METHODS = (
    Method("fokkerplanck", "fokkerplanck", _solve, note="assemble, escape_rate, as they come"),
    Method(
        "its matrix, SciPy's LU",
        "fokkerplanck",
        _ordinary_lu,
        note="the same matrix outside the target, scipy.sparse.linalg.spsolve",
    ),
    _formula(1),
    _formula(2),
)
