"""`Selling` where the drift has no potential: L1 errors of stationary densities.

    python -m benchmarks.schemes_drift

Rows: drift ``-K x`` with K = [[1, -1], [1, 1]] and noise of a given anisotropy, rotated; then ``F =
-(D + a J) grad V`` in a double well with rotating noise, whose exact density is ``e^-V`` but for
the walls.  Columns: exponential fitting alone, and `Selling` (drift limited by its curl, the rest
upwind, a share of central rates); 32, 64 and 128 cells an axis.
"""

from __future__ import annotations

import warnings

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov

import fokkerplanck as fpk
from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.edges import edge_matrix
from fokkerplanck.discretize.face_force import split_force
from fokkerplanck.discretize.index_units import tensor_in_cells, vector_in_cells
from fokkerplanck.discretize.selling import decompose
from fokkerplanck.errors import FokkerPlanckWarning
from fokkerplanck.solve.linear import factorize

Array = NDArray[np.float64]
X, Y = sp.symbols("x y", real=True)
CELLS = (32, 64, 128)
RATES = np.array([[1.0, -1.0], [1.0, 1.0]])


def turned(anisotropy: float, angle: sp.Expr) -> sp.Matrix:
    frame = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    return frame * sp.diag(1, 1 / sp.Float(anisotropy)) * frame.T


def ornstein_uhlenbeck(anisotropy: float, degrees: float, cells: int):
    """Model, grid and exact density."""
    tensor = turned(anisotropy, sp.Float(np.deg2rad(degrees)))
    covariance = solve_continuous_lyapunov(RATES, 2 * np.array(tensor, dtype=float))
    reach = 5.5 * np.sqrt(np.diag(covariance))
    grid = fpk.Grid(x=(-reach[0], reach[0], cells), y=(-reach[1], reach[1], cells))
    model = fpk.Diffusion((X, Y), -sp.Matrix(RATES) * sp.Matrix([X, Y]), tensor)
    return model, grid, fpk.gaussian_density(grid, [0, 0], covariance).values


def circulation(anisotropy: float, strength: float, cells: int):
    """Model, grid and exact density (up to the walls)."""
    potential = 2 * ((X**2 - 1) ** 2 + Y**2)
    tensor = turned(anisotropy, 0.6 * sp.sin(X) + 0.3 * sp.sin(Y))
    swirl = strength * sp.Matrix([[0, 1], [-1, 0]])
    force = -(tensor + swirl) * sp.Matrix([sp.diff(potential, v) for v in (X, Y)])
    grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
    exact = np.exp(-sp.lambdify((X, Y), potential)(*np.broadcast_arrays(*grid.mesh)))
    model = fpk.Diffusion.from_isothermal((X, Y), force, tensor)
    return model, grid, exact / np.sum(exact * grid.volumes)


def error(masses: Array, grid: fpk.Grid, exact: Array) -> float:
    values = (masses / masses.sum()).reshape(grid.shape) / grid.volumes
    return float(np.sum(np.abs(values - exact) * grid.volumes))


def fitted_alone(model: fpk.Diffusion, grid: fpk.Grid) -> Array:
    """Masses with all of ``D^-1 F`` in exponentially fitted rates."""
    coefficients = Coefficients.compile(model)
    tensor = tensor_in_cells(coefficients.tensor(grid.mesh), grid)
    force = vector_in_cells(coefficients.force(grid.mesh, [1.0, 1.0]), grid)
    offsets, weights, _ = decompose(tensor, 16)
    whole = split_force(grid, tensor, force, offsets, weights).whole
    diagonal = np.ascontiguousarray(np.einsum("nii->ni", tensor))
    matrix, _ = edge_matrix(
        grid, offsets, weights, diagonal, level=np.zeros(grid.size), slope=whole
    )
    return factorize(matrix, shape=grid.shape).stationary()


def selling(model: fpk.Diffusion, grid: fpk.Grid) -> Array:
    operator = fpk.assemble(model, grid, fpk.Selling())
    return factorize(operator.matrix, shape=grid.shape).stationary()


def row(problem, *parameters: float) -> str:
    columns = []
    for method in (fitted_alone, selling):
        errors = []
        for cells in CELLS:
            model, grid, exact = problem(*parameters, cells)
            errors.append(error(method(model, grid), grid, exact))
        columns.append(" / ".join(f"{e:.1e}" for e in errors))
    return f"{columns[0]:32}{columns[1]}"


def main() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FokkerPlanckWarning)
        np.seterr(all="ignore")
        print(f"{'anisotropy, degrees':24}{'fitted alone':32}Selling")
        for anisotropy in (1.0, 10.0, 100.0, 1e4):
            for degrees in (0.0, 10.0, 30.0, 45.0):
                if anisotropy > 1 or degrees == 0:
                    label = f"{anisotropy:g}, {degrees:g}"
                    print(f"{label:24}{row(ornstein_uhlenbeck, anisotropy, degrees)}", flush=True)
        print(f"{'anisotropy, circulation':24}")
        for anisotropy in (10.0, 100.0):
            for strength in (0.01, 0.1, 1.0):
                label = f"{anisotropy:g}, {strength:g}"
                print(f"{label:24}{row(circulation, anisotropy, strength)}", flush=True)


if __name__ == "__main__":
    main()
