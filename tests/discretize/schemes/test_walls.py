"""Reflecting, absorbing and periodic walls against independent eigenvalues."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.sparse import diags_array
from scipy.sparse.linalg import eigsh

import fokkerplanck as fpk
from fokkerplanck.discretize.tapers import taper
from tests.discretize.schemes.galerkin import relaxation_rates

Array = NDArray[np.float64]
x, y, z = sp.symbols("x y z", real=True)
BOX = ((0.0, 2.0), (0.0, 2.0))
WELL = (x - 0.7) ** 2 + 1.5 * (y - 1) ** 2 + 0.8 * x * y


def rotated(anisotropy: float, degrees: float) -> Array:
    turn = np.deg2rad(degrees)
    frame = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return frame @ np.diag([1.0, 1.0 / anisotropy]) @ frame.T


def assembled(tensor: Array, potential: sp.Expr, cells: int, boundary: Any = "reflecting") -> Any:
    slope = sp.Matrix([sp.diff(potential, v) for v in (x, y)])
    model = fpk.Diffusion.from_isothermal((x, y), -sp.Matrix(tensor) * slope, sp.Matrix(tensor))
    grid = fpk.Grid(x=(*BOX[0], cells), y=(*BOX[1], cells), boundary=boundary)
    return fpk.assemble(model, grid, fpk.Selling())


def rates(operator: fpk.FokkerPlanckOperator, count: int = 2) -> Array:
    """Smallest eigenvalues of ``-Q``, made symmetric by the square root of the Gibbs masses."""
    assert operator.potential is not None
    root = np.sqrt(operator.grid.volumes.ravel() * np.exp(-operator.potential))
    symmetric = diags_array(1 / root) @ operator.matrix @ diags_array(root)
    symmetric = ((symmetric + symmetric.T) / 2).tocsc()
    found = eigsh(symmetric, k=count, sigma=1e-3, which="LM", return_eigenvectors=False)
    return np.sort(-found)


def exact(tensor: Array, potential: sp.Expr, walls: str) -> float:
    slope = sp.lambdify((x, y), [sp.diff(potential, v) for v in (x, y)])

    def gradient(a: Array, b: Array) -> tuple[Array, Array]:
        values = slope(a, b)
        return np.broadcast_to(values[0], a.shape), np.broadcast_to(values[1], a.shape)

    def constant(a: Array, b: Array) -> Array:
        return np.broadcast_to(tensor[:, :, np.newaxis, np.newaxis], (2, 2, *a.shape))

    found = relaxation_rates(constant, gradient, BOX, degree=26, count=2, walls=walls)
    return float(found[0 if walls == "absorbing" else 1])


@pytest.mark.parametrize("potential", [0 * x, WELL], ids=["flat", "well"])
@pytest.mark.parametrize("degrees", [10.0, 20.0, 30.0, 45.0])
@pytest.mark.parametrize("anisotropy", [3.0, 10.0])
def test_reflecting_walls_are_second_order(
    anisotropy: float, degrees: float, potential: sp.Expr
) -> None:
    """Fit ``b/n + a/n^2`` to the error: doubled edges leave b = 0.02, edges left out b = 0.4.

    The order itself is no measure where the second-order terms of corners and inside nearly cancel.
    """
    tensor = rotated(anisotropy, degrees)
    reference = exact(tensor, potential, "reflecting")
    coarse, fine = (rates(assembled(tensor, potential, n))[1] / reference - 1 for n in (64, 128))
    assert abs(fine) < 2e-4
    assert abs(64 * (4 * fine - coarse)) < 4e-3


def test_reflecting_walls_at_strong_anisotropy() -> None:
    tensor = rotated(100.0, 30.0)
    reference = exact(tensor, 0 * x, "reflecting")
    errors = np.array([rates(assembled(tensor, 0 * x, n))[1] / reference - 1 for n in (64, 128)])
    assert np.log2(abs(errors[0] / errors[1])) > 1.9


@pytest.mark.parametrize("potential", [0 * x, WELL], ids=["flat", "well"])
@pytest.mark.parametrize("degrees", [10.0, 30.0, 45.0])
def test_absorbing_walls_are_second_order(degrees: float, potential: sp.Expr) -> None:
    """Oblique offsets cross the walls at fractions of 1/4 to 3/4 of their length."""
    tensor = rotated(10.0, degrees)
    reference = exact(tensor, potential, "absorbing")
    errors = [
        rates(assembled(tensor, potential, n, "absorbing"))[0] / reference - 1 for n in (64, 128)
    ]
    assert np.log2(errors[0] / errors[1]) > 1.9
    assert abs(errors[1]) < 3e-4


def test_survival_between_absorbing_walls() -> None:
    """Free diffusion on (0, 1): the slowest rate is pi^2 D, the mean exit time x (1 - x)/(2 D)."""
    errors = []
    for cells in (20, 40):
        grid = fpk.Grid(x=(0, 1, cells), boundary="absorbing")
        operator = fpk.assemble(fpk.Diffusion((x,), [0], [[0.3]]), grid)
        slowest = np.linalg.eigvalsh(-operator.matrix.toarray())[0]
        errors.append(slowest / (0.3 * np.pi**2) - 1)
        times = np.linalg.solve(-operator.matrix.toarray().T, np.ones(cells))
        centers = grid.centers[0]
        assert np.abs(times - centers * (1 - centers) / 0.6).max() < 0.5 / cells**2
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.02)


def test_exit_through_one_of_two_walls_against_a_drift() -> None:
    """Drift -k, noise D on (0, 1), absorbing at 1: T(0) = (e^a - 1 - a) D/k^2 with a = k/D."""
    k, noise = 2.0, 0.4
    a = k / noise
    errors = []
    for cells in (40, 80):
        grid = fpk.Grid(x=(0, 1, cells), boundary={"x": ("reflecting", "absorbing")})
        operator = fpk.assemble(fpk.Diffusion((x,), [-k], [[noise]]), grid)
        times = np.linalg.solve(-operator.matrix.toarray().T, np.ones(cells))
        at = grid.centers[0]
        formula = ((np.exp(a) - np.exp(a * at)) - a * (1 - at)) * noise / k**2
        errors.append(np.abs(times / formula - 1).max())
    assert np.log2(errors[0] / errors[1]) > 1.9
    assert errors[-1] < 2e-3


def test_drift_counts_on_the_way_to_an_absorbing_wall() -> None:
    """A plane in which nothing depends on y is the line, drift against the wall and towards it."""
    for drift in (-2.0, 2.0):
        walls = {"x": ("reflecting", "absorbing")}
        line = fpk.assemble(
            fpk.Diffusion((x,), [drift], [[0.4]]), fpk.Grid(x=(0, 1, 12), boundary=walls)
        )
        grid = fpk.Grid(x=(0, 1, 12), y=(0, 1, 3), boundary=walls | {"y": "periodic"})
        plane = fpk.assemble(fpk.Diffusion((x, y), [drift, 0], 0.4 * sp.eye(2)), grid)
        np.testing.assert_allclose(
            plane.killing.reshape(12, 3), np.repeat(line.killing[:, np.newaxis], 3, 1)
        )


def test_walls_of_two_kinds_share_out_a_box() -> None:
    """A drift-free strip that absorbs at one end: the slowest rate is D pi^2 / (4 L^2)."""
    tensor = np.diag([0.5, 2.0])
    walls = {"x": ("reflecting", "absorbing"), "y": "periodic"}
    errors = [
        rates(assembled(tensor, 0 * x, n, walls))[0] / (0.5 * np.pi**2 / 16) - 1 for n in (32, 64)
    ]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.02)


def test_mapped_cells_at_absorbing_walls() -> None:
    s = sp.Symbol("s")
    errors = []
    for cells in (40, 80):
        grid = fpk.Grid(
            x=fpk.Mapped(sp.sinh(s) / sp.sinh(1), s, (0, 1, cells)), boundary="absorbing"
        )
        operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), grid)
        slowest = np.sort(np.linalg.eigvals(-operator.matrix.toarray()).real)[0]
        errors.append(slowest / np.pi**2 - 1)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("cells", [2, 3, 4, 5])
def test_tiny_periodic_grids(cells: int) -> None:
    """Offsets wrap round to where they started, or onto the same neighbour both ways."""
    grid = fpk.Grid(x=(0, 1, cells), y=(0, 1, cells), boundary="periodic")
    operator = fpk.assemble(
        fpk.Diffusion((x, y), [0, 0], [[1, 0.6], [0.6, 1]]), grid, fpk.Selling()
    )
    matrix = operator.matrix.toarray()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert operator.components[0] == 1
    assert np.abs(matrix.sum(axis=0)).max() < 1e-12


def test_periodic_modes_decay_at_their_rates() -> None:
    """Plane waves exp(i k x) on a torus: rate k D k."""
    tensor = rotated(10.0, 30.0)
    errors = []
    for cells in (32, 64):
        grid = fpk.Grid(x=(0, 2, cells), y=(0, 2, cells), boundary="periodic")
        operator = fpk.assemble(fpk.Diffusion((x, y), [0, 0], sp.Matrix(tensor)), grid)
        phase = np.pi * (grid.mesh[0] - grid.mesh[1])
        wave = np.cos(phase).ravel()
        rate = -(operator.matrix @ wave) @ wave / (wave @ wave)
        wanted = np.pi**2 * np.array([1, -1]) @ tensor @ np.array([1, -1])
        errors.append(rate / wanted - 1)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("spans", [[1], [1, 2], [1, 3], [1, 2, 3], [2, 5], [1, 2, 3, 4, 5, 6]])
def test_tapers_meet_their_two_conditions(spans: list[int]) -> None:
    table = taper(spans)
    assert table.min() >= 0
    assert (table[-1] == 1).all()
    rows = len(table) + max(spans)
    beta = []
    for m in spans:
        column = np.concatenate([table[:, m], np.ones(rows)])
        # The energy missing outside, half an offset, is made up for inside.
        assert np.sum(column - 1) == pytest.approx(m / 2, abs=1e-12)
        crossing = [np.sum(column[max(0, r - m + 1) : r + 1]) / m for r in range(rows)]
        beta.append(crossing)
    # What crosses each line between rows is the same multiple of m for all spans.
    np.testing.assert_allclose(beta, np.broadcast_to(beta[0], np.shape(beta)), atol=1e-12)


def test_walls_in_three_dimensions() -> None:
    """A flat potential and a tilted tensor; reference by Richardson extrapolation of the rest."""
    tensor = np.array([[1.0, 0.4, 0.2], [0.4, 0.6, -0.2], [0.2, -0.2, 0.5]])
    found = []
    for cells in (6, 12, 24):
        grid = fpk.Grid(x=(0, 1, cells), y=(0, 1, cells), z=(0, 1, cells))
        operator = fpk.assemble(fpk.Diffusion((x, y, z), [0, 0, 0], sp.Matrix(tensor)), grid)
        found.append(rates(operator)[1])
    assert np.log2((found[0] - found[1]) / (found[1] - found[2])) > 1.8
