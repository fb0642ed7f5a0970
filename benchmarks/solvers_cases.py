"""Problems and solvers of the workload `solvers`, and their measurement."""

from __future__ import annotations

import os
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov
from scipy.sparse import csc_matrix, csr_matrix, diags_array
from scipy.sparse.linalg import bicgstab, splu

import fokkerplanck as fpk
from fokkerplanck.errors import MetastableWarning, UnresolvedWarning
from fokkerplanck.solve.error_estimate import interpolated
from fokkerplanck.solve.solvers import StationarySolver

__all__ = ["PACKAGES", "PROBLEMS", "SOLVERS", "Outcome", "double_well", "measure"]

Array = NDArray[np.float64]

x, y, z = sp.symbols("x y z", real=True)
HALF = sp.Rational(1, 2)
WELLS = (x**2 - 1) ** 2 + y**2 * (1 + x / 2)
FULL = sp.Matrix([[1, HALF], [HALF, 1]])
WELLS_3D = WELLS + z**2 + x * z / 2
FULL_3D = sp.Matrix([[1, HALF, 0.2], [HALF, 1, 0], [0.2, 0, HALF]])


@dataclass(frozen=True)
class Outcome:
    """What one solver did on one problem.

    `seconds` and `cpu` are medians of wall and processor time, `load` the machine's load average,
    `info` the solver's own evidence.
    """

    weights: Array
    seconds: float
    cpu: float
    load: float
    warned: bool
    info: dict[str, Any] = field(default_factory=dict)


def _assembled(
    variables: tuple[sp.Symbol, ...], drift: sp.Matrix, tensor: sp.Matrix, grid: fpk.Grid
) -> fpk.FokkerPlanckOperator:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnresolvedWarning)
        return fpk.assemble(fpk.Diffusion(variables, drift, tensor), grid, fpk.Selling())


def double_well(
    cells: int, barrier: float = 4.0, *, current: bool = False
) -> fpk.FokkerPlanckOperator:
    """Two dimensions, full tensor; barrier in units of the noise."""
    gradient = sp.Matrix([sp.diff(WELLS, v) for v in (x, y)])
    grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
    return _assembled((x, y), -gradient if current else -FULL * gradient, FULL / barrier, grid)


def double_well_3d(cells: int) -> fpk.FokkerPlanckOperator:
    """Three dimensions, full tensor, barrier of 4, in detailed balance."""
    gradient = sp.Matrix([sp.diff(WELLS_3D, v) for v in (x, y, z)])
    grid = fpk.Grid(dict.fromkeys((x, y, z), (-2.2, 2.2, cells)))
    return _assembled((x, y, z), -FULL_3D * gradient, FULL_3D / 4, grid)


def rotating_process(cells: int) -> fpk.FokkerPlanckOperator:
    """Ornstein-Uhlenbeck process with a current, tensor of anisotropy 10 in a random basis."""
    rates = np.array([[1.0, -1.0, 0.3], [1.0, 1.0, 0.0], [-0.3, 0.2, 1.0]])
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    tensor = turn @ np.diag(np.geomspace(1, 0.1, 3)) @ turn.T
    reach = 6 * np.sqrt(np.diag(solve_continuous_lyapunov(rates, 2 * tensor)))
    grid = fpk.Grid({v: (-r, r, cells) for v, r in zip((x, y, z), reach, strict=True)})
    drift = -sp.Matrix(rates) * sp.Matrix([x, y, z])
    return _assembled((x, y, z), drift, sp.Matrix(tensor), grid)


PROBLEMS: dict[str, Callable[[int], fpk.FokkerPlanckOperator]] = {
    "2-D double well": double_well,
    "2-D double well with a current": lambda cells: double_well(cells, current=True),
    "3-D double well": double_well_3d,
    "3-D rotating process": rotating_process,
}


def _ours(solver: StationarySolver) -> Callable[[Any], tuple[Array, dict[str, Any]]]:
    def solve(operator: fpk.FokkerPlanckOperator) -> tuple[Array, dict[str, Any]]:
        weights = solver.stationary(operator)
        return weights.masses, dict(weights.info)

    return solve


