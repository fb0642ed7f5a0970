"""Methods of W3: from the problem's formulas to the density at t = 1."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.w1_fipy import _fipy
from benchmarks.w1_method import Method
from benchmarks.w1_problem import BOX, Problem, X, Y
from benchmarks.w3_reference import COVARIANCE, MEAN, TIME, initial

__all__ = ["METHODS"]

Array = NDArray[np.float64]

TOLERANCES = (0.3, 0.1, 0.03)
STEPS = (10, 30, 100)


def _evolved(problem: Problem, cells: int, tolerance: float) -> Any:
    import fokkerplanck as fpk

    model = fpk.Diffusion((X, Y), *problem.symbolic)
    grid = fpk.Grid(x=(*BOX, cells), y=(*BOX, cells))
    start = fpk.gaussian_density(grid, MEAN, COVARIANCE * np.eye(2))
    return fpk.evolve(fpk.assemble(model, grid), start, [TIME], tolerance=tolerance)


def _ours(tolerance: float) -> Method:
    return Method(
        f"fokkerplanck {tolerance:g}",
        "fokkerplanck",
        lambda problem, cells: _evolved(problem, cells, tolerance),
        lambda evolution, _: evolution.values[-1],  # type: ignore[attr-defined]
        note=f"evolve(..., tolerance={tolerance:g}), scheme and method by default",
    )


def _fipy_steps(problem: Problem, cells: int, steps: int, sweeps: int) -> Array:
    fipy = _fipy()
    width = (BOX[1] - BOX[0]) / cells
    square = fipy.Grid2D(nx=cells, ny=cells, dx=width, dy=width)
    mesh = square + np.full((2, 1), BOX[0])
    start = initial(*np.asarray(mesh.cellCenters))
    density = fipy.CellVariable(mesh=mesh, value=start, hasOld=True)
    drift = fipy.FaceVariable(mesh=mesh, rank=1, value=problem.drift(*np.asarray(mesh.faceCenters)))
    drift.setValue(0.0, where=mesh.exteriorFaces)
    flow = fipy.DiffusionTerm([problem.tensor.tolist()]) - fipy.ExponentialConvectionTerm(drift)
    equation = fipy.TransientTerm() == flow
    solver = fipy.LinearLUSolver()
    for _ in range(steps):
        density.updateOld()
        for _ in range(sweeps):
            equation.sweep(density, dt=TIME / steps, solver=solver)
    return np.array(density.value).reshape(cells, cells).T  # FiPy counts x fastest


def _fipy_method(steps: int, sweeps: int) -> Method:
    return Method(
        f"FiPy {steps} steps" + (f", {sweeps} sweeps" if sweeps > 1 else ""),
        "fipy",
        lambda problem, cells: _fipy_steps(problem, cells, steps, sweeps),
        largest=256,
        note=f"{steps} implicit Euler steps, {sweeps} sweep(s) each, full tensor in DiffusionTerm "
        "with cross terms of the sweep before, ExponentialConvectionTerm, SciPy's LU",
    )


def _py_pde(problem: Problem, cells: int) -> Array:
    import pde

    tensor = problem.tensor
    a_x, a_y = "(-4*x*(x**2-1)-y**2/2)", "(-2*y*(1+x/2))"
    rule = (
        f"-d_dx({a_x}*p)-d_dy({a_y}*p)+{tensor[0, 0]}*laplace(p)+{2 * tensor[0, 1]}*d_dx(d_dy(p))"
    )
    # Nothing flows through the walls: what is differenced across one is odd, what diffuses even.
    odd = {"value": 0.0}
    equation: Any = pde.PDE(
        {"p": rule}, bc={"derivative": 0.0}, bc_ops={"p:d_dx": odd, "p:d_dy": odd}
    )
    grid = pde.CartesianGrid([BOX] * 2, cells)
    start = pde.ScalarField(grid, initial(*np.moveaxis(grid.cell_coords, -1, 0)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        density = equation.solve(
            start, t_range=TIME, solver="runge-kutta", adaptive=True, tolerance=1e-4, tracker=None
        )
    return np.array(density.data)


METHODS = (
    *(_ours(tolerance) for tolerance in TOLERANCES),
    *(_fipy_method(steps, 1) for steps in STEPS),
    _fipy_method(30, 2),
    Method(
        "py-pde",
        "py-pde",
        _py_pde,
        refuses=lambda problem: (
            "drift written for the irreversible one" if problem.mobility else None
        ),
        largest=128,
        note="explicit adaptive Runge-Kutta compiled by numba, tolerance 1e-4",
    ),
    Method(
        "fplanck",
        "fplanck",
        lambda *_: None,
        refuses=lambda _: "does not apply: no off-diagonal entries of D",
    ),
)
