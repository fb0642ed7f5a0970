"""`LogDensity` where the noise is strongly anisotropic and the drift has a current.

    python benchmarks/log_density.py

prints L1 errors of the stationary density, iterations and seconds, beside `CrossDiffusion` (linear,
second order, not positive) and `Selling` (linear, positive) on the same grids, and the errors of
mean killing times.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov

import fokkerplanck as fpk
from fokkerplanck.discretize.log_density_operator import LogDensityOperator
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import FokkerPlanckError, FokkerPlanckWarning
from fokkerplanck.solve.linear import factorize
from fokkerplanck.solve.log_density_passage import expected_cost

Array = NDArray[np.float64]
X, Y = sp.symbols("x y", real=True)
VALLEY = Path(__file__).parent / "data" / "curved_valley_128.npz"


@dataclass(frozen=True)
class Problem:
    """A model on a box, and the cell masses of its stationary density."""

    model: fpk.Diffusion
    grid: fpk.Grid
    masses: Array


def tensor(angle: sp.Expr, anisotropy: float) -> sp.Matrix:
    """Eigenvalues 1 and 1/anisotropy, the first along `angle`."""
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    return turn * sp.diag(1, 1 / sp.Float(anisotropy)) * turn.T


def ornstein_uhlenbeck(anisotropy: float, degrees: float, cells: int) -> Problem:
    """``A = -[[1, -1], [1, 1]] x`` with a constant tensor, on 5.5 standard deviations."""
    pull = np.array([[1.0, -1.0], [1.0, 1.0]])
    noise = np.array(tensor(sp.Float(np.radians(degrees)), anisotropy), dtype=float)
    covariance = solve_continuous_lyapunov(pull, 2 * noise)
    x, y = 5.5 * np.sqrt(np.diag(covariance))
    grid = fpk.Grid(x=(-x, x, cells), y=(-y, y, cells))
    model = fpk.Diffusion((X, Y), list(-sp.Matrix(pull) * sp.Matrix([X, Y])), noise)
    return Problem(model, grid, fpk.gaussian_density(grid, [0, 0], covariance).masses)


def turning_wells(
    anisotropy: float, current: float, cells: int, temperature: float = 1.0
) -> Problem:
    """Two wells, a tensor that turns from place to place, and a current round the Gibbs density.

    ``V = 2 ((x^2 - 1)^2 + y^2)``, ``F = -D grad V + current J grad V`` for temperature 1.
    """
    potential = 2 * ((X**2 - 1) ** 2 + Y**2) / sp.Float(temperature)
    slope = sp.Matrix([potential.diff(X), potential.diff(Y)])
    noise = temperature * tensor(sp.Rational(3, 5) * sp.sin(X) * sp.cos(Y), anisotropy)
    force = -noise * slope + current * temperature * sp.Matrix([slope[1], -slope[0]])
    grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
    density = sp.lambdify((X, Y), sp.exp(-potential))(*grid.mesh)
    return Problem(
        fpk.Diffusion.from_isothermal((X, Y), list(force), noise), grid, density / density.sum()
    )


def curved_valley(cells: int) -> Problem:
    """Noise ``0.02 H^2 + 0.001`` in a curved valley; masses from `log_density_reference`."""
    loss = sp.Rational(1, 10) * (X**2 - 1) ** 2 + 2 * (Y - X**2 / 2) ** 2
    hessian = sp.hessian(loss, (X, Y))
    noise = sp.Rational(1, 50) * hessian**2 + sp.Rational(1, 1000) * sp.eye(2)
    model = fpk.Diffusion((X, Y), [-loss.diff(X), -loss.diff(Y)], noise)
    masses, (x, y) = (lambda data: (data["masses"], data["box"]))(np.load(VALLEY))
    share = len(masses) // cells
    masses = masses.reshape(cells, share, cells, share).sum(axis=(1, 3))
    return Problem(model, fpk.Grid(x=(*x, cells), y=(*y, cells)), masses)


def l1_error(problem: Problem, scheme: object) -> tuple[float, fpk.Density | None, float, str]:
    """Error, density, seconds and the first word of any warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FokkerPlanckWarning)
        operator = fpk.assemble(problem.model, problem.grid, scheme)  # type: ignore[arg-type]
        began = time.perf_counter()
        try:
            density = fpk.stationary_density(operator)
        except FokkerPlanckError as error:
            return np.nan, None, time.perf_counter() - began, type(error).__name__
    seconds = time.perf_counter() - began
    error = float(np.abs(density.masses - problem.masses).sum())
    return error, density, seconds, caught[0].category.__name__ if caught else ""


