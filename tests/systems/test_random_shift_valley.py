"""The random-shift valley: reduction along the valley and stability, against discrete SGD."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import quad

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckWarning, InvalidModel
from fokkerplanck.systems.random_shift_valley import RandomShiftValley

x, y = sp.symbols("x y", real=True)


def balanced(noise: float) -> RandomShiftValley:
    """``lambda = 2 + x``, and a slope of the floor that holds x at 0 without curving it."""
    return RandomShiftValley(2 + x, -noise * x / 2, noise)


# Along the valley ------------------------------------------------------------------------------


def test_variance_along_the_valley_is_a_quarter_of_the_local_reading() -> None:
    """SGD tends to the diffusion of `along`; with <D_xx> for its D the variance is four times."""
    ratios, errors = [], []
    for noise in (0.1, 0.05):
        model, eta = balanced(noise), 0.02
        reduced = fpk.assemble(model.along(), fpk.Grid(x=(-1.2, 2, 800)))
        expected = fpk.stationary_density(reduced).covariance()[0, 0]
        assert expected == pytest.approx(noise / 2, rel=0.01)
        steps = round(20 / (noise * eta))
        runs = fpk.simulate_sgd(
            model.optimizer(eta), (0.0, 0.0), steps=steps, runs=1000, seed=2, save_every=steps // 20
        )
        after = runs.times[-1] / 2
        ratios.append(runs.covariance(after)[0, 0] / expected)
        errors.append(runs.covariance_standard_error(after)[0, 0] / expected)
    assert max(errors) < 0.04
    # Corrections of the next order: 16 %, then 8 %, besides eta lambda/2 = 2 %.
    assert abs(ratios[0] - 1) < 0.16 + 3 * errors[0]
    assert abs(ratios[1] - 1) < 0.1 + 3 * errors[1]


def test_drift_from_the_sharp_towards_the_flat_end() -> None:
    """Mean of x on its way, against the drift with the variance across at this eta."""
    noise, eta, time = 0.02, 0.05, 60.0
    model = RandomShiftValley(2 + sp.tanh(x), noise=noise)
    runs = fpk.simulate_sgd(
        model.optimizer(eta), (0.3, 0.0), steps=round(time / eta), runs=600, seed=5
    )
    factor = model.variance_across(eta) / model.variance_across()
    fast = sp.lambdify(x, model.drift_along() * factor, "math")
    place = 0.3
    for _ in range(2000):  # midpoint rule
        half = place + fast(place) * time / 4000
        place += fast(half) * time / 2000
    mean, error = runs.mean()[0], runs.mean_standard_error()[0]
    assert place < -0.1
    # y is at rest first: it takes 1/lambda to fluctuate, worth 1/(2 lambda) of the drift.
    late = abs(fast(0.3)) / 4
    assert abs(mean - place) < 4 * error + 2 * late
    assert error < 0.1 * abs(mean - 0.3)


def test_time_to_converge_is_one_over_the_noise() -> None:
    times = []
    for noise in (0.01, 0.02):
        integral = RandomShiftValley(noise=noise).convergence_time(0.3, -1)
        (variable, *ends) = integral.limits[0]
        times.append(quad(sp.lambdify(variable, integral.function, "math"), *map(float, ends))[0])
    assert times[0] / times[1] == pytest.approx(2, rel=1e-12)
    # -int 4 dx/(Delta_S lambda lambda'), with u = tanh x: int 4 du/(Delta_S (2 + u)(1 - u^2)^2).
    low, high = np.tanh([-1, 0.3])
    in_u = quad(lambda u: 400 / ((2 + u) * (1 - u**2) ** 2), low, high)[0]
    assert times[0] == pytest.approx(in_u, rel=1e-9)


def test_small_noise_reduction_keeps_no_noise_where_the_flatness_is_uniform() -> None:
    model = RandomShiftValley(sp.Integer(3), x**2)
    assert model.along().tensor[0, 0] == 0
    assert model.along().drift[0] == -2 * x
    assert model.lyapunov_exponent(sp.Rational(1, 2)) == sp.log(sp.Rational(1, 2))


# Stability -------------------------------------------------------------------------------------


def frozen(
    slope: float, noise: float, eta: float
) -> tuple[RandomShiftValley, dict[sp.Symbol, int]]:
    """A valley with lambda = 1 and lambda' = slope at x = 0."""
    return RandomShiftValley(1 + slope * x, noise=noise), {x: 0}


def iterate(slope: float, noise: float, eta: float, steps: int, runs: int) -> np.ndarray:
    """|y| of the iteration at fixed x, without the additive part, from 1."""
    rng = np.random.default_rng(8)
    logarithm = np.zeros(runs)
    for _ in range(steps):
        shift = rng.normal(0, np.sqrt(noise / eta), runs)
        logarithm += np.log(np.abs(1 - eta - eta * slope * shift))
    return logarithm


