"""W2 with FiPy: the backward equation in self-adjoint form, and the density fed at the start."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from benchmarks.w2_method import Method
from benchmarks.w2_problem import BOX, START, TARGET, at_start, potential

__all__ = ["METHODS"]


def _mesh(cells: int) -> tuple[Any, Any, int]:
    os.environ.setdefault("FIPY_SOLVERS", "scipy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports numpy.core
        import fipy
    width = (BOX[1] - BOX[0]) / cells
    outside = round((TARGET - BOX[0]) / width)
    return fipy, fipy.Grid1D(nx=outside, dx=width) + np.array([[BOX[0]]]), outside


def _self_adjoint(barrier: float, cells: int) -> float:
    """``-(exp(-V/T) T tau')' = exp(-V/T)``, tau = 0 at the target."""
    fipy, mesh, _ = _mesh(cells)
    time = fipy.CellVariable(mesh=mesh, value=0.0)
    time.constrain(0.0, mesh.facesRight)
    weight = np.exp(-barrier * potential(mesh.faceCenters.value[0])) / barrier
    source = np.exp(-barrier * potential(mesh.cellCenters.value[0]))
    coefficient = fipy.FaceVariable(mesh=mesh, value=weight)
    equation = fipy.DiffusionTerm(coefficient) == -fipy.CellVariable(mesh=mesh, value=source)
    equation.solve(time, solver=fipy.LinearLUSolver())
    return at_start(mesh.cellCenters.value[0], np.asarray(time.value))


def _forward(barrier: float, cells: int) -> float:
    """Density that enters at the start and leaves at the target, one unit a time: its mass."""
    fipy, mesh, outside = _mesh(cells)
    width = (BOX[1] - BOX[0]) / cells
    density = fipy.CellVariable(mesh=mesh, value=0.0)
    density.constrain(0.0, mesh.facesRight)
    faces = mesh.faceCenters.value[0]
    drift = fipy.FaceVariable(mesh=mesh, rank=1, value=[-4 * faces * (faces**2 - 1)])
    drift.setValue(0.0, where=mesh.facesLeft)
    source = np.zeros(outside)
    # The start is a face: half of the density enters on either side.
    first = round((START - BOX[0]) / width)
    source[first - 1 : first + 1] = 0.5 / width
    equation = (
        fipy.DiffusionTerm(1 / barrier)
        - fipy.ExponentialConvectionTerm(drift)
        + fipy.CellVariable(mesh=mesh, value=source)
    )
    equation.solve(density, solver=fipy.LinearLUSolver())
    return float(np.sum(density.value) * width)


METHODS = (
    Method(
        "FiPy, backward",
        "fipy",
        _self_adjoint,
        note="(exp(-V/T) T tau')' = -exp(-V/T) with DiffusionTerm and its LU",
    ),
    Method(
        "FiPy, forward",
        "fipy",
        _forward,
        note="ExponentialConvectionTerm, a source at the start, its LU; the mass is the mean time",
    ),
)
