"""Estimated discretisation errors against true ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import solve_continuous_lyapunov

import fokkerplanck as fpk
from fokkerplanck.discretize.schemes.cross_diffusion import CrossDiffusion
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.errors import InvalidGrid, InvalidModel, InvalidRegion
from fokkerplanck.solve.error_estimate import extrapolated, interpolated

x, y = sp.symbols("x y", real=True)
FULL = sp.Matrix([[1, sp.Rational(1, 2)], [sp.Rational(1, 2), 1]])
WELLS = (x**2 - 1) ** 2 + y**2 * (1 + x / 2)

pytestmark = pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")


def distance(density: fpk.Density, exact: np.ndarray) -> float:
    return float(np.sum(np.abs(density.values - exact) * density.grid.volumes))


def rotating_process(
    cells: tuple[int, int], anisotropy: float, scheme: object
) -> tuple[fpk.FokkerPlanckOperator, np.ndarray]:
    """Ornstein-Uhlenbeck process with a current, and its exact density."""
    turn = np.array([[np.sqrt(3), -1], [1, np.sqrt(3)]]) / 2
    tensor = turn @ np.diag([1, 1 / anisotropy]) @ turn.T
    rates = np.array([[1.0, -1.0], [1.0, 1.0]])
    covariance = solve_continuous_lyapunov(rates, 2 * tensor)
    reach = 6 * np.sqrt(np.diag(covariance))
    grid = fpk.Grid(x=(-reach[0], reach[0], cells[0]), y=(-reach[1], reach[1], cells[1]))
    diffusion = fpk.Diffusion((x, y), -sp.Matrix(rates) * sp.Matrix([x, y]), sp.Matrix(tensor))
    exact = fpk.gaussian_density(grid, [0, 0], covariance).values
    return fpk.assemble(diffusion, grid, scheme), exact  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cells", "anisotropy", "scheme"),
    [
        ((32, 32), 1, fpk.Selling()),
        ((64, 64), 5, fpk.Selling()),
        ((65, 51), 5, fpk.Selling()),
        ((128, 128), 10, fpk.Selling()),
        ((64, 64), 100, fpk.Selling()),
        ((32, 32), 100, CrossDiffusion()),
        ((96, 64), 100, CrossDiffusion()),
        ((64, 64), 100, LogDensity()),
        ((48, 48), 10, None),
    ],
)
def test_true_error_is_within_twice_the_estimate(
    cells: tuple[int, int], anisotropy: float, scheme: object
) -> None:
    operator, exact = rotating_process(cells, anisotropy, scheme)
    density = fpk.stationary_density(operator, error_estimate=True)
    error = distance(density, exact)
    assert error > 1e-4
    assert error < 2 * density.info["discretization_error"]
    # Nor is it idle: not more than a few times the error, whatever the scheme and the grid.
    assert density.info["discretization_error"] < 5 * error


def double_well(cells: int) -> fpk.FokkerPlanckOperator:
    """Full tensor and a drift that is no gradient in its metric."""
    drift = [-sp.diff(WELLS, v) for v in (x, y)]
    grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
    return fpk.assemble(fpk.Diffusion((x, y), drift, FULL / 4), grid, fpk.Selling())


@pytest.fixture(scope="module")
def fine_double_well() -> fpk.Density:
    return fpk.stationary_density(double_well(480))


@pytest.mark.parametrize("cells", [45, 48, 96])
def test_double_well_with_a_current(cells: int, fine_double_well: fpk.Density) -> None:
    density = fpk.stationary_density(double_well(cells), error_estimate=True)
    error = distance(density, interpolated(fine_double_well, density.grid))
    assert 0.5 * error < density.info["discretization_error"] < 2 * error
    assert 1.8 < density.info["discretization_order"] <= 2.0


def test_mapped_and_periodic_axes() -> None:
    """On a mapped axis the order is that of the scheme; a current round a circle."""
    s = sp.Symbol("s", real=True)
    diffusion = fpk.Diffusion((x, y), [1 + sp.cos(x), sp.sin(x) - y], sp.eye(2) / 2)

    def solved(cells: int, *, estimate: bool) -> fpk.Density:
        grid = fpk.Grid(
            x=(0, 2 * np.pi, cells),
            y=fpk.Mapped(sp.sinh(s), s, (-2.2, 2.2, cells)),
            boundary={"x": "periodic", "y": "reflecting"},
        )
        operator = fpk.assemble(diffusion, grid, fpk.Selling())
        return fpk.stationary_density(operator, error_estimate=estimate)

    density = solved(40, estimate=True)
    error = distance(density, interpolated(solved(320, estimate=False), density.grid))
    assert 0.5 * error < density.info["discretization_error"] < 2 * error


def test_exact_densities_have_no_discretisation_error_at_the_centres() -> None:
    drift = -FULL * sp.Matrix([sp.diff(WELLS, v) for v in (x, y)])
    grid = fpk.Grid(x=(-2.2, 2.2, 96), y=(-2.2, 2.2, 96))
    operator = fpk.assemble(fpk.Diffusion((x, y), drift, FULL / 4), grid, fpk.Selling())
    density = fpk.stationary_density(operator, error_estimate=True)
    # What is left is the splines' error.
    assert density.info["discretization_error"] < 1e-4


def passage_rate(barrier: float, start: float, stop: float, wall: float) -> float:
    """One over the mean passage time of ``barrier (x^2 - 1)^2`` by the double integral."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(wall, stop, 801)
    half = 0.5 * np.diff(edges)[:, np.newaxis]
    points = edges[:-1, np.newaxis] + half * (1 + nodes)
    potential = barrier * (points**2 - 1) ** 2

    def integral(values: np.ndarray) -> np.ndarray:
        """From the wall to each point: to the panel's left edge, and inside by collocation."""
        inside = (
            values
            @ np.stack(
                [
                    np.polynomial.legendre.Legendre.basis(k).integ(lbnd=-1)(nodes) * (2 * k + 1) / 2
                    for k in range(12)
                ]
            )
            .T.dot(np.polynomial.legendre.legvander(nodes, 11).T * weights)
            .T
        )
        whole = (values * weights).sum(axis=1) * half.ravel()
        before = np.concatenate([[0], np.cumsum(whole)[:-1]])
        return before[:, np.newaxis] + inside * half

    outer = np.exp(potential - barrier) * integral(np.exp(-potential))
    outer[points < start] = 0.0
    return float(np.exp(-barrier) / np.sum(outer * weights * half))