@pytest.mark.parametrize(
    ("slope", "noise", "eta"), [(1.0, 0.3, 0.2), (2.0, 0.9, 0.8), (0.5, 0.1, 1.9)]
)
def test_lyapunov_exponent(slope: float, noise: float, eta: float) -> None:
    model, place = frozen(slope, noise, eta)
    exact = float(model.lyapunov_exponent(eta).subs(place))
    spread = slope * np.sqrt(eta * noise)
    pole = (eta - 1) / spread

    def integrand(t: float) -> float:
        """In z = pole + t |t|, which takes the logarithm's singularity out."""
        density = np.exp(-((pole + t * abs(t)) ** 2) / 2) / np.sqrt(2 * np.pi)
        return 2 * abs(t) * density * np.log(spread * t**2) if t else 0.0

    integral = quad(integrand, -4, 4, points=[0], epsabs=1e-12, limit=200)[0]
    assert exact == pytest.approx(integral, rel=1e-8)
    per_step = iterate(slope, noise, eta, 200, 400) / 200
    error = per_step.std(ddof=1) / np.sqrt(per_step.size)
    assert abs(per_step.mean() - exact) < 4 * error


def test_variance_across_of_the_iteration() -> None:
    slope, noise, eta = 1.0, 0.3, 0.2
    model, place = frozen(slope, noise, eta)
    rng = np.random.default_rng(9)
    runs = np.zeros(20_000)
    for _ in range(200):
        along, across = rng.normal(0, np.sqrt(noise / eta), (2, runs.size))
        runs = (1 - eta - eta * slope * along) * runs - eta * across
    squares = runs**2
    error = squares.std(ddof=1) / np.sqrt(runs.size)
    exact = float(model.variance_across(eta).subs(place))
    assert abs(squares.mean() - exact) < 4 * error
    leading = noise / 2
    assert abs(squares.mean() - leading) > 8 * error


def test_boundaries_are_in_order() -> None:
    """Between the mean-square boundary and the Lyapunov exponent's zero y has infinite variance."""
    noise, eta = 0.9, 0.5
    signs = []
    for slope in (1.0, 1.8, 4.0):
        model, place = frozen(slope, noise, eta)
        kappa = float(model.local_ratio().subs(place))
        square = float(model.mean_square_boundary(eta).subs(place))
        assert np.sign(square) == np.sign(eta / 2 + 1 / kappa - 1)
        exponent = float(model.lyapunov_exponent(eta).subs(place))
        signs.append((square < 0, exponent < 0))
        assert float(model.linear_boundary(eta).subs(place)) < 0
    assert signs == [(True, True), (False, True), (False, False)]


def test_sgd_diverges_beyond_the_linear_boundary_of_the_flattest_place() -> None:
    model = RandomShiftValley(2 + sp.tanh(x), noise=1e-3)
    steep, everywhere = 1.2, 2.1
    assert float(model.linear_boundary(everywhere).limit(x, -sp.oo)) > 0
    with pytest.warns(FokkerPlanckWarning, match="left to infinity"):
        runs = fpk.simulate_sgd(
            model.optimizer(everywhere), (-3.0, 0.01), steps=4000, runs=20, seed=1
        )
    assert runs.diverged.all()
    # Where only the start lies beyond it, growing y drives x down to where y is stable.
    boundary = sp.lambdify(x, model.linear_boundary(steep), "numpy")
    assert boundary(0.5) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs = fpk.simulate_sgd(model.optimizer(steep), (0.5, 0.01), steps=400, runs=20, seed=1)
    assert np.all(boundary(np.asarray(runs.values)[-1, :, 0]) < 0)


# Models ----------------------------------------------------------------------------------------


def test_models_share_their_tensor() -> None:
    model = RandomShiftValley(base_loss=x**2, noise=0.1)
    eta = sp.Symbol("eta", positive=True)
    place = {x: 0.4, y: -0.2}
    by_sgd = np.array(model.optimizer(eta).diffusion().tensor.subs(place), float)
    hessian = np.array(sp.hessian(model.loss, (x, y)).subs(place), float)
    np.testing.assert_allclose(by_sgd, 0.05 * hessian @ hessian, rtol=1e-12)
    np.testing.assert_allclose(np.array(model.diffusion().tensor.subs(place), float), by_sgd)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"curvature": 2 + y}, "must not depend on y"),
        ({"noise": 0}, "noise must be positive, not 0"),
        ({"curvature": -2}, "curvature must be positive, not -2"),
        ({"variables": (x,)}, "2 variables"),
    ],
)
def test_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        RandomShiftValley(**arguments)
