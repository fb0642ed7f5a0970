"""Accuracy of CrossDiffusion, Corner and FiPy on strong anisotropy and other domains.

    python -m benchmarks.anisotropy_schemes

1. Ornstein-Uhlenbeck process with a rotating drift: L1 error and negative mass of the stationary
   density, against the exact Gaussian.
2. Double well 2((x^2-1)^2 + y^2) with a tensor that turns in space: slowest relaxation rate,
   against a spectral Galerkin method.
3. Free diffusion in a box with a rotated tensor: the slowest rate shows the order at the walls.
4. Disc, annulus and L-shape through FiPy: eigenvalues and their order.
5. FiPy's relaxed density of a full tensor against CrossDiffusion's.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray
from scipy.linalg import solve_continuous_lyapunov
from scipy.sparse.linalg import eigs
from scipy.special import jnp_zeros

import fokkerplanck as fpk
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.discretize.schemes.corner import Corner
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.solve.fipy import FiPy
from tests.discretize.schemes.galerkin import relaxation_rates
from tests.discretize.schemes.polar import polar_mesh, triangulated_disc

Array = NDArray[np.float64]
X, Y = sp.symbols("x y", real=True)
SCHEMES: dict[str, Any] = {
    "CrossDiffusion": CrossDiffusion(),
    "Corner": Corner(),
    "Selling": fpk.Selling(),
}


def rotated(anisotropy: float, degrees: float) -> Array:
    """Constant tensor with eigenvalues 1 and 1/anisotropy."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tensor: Array = turn @ np.diag([1.0, 1.0 / anisotropy]) @ turn.T
    return (tensor + tensor.T) / 2


def ornstein_uhlenbeck(tensor: Array, cells: int) -> tuple[fpk.Diffusion, fpk.Grid, Array]:
    """Drift -K x with K = [[1, -1], [1, 1]] on 5.5 standard deviations, and the exact masses."""
    stiffness = np.array([[1.0, -1.0], [1.0, 1.0]])
    covariance = solve_continuous_lyapunov(stiffness, 2 * tensor)
    model = fpk.Diffusion((X, Y), [Y - X, -X - Y], tensor)
    a, b = 5.5 * np.sqrt(np.diag(covariance))
    grid = fpk.Grid(x=(-a, a, cells), y=(-b, b, cells))
    return model, grid, fpk.gaussian_density(grid, [0, 0], covariance).masses


def densities() -> Iterator[str]:
    """Rows of table 1."""
    yield "kappa  theta  scheme          L1 at 32, 64, 128              negative mass at 128"
    for anisotropy in (1, 10, 100, 10000):
        for degrees in (0, 10, 30, 45):
            for name in ("CrossDiffusion", "Selling"):
                errors, negative = [], 0.0
                for cells in (32, 64, 128):
                    model, grid, exact = ornstein_uhlenbeck(rotated(anisotropy, degrees), cells)
                    operator = fpk.assemble(model, grid, SCHEMES[name])
                    density = fpk.stationary_density(operator)
                    errors.append(float(np.abs(density.masses - exact).sum()))
                    negative = density.info["negative_mass"]
                shown = "  ".join(f"{e:.2e}" for e in errors)
                yield f"{anisotropy:5d}  {degrees:5d}  {name:14s}  {shown}   {abs(negative):.0e}"


def slowest(operator: fpk.FokkerPlanckOperator) -> float:
    """Slowest nonzero relaxation rate."""
    found = eigs(operator.matrix, k=3, sigma=1e-4, return_eigenvectors=False)
    return float(np.sort(np.abs(found.real))[1])


def turning(anisotropy: float) -> tuple[fpk.Diffusion, float]:
    """Double well with a tensor that turns by at most .5 rad a length, and its slowest rate."""
    angle = sp.Rational(3, 10) + sp.Rational(2, 5) * sp.sin(X) + sp.Rational(3, 10) * sp.cos(Y)
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    tensor = turn * sp.diag(1, sp.Rational(1, anisotropy)) * turn.T
    slope = sp.Matrix([8 * X * (X**2 - 1), 4 * Y])

    def numbers(x: Array, y: Array) -> Array:
        phi = 0.3 + 0.4 * np.sin(x) + 0.3 * np.cos(y)
        c, s, low = np.cos(phi), np.sin(phi), 1 / anisotropy
        mixed = (1 - low) * c * s
        return np.array([[c**2 + low * s**2, mixed], [mixed, s**2 + low * c**2]])

    exact = relaxation_rates(
        numbers,
        lambda x, y: (8 * x * (x**2 - 1), 4 * y),
        ((-2.2, 2.2), (-2.2, 2.2)),
        degree=40,
        count=2,
    )[1]
    return fpk.Diffusion.from_isothermal((X, Y), -tensor * slope, tensor), float(exact)


