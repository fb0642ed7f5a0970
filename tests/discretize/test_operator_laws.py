"""What every assembled operator must obey, whatever the tensor, the walls and the map."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.errors import (
    DisconnectedWarning,
    GridMismatch,
    InvalidCoefficient,
    InvalidModel,
    NotPositiveSemidefinite,
    UnboundSymbol,
)

# The laws hold on coarse grids too, of which a warning tells what they cost in accuracy.
pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")

x, y, z, s = sp.symbols("x y z s", real=True)
WELL = (x**2 - 1) ** 2 / 4 + x * y / 2 + y**2
RING = -sp.cos(x) - sp.sin(x) * sp.cos(y)
SPACE = x**2 / 2 + x * y / 3 + y**4 / 4 + z**2 * (1 + x**2 / 4)


def isothermal(potential: sp.Expr, tensor: Any, variables: Sequence[sp.Symbol]) -> fpk.Diffusion:
    slope = sp.Matrix([sp.diff(potential, v) for v in variables])
    return fpk.Diffusion.from_isothermal(variables, -sp.Matrix(tensor) * slope, tensor)


def rotated(angle: Any, weak: float) -> sp.Matrix:
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    return turn * sp.diag(1, weak) * turn.T


PI = float(np.pi)
CONSTANT = sp.Matrix([[1.0, 0.45], [0.45, 0.3]])
VARYING = sp.Matrix([[2 + sp.cos(y), 0.5], [0.5, 1 + sp.sin(x) / 2]])
TILTED = sp.Matrix([[2, 0.5, 0.3], [0.5, 1, 0.2], [0.3, 0.2, 0.7]])
WAVY = sp.Matrix([[2, 0.5, 0], [0.5, 1, sp.sin(x) / 2], [0, sp.sin(x) / 2, 1 + y**2 / 4]])

REFLECTING = Grid(x=(-2, 2, 30), y=(-1.5, 1.5, 24))
MAPPED = Grid(x=Mapped(sp.sinh(s), s, (-1.4, 1.4, 30)), y=Mapped(s + s**3 / 9, s, (-1.2, 1.2, 20)))
TORUS = Grid(x=(-PI, PI, 26), y=(-PI, PI, 22), boundary="periodic")
HALF = Grid(x=(-PI, PI, 26), y=(-2, 2, 22), boundary={"x": "periodic"})
BOX = Grid(x=(-1, 1, 9), y=(-1, 1, 8), z=(-1, 1, 7))
STRETCHED_BOX = Grid(x=Mapped(sp.sinh(s), s, (-1, 1, 9)), y=(-1, 1, 8), z=(-1, 1, 7))

CASES = {
    "constant, reflecting": (WELL, CONSTANT, REFLECTING),
    "varying, reflecting": (WELL, VARYING, REFLECTING),
    "rotating, reflecting": (WELL, rotated(x + y / 2, 0.03), REFLECTING),
    "steep": (60 * WELL, VARYING, REFLECTING),
    "constant, mapped": (WELL, CONSTANT, MAPPED),
    "varying, mapped": (WELL, VARYING, MAPPED),
    "rotating, mapped": (WELL, rotated(x + y / 2, 0.03), MAPPED),
    "constant, torus": (RING, CONSTANT, TORUS),
    "varying, torus": (RING, VARYING, TORUS),
    "varying, half periodic": (RING, VARYING, HALF),
    "constant, box": (SPACE, TILTED, BOX),
    "varying, box": (SPACE, WAVY, BOX),
    "varying, stretched box": (SPACE, WAVY, STRETCHED_BOX),
}


@pytest.mark.parametrize("form", ["isothermal", "ito"])
@pytest.mark.parametrize("name", CASES)
def test_gibbs_densities_stand_still(name: str, form: str) -> None:
    potential, tensor, grid = CASES[name]
    variables = [sp.Symbol(axis, real=True) for axis in grid.names]
    diffusion = isothermal(potential, tensor, variables)
    if form == "ito":
        diffusion = fpk.Diffusion(variables, diffusion.drift, tensor)
    operator = fpk.assemble(diffusion, grid, fpk.Selling())
    energy = np.broadcast_to(sp.lambdify(variables, potential, "numpy")(*grid.mesh), grid.shape)
    masses = (np.exp(energy.min() - energy) * grid.volumes).ravel()
    matrix = operator.matrix
    # Cell by cell, against all that flows out of the cell.
    change = np.abs(matrix @ masses) / (np.abs(matrix.diagonal()) * masses)
    assert change.max() < 1e-12
    law_of_generators(operator)


def law_of_generators(operator: fpk.FokkerPlanckOperator) -> None:
    matrix = operator.matrix.tocsc()
    off = matrix.copy()
    off.setdiag(0)
    assert off.data.min() >= 0
    assert np.isfinite(matrix.data).all()
    sums = np.asarray(matrix.sum(axis=0)).ravel() + operator.killing
    assert np.abs(sums / matrix.diagonal()).max() < 1e-14
    assert operator.killing.min() >= 0


WALLS = ["reflecting", "absorbing", "periodic", {"x": ("absorbing", "reflecting")}]


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("weak", [0.3, 0.01, 1e-4])
@pytest.mark.parametrize("swirl", [0.0, 3.0])
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.DisconnectedWarning")
def test_columns_and_signs(walls: Any, weak: float, swirl: float) -> None:
    # Drifts with and without a potential, strongly and weakly rotated noise, every kind of wall.
    drift = [sp.sin(x) - swirl * sp.sin(y), -sp.sin(2 * y) + swirl * sp.cos(x)]
    grid = Grid(x=(-PI, PI, 14), y=(-PI, PI, 12), boundary=walls)
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, rotated(0.5, weak)), grid, fpk.Selling())
    law_of_generators(operator)
    # A corner between absorbing walls may lose its mass outwards only; all else is one part.
    _, part = operator.components
    alone = part != np.bincount(part).argmax()
    assert (operator.killing[alone] > 0).all()
    assert alone.sum() <= 4
    lossy = walls == "absorbing" or isinstance(walls, dict)
    assert operator.conserving == (not lossy)
    # Only the cells whose edges reach a wall lose anything.
    if lossy:
        lost = operator.killing.reshape(grid.shape)
        assert (lost[0] > 0).all()


@pytest.mark.parametrize("weak", [0.1, 1e-3])
@pytest.mark.parametrize("angle", np.linspace(0.05, np.pi - 0.05, 9))
def test_corners_stay_connected(angle: float, weak: float) -> None:
    for shape in ((6, 6), (20, 17), (3, 40)):
        grid = Grid(x=(-1, 1, shape[0]), y=(-1, 1, shape[1]))
        operator = fpk.assemble(
            fpk.Diffusion((x, y), [-x, -y], rotated(angle, weak)), grid, fpk.Selling()
        )
        assert operator.components[0] == 1


def test_corners_stay_connected_in_space() -> None:
    rng = np.random.default_rng(3)
    for _ in range(6):
        frame, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        tensor = (frame * [1.0, 0.1, 1e-3]) @ frame.T
        operator = fpk.assemble(
            fpk.Diffusion((x, y, z), [-x, -y, -z], (tensor + tensor.T) / 2),
            Grid(x=(-1, 1, 7), y=(-1, 1, 6), z=(-1, 1, 5)),
            fpk.Selling(),
        )
        assert operator.components[0] == 1
        law_of_generators(operator)


def test_adjoint() -> None:
    operator = fpk.assemble(isothermal(WELL, VARYING, (x, y)), REFLECTING, fpk.Selling())
    rng = np.random.default_rng(0)
    left, right = rng.random((2, REFLECTING.size))
    assert left @ (operator.matrix @ right) == pytest.approx(
        (operator.adjoint @ left) @ right, rel=1e-12
    )


@pytest.mark.parametrize("drive", [[0, 0], [y, -x]])
def test_consistency_on_smooth_densities(drive: list[sp.Expr]) -> None:
    # Q p against the equation itself, inside: second order, with and without detailed balance.
    given = isothermal(WELL, VARYING, (x, y))
    drift = given.drift + sp.Matrix(drive)
    density = sp.exp(-(x**2) - (y - x / 3) ** 2)
    exact = -sum(sp.diff(a * density, v) for a, v in zip(drift, (x, y), strict=True)) + sum(
        sp.diff(VARYING[i, j] * density, v, w)
        for i, v in enumerate((x, y))
        for j, w in enumerate((x, y))
    )
    errors = []
    for n in (24, 48, 96):
        grid = Grid(x=(-1.5, 1.5, n), y=(-1.5, 1.5, n))
        operator = fpk.assemble(fpk.Diffusion((x, y), drift, VARYING), grid, fpk.Selling())
        values, wanted = sp.lambdify((x, y), [density, exact], "numpy", cse=True)(*grid.mesh)
        change = (operator.matrix @ (values * grid.volumes).ravel()).reshape(grid.shape)
        inside = (slice(n // 8, -(n // 8)),) * 2
        errors.append(np.abs(change / grid.volumes - wanted)[inside].max())
    assert np.log2(errors[1] / errors[2]) > 1.8


def test_backward_equation_on_smooth_observables() -> None:
    # The same operator transposed: A . grad f + D : hess f.
    given = isothermal(WELL, VARYING, (x, y))
    function = sp.sin(x) * sp.exp(y / 2)
    exact = sum(a * sp.diff(function, v) for a, v in zip(given.drift, (x, y), strict=True)) + sum(
        VARYING[i, j] * sp.diff(function, v, w)
        for i, v in enumerate((x, y))
        for j, w in enumerate((x, y))
    )
    errors = []
    for n in (48, 96):
        grid = Grid(x=(-1.5, 1.5, n), y=(-1.5, 1.5, n))
        operator = fpk.assemble(given, grid, fpk.Selling())
        values, wanted = sp.lambdify((x, y), [function, exact], "numpy", cse=True)(*grid.mesh)
        change = (operator.adjoint @ np.asarray(values).ravel()).reshape(grid.shape)
        inside = (slice(n // 8, -(n // 8)),) * 2
        errors.append(np.abs(change - wanted)[inside].max())
    assert np.log2(errors[0] / errors[1]) > 1.8


# Refused ----------------------------------------------------------------------------------------

k = sp.Symbol("k")
LINE = Grid(x=(-1, 1, 8))


@pytest.mark.parametrize(
    ("diffusion", "grid", "error"),
    [
        (fpk.Diffusion((x,), [-k * x], [[1]]), LINE, UnboundSymbol),
        (fpk.Diffusion((y,), [-y], [[1]]), LINE, GridMismatch),
        (fpk.Diffusion((y, x), [-y, -x], sp.eye(2)), REFLECTING, GridMismatch),
        (fpk.Diffusion((x,), [-x], [[x]]), LINE, NotPositiveSemidefinite),
        (fpk.Diffusion((x, y), [-x, -y], [[1, 2], [2, 1]]), REFLECTING, NotPositiveSemidefinite),
        (fpk.Diffusion((x,), [sp.log(x)], [[1]]), LINE, InvalidCoefficient),
        (fpk.Diffusion((x,), [-x], [[1 / (x - sp.Rational(1, 8)) ** 2]]), LINE, InvalidCoefficient),
        (fpk.Diffusion((x,), [-k * x], [[1]], time=k), LINE, UnboundSymbol),
        (fpk.SGD(x**2, (x,), fpk.noise.Isotropic(1), learning_rate=0.1), LINE, InvalidModel),
    ],
)
def test_bad_input(diffusion: Any, grid: Grid, error: type[Exception]) -> None:
    with pytest.raises(error):
        fpk.assemble(diffusion, grid)


def test_indefinite_noise_names_place_eigenvalue_and_cure() -> None:
    loss = (x**2 - 1) ** 2 / 4 + y**2 / 2
    sgd = fpk.SGD(loss, (x, y), fpk.noise.Hessian(2.0), learning_rate=0.1)
    with pytest.raises(NotPositiveSemidefinite) as caught:
        fpk.assemble(sgd.diffusion(), REFLECTING)
    # Smallest of (eta/2) 2 (3 x^2 - 1) over the centres.
    low = 0.1 * (3 * np.abs(REFLECTING.centers[0]).min() ** 2 - 1)
    assert f"eigenvalue {low:.4g}" in str(caught.value)
    assert 'negative="clip"' in str(caught.value)
    clipped = fpk.noise.Hessian(2.0, negative="clip", floor=0.05)
    fixed = fpk.SGD(loss, (x, y), clipped, learning_rate=0.1).diffusion()
    law_of_generators(fpk.assemble(fixed, REFLECTING))


def test_noise_that_vanishes_splits_the_grid() -> None:
    tensor = sp.Piecewise((0, sp.Abs(x) < 0.3), (1, True))
    with pytest.warns(DisconnectedWarning, match="parts"):
        fpk.assemble(fpk.Diffusion((x,), [0], [[tensor]]), Grid(x=(-1, 1, 40)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), LINE)


def test_time_dependent_coefficients() -> None:
    diffusion = fpk.Diffusion((x,), [-k * x], [[1 + k]], time=k)
    late = fpk.assemble(diffusion, LINE, time=2.0).matrix
    same = fpk.assemble(fpk.Diffusion((x,), [-2 * x], [[3]]), LINE).matrix
    assert abs(late - same).max() < 1e-13
