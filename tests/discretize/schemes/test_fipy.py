"""FiPy's matrix is ours where it can be; other domains; an independent density."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import sympy as sp
from scipy.sparse import diags_array
from scipy.sparse.linalg import eigsh
from scipy.special import jn_zeros, jnp_zeros

import fokkerplanck as fpk
from fokkerplanck.discretize.mesh import Mesh
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.errors import (
    GridMismatch,
    InvalidGrid,
    NotConserving,
    NotConverged,
    UnsupportedTensor,
)
from fokkerplanck.solve.fipy import FiPy
from tests.discretize.schemes.polar import polar_mesh, triangulated_disc

X, Y, Z = sp.symbols("x y z", real=True)
S = sp.Symbol("s", real=True)
PERIOD = 2 * np.pi
LAPLACE = fpk.Diffusion((X, Y), [0, 0], [[1, 0], [0, 1]])

LINE = fpk.Diffusion((X,), [X - X**3 + sp.Rational(1, 8)], [[1 + X**2 / 4]])
RING = fpk.Diffusion((X,), [sp.sin(X) + sp.Rational(1, 2)], [[1 + sp.cos(X) / 4]])
PLANE = fpk.Diffusion((X, Y), [Y - X + 0.3, -X - Y + 0.2], sp.diag(1 + X**2 / 4, 0.3 + Y**2 / 5))
TORUS = fpk.Diffusion(
    (X, Y), [sp.sin(X) + 0.5, sp.cos(Y) * sp.sin(X) + 0.2], sp.diag(1, 2 + sp.sin(X + Y))
)
SOLID = fpk.Diffusion(
    (X, Y, Z),
    [sp.sin(Y) + 0.3, sp.cos(X) * sp.sin(Z) - 0.1, 0.2 - sp.sin(Z)],
    sp.diag(1 + sp.cos(X) / 3, 0.6, 1.5 + sp.sin(Y + Z)),
)


def around(shape, boundary):
    limits = {v: (0, PERIOD, n) for v, n in zip((X, Y, Z), shape, strict=False)}
    return fpk.Grid(limits, boundary=boundary)


CASES = [
    (LINE, fpk.Grid(x=(-2, 2, 24))),
    (LINE, fpk.Grid(x=(-2, 2, 25), boundary={"x": ("absorbing", "reflecting")})),
    (LINE, fpk.Grid(x=fpk.Mapped(sp.sinh(S), S, (-1.2, 1.3, 20)), boundary="absorbing")),
    (RING, around((24,), "periodic")),
    (PLANE, fpk.Grid(x=(-2, 2, 12), y=(-1, 3, 10))),
    (PLANE, fpk.Grid(x=(-2, 2, 12), y=(-1, 3, 10), boundary={"y": ("reflecting", "absorbing")})),
    (PLANE, fpk.Grid(x=fpk.Mapped(sp.sinh(S), S, (-1.2, 1.2, 9)), y=(-1, 3, 10))),
    (TORUS, around((12, 10), "periodic")),
    (TORUS, around((12, 10), {"x": "periodic", "y": "absorbing"})),
    (TORUS, around((12, 10), {"y": "periodic"})),
    (SOLID, around((6, 5, 4), "reflecting")),
    (SOLID, around((6, 5, 4), "periodic")),
    (SOLID, around((6, 5, 4), {"x": "periodic"})),
    (SOLID, around((6, 5, 4), {"y": "periodic", "z": ("reflecting", "absorbing")})),
    (SOLID, around((6, 5, 4), {"z": "periodic"})),
    (SOLID, around((6, 5, 4), {"x": "periodic", "y": "periodic"})),
    (SOLID, around((6, 5, 4), {"x": "periodic", "z": "periodic"})),
    (SOLID, around((6, 5, 4), {"y": "periodic", "z": "periodic"})),
]


@pytest.mark.parametrize(("model", "grid"), CASES)
def test_matrix_is_ours_entry_by_entry(model, grid):
    theirs = fpk.assemble(model, grid, FiPy())
    ours = fpk.assemble(model, grid, CrossDiffusion())
    assert ours.matrix.nnz > 2 * grid.size
    np.testing.assert_allclose(theirs.matrix.toarray(), ours.matrix.toarray(), rtol=1e-12)
    np.testing.assert_allclose(theirs.killing, ours.killing, rtol=1e-12, atol=1e-12)
    assert theirs.monotone


def test_rates_lost_in_rounding_keep_the_cells_connected():
    # Cell Peclet numbers up to 120: the rates uphill are e^-120 of those downhill.
    model = fpk.Diffusion((X,), [-X], [[sp.Rational(1, 150)]])
    grid = fpk.Grid(x=(-2, 2, 9))
    operator = fpk.assemble(model, grid, FiPy())
    assert operator.info["rates_below_rounding"] > 0
    assert operator.components[0] == 1
    ours = fpk.assemble(model, grid, CrossDiffusion())
    scale = np.abs(ours.matrix.data).max()
    np.testing.assert_allclose(
        operator.matrix.toarray(), ours.matrix.toarray(), atol=1e-13 * scale, rtol=1e-12
    )


def test_cross_terms_are_refused():
    model = fpk.Diffusion((X, Y), [-X, -Y], [[1, 0.5], [0.5, 1]])
    with pytest.raises(UnsupportedTensor, match=r"D\[x, y\] reaches 0.5: .* FiPy\(\).relax"):
        fpk.assemble(model, fpk.Grid(x=(-3, 3, 6), y=(-3, 3, 6)), FiPy())


def test_four_dimensions_are_refused():
    variables = sp.symbols("a b c d", real=True)
    model = fpk.Diffusion(variables, [-v for v in variables], sp.eye(4))
    with pytest.raises(InvalidGrid, match="one to three dimensions"):
        fpk.assemble(model, fpk.Grid(dict.fromkeys(variables, (-1, 1, 3))), FiPy())


def test_import_is_lazy_and_leaves_the_environment_alone():
    script = (
        "import os, sys, warnings; warnings.simplefilter('error')\n"
        "import sympy as sp, fokkerplanck as fpk\n"
        "from fokkerplanck.solve.fipy import FiPy\n"
        "assert 'fipy' not in sys.modules\n"
        "x = sp.Symbol('x', real=True)\n"
        "fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-1, 1, 4)), FiPy())\n"
        "assert 'FIPY_SOLVERS' not in os.environ\n"
        "import fipy; assert fipy.solvers.solver_suite == 'scipy'\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "FIPY_SOLVERS"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def rates(mesh, count):
    """Slowest relaxation rates of free diffusion on a mesh."""
    operator = fpk.assemble(LAPLACE, mesh, FiPy())
    root = np.sqrt(mesh.volumes)
    matrix = -(diags_array(1 / root) @ operator.matrix @ diags_array(root)).tocsc()
    assert abs(matrix - matrix.T).max() < 1e-11 * abs(matrix).max()
    found = eigsh((matrix + matrix.T) / 2, k=count, sigma=-0.1, return_eigenvectors=False)
    return np.sort(found)


def orders(build, exact, sizes):
    """Orders between two meshes of each eigenvalue, by number, and the errors on the finer."""
    count = max(exact) + 1
    errors = []
    for size in sizes:
        found = rates(build(size), count)
        errors.append([abs(found[k] / value - 1) for k, value in exact.items()])
    coarse, fine = np.array(errors)
    return np.log(coarse / fine) / np.log(sizes[1] / sizes[0]), fine


def l_shape(cells, **options):
    """The square (-1, 1)^2 without its upper right quarter, of squares, glued by FiPy."""
    import fipy

    h = 1 / cells
    lower = fipy.Grid2D(nx=2 * cells, ny=cells, dx=h, dy=h) + np.array([[-1], [-1]])
    upper = fipy.Grid2D(nx=cells, ny=cells, dx=h, dy=h) + np.array([[-1], [0]])
    return Mesh.from_fipy("xy", lower + upper, **options)


# Squares of the zeros of J_1', J_2', J_0' (the first two twice, by symmetry).
DISC = {1: jnp_zeros(1, 1)[0] ** 2, 3: jnp_zeros(2, 1)[0] ** 2, 5: jnp_zeros(0, 1)[0] ** 2}


@pytest.mark.parametrize(
    "build", [lambda n: polar_mesh(0, 1, n, 6 * n), triangulated_disc], ids=["polar", "Delaunay"]
)
def test_disc(build):
    order, errors = orders(build, DISC, (10, 20))
    assert order.min() > 1.9
    assert errors.max() < 3e-3


def test_absorbing_disc():
    exact = {0: jn_zeros(0, 1)[0] ** 2, 1: jn_zeros(1, 1)[0] ** 2, 3: jn_zeros(2, 1)[0] ** 2}
    everywhere = lambda x, y: x > -2  # noqa: E731
    order, errors = orders(lambda n: triangulated_disc(n, absorbing=everywhere), exact, (10, 20))
    assert order.min() > 1.9
    assert errors.max() < 5e-3


def test_annulus():
    # Zeros k of J_m'(k) Y_m'(2k) - J_m'(2k) Y_m'(k), m = 1, 2: radii 1 and 2.
    exact = {1: 0.6773360051**2, 3: 1.3406021433**2}
    order, errors = orders(lambda n: polar_mesh(1, 2, n, 8 * n), exact, (8, 16))
    assert order.min() > 1.95
    assert errors.max() < 5e-4


def test_l_shape():
    # Neumann eigenvalues of the L-shape (M. Dauge's benchmark); the first has r^(2/3) at the
    # re-entrant corner and converges with 4/3, the others with 2.
    exact = {1: 1.47562182408, 2: 3.53403136678, 3: 9.86960440109}
    order, errors = orders(l_shape, exact, (16, 32))
    np.testing.assert_allclose(order, [4 / 3, 2, 2], atol=0.06)
    assert errors.max() < 3e-3


@pytest.mark.skipif(shutil.which("gmsh") is None, reason="needs the gmsh program")
def test_disc_meshed_by_gmsh():
    from fipy import Gmsh2D

    commands = (
        "Point(1) = {0, 0, 0, %g}; Point(2) = {1, 0, 0, %g}; Point(3) = {-1, 0, 0, %g};\n"
        "Circle(1) = {2, 1, 3};\nCircle(2) = {3, 1, 2};\n"
        "Line Loop(3) = {1, 2};\nPlane Surface(4) = {3};\n"
    )
    order, errors = orders(
        lambda n: Mesh.from_fipy("xy", Gmsh2D(commands % ((1 / n,) * 3))), DISC, (10, 40)
    )
    # Measured 1.99, 1.70, 1.88: irregular meshes scatter round the order 2.
    assert order.min() > 1.6
    assert errors.max() < 3e-3


def test_gibbs_density_on_a_disc():
    # A tilted bowl with D = 1/2: stationary_density accepts the mesh's operator.
    force = -sp.Matrix([X - 0.3, 2 * Y])
    model = fpk.Diffusion((X, Y), list(force), sp.eye(2) / 2)
    errors = []
    for rings in (8, 16):
        mesh = triangulated_disc(rings)
        density = fpk.stationary_density(fpk.assemble(model, mesh, FiPy()))
        x, y = mesh.mesh
        exact = np.exp(-((x - 0.3) ** 2) - 2 * y**2)
        exact /= np.sum(exact * mesh.volumes)
        errors.append(np.sum(np.abs(density.values - exact) * mesh.volumes))
        assert density.mass == pytest.approx(1.0)
        assert 0.1 < density.mean()[0] < 0.3
    assert np.log2(errors[0] / errors[1]) > 1.8
    assert errors[1] < 3e-4


def test_anisotropic_tensor_on_a_skew_mesh_is_refused():
    model = fpk.Diffusion((X, Y), [0, 0], sp.diag(1, 4))
    with pytest.raises(UnsupportedTensor, match="enclose an angle"):
        fpk.assemble(model, triangulated_disc(4), FiPy())


def test_anisotropic_tensor_on_squares_is_accepted():
    exact = {1: np.pi**2 / 4}
    model = fpk.Diffusion((X, Y), [0, 0], sp.diag(1, 4))
    operator = fpk.assemble(model, l_shape(8), FiPy())
    assert operator.conserving
    assert operator.matrix.min() < -4 * 8**2 * exact[1]


def ornstein_uhlenbeck(cells):
    """Full tensor of anisotropy 10 turned by 30 degrees, rotating drift, on 5.5 deviations."""
    tensor = np.array([[0.775, 0.3897114317029974], [0.3897114317029974, 0.325]])
    model = fpk.Diffusion((X, Y), [Y - X, -X - Y], tensor)
    grid = fpk.Grid(x=(-4.5, 4.5, cells), y=(-3.9, 3.9, cells))
    return model, grid


def test_relaxed_density_agrees_within_both_errors():
    estimates, finest = [], []
    for method in (
        lambda model, grid: FiPy().relax(model, grid),
        lambda model, grid: fpk.stationary_density(fpk.assemble(model, grid, CrossDiffusion())),
    ):
        coarse = method(*ornstein_uhlenbeck(32)).masses
        fine = method(*ornstein_uhlenbeck(64)).masses
        # Second order: the fine error is a third of what four cells and the coarse one differ by.
        merged = fine.reshape(32, 2, 32, 2).sum(axis=(1, 3))
        estimates.append(np.abs(merged - coarse).sum() / 3)
        finest.append(fine)
    difference = np.abs(finest[0] - finest[1]).sum()
    assert 1e-3 < difference < sum(estimates) < 2e-2


def test_relaxation_without_cross_terms_is_the_null_vector():
    grid = fpk.Grid(x=(-3, 3, 20), y=(-3, 3, 18))
    model = fpk.Diffusion((X, Y), [Y - X, -X - Y], sp.diag(1, 0.5))
    relaxed = FiPy().relax(model, grid)
    masses = fpk.stationary_density(fpk.assemble(model, grid, FiPy())).masses
    np.testing.assert_allclose(relaxed.masses, masses, atol=1e-11)
    assert relaxed.info["change"] <= 1e-9
    again = FiPy().relax(model, grid, relaxed)
    assert again.info["sweeps"] == 1


def test_relaxation_on_triangles():
    # The bowl again, now by sweeping, where FiPy takes central differences below a cell Peclet
    # number of 1e-3: up to 1e-7 in a rate.
    mesh = triangulated_disc(8)
    model = fpk.Diffusion((X, Y), [0.3 - X, -2 * Y], sp.eye(2) / 2)
    relaxed = FiPy().relax(model, mesh)
    direct = fpk.stationary_density(fpk.assemble(model, mesh, FiPy()))
    np.testing.assert_allclose(relaxed.values, direct.values, rtol=1e-6)


def test_relaxation_refuses():
    model, grid = ornstein_uhlenbeck(8)
    absorbing = fpk.Grid(x=(-4.5, 4.5, 8), y=(-3.9, 3.9, 8), boundary={"y": "absorbing"})
    with pytest.raises(NotConserving, match="no wall may absorb"):
        FiPy().relax(model, absorbing)
    with pytest.raises(GridMismatch, match="the initial density lives on"):
        FiPy().relax(model, grid, fpk.gaussian_density(absorbing, [0, 0], np.eye(2)))
    with pytest.raises(GridMismatch, match="name the axes as the variables"):
        FiPy().relax(model, fpk.Grid(a=(-1, 1, 4), b=(-1, 1, 4)))
    with pytest.raises(NotConverged, match="after 2; allow more sweeps"):
        FiPy().relax(model, grid, sweeps=2)
