"""Detailed balance tested on the grid: what must be found, to 1e-12, and what must be refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import sympy as sp

from fokkerplanck.discretize.coefficients import Coefficients, compile_expressions
from fokkerplanck.discretize.grid import Grid, Mapped
from fokkerplanck.discretize.potential import potential_at_centers
from fokkerplanck.model import noise
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizers import SGLD

x, y, z, s = sp.symbols("x y z s", real=True)
WELL = (x**2 - 1) ** 2 / 4 + x * y / 2 + y**2
PLANE = Grid(x=(-2, 2, 40), y=(-1.5, 1.5, 30))
JUMP = sp.Piecewise((1, x < 0), (2, True))


def isothermal(potential: sp.Expr, tensor: Any, variables: Sequence[sp.Symbol]) -> Diffusion:
    slope = sp.Matrix([sp.diff(potential, v) for v in variables])
    return Diffusion.from_isothermal(variables, -sp.Matrix(tensor) * slope, tensor)


def found_on(diffusion: Diffusion, grid: Grid) -> np.ndarray | None:
    return potential_at_centers(Coefficients.compile(diffusion), grid)


def exact_on(potential: sp.Expr, grid: Grid) -> np.ndarray:
    symbols = [sp.Symbol(name, real=True) for name in grid.names]
    values = np.broadcast_to(compile_expressions([potential], symbols)(*grid.mesh)[0], grid.shape)
    return np.asarray(values - values.min())


def rotated(angle: Any, weak: float) -> sp.Matrix:
    turn = sp.Matrix([[sp.cos(angle), -sp.sin(angle)], [sp.sin(angle), sp.cos(angle)]])
    return turn * sp.diag(1, weak) * turn.T


TENSORS = {
    "constant full": sp.Matrix([[1.0, 0.4], [0.4, 0.3]]),
    "diagonal": sp.diag(1 + x**2, sp.exp(y / 2)),
    "rotating": rotated(x + y / 2, 0.05),
    "product": rotated(0.4, 0.2) * (1 + x**2 / 3 + sp.exp(-(y**2))),
    "rotating product": rotated(sp.atan2(y, x + 4), 0.01) * (1.2 + sp.sin(x)),
    "small": 1e-9 * sp.Matrix([[1.0, 0.4], [0.4, 0.3]]),
}


@pytest.mark.parametrize("name", TENSORS)
@pytest.mark.parametrize(
    "grid", [PLANE, Grid(x=Mapped(sp.sinh(s), s, (-1.4, 1.4, 40)), y=(-1.5, 1.5, 30))]
)
def test_potential_to_rounding(name: str, grid: Grid) -> None:
    found = found_on(isothermal(WELL, TENSORS[name], (x, y)), grid)
    assert found is not None
    assert found.min() == 0.0
    assert np.abs(found - exact_on(WELL, grid)).max() < 1e-12


def test_ito_and_stratonovich_forms_too() -> None:
    given = isothermal(WELL, TENSORS["rotating product"], (x, y))
    found = found_on(Diffusion((x, y), given.drift, given.tensor), PLANE)
    assert found is not None
    assert np.abs(found - exact_on(WELL, PLANE)).max() < 1e-12
    noise_matrix = [[sp.sqrt(2) * (1 + x**2), 0], [0, sp.sqrt(2)]]
    drift = [-2 * x * (1 + x**2) ** 2, -2 * y]
    found = found_on(Diffusion.from_stratonovich((x, y), drift, noise_matrix), PLANE)
    assert found is not None
    assert np.abs(found - exact_on(x**2 + y**2 + sp.log(1 + x**2), PLANE)).max() < 1e-12


@pytest.mark.parametrize("strength", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("name", ["constant full", "rotating", "product"])
def test_the_weakest_rotation_is_refused(name: str, strength: float) -> None:
    given = isothermal(WELL, TENSORS[name], (x, y))
    swirl = sp.Matrix([-sp.diff(WELL, y), sp.diff(WELL, x)]) * strength
    turned = Diffusion.from_isothermal((x, y), given.given + given.tensor * swirl, given.tensor)
    assert found_on(turned, PLANE) is None


@pytest.mark.parametrize("cells", [20, 400])
def test_uniform_weak_curl_on_fine_grids(cells: int) -> None:
    turned = Diffusion((x, y), [-x - 1e-6 * y, -y + 1e-6 * x], sp.eye(2))
    assert found_on(turned, Grid(x=(-2, 2, cells), y=(-2, 2, cells))) is None


def test_curl_in_a_corner_only() -> None:
    bump = sp.exp(-20 * ((x - 1.2) ** 2 + (y - 0.8) ** 2))
    assert found_on(Diffusion((x, y), [-x - y * bump, -y + x * bump], sp.eye(2)), PLANE) is None


def test_anisotropy_against_the_hessian_is_refused() -> None:
    assert found_on(Diffusion((x, y), [-2 * x - y, -x - 2 * y], sp.diag(1, 2)), PLANE) is None


@pytest.mark.parametrize("convention", ["ito", "isothermal"])
def test_three_dimensions(convention: str) -> None:
    wanted = x**2 / 2 + x * y / 3 + y**4 / 4 + z**2 * (1 + x**2 / 4)
    tensor = sp.Matrix([[2, 0.5, 0], [0.5, 1, sp.sin(x) / 2], [0, sp.sin(x) / 2, 1 + y**2 / 4]])
    grid = Grid(x=(-1, 1, 12), y=(-1, 1, 10), z=(-1, 1, 8))
    given = isothermal(wanted, tensor, (x, y, z))
    if convention == "ito":
        given = Diffusion((x, y, z), given.drift, tensor)
    found = found_on(given, grid)
    assert found is not None
    assert np.abs(found - exact_on(wanted, grid)).max() < 1e-12
    turned = given.given + 1e-6 * sp.Matrix([0, -z, y])
    build = Diffusion if convention == "ito" else Diffusion.from_isothermal
    assert found_on(build((x, y, z), turned, tensor), grid) is None


# Rings --------------------------------------------------------------------------------------------


def ring(drive: float) -> Diffusion:
    return Diffusion((x,), [drive - sp.sin(x)], [[1]])


def test_a_driven_ring_has_no_potential() -> None:
    ends = (0, 2 * float(np.pi), 50)
    grid = Grid(x=ends, boundary="periodic")
    found = found_on(ring(0.0), grid)
    assert found is not None
    assert np.abs(found - exact_on(-sp.cos(x), grid)).max() < 1e-12
    assert found_on(ring(0.5), grid) is None
    assert found_on(ring(1e-6), grid) is None
    # With walls the same drive has one.
    assert found_on(ring(0.5), Grid(x=ends)) is not None


def test_a_driven_torus() -> None:
    side = (-float(np.pi), float(np.pi), 24)
    grid = Grid(x=side, y=side, boundary="periodic")
    wanted = -sp.cos(x) - sp.sin(x) * sp.cos(y)
    tensor = sp.Matrix([[2 + sp.cos(y), 0.5], [0.5, 1]])
    given = isothermal(wanted, tensor, (x, y))
    found = found_on(given, grid)
    assert found is not None
    assert np.abs(found - exact_on(wanted, grid)).max() < 1e-12
    for drive in ([1e-6, 0], [0, 1e-6]):
        driven = given.given + tensor * sp.Matrix(drive)
        assert found_on(Diffusion.from_isothermal((x, y), driven, tensor), grid) is None


# Jumps --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "step"),
    [
        # What Phi gains from left to right of the jump of D from 1 to 2: (1 - alpha) log 2.
        (lambda: Diffusion((x,), [-x], [[JUMP]]), np.log(2)),
        (lambda: Diffusion.from_stratonovich((x,), [-x], [[sp.sqrt(2 * JUMP)]]), np.log(2) / 2),
        (lambda: Diffusion.from_isothermal((x,), [-x], [[JUMP]]), 0.0),
    ],
)
def test_jumps_on_a_face(build: Any, step: float) -> None:
    grid = Grid(x=(-2, 2, 40))
    (centers,) = grid.centers
    wanted = np.where(centers < 0, centers**2 / 2, centers**2 / 4 + step)
    found = found_on(build(), grid)
    assert found is not None
    assert np.abs(found - (wanted - wanted.min())).max() < 1e-12


def test_jumps_on_a_face_in_two_dimensions() -> None:
    tensor = JUMP * sp.Matrix([[1.0, 0.4], [0.4, 0.5]])
    found = found_on(isothermal(WELL, tensor, (x, y)), PLANE)
    assert found is not None
    assert np.abs(found - exact_on(WELL, PLANE)).max() < 1e-12
    # Free of curl on either side, not across.
    assert found_on(Diffusion.from_isothermal((x, y), [0, -y], JUMP * sp.eye(2)), PLANE) is None


# Data ---------------------------------------------------------------------------------------------


def test_averages_over_data() -> None:
    rng = np.random.default_rng(0)
    rows, label = rng.normal(size=(23, 2)), sp.Symbol("label")
    a, b = sp.symbols("a b")
    data = {a: rows[:, 0], b: rows[:, 1], label: np.sign(rng.normal(size=23))}
    loss = sp.log(1 + sp.exp(-label * (x * a + y * b))) + (x**2 + y**2) / 10
    # Every sample twice the same: no noise of the gradient but the temperature.
    thermal = SGLD(
        noise.PerSample(loss, data).objective(loss, (x, y)),
        (x, y),
        noise.Isotropic(0),
        learning_rate=0.1,
        temperature=0.3,
    )
    found = found_on(thermal.diffusion(), PLANE)
    assert found is not None
    wanted = exact_on(thermal.objective / 0.3, PLANE)
    assert np.abs(found - wanted).max() < 1e-12
    exact = SGLD(
        loss, (x, y), noise.PerSample(loss, data), learning_rate=0.1, temperature=0.3
    ).diffusion()
    assert found_on(exact, PLANE) is None


# Where it cannot be tested -----------------------------------------------------------------------


def test_degenerate_noise_has_none() -> None:
    assert found_on(Diffusion((x, y), [y, -x - y], sp.diag(0, 1)), PLANE) is None
    rank_one = sp.Matrix([[1, 1], [1, 1]])
    assert found_on(Diffusion((x, y), [-x, -y], rank_one), PLANE) is None


def test_coefficients_undefined_between_the_centres_are_no_error() -> None:
    # Negative around the face at 0 only, where no centre lies: the centres alone count.
    tensor = sp.Piecewise((-1, sp.Abs(x) < 0.05), (1, True))
    assert found_on(Diffusion((x,), [-x], [[tensor]]), Grid(x=(-1, 1, 10))) is None