@pytest.mark.parametrize("barrier", [2.0, 10.0, 40.0])
@pytest.mark.parametrize("cells", [50, 51, 128])
@pytest.mark.parametrize("stop", [0.0, 0.83])
def test_true_error_of_a_rate_is_within_twice_the_estimate(
    barrier: float, cells: int, stop: float
) -> None:
    # Start and wall lie on edges of the panels of the quadrature, stop on their last one.
    diffusion = fpk.Diffusion((x,), [-barrier * sp.diff((x**2 - 1) ** 2, x)], [[1]])
    operator = fpk.assemble(diffusion, fpk.Grid(x=(-2, 2, cells)))
    start = -2 + 0.4 * (2 + stop)
    rate = fpk.escape_rate(operator, (start,), x > stop, error_estimate=True)
    error = abs(rate.value - passage_rate(barrier, start, stop, -2.0))
    assert error < 2 * rate.info["discretization_error"]
    assert rate.info["discretization_error"] < 0.3 * rate.value
    assert rate.value == fpk.escape_rate(operator, (start,), x > stop).value


@pytest.mark.parametrize("scheme", [fpk.Selling(), CrossDiffusion()])
@pytest.mark.parametrize("start", ["point", "region", "density"])
def test_rates_in_two_dimensions(scheme: object, start: str) -> None:
    drift = [-sp.diff(WELLS, v) for v in (x, y)]
    diffusion = fpk.Diffusion((x, y), drift, FULL / 4)

    def rate(cells: int, *, estimate: bool) -> fpk.Rate:
        grid = fpk.Grid(x=(-2.2, 2.2, cells), y=(-2.2, 2.2, cells))
        operator = fpk.assemble(diffusion, grid, scheme)  # type: ignore[arg-type]
        begins = {
            "point": (-1.0, 0.1),
            "region": (x + 1) ** 2 + y**2 < 0.2,
            "density": fpk.gaussian_density(grid, [-1, 0], np.eye(2) / 20),
        }
        return fpk.escape_rate(operator, begins[start], x + y / 2 > 0.71, error_estimate=estimate)

    found, finer = rate(48, estimate=True), rate(144, estimate=False)
    exact = finer.value + (finer.value - rate(72, estimate=False).value) / 3
    assert abs(found.value - exact) < 2 * found.info["discretization_error"] < 0.2 * exact


def test_rate_with_strong_anisotropy() -> None:
    def rate(cells: int, *, estimate: bool) -> fpk.Rate:
        operator, _ = rotating_process((cells, cells), 100, LogDensity())
        return fpk.escape_rate(operator, (0.0, 0.0), x + y > 1.9, error_estimate=estimate)

    found, finer = rate(48, estimate=True), rate(72, estimate=False)
    # Of second order in the step.
    exact = finer.value + (finer.value - found.value) / (1.5**2 - 1)
    assert abs(found.value - exact) < 2 * found.info["discretization_error"] < 0.1 * exact


