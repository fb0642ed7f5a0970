"""The valley's closed forms against an independent spectral solution and the package's models."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad

import fokkerplanck as fpk
from fokkerplanck.errors import InvalidModel
from fokkerplanck.systems.degenerate_valley import MinimalValley

from ._hermite import Array, Stationary, stationary

x, y = sp.symbols("x y", real=True)
WALLS = (-4.0, 4.0)
# Walls turn the current back within sqrt(Delta/(kappa lambda)), at most .03 here.
INTERIOR = 3.5
LEVEL = sp.S.Zero
# In units of Delta: of the strength of the entropic force, lambda'/(2 lambda), and a well.
SLOPED = sp.log(2 + sp.tanh(x)) / 3 + x**2 / 20


def valley(kappa: float, noise: float, floor: sp.Expr = LEVEL) -> MinimalValley:
    return MinimalValley(base_loss=noise * floor, kappa=kappa, noise=noise)


@cache
def solved(kappa: float, noise: float, floor: sp.Expr = LEVEL, order: int = 96) -> Stationary:
    model = valley(kappa, noise, floor)

    def function(expression: sp.Expr):  # type: ignore[no-untyped-def]
        compiled = sp.lambdify(x, expression, "numpy")
        return lambda points: np.broadcast_to(compiled(points), points.shape).astype(float)

    return stationary(
        function(model.curvature),
        function(sp.diff(model.curvature, x)),
        function(model.base_loss),
        function(sp.diff(model.base_loss, x)),
        kappa=kappa,
        noise=noise,
        walls=WALLS,
        order=order,
        modes=order // 3,
    )


def measured(solution: Stationary) -> Array:
    """``ln P(x) - ln F^kappa + kappa L0/Delta``, zero at the middle point x = 0."""
    logarithm = np.log(solution.ratio)
    return np.asarray(logarithm - logarithm[logarithm.size // 2])


def predicted(model: MinimalValley, points: Array) -> Array:
    """First correction to the same, by quadrature of its derivative."""
    slope = sp.lambdify(x, sp.diff(model.marginal_correction(), x), "math")
    return np.array([quad(slope, 0.0, p, epsabs=1e-13, epsrel=1e-11)[0] for p in points])


def remainder(kappa: float, noise: float, floor: sp.Expr) -> float:
    solution = solved(kappa, noise, floor)
    first = predicted(valley(kappa, noise, floor), solution.x)
    return float(np.abs(measured(solution) - first).max())


# The reference solution itself -----------------------------------------------------------------


@pytest.mark.parametrize("floor", [LEVEL, SLOPED], ids=["level", "sloped"])
def test_reference_solution_is_exact_in_detailed_balance(floor: sp.Expr) -> None:
    solution = solved(1.0, 0.05, floor)
    curvature = 2 + np.tanh(solution.x)
    # The spectral derivative amplifies rounding by order^2 = 1e4, the sign of kappa by more.
    np.testing.assert_allclose(solution.ratio, 1, atol=1e-8)
    np.testing.assert_allclose(solution.spread * curvature / 0.05, 1, atol=1e-7)


def test_reference_solution_does_not_depend_on_its_resolution() -> None:
    coarse, fine = solved(60.0, 0.1, order=96), solved(60.0, 0.1, order=192)
    assert fine.tail < 1e-12 < coarse.tail < 1e-8
    np.testing.assert_allclose(measured(coarse), measured(fine)[::2], atol=1e-7)
    np.testing.assert_allclose(coarse.weights.sum(), WALLS[1] - WALLS[0], rtol=1e-13)


# First correction ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kappa", "noise", "floor"),
    [(3.0, 0.1, LEVEL), (60.0, 0.002, LEVEL), (0.25, 0.005, LEVEL), (10.0, 0.02, SLOPED)],
)
def test_remainder_after_first_correction_is_second_order(
    kappa: float, noise: float, floor: sp.Expr
) -> None:
    """Halving the noise halves the deviation and quarters what the correction leaves."""
    deviations = [np.ptp(measured(solved(kappa, d, floor))) for d in (noise, noise / 2)]
    remainders = [remainder(kappa, d, floor) for d in (noise, noise / 2)]
    assert remainders[0] < 0.1 * deviations[0]
    # Third-order terms move the ratios by the size of the remainder over the deviation.
    assert deviations[0] / deviations[1] == pytest.approx(2, rel=0.1)
    assert remainders[0] / remainders[1] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("kappa", [3.0, 60.0])
def test_deviation_per_noise_tends_to_the_derived_constant(kappa: float) -> None:
    """``(kappa^2 - 1)(10/9 - ln 3)`` from end to end of 2 + tanh x; extrapolated to no noise."""
    # The points run from the right wall to the left one.
    per_noise = [(measured(solved(kappa, d))[[0, -1]] @ [1, -1]) / d for d in (2e-3, 1e-3)]
    limit = 2 * per_noise[1] - per_noise[0]
    # Walls at 4 instead of infinity leave out 7e-4 of the change of lambda, where lambda' < 1.4e-3.
    assert limit == pytest.approx((kappa**2 - 1) * (10 / 9 - np.log(3)), rel=1e-3)


def test_deviation_is_not_of_order_one_over_kappa() -> None:
    """It grows with kappa, and falls with the noise, as kappa times the small parameter does."""
    sizes = {k: np.ptp(measured(solved(k, 1e-3))) for k in (3.0, 10.0, 30.0, 60.0)}
    assert list(sizes.values()) == sorted(sizes.values())
    assert sizes[60.0] / sizes[30.0] == pytest.approx(4, rel=0.02)


@pytest.mark.parametrize(("kappa", "floor"), [(3.0, LEVEL), (60.0, LEVEL), (10.0, SLOPED)])
def test_width_across_has_the_derived_correction(kappa: float, floor: sp.Expr) -> None:
    z, gauss = np.polynomial.hermite_e.hermegauss(5)  # exact up to the power 9
    gauss /= gauss.sum()
    errors = []
    for noise in (2e-3, 1e-3):
        model, solution = valley(kappa, noise, floor), solved(kappa, noise, floor, order=128)
        correction = model.density_correction() - model.marginal_correction()
        inside = np.abs(solution.x) < INTERIOR
        points, width = solution.x[inside], np.sqrt(noise / (2 + np.tanh(solution.x[inside])))
        c = sp.lambdify((x, y), correction, "numpy")(points, z[:, None] * width)
        excess = solution.spread[inside] / width**2 - 1
        np.testing.assert_allclose(gauss @ c, 0, atol=1e-13)
        errors.append(np.abs(excess - gauss @ (z[:, None] ** 2 * c)).max() / np.abs(excess).max())
    assert errors[1] < 0.05
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.15)


def test_small_parameter_bounds_the_relative_change_of_slope() -> None:
    """For kappa >> 1 the slope of ln P changes by -epsilon, to first order, at every point."""
    kappa, noise = 60.0, 1e-3
    model, solution = valley(kappa, noise), solved(kappa, noise)
    inside = np.abs(solution.x) < 1.5
    change = (solution.derivative @ measured(solution))[inside]
    points = solution.x[inside]
    log_slope = sp.lambdify(x, sp.diff(sp.log(model.marginal()), x), "numpy")(points)
    epsilon = sp.lambdify(x, model.small_parameter(), "numpy")(points)
    # The next terms are (1 - 1/kappa)(1 + 4/kappa) and 2 lambda''/(kappa lambda'^2/lambda).
    np.testing.assert_allclose(change / log_slope, -epsilon, atol=0.15 * epsilon.max())


# The solver in the plane ------------------------------------------------------------------------


def in_plane(kappa: float, noise: float, cells: tuple[int, int], reach: float = 1.5):  # type: ignore[no-untyped-def]
    """Operator and density between walls at -reach and reach, 7 standard deviations of y wide."""
    model = valley(kappa, noise)
    width = 7 * np.sqrt(noise / (2 - np.tanh(reach)))
    grid = fpk.Grid(x=(-reach, reach, cells[0]), y=(-width, width, cells[1]))
    scheme = fpk.LogDensity() if kappa > 10 else fpk.Selling()
    operator = fpk.assemble(model.diffusion(), grid, scheme)
    return model, operator, fpk.stationary_density(operator)


def log_ratio(kappa: float, noise: float, cells: tuple[int, int]) -> tuple[Array, Array]:
    """Points along and ``ln(P/F^kappa)``, both densities normalised."""
    model, _, density = in_plane(kappa, noise, cells)
    marginal = density.marginal("x")
    points = marginal.grid.centers[0]
    formula = sp.lambdify(x, model.marginal(), "numpy")(points)
    return points, np.log(marginal.masses / (formula / formula.sum()))


@pytest.mark.parametrize("noise", [0.1, 1e-3])
def test_marginal_of_the_solver_is_exact_in_detailed_balance(noise: float) -> None:
    assert np.abs(log_ratio(1.0, noise, (64, 64))[1]).max() < 1e-8


@pytest.mark.parametrize(("kappa", "noise"), [(60.0, 3e-4), (100.0, 1e-4)])
def test_marginal_of_the_solver_is_f_to_the_kappa_within_two_percent(
    kappa: float, noise: float
) -> None:
    """Everywhere, over 12 and 20 decades of P, where kappa times epsilon is small."""
    points, ratio = log_ratio(kappa, noise, (320, 96))
    epsilon = sp.lambdify(x, valley(kappa, noise).small_parameter(), "numpy")(points)
    assert epsilon.max() < 0.01
    assert np.abs(ratio).max() < 0.02


@pytest.mark.parametrize("kappa", [60.0, 100.0])
def test_where_two_percent_fail_though_epsilon_is_below_a_hundredth(kappa: float) -> None:
    """Errors add up towards the sharp end as the first correction says, linearly in the noise."""
    tails = []
    for noise in (1e-3, 2e-3):
        points, ratio = log_ratio(kappa, noise, (256, 96))
        model = valley(kappa, noise)
        epsilon = sp.lambdify(x, model.small_parameter(), "numpy")(points)
        assert epsilon.max() < 0.01
        first = predicted(model, points[::8])
        first -= first[0] - ratio[0]
        # Grid: 5 % of the deviation.  Next order in the noise: 1 %.
        np.testing.assert_allclose(ratio[::8], first, atol=0.07 * np.ptp(first))
        masses = np.exp(ratio) * sp.lambdify(x, model.marginal(), "numpy")(points)
        masses /= masses.sum()
        # 99.9 % of the probability is where the formula holds, the sharp end is not.
        assert masses[np.abs(ratio) < 0.02].sum() > 0.999
        assert ratio[-1] > 0.03
        tails.append(np.ptp(ratio))
    assert tails[1] / tails[0] == pytest.approx(2, rel=0.03)


@pytest.mark.parametrize(
    ("kappa", "cells"), [(3.0, (128, 128)), (10.0, (160, 128)), (30.0, (512, 128))]
)
def test_entropy_production_of_the_solver(kappa: float, cells: tuple[int, int]) -> None:
    model, operator, density = in_plane(kappa, 1e-3, cells, reach=2.0)
    marginal = density.marginal("x")
    at_x = sp.lambdify(x, model.entropy_production(), "numpy")(marginal.grid.centers[0])
    total = fpk.entropy_production(operator, density).total
    assert total == pytest.approx(marginal.expectation(at_x), rel=0.01)


# Closed forms and models -----------------------------------------------------------------------


def test_effective_loss_is_the_potential_where_one_exists() -> None:
    model = MinimalValley(base_loss=x**2, kappa=1)
    potential = model.diffusion().potential()
    assert sp.simplify(potential - model.effective_loss() / model.noise) == 0
    assert MinimalValley(base_loss=x**2, kappa=2).diffusion().potential() is None


def test_density_is_that_of_the_effective_loss() -> None:
    model = MinimalValley(base_loss=sp.cos(x), kappa=3, noise=sp.Rational(1, 5))
    logarithm = sp.log(model.density()) + model.effective_loss() / model.noise
    for point in (-1.0, 0.3, 2.0):
        assert sp.N(logarithm.subs({x: point, y: 0.7})) == pytest.approx(0, abs=1e-12)
    assert model.sgd_loss() == model.effective_loss() - model.loss


def test_density_integrates_to_the_marginal() -> None:
    model = MinimalValley(base_loss=sp.cos(x) / 5, kappa=3.0, noise=0.2)
    density = sp.lambdify((x, y), model.density(), "math")
    marginal = sp.lambdify(x, model.marginal(), "math")
    for point in (-1.0, 0.3, 2.0):
        integral = quad(lambda across, p=point: density(p, across), -6, 6)[0]
        assert integral == pytest.approx(np.sqrt(2 * np.pi * 0.2) * marginal(point), rel=1e-9)


def test_current_has_no_divergence_and_no_net_flux() -> None:
    model = MinimalValley(base_loss=sp.cos(x) / 5, kappa=3.0, noise=0.2)
    current = model.current()
    along = sp.lambdify((x, y), current[0], "math")
    density = sp.lambdify((x, y), model.density(), "math")
    divergence = sp.lambdify((x, y), sp.diff(current[0], x) + sp.diff(current[1], y), "math")
    for point in (-1.0, 0.3, 2.0):
        flux = quad(lambda across, p=point: along(p, across), -6, 6)[0]
        assert flux == pytest.approx(0, abs=1e-9 * density(point, 0))
        assert divergence(point, 0.37) == pytest.approx(0, abs=1e-9 * density(point, 0))
        assert abs(along(point, 0.1)) > 1e-3 * density(point, 0.1)


def test_diffusion_along_the_valley_has_the_marginal_and_the_time() -> None:
    model = MinimalValley(base_loss=sp.cos(x) / 5, kappa=3, noise=sp.Rational(1, 5))
    reduced = model.along()
    slope = sp.diff(sp.log(model.marginal()), x)
    for point in (-1.0, 0.3, 2.0):
        ratio = (reduced.drift[0] / reduced.tensor[0, 0]).subs(x, point)
        assert float(ratio) == pytest.approx(float(slope.subs(x, point)), rel=1e-12)
    # With u = tanh x: int 2 (2 + u) du/(Delta (1 - u^2)^2) on a level floor.
    integral = valley(30.0, 0.02).convergence_time(1, -0.5)
    (variable, *ends) = integral.limits[0]
    time = quad(sp.lambdify(variable, integral.function, "math"), *map(float, ends))[0]
    low, high = np.tanh([-0.5, 1.0])
    in_u = quad(lambda u: 100 * (2 + u) / (1 - u**2) ** 2, low, high)[0]
    assert time == pytest.approx(in_u, rel=1e-9)


@pytest.mark.parametrize("learning_rate", [sp.Symbol("eta", positive=True), 0.01])
def test_optimizer_has_the_valley_as_its_modified_equation(learning_rate: object) -> None:
    model = MinimalValley(kappa=5)
    expected, sgd = model.diffusion(), model.optimizer(learning_rate)
    assert sgd.diffusion().drift == expected.drift
    assert sp.simplify(sgd.diffusion().tensor - expected.tensor) == sp.zeros(2)


def test_variables_are_matched_by_name() -> None:
    u, v = sp.symbols("u v")
    model = MinimalValley(2 + sp.cos(sp.Symbol("u")), variables=(u, v))
    assert model.loss == v**2 * (2 + sp.cos(u)) / 2
    assert model.marginal_correction().free_symbols == {u, *model.diffusion().parameters}
    assert model.marginal_correction() == model.marginal_correction()
    assert hash(model) == hash(MinimalValley(2 + sp.cos(u), variables=(u, v)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"curvature": 2 + y}, "must not depend on y"),
        ({"base_loss": sp.Symbol("y") * x}, "must not depend on y"),
        ({"curvature": -1}, "curvature must be positive, not -1"),
        ({"kappa": 0}, "kappa must be positive, not 0"),
        ({"noise": -0.5}, "noise must be positive"),
        ({"variables": (x,)}, "2 variables"),
    ],
)
def test_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        MinimalValley(**arguments)
