"""W1 with FiPy: implicit steps so long that only the lagged cross terms make them many."""

from __future__ import annotations

import os
import warnings
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.w1_method import Method, TimeLimit
from benchmarks.w1_problem import BOX, Problem, errors
from benchmarks.w1_reference import reference

__all__ = ["METHODS"]

Array = NDArray[np.float64]

# Steps of 1e3 and 1e6 take the same number of solves; steps of 10 twice as many, and sweeps
# within one step gain nothing (all measured at 64 x 64).
STEP = 1e6
SOLVES = 200
# The sweeps stop when one changes less than this share of the error that they converge to.
SHARE = 0.05
COARSE = 64


def _fipy() -> Any:
    os.environ.setdefault("FIPY_SOLVERS", "scipy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports numpy.core
        import fipy
    return fipy


def _sweep(term: str, problem: Problem, cells: int, tolerance: float) -> Array:
    fipy = _fipy()
    width = (BOX[1] - BOX[0]) / cells
    square = fipy.Grid2D(nx=cells, ny=cells, dx=width, dy=width)
    mesh = square + np.full((2, 1), BOX[0])
    density = fipy.CellVariable(mesh=mesh, value=(BOX[1] - BOX[0]) ** -2, hasOld=True)
    drift = fipy.FaceVariable(mesh=mesh, rank=1, value=problem.drift(*np.asarray(mesh.faceCenters)))
    drift.setValue(0.0, where=mesh.exteriorFaces)
    convection = getattr(fipy, term)(drift)
    diffusion = fipy.DiffusionTerm([problem.tensor.tolist()])
    equation = fipy.TransientTerm() == diffusion - convection
    old = np.array(density.value)
    for _ in range(SOLVES):
        density.updateOld()
        equation.solve(density, dt=STEP)
        change = np.abs(density.value - old).sum() * width**2
        old = np.array(density.value)
        if change < tolerance:
            return old.reshape(cells, cells).T  # FiPy counts x fastest
    raise TimeLimit(f"change {change:.1e} after {SOLVES} solves, above {tolerance:.1e}")


@cache
def _tolerance(term: str, problem: Problem, cells: int) -> float:
    """Share of the method's own error: measured converged at 64 x 64, second order from there."""
    converged = _sweep(term, problem, COARSE, 1e-9)
    return SHARE * errors(converged, partial(reference, problem)).l1 * (COARSE / cells) ** 2


def _method(term: str, largest: int) -> Method:
    return Method(
        f"FiPy {term.removesuffix('ConvectionTerm')}",
        "fipy",
        lambda problem, cells: _sweep(term, problem, cells, _tolerance(term, problem, cells)),
        prepare=lambda problem, cells: _tolerance(term, problem, cells),
        largest=largest,
        note=f"DiffusionTerm with the full tensor, {term}, steps of {STEP:.0e} with SciPy's LU "
        f"until one changes less than {SHARE:.0%} of the error they converge to",
    )


METHODS = (_method("ExponentialConvectionTerm", 512), _method("PowerLawConvectionTerm", 256))