def test_rates_without_a_coarser_grid() -> None:
    """A target that only the finest grid sees, and an operator that knows no other grid."""
    operator = fpk.assemble(fpk.Diffusion((x,), [0], [[1]]), fpk.Grid(x=(0, 1, 40)))
    narrow = sp.And(x > 0.501, x < 0.524)
    assert fpk.escape_rate(operator, (0.1,), narrow).value > 0
    with pytest.raises(InvalidRegion, match="no centre of a cell"):
        fpk.escape_rate(operator, (0.1,), narrow, error_estimate=True)
    orphan = replace(operator, problem=None)
    with pytest.raises(InvalidModel, match="make it with assemble"):
        fpk.escape_rate(orphan, (0.1,), x > 0.5, error_estimate=True)


def test_extrapolation() -> None:
    assert extrapolated((3.0, 12.0), 2.0).error == pytest.approx(1.0)
    assert extrapolated((1.0, 2.0), 2.0).order == pytest.approx(1.0)
    # Two grids: first order is assumed; differences that do not shrink are believed not to.
    assert extrapolated((3.0,), 2.0).error == pytest.approx(3.0)
    assert extrapolated((3.0, 3.0), 2.0).order == 0.5
    assert extrapolated((3.0, 3.0), 2.0).error > 3.0
    # A finest difference that is small by luck is not believed.
    assert extrapolated((1e-9, 12.0), 2.0).error == pytest.approx(1.0)


def test_interpolation_is_of_fourth_order_and_keeps_signs() -> None:
    errors = []
    for cells in (20, 40):
        coarse = fpk.gaussian_density(fpk.Grid(x=(-5, 5, cells), y=(-5, 5, cells)), [0.2, 0], FULL)
        values = coarse.values * (1 + 0.1 * np.sin(coarse.grid.mesh[0]))
        fine = fpk.gaussian_density(fpk.Grid(x=(-5, 5, 97), y=(-5, 5, 97)), [0.2, 0], FULL)
        exact = fine.values * (1 + 0.1 * np.sin(fine.grid.mesh[0]))
        found = interpolated(fpk.Density(values, coarse.grid), fine.grid)
        errors.append(np.abs(found - exact).max())
    assert np.log2(errors[0] / errors[1]) > 3.5
    signed = fpk.Density(coarse.grid.mesh[0] + 0 * coarse.grid.mesh[1], coarse.grid)
    np.testing.assert_allclose(
        interpolated(signed, fine.grid), np.broadcast_to(fine.grid.mesh[0], (97, 97)), atol=1e-12
    )


def test_refusals() -> None:
    operator = double_well(16)
    with pytest.raises(InvalidModel, match="make it with assemble"):
        fpk.stationary_density(replace(operator, problem=None), error_estimate=True)
    grid = fpk.Grid(x=(-1, 1, 3))
    small = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), grid)
    with pytest.raises(InvalidGrid, match="3 cells; four can be halved"):
        fpk.stationary_density(small, error_estimate=True)


def test_coarsened_grids() -> None:
    s = sp.Symbol("s")
    walls = {"x": ("absorbing", "reflecting"), "y": "reflecting", "z": "periodic"}
    mapped = fpk.Mapped(sp.sinh(s), s, (-1, 1, 12))
    grid = fpk.Grid(x=(0, 1, 8), y=mapped, z=(0, 2, 7), boundary=walls)
    coarse = grid.coarsened()
    assert coarse.shape == (4, 6, 4)
    np.testing.assert_allclose(coarse.edges[0], grid.edges[0][::2], rtol=0, atol=1e-15)
    np.testing.assert_allclose(coarse.edges[1], grid.edges[1][::2], rtol=0, atol=1e-15)
    np.testing.assert_allclose(coarse.edges[2], np.linspace(0, 2, 5))
    assert [axis.boundary for axis in coarse.axes] == [axis.boundary for axis in grid.axes]
    rebuilt = fpk.Grid(
        x=(0, 1, 4), y=fpk.Mapped(sp.sinh(s), s, (-1, 1, 6)), z=(0, 2, 4), boundary=walls
    )
    assert coarse == rebuilt


def test_the_same_problem_on_another_grid() -> None:
    operator = double_well(24)
    again = operator.on(operator.grid.coarsened())
    np.testing.assert_array_equal(again.matrix.toarray(), double_well(12).matrix.toarray())
    assert again.problem == operator.problem
