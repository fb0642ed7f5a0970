"""Each convention where the tensor jumps: what is continuous there, and at which order."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.integrate import quad

import fokkerplanck as fpk
from fokkerplanck.discretize.edges import edge_matrix
from fokkerplanck.errors import InvalidModel, UnresolvedWarning
from fokkerplanck.solve.linear import factorize

Array = NDArray[np.float64]
x, y = sp.symbols("x y", real=True)
NOISE = 1e-3  # learning rate times noise strength
ALPHA = {"ito": 0.0, "stratonovich": 0.5, "isothermal": 1.0}
# Exact shares of the flat valley at fixed y = 5: Gaussian integrals on both sides.
SHARES = {"ito": 0.9331539, "stratonovich": 0.9189777, "isothermal": 0.9021106}


class Valleys:
    """A flat valley beside a sharp one; the noise is proportional to the curvature of each."""

    def __init__(self, progress: float = 5.0) -> None:
        scale = (progress + 20) ** 2 / (progress + 30) ** 2
        self.widths = np.array([0.65, 0.8]) ** 2 * scale  # sharp (x < 0), flat (x > 0)
        self.floors = np.array([-0.65, 0.8]) * progress / (progress + 30)
        self.tensors = 2 * NOISE / self.widths

    def model(self, convention: str) -> fpk.Diffusion:
        def sides(values: Array) -> sp.Expr:
            return sp.Piecewise((values[1], x > 0), (values[0], True))

        force = sides(-2 * (x - self.floors) / self.widths)
        if convention == "ito":
            return fpk.Diffusion((x,), [force], [[sides(self.tensors)]])
        if convention == "isothermal":
            return fpk.Diffusion.from_isothermal((x,), [force], [[sides(self.tensors)]])
        return fpk.Diffusion.from_stratonovich((x,), [force], [[sides(np.sqrt(2 * self.tensors))]])

    def grid(self, fineness: float, shift: float = 0.0) -> fpk.Grid:
        """Cells a width sqrt(NOISE) / fineness, with a face at `shift` of a cell from the jump."""
        step = np.sqrt(NOISE) / fineness
        left, right = (
            np.ceil((0.35 - self.floors[0]) / step),
            np.ceil((0.35 + self.floors[1]) / step),
        )
        return fpk.Grid(x=((shift - left) * step, (shift + right) * step, int(left + right)))

    def slope(self, at: Array) -> Array:
        """``a/D``: the widths cancel."""
        return -(at - np.where(at > 0, self.floors[1], self.floors[0])) / NOISE


def share_of_flat(operator: fpk.FokkerPlanckOperator) -> float:
    density = fpk.stationary_density(operator, fpk.SubtractionFree())
    masses = density.values * operator.grid.volumes
    return float(masses[operator.grid.centers[0] > 0].sum())


@pytest.mark.parametrize("convention", SHARES)
def test_shares_of_two_valleys(convention: str) -> None:
    valleys = Valleys()
    operator = fpk.assemble(valleys.model(convention), valleys.grid(10))
    assert operator.potential is not None
    assert abs(share_of_flat(operator) - SHARES[convention]) < 2e-6
    errors = [
        share_of_flat(fpk.assemble(valleys.model(convention), valleys.grid(fineness)))
        for fineness in (2.5, 5, 40)
    ]
    order = np.log2((errors[0] - errors[2]) / (errors[1] - errors[2]))
    assert order > 1.9


def test_the_general_face_force_is_isothermal_at_a_jump() -> None:
    """Why jumps are not left to ``D^-1 (A - div D)``: div D = 0 on both sides."""
    valleys = Valleys()
    grid = valleys.grid(10)
    step = grid.axes[0].spacing
    slope = valleys.slope(grid.centers[0])[:, np.newaxis] * step
    matrix, _ = edge_matrix(
        grid,
        np.ones((1, 1, 1), np.int16),
        # Conductances do not matter to a stationary density without current.
        np.ones((1, 1)),
        np.ones((1, 1)),
        level=np.zeros(grid.size),
        slope=slope,
    )
    masses = factorize(matrix, shape=grid.shape).stationary()
    share = masses[grid.centers[0] > 0].sum() / masses.sum()
    assert abs(share - SHARES["isothermal"]) < 2e-5
    assert abs(share - SHARES["ito"]) > 0.03


@pytest.mark.parametrize("convention", SHARES)
def test_passage_over_a_jump(convention: str) -> None:
    """Mean time from the flat floor to the sharp one: the double integral of the convention."""
    valleys = Valleys()
    alpha = ALPHA[convention]

    def energy(at: float) -> float:
        # U = -int a/D from 0, continuous.
        floor = valleys.floors[1] if at > 0 else valleys.floors[0]
        return at * (at - 2 * floor) / (2 * NOISE)

    def noise(at: float) -> float:
        return float(valleys.tensors[1] if at > 0 else valleys.tensors[0])

    low, high, start = valleys.floors[0], valleys.floors[1] + 0.35, valleys.floors[1]

    def weight(a: float, b: float) -> float:
        """Stationary weight between a and b > a, by parts so that the jump is an end."""
        parts = [(a, min(b, 0.0)), (max(a, 0.0), b)]
        total = 0.0
        for one, two in parts:
            if two > one:
                middle = 0.5 * (one + two)
                scale = noise(middle) ** (alpha - 1)
                total += scale * quad(lambda t: np.exp(-energy(t)), one, two, epsabs=0)[0]
        return total

    def outer(a: float, b: float) -> float:
        scale = noise(0.5 * (a + b)) ** -alpha
        return scale * quad(lambda t: np.exp(energy(t)) * weight(t, high), a, b, epsabs=0)[0]

    exact = outer(low, 0.0) + outer(0.0, start)
    errors = []
    for refinement in (1, 2, 4):
        # Some 5 cells per sqrt(NOISE), with faces on the jump and on the absorbing floor.
        left = refinement * round(-low * 5 / np.sqrt(NOISE))
        right = round(high / -low * left)
        grid = fpk.Grid(
            x=(low, -low * right / left, left + right), boundary={"x": ("absorbing", "reflecting")}
        )
        operator = fpk.assemble(valleys.model(convention), grid)
        factor = factorize(operator.matrix, killing=operator.killing, shape=grid.shape)
        times = factor.solve_transpose(np.ones(grid.size))
        errors.append(np.interp(start, grid.centers[0], times) / exact - 1)
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert orders.min() > 1.8
    assert abs(errors[-1]) < 4e-3


def test_a_jump_inside_a_cell_is_announced_and_first_order() -> None:
    valleys = Valleys()
    errors = []
    for fineness in (10, 40):
        with pytest.warns(UnresolvedWarning, match="jumps inside 1 of .* cells along x.*cell face"):
            operator = fpk.assemble(valleys.model("ito"), valleys.grid(fineness, shift=0.3))
        errors.append(abs(share_of_flat(operator) - SHARES["ito"]))
    assert errors[0] < 1e-4
    assert 0.8 < np.log2(errors[0] / errors[1]) / 2 < 1.6


def test_a_bend_is_no_jump() -> None:
    """|x| and max(0, x) are continuous: no warning, and the exact Gibbs density."""
    tensor = 1 + sp.Abs(x) / 2
    model = fpk.Diffusion((x,), [-x], [[tensor]])
    assert not model.jumps
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        operator = fpk.assemble(model, fpk.Grid(x=(-6, 6, 96)))
    density = fpk.stationary_density(operator, fpk.SubtractionFree())
    # p = exp(-int x/D)/D with int_0^|x| s/(1 + s/2) ds = 2|x| - 4 log(1 + |x|/2).
    size = np.abs(operator.grid.centers[0])
    exact = np.exp(-(2 * size - 4 * np.log1p(size / 2))) / (1 + size / 2)
    exact /= exact.sum() * 0.125
    np.testing.assert_allclose(density.values, exact, rtol=1e-12)


def test_a_bend_in_the_plane_keeps_detailed_balance() -> None:
    tensor = sp.Matrix([[1 + sp.Max(0, x), sp.Rational(2, 5)], [sp.Rational(2, 5), 1]])
    energy = x**2 + y**2 - x * y / 2
    slope = sp.Matrix([sp.diff(energy, v) for v in (x, y)])
    isothermal = fpk.Diffusion.from_isothermal((x, y), -tensor * slope, tensor)
    model = fpk.Diffusion((x, y), isothermal.drift, tensor)
    operator = fpk.assemble(model, fpk.Grid(x=(-3, 3, 32), y=(-3, 3, 30)), fpk.Selling())
    assert operator.info["drift"] == "potential differences"


FULL = sp.Matrix([[1, 0.5], [0.5, 2]])
ENERGY = 1.5 * (x**2 - 1) ** 2 + y**2 + x * y / 2


def jumping(right: sp.Matrix, convention: str) -> fpk.Diffusion:
    tensor = sp.Matrix(2, 2, lambda i, j: sp.Piecewise((right[i, j], x > 0), (FULL[i, j], True)))
    force = -tensor * sp.Matrix([sp.diff(ENERGY, v) for v in (x, y)])
    if convention == "ito":
        return fpk.Diffusion((x, y), force, tensor)
    return fpk.Diffusion.from_isothermal((x, y), force, tensor)


def errors_in_the_plane(right: sp.Matrix, convention: str, cells: list[int]) -> tuple[Array, Array]:
    """L1 error of the density, and error of the share at x > 0."""
    errors = []
    for n in cells:
        grid = fpk.Grid(x=(-2.5, 2.5, n), y=(-3.5, 3.5, n))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the potential rises")
            operator = fpk.assemble(jumping(right, convention), grid, fpk.Selling())
        density = fpk.stationary_density(operator, fpk.SubtractionFree()).values
        a, b = np.broadcast_arrays(*grid.mesh)
        exact = np.exp(-sp.lambdify((x, y), ENERGY)(a, b))
        if convention == "ito":
            # D_xx p is continuous; D_xy p is too when D_xy/D_xx does not jump.
            exact = exact / np.where(a > 0, float(right[0, 0]), float(FULL[0, 0]))
        exact /= np.sum(exact * grid.volumes)
        change = (density - exact) * grid.volumes
        errors.append((np.abs(change).sum(), abs(change[a > 0].sum())))
    found = np.array(errors)
    return found[:, 0], found[:, 1]


def test_ito_jump_of_a_full_tensor() -> None:
    """Rates from the source cell: the odds carry the ratio of the tensors, at second order."""
    density, share = errors_in_the_plane(2.5 * FULL, "ito", [32, 64])
    assert np.log2(density[0] / density[1]) > 1.9
    assert share[1] < 2e-6


def test_isothermal_jump_of_a_full_tensor() -> None:
    density, _ = errors_in_the_plane(sp.Matrix([[2, 1], [1, 1]]), "isothermal", [32])
    assert density[0] < 1e-12


def test_ito_jump_that_changes_the_shape_of_the_tensor_is_first_order() -> None:
    density, share = errors_in_the_plane(sp.Matrix([[2, 1], [1, 1]]), "ito", [64, 128])
    assert density[1] < 4e-3
    assert share[1] < 6e-4
    assert np.log2(density[0] / density[1]) > 1.3


def test_jumps_inside_cells_of_the_plane_are_announced() -> None:
    grid = fpk.Grid(x=(-2.5, 2.5, 31), y=(-3.5, 3.5, 16))
    with pytest.warns(UnresolvedWarning, match="inside 16 of 496 cells along x"):
        fpk.assemble(jumping(2 * FULL, "ito"), grid, fpk.Selling())


def test_stratonovich_jumps_in_the_plane_are_refused() -> None:
    step = sp.Piecewise((2, x > 0), (1, True))
    model = fpk.Diffusion.from_stratonovich((x, y), [-x, -y], [[step, 0], [0, 1]])
    with pytest.raises(InvalidModel, match="Stratonovich"):
        fpk.assemble(model, fpk.Grid(x=(-2, 2, 8), y=(-2, 2, 8)), fpk.Selling())