def densities(name: str, make: Callable[[int], Problem], cells: tuple[int, ...]) -> None:
    """One line a grid: the three schemes, and what the first reports."""
    for n in cells:
        problem = make(n)
        error, density, seconds, word = l1_error(problem, LogDensity())
        steps = f"{density.info['iterations']:3d}" if density else " --"
        line = f"{name:34s} {n:4d}  {error:8.1e}  {steps} {seconds:6.1f} s"
        if n <= 128:
            cross, crossed = l1_error(problem, CrossDiffusion())[:2]
            negative = crossed.info["negative_mass"] if crossed else np.nan
            line += f"  {cross:8.1e} ({negative:7.0e})  {l1_error(problem, fpk.Selling())[0]:8.1e}"
        print(f"{line}  {word}", flush=True)


def killing_times(anisotropy: float, degrees: float) -> None:
    """Mean killing time at the centre against Richardson extrapolation of time reversal."""
    values = {}
    for n in (64, 128, 256):
        problem = ornstein_uhlenbeck(anisotropy, degrees, n)
        operator = fpk.assemble(problem.model, problem.grid, LogDensity())
        assert isinstance(operator, LogDensityOperator)
        spread = problem.grid.edges[0][-1] / 5.5
        level = np.broadcast_to(problem.grid.mesh[0], problem.grid.shape).ravel() / spread
        killing = 5.0 * (1.0 + np.tanh((level - 2.0) / 0.3))
        reversal, _ = expected_cost(operator, killing=killing)
        linear = factorize(operator.matrix, killing=killing, shape=problem.grid.shape)
        values[n] = [
            v.reshape(n, n)[n // 2 - 1 : n // 2 + 1, n // 2 - 1 : n // 2 + 1].mean()
            for v in (reversal, linear.solve_transpose(np.ones(n * n)))
        ]
    limit = (4 * values[256][0] - values[128][0]) / 3
    text = "   ".join(
        f"{n}: {values[n][0] / limit - 1:8.1e} {values[n][1] / limit - 1:8.1e}" for n in (64, 128)
    )
    print(f"anisotropy {anisotropy:g}, {degrees:g} degrees   {text}")


def main() -> None:
    """Print the tables."""
    print(f"{'':40s}LogDensity: L1, steps, time   CrossDiffusion (negative)   Selling")
    for anisotropy in (100.0, 1e4):
        for degrees in (10, 30, 45):
            densities(
                f"Ornstein-Uhlenbeck {anisotropy:g}, {degrees}",
                lambda n, a=anisotropy, d=degrees: ornstein_uhlenbeck(a, d, n),  # type: ignore[misc]
                (64, 128, 256),
            )
    for current in (1.0, 0.1, 1e-6):
        densities(
            f"turning wells 1e4, current {current:g}",
            lambda n, c=current: turning_wells(1e4, c, n),  # type: ignore[misc]
            (128,),
        )
    densities("curved valley of SGD", curved_valley, (32, 64, 128))
    for temperature, cells in ((0.4, 64), (0.4, 128), (0.1, 64), (0.1, 192), (0.04, 64)):
        densities(
            f"turning wells 100, barrier {2 / temperature:g}",
            lambda n, t=temperature: turning_wells(100.0, 1.0, n, t),  # type: ignore[misc]
            (cells,),
        )
    print("\nmean killing time, relative error: time reversal, linear generator")
    for anisotropy, degrees in ((100.0, 10), (100.0, 30), (100.0, 45), (1e4, 30)):
        killing_times(anisotropy, degrees)


if __name__ == "__main__":
    main()
