"""W1 with fokkerplanck: from symbols to a density."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from benchmarks.w1_method import Method
from benchmarks.w1_problem import BOX, Problem, X, Y

__all__ = ["METHODS"]

Array = NDArray[np.float64]


def _density(problem: Problem, cells: int, scheme: str | None, solver: str | None) -> Any:
    import fokkerplanck as fpk

    model = fpk.Diffusion((X, Y), *problem.symbolic)
    grid = fpk.Grid(x=(*BOX, cells), y=(*BOX, cells))
    operator = fpk.assemble(model, grid, getattr(fpk, scheme)() if scheme else None)
    return fpk.stationary_density(operator, getattr(fpk, solver)() if solver else None)


def _extrapolated(problem: Problem, cells: int) -> Array:
    """Richardson's extrapolation of ``log p`` from two grids: fourth order, and positive.

    The coarse logarithm is interpolated by splines of degree 5, so that the interpolation errs
    by less than the extrapolation; beyond the walls it is continued by its value there.
    """
    fine = _density(problem, cells, None, None).log_values
    coarse = _density(problem, cells // 2, None, None).log_values
    logarithm = (
        4 * _grid(fine) - zoom(_grid(coarse), 2, order=5, mode="nearest", grid_mode=True)
    ) / 3
    return np.exp(logarithm)


def _grid(values: Array) -> Array:
    side = int(np.sqrt(values.size))
    return values.reshape(side, side)


def _method(name: str, scheme: str | None, solver: str | None, note: str) -> Method:
    def refuses(_: Problem) -> str | None:
        import fokkerplanck as fpk

        return None if scheme is None or hasattr(fpk, scheme) else f"no fokkerplanck.{scheme} yet"

    return Method(
        f"fokkerplanck {name}",
        "fokkerplanck",
        lambda problem, cells: _density(problem, cells, scheme, solver),
        lambda density, _: density.values,  # type: ignore[attr-defined]
        refuses,
        note=note,
    )


METHODS = (
    _method("default", None, None, "no scheme and no solver named"),
    _method("Selling + SubtractionFree", "Selling", "SubtractionFree", "both named"),
    _method("Selling + SparseLU", "Selling", "SparseLU", "both named"),
    _method("CrossDiffusion + SparseLU", "CrossDiffusion", "SparseLU", "both named"),
    Method(
        "fokkerplanck default, extrapolated",
        "fokkerplanck",
        _extrapolated,
        note="Richardson's extrapolation of log p from N/2 and N, both solved in the time",
    ),
)