def wells() -> Iterator[str]:
    """Rows of table 2."""
    yield "kappa  reference  scheme          relative error at 32, 64, 128        assembly at 128"
    for anisotropy in (10, 100, 1000, 10000):
        model, exact = turning(anisotropy)
        for name, scheme in SCHEMES.items():
            errors, seconds = [], 0.0
            for cells in (32, 64, 128):
                grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
                began = time.perf_counter()
                operator = fpk.assemble(model, grid, scheme)
                seconds = time.perf_counter() - began
                errors.append(slowest(operator) / exact - 1)
            shown = "  ".join(f"{e:+.2e}" for e in errors)
            yield f"{anisotropy:5d}  {exact:.7f}  {name:14s}  {shown}    {seconds:.2f} s"


def walls() -> Iterator[str]:
    """Rows of table 3."""
    yield "kappa  scheme          relative error at 16, 32, 64, 128               last order"
    for anisotropy in (10, 100):
        tensor = rotated(anisotropy, 30)
        exact = relaxation_rates(
            lambda x, y, d=tensor: np.broadcast_to(d[:, :, None, None], (2, 2, *x.shape)),
            lambda x, y: (0 * x, 0 * y),
            ((0, 1), (0, 1)),
            degree=32,
            count=2,
        )[1]
        for name, scheme in SCHEMES.items():
            errors = []
            for cells in (16, 32, 64, 128):
                grid = fpk.Grid(x=(0, 1, cells), y=(0, 1, cells))
                operator = fpk.assemble(fpk.Diffusion((X, Y), [0, 0], tensor), grid, scheme)
                errors.append(slowest(operator) / exact - 1)
            shown = "  ".join(f"{e:+.2e}" for e in errors)
            order = np.log2(abs(errors[-2] / errors[-1]))
            yield f"{anisotropy:5d}  {name:14s}  {shown}   {order:.2f}"


def l_shape(cells: int) -> Mesh:
    """The square (-1, 1)^2 without a quarter, of squares."""
    import fipy

    h = 1 / cells
    lower = fipy.Grid2D(nx=2 * cells, ny=cells, dx=h, dy=h) + np.array([[-1], [-1]])
    upper = fipy.Grid2D(nx=cells, ny=cells, dx=h, dy=h) + np.array([[-1], [0]])
    return Mesh.from_fipy("xy", lower + upper)


def domains() -> Iterator[str]:
    """Rows of table 4."""
    yield "domain              eigenvalue  relative error at 8, 16, 32       last order"
    disc = [(1, jnp_zeros(1, 1)[0] ** 2), (3, jnp_zeros(2, 1)[0] ** 2)]
    cases: list[tuple[str, Callable[[int], Mesh], list[tuple[int, float]]]] = [
        ("disc, polar", lambda n: polar_mesh(0, 1, n, 6 * n), disc),
        ("disc, triangles", triangulated_disc, disc),
        ("annulus, polar", lambda n: polar_mesh(1, 2, n, 8 * n), [(1, 0.6773360051358554**2)]),
        ("L-shape, squares", l_shape, [(1, 1.47562182408), (2, 3.53403136678)]),
    ]
    free = fpk.Diffusion((X, Y), [0, 0], [[1, 0], [0, 1]])
    for name, build, exact in cases:
        found = []
        for cells in (8, 16, 32):
            matrix = fpk.assemble(free, build(cells), FiPy()).matrix
            values = eigs(matrix, k=5, sigma=0.1, return_eigenvectors=False)
            found.append(np.sort(-values.real))
        for k, value in exact:
            errors = [float(f[k] / value - 1) for f in found]
            order = np.log2(abs(errors[-2] / errors[-1]))
            shown = "  ".join(f"{e:+.2e}" for e in errors)
            yield f"{name:18s}  {value:10.6f}  {shown}   {order:.2f}"


def relaxations() -> Iterator[str]:
    """Rows of table 5."""
    yield "kappa  cells  L1 of FiPy  sweeps  seconds  L1 of CrossDiffusion  difference"
    for anisotropy in (10, 100):
        for cells in (32, 64):
            model, grid, exact = ornstein_uhlenbeck(rotated(anisotropy, 30), cells)
            relaxed = FiPy().relax(model, grid)
            ours = fpk.stationary_density(fpk.assemble(model, grid, CrossDiffusion()))
            errors = [float(np.abs(d.masses - exact).sum()) for d in (relaxed, ours)]
            difference = float(np.abs(relaxed.masses - ours.masses).sum())
            info = relaxed.info
            yield (
                f"{anisotropy:5d}  {cells:5d}  {errors[0]:.2e}    {info['sweeps']:6d}  "
                f"{info['solve_seconds']:7.2f}  {errors[1]:.2e}              {difference:.2e}"
            )


def main() -> None:
    """Print every table."""
    with warnings.catch_warnings():
        # Selling warns where it does not resolve the anisotropy: the tables show by how much.
        warnings.simplefilter("ignore", fpk.errors.UnresolvedWarning)
        for table in (densities, wells, walls, domains, relaxations):
            for row in table():
                print(row, flush=True)
            print()


if __name__ == "__main__":
    main()