def _pinned(
    solve: Callable[[csc_matrix, Array], Array],
) -> Callable[[Any], tuple[Array, dict[str, Any]]]:
    """A linear solver on the equations without those of one cell, whose weight is set to 1.

    The cell is the heaviest, as the exact solution says: any other costs digits.
    """

    def stationary(operator: fpk.FokkerPlanckOperator) -> tuple[Array, dict[str, Any]]:
        size = operator.grid.size
        cell = size // 2 if operator.potential is None else int(np.argmin(operator.potential))
        others = np.delete(np.arange(size), cell)
        matrix = csc_matrix(operator.matrix[:, others][others, :])
        weights = np.ones(size)
        weights[others] = solve(matrix, -operator.matrix[:, [cell]].toarray()[others, 0])
        return weights, {}

    return stationary


def _minimum_degree(matrix: csc_matrix, right: Array) -> Array:
    factors = splu(
        matrix,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    result: Array = factors.solve(right)
    return result


def _pardiso(matrix: csc_matrix, right: Array) -> Array:
    import pypardiso

    solver = pypardiso.PyPardisoSolver()
    try:
        result: Array = solver.solve(matrix.tocsr(), right)
    finally:
        solver.free_memory(everything=True)
    return result


def _smoothed_aggregation(operator: fpk.FokkerPlanckOperator) -> tuple[Array, dict[str, Any]]:
    """BiCGSTAB with PyAMG's smoothed aggregation, scaled by the root of a coarse density.

    The scaled matrix is nearly symmetric, with a null vector near that root, which the
    aggregation is told.
    """
    import pyamg

    coarse = operator.grid
    while coarse.size > 20_000:
        coarse = coarse.coarsened()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnresolvedWarning)
        density = fpk.stationary_density(operator.on(coarse), fpk.SubtractionFree())
    scale = np.sqrt(interpolated(density, operator.grid) * operator.grid.volumes).ravel()
    # Beyond this the scaled rates would leave the range of doubles.
    scale = np.maximum(scale / scale.max(), 1e-100)
    matrix = -csr_matrix(diags_array(1 / scale) @ operator.matrix @ diags_array(scale))
    hierarchy = pyamg.smoothed_aggregation_solver(
        csr_matrix((matrix + matrix.T) / 2), B=scale[:, np.newaxis], coarse_solver="pinv"
    )
    steps: list[float] = []
    fastest = float(matrix.diagonal().max())
    change, unfinished = bicgstab(
        matrix,
        -matrix @ scale,
        rtol=0.0,
        # Near rounding; a tenth of it is never reached.
        atol=1e-13 * fastest * float(np.linalg.norm(scale)),
        maxiter=200,
        M=hierarchy.aspreconditioner(),
        callback=lambda _: steps.append(0.0),
    )
    if unfinished:
        raise RuntimeError("BiCGSTAB did not converge in 200 steps")
    return (scale + change) * scale, {"cycles": len(steps)}


SOLVERS: dict[str, Callable[[Any], tuple[Array, dict[str, Any]]]] = {
    "SubtractionFree()": _ours(fpk.SubtractionFree()),
    "AlgebraicMultigrid()": _ours(fpk.AlgebraicMultigrid()),
    "SparseLU()": _ours(fpk.SparseLU()),
    "SciPy splu, COLAMD": _pinned(lambda matrix, right: splu(matrix).solve(right)),
    "SciPy splu, MMD": _pinned(_minimum_degree),
    "PARDISO": _pinned(_pardiso),
    "PyAMG and BiCGSTAB": _smoothed_aggregation,
}
# The package that a solver comes from, where that is no dependency of fokkerplanck.
PACKAGES = {"PARDISO": "pypardiso", "PyAMG and BiCGSTAB": "pyamg"}


def measure(operator: fpk.FokkerPlanckOperator, solver: str, repeats: int) -> Outcome:
    """Solve `repeats` times, after a small problem that compiles; for a process of its own."""
    SOLVERS[solver](double_well(16) if operator.grid.dimension == 2 else double_well_3d(12))
    load = os.getloadavg()[0]
    times = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(repeats):
            began, processor = time.perf_counter(), time.process_time()
            weights, info = SOLVERS[solver](operator)
            times.append((time.perf_counter() - began, time.process_time() - processor))
    seconds, cpu = (statistics.median(column) for column in zip(*times, strict=True))
    warned = any(issubclass(w.category, MetastableWarning) for w in caught)
    return Outcome(weights, seconds, cpu, load, warned, info)
