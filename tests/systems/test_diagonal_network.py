"""The network's closed forms against quadrature, the finite-volume solver and its own SGD."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy as sp
from mpmath import mp
from scipy.integrate import quad
from scipy.optimize import brentq

import fokkerplanck as fpk
from fokkerplanck.errors import InvalidModel, NotNormalizable, UnboundSymbol
from fokkerplanck.systems.diagonal_network import DiagonalNetwork

v, z, q = sp.symbols("v z q", real=True)
LOG = sp.Symbol("s")
# The means and variances quoted for y = x + noise of standard deviation 1/2, depth 1, belong to the
# density cut to this box: below T_c it reaches to zero as |v|^(T_c/(2T) - 3/2), and v^2 p falls as
# v^(-3/2).  On the whole half-line they are the last two columns.
BOX = (1e-14, 60.0)
QUOTED = [
    (0.05, 0.9844, 0.0310, 0.984364, 0.031112),
    (0.15, 0.9221, 0.1238, 0.922079, 0.128663),
    (0.30, 0.7131, 0.2611, 0.713051, 0.270909),
    (0.40, 0.4004, 0.2729, 0.357926, 0.265333),
    (0.44, 0.2504, 0.2082, 0.048009, 0.050521),
]
TEMPERATURES = [row[0] for row in QUOTED]


def network(temperature: Any = 0.05, noise: Any = 0.5, **others: Any) -> DiagonalNetwork:
    return DiagonalNetwork.with_linear_targets(1, noise, temperature=temperature, **others)


def number(model: DiagonalNetwork, power: int, low: float, high: float) -> Any:
    """``int v^power p dv`` at 20 digits from drift and tensor alone: ``p = exp(int A/D)/D``.

    The integral of A/D from 1 is done by SymPy on the rational function, not by the package.
    """
    diffusion = model.diffusion()
    a, d = (sp.nsimplify(e[0], rational=True) for e in (diffusion.drift, diffusion.tensor))
    positive = sp.Symbol("v", positive=True)
    a, d = (e.subs(v, positive) for e in (a, d))
    exponent = sp.integrate(sp.apart(sp.cancel(a / d), positive), positive)
    logarithm = sp.lambdify(positive, sp.N(exponent - sp.log(d), 30), "mpmath")
    mp.dps = 25
    inner = [-500, -100, -30, -10, -5, -2, -1, -0.5, 0, 0.5, 1, 2, 5, 10, 30, 100]
    cuts = [np.log(low), *(c for c in inner if np.log(low) < c < np.log(high)), np.log(high)]
    peak = logarithm(mp.mpf("0.95"))
    return mp.quad(
        lambda s: mp.exp(logarithm(mp.exp(s)) - peak + (power + 1) * s), [mp.mpf(c) for c in cuts]
    )


def statistics(model: DiagonalNetwork, low: float, high: float) -> tuple[float, float]:
    norm, first, second = (number(model, m, low, high) for m in range(3))
    return float(first / norm), float(second / norm - (first / norm) ** 2)


# Numbers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("temperature", "mean", "variance", "full", "full_variance"), QUOTED)
def test_quoted_numbers_are_those_of_a_box(
    temperature: float, mean: float, variance: float, full: float, full_variance: float
) -> None:
    model = network(temperature)
    assert model.mean() == pytest.approx(full, abs=2e-6)
    assert model.variance() == pytest.approx(full_variance, abs=2e-6)
    # The box's numbers from `pdf`, as somebody with a finite grid of ln v would find them.
    s = np.linspace(*np.log(BOX), 40001)
    weights = model.pdf(np.exp(s)) * np.exp(s)
    weights /= weights.sum()
    inside = weights @ np.exp(s)
    assert inside == pytest.approx(mean, abs=1e-4)
    assert weights @ np.exp(2 * s) - inside**2 == pytest.approx(variance, abs=1.5e-4)


@pytest.mark.parametrize("temperature", [0.05, 0.4])
def test_moments_against_quadrature_of_drift_over_tensor(temperature: float) -> None:
    model = network(temperature)
    low = 1e-30 if temperature < 0.1 else np.exp(-700.0)
    mean, variance = statistics(model, low, np.exp(60.0))
    # The missing part of v^2 p above exp(60) is of order exp(-30).
    assert model.mean() == pytest.approx(mean, rel=1e-9)
    assert model.variance() == pytest.approx(variance, rel=1e-9)


def test_mode_and_depth_two() -> None:
    assert float(network(0.05).mode()) == pytest.approx(0.9728, abs=1e-4)
    deep = network(0.05, depth=2)
    assert deep.mean() == pytest.approx(0.9647, abs=1e-4)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_finite_volume_agrees(temperature: float) -> None:
    model = network(temperature)
    # As far down as leaves 1e-4 of the mass, |v|^(e + 1), and up to 1e-4 of v^2 p, |v|^(-1/2).
    exponent = (1 / (2.25 * temperature) - 1) / 2
    low, high = -9.3 / exponent - 3, 20.0
    span = sp.Rational(1, 2) * float(-low)
    # Cells of .01 around v = 1, longer and longer towards zero.
    axis = fpk.Mapped(LOG - span * (sp.exp(-LOG / 6) - 1) / 600, LOG, (-1, high, 10))
    reach = -1.0
    while axis.expression.subs(LOG, reach) > low:
        reach -= 1.0
    axis = fpk.Mapped(axis.expression, LOG, (reach, high, 4000))
    operator = fpk.assemble(model.log_diffusion(), fpk.Grid({z: axis}))
    density = fpk.stationary_density(operator)
    centers = density.grid.centers[0]
    masses = density.values * density.grid.volumes
    mean = float(masses @ np.exp(centers))
    assert mean == pytest.approx(model.mean(), rel=1e-3)
    assert masses @ np.exp(2 * centers) - mean**2 == pytest.approx(model.variance(), rel=1e-3)
    expected = model.pdf(np.exp(centers)) * np.exp(centers)
    shown = expected > 1e-3 * expected.max()
    np.testing.assert_allclose(density.values[shown], expected[shown], rtol=1e-3)


@pytest.mark.parametrize(("depth", "width"), [(0, 1), (1, 3), (2, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("sign", [1, -1])
def test_finite_volume_in_v_at_any_depth(depth: int, width: int, sign: int) -> None:
    model = DiagonalNetwork.with_linear_targets(
        sp.Rational(9, 10) * (sign if depth else 1),
        0.5,
        depth=depth,
        width=width,
        temperature=0.05,
        sign=sign,
    )
    limits = (-3.0, 5.0) if depth == 0 else (0.02, 6.0)
    low, high = limits if sign == 1 or depth == 0 else (-limits[1], -limits[0])
    grid = fpk.Grid(v=(low, high, 3000))
    density = fpk.stationary_density(fpk.assemble(model.diffusion(), grid))
    exact = model.pdf(grid.centers[0])
    exact /= exact @ grid.volumes
    np.testing.assert_allclose(density.values, exact, atol=1e-3 * exact.max())


@pytest.mark.parametrize("temperature", TEMPERATURES[:3])
def test_moments_by_finite_volumes_in_v(temperature: float) -> None:
    """The singular equation of v itself, on cells that shrink towards zero and widen outwards."""
    model = network(temperature)
    axis = fpk.Mapped(sp.exp(LOG), LOG, (-14 if temperature < 0.2 else -40, 18, 4000))
    density = fpk.stationary_density(fpk.assemble(model.diffusion(), fpk.Grid({v: axis})))
    masses, centers = density.masses, density.grid.centers[0]
    mean = float(masses @ centers)
    assert mean == pytest.approx(model.mean(), rel=1e-3)
    # Second moments miss what lies above exp(18): 1e-4 of v^2 p, |v|^(-1/2).
    assert masses @ centers**2 - mean**2 == pytest.approx(model.variance(), rel=1e-3)
    expected = model.pdf(centers)
    shown = expected > 1e-3 * expected[centers > 0.5].max()
    shown &= centers > 0.1  # towards zero the density is infinite at T = .3
    np.testing.assert_allclose(density.values[shown], expected[shown], rtol=1e-3)


def test_both_signs_mirror() -> None:
    right = DiagonalNetwork.with_linear_targets(0.9, 0.5, temperature=0.1)
    left = DiagonalNetwork.with_linear_targets(-0.9, 0.5, temperature=0.1, sign=-1)
    values = np.linspace(0.01, 3, 50)
    np.testing.assert_allclose(left.pdf(-values), right.pdf(values), rtol=1e-12)
    assert not left.pdf(values).any()
    assert left.mean() == pytest.approx(-right.mean(), rel=1e-12)
    assert left.mode() == -right.mode()
    assert left.support == (-np.inf, 0.0)


# Closed forms ----------------------------------------------------------------------------------

CASES = [
    network(0.1, depth=0),
    network(0.1, depth=0, width=2, weight_decay=0.2),
    network(0.1),
    network(0.1, weight_decay=0.2, width=3),
    network(0.1, depth=2, width=2),
    network(0.1, depth=3),
    network(0.1, noise=0, weight_decay=0.2),
    network(0.1, noise=0, weight_decay=0.2, depth=0),
]


@pytest.mark.parametrize("model", CASES, ids=lambda m: f"{m.depth}-{m.width}-{m.weight_decay}")
def test_pdf_is_the_symbolic_density_and_has_no_flux(model: DiagonalNetwork) -> None:
    diffusion = model.diffusion()
    density, drift, tensor = (
        sp.lambdify(v, sp.N(e, 30), "mpmath")
        for e in (model.density(), diffusion.drift[0], diffusion.tensor[0])
    )
    mp.dps = 30
    ratios = []
    for point in (0.11, 0.5, 0.83):
        at = mp.mpf(point)
        slope = mp.diff(lambda s: tensor(s) * density(s), at)
        assert abs(slope / density(at) - drift(at)) < 1e-8 * (1 + abs(drift(at)))
        ratios.append(float(density(at) / model.pdf(point)))
    assert ratios == pytest.approx([ratios[0]] * 3, rel=1e-9)


@pytest.mark.parametrize("model", CASES, ids=lambda m: f"{m.depth}-{m.width}-{m.weight_decay}")
def test_pdf_is_normalised_with_its_moments(model: DiagonalNetwork) -> None:
    low, high = model.support
    cuts = [c for c in (-30, -3, -1, 0, 0.2, 0.5, 0.8, 0.95, 1, 1.5, 3, 30) if low < c < high]
    edges = [low, *(c for c in cuts if c != low), high]
    for order, expected in ((0, 1.0), (1, model.mean())):
        total = sum(
            quad(lambda s, m=order: model_pdf(model, s) * s**m, a, b, epsabs=1e-9, limit=200)[0]
            for a, b in pairwise(edges)
        )
        assert total == pytest.approx(expected, abs=1e-6)


@cache
def _norm(model: DiagonalNetwork) -> tuple[Any, float]:
    function = sp.lambdify(v, model.density(), ["scipy", "numpy"])
    return function, float(function(0.5) / model.pdf(0.5))


def model_pdf(model: DiagonalNetwork, value: float) -> float:
    """The symbolic density with the norm of `pdf`, without a quadrature for each value."""
    function, norm = _norm(model)
    return float(function(value)) / norm if value not in model.support else 0.0


def test_mode_is_where_the_density_is_highest() -> None:
    for model in (*CASES, network(0.3), network(0.05, depth=4, width=2)):
        mode = float(model.mode())
        low, high = mode * 0.6, min(mode * 1.5, model.support[1])
        values = np.linspace(low, high, 20003)[1:-1]
        assert values[np.argmax(model.pdf(values))] == pytest.approx(mode, abs=1e-4)
    # Close to zero noise wins: no maximum is left.
    assert network(0.4, noise=3).mode() == 0


def test_regression_moments_and_their_divergence() -> None:
    model = network(0.1, depth=0)
    assert model.mean() == 1
    # beta1 Var = T G(1): the noise of the labels alone.
    assert model.variance() == pytest.approx(0.1 * 0.25 / (1 - 0.2), rel=1e-12)
    assert network(0.1, depth=0).moment(3) == pytest.approx(
        quad(lambda s: s**3 * model_pdf(model, s), -60, 60, limit=500)[0], abs=1e-4
    )
    assert float(model.variance_divergence()) == 0.5
    assert network(0.5, depth=0).variance() == np.inf
    assert network(0.499, depth=0).variance() < np.inf


@pytest.mark.parametrize(("depth", "exponent"), [(1, -3.5), (2, -4), (3, -4.25)])
def test_tail(depth: int, exponent: float) -> None:
    model = network(0.1, depth=depth)
    ratio = model.pdf(2e8) / model.pdf(1e8)
    assert np.log2(ratio) == pytest.approx(exponent, abs=1e-5)
    assert float(model.tail_exponent()) == exponent
    assert model.moment(4) == np.inf
    assert model.variance() < np.inf


def test_exponent_at_zero_and_the_exponential_zero() -> None:
    model = network(0.3)
    slope = np.log2(model.pdf(2e-9) / model.pdf(1e-9))
    assert slope == pytest.approx(1 / (2 * 2.25 * 0.3) - 1.5, abs=1e-6)
    assert network(0.3, depth=2).pdf(1e-9) == 0


# Where there is no density -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (network(0.45), r"critical temperature 0.444444"),
        (network(4 / 9), r"delta function at v = 0"),
        (network(0.05, sign=-1), r"critical temperature 0:"),
        (network(0.05, weight_decay=1), r"critical temperature 0:"),
        (network(0.05, weight_decay=0.9), r"critical temperature 0.0444444"),
        (network(0.05, depth=2, weight_decay=1e-6), "weight decay makes v = 0 absorbing"),
        (network(0.05, depth=3, sign=-1), "sign of beta2"),
        (network(0.05, noise=0), r"interpolates the data"),
        (network(0.05, noise=0, depth=0), r"\|v\| = 1"),
        (network(0.05, noise=0, depth=2), r"interpolates the data"),
    ],
)
def test_no_density(model: DiagonalNetwork, message: str) -> None:
    for ask in (model.mean, model.variance, lambda: model.support, lambda: model.pdf(0.5)):
        with pytest.raises(NotNormalizable, match=message):
            ask()


@pytest.mark.parametrize("temperature", [0.46, 1.0, 5.0])
def test_deep_networks_have_a_density_at_every_temperature(temperature: float) -> None:
    assert 0 < network(temperature, depth=2).mean() < 1


def test_interpolation_with_weight_decay_ends_at_the_interpolating_point() -> None:
    model = network(0.1, noise=0, weight_decay=0.2)
    assert model.support == (0.0, 1.0)
    assert not model.pdf([1.0, 1.2]).any()
    grid = fpk.Grid(v=(0.0, 0.999, 1500))
    density = fpk.stationary_density(fpk.assemble(model.diffusion(), grid))
    assert density.mean()[0] == pytest.approx(model.mean(), abs=1e-3)
    exact = model.pdf(grid.centers[0])
    np.testing.assert_allclose(density.values, exact, atol=2e-3 * exact.max())


def test_critical_temperature() -> None:
    model = network(0.1)
    assert model.critical_temperature() == pytest.approx(4 / 9)
    assert model.critical_temperature(order=2, batch_size=4) == pytest.approx(1 / 6.25)
    assert network(0.1, depth=0).critical_temperature() == sp.oo
    assert network(0.1, depth=2).critical_temperature() == sp.oo
    assert network(0.1, depth=2, weight_decay=0.1).critical_temperature() == 0
    assert network(0.1, sign=-1).critical_temperature() == 0
    assert model.lyapunov_exponent() == pytest.approx(4 * (1 - 0.225))
    assert network(4 / 9).lyapunov_exponent() == pytest.approx(0, abs=1e-12)
    assert network(0.1, depth=2, weight_decay=0.1).lyapunov_exponent() == pytest.approx(-0.6)


def test_collapse_of_the_iteration_itself() -> None:
    """Weights near zero are multiplied by ``1 + 2 eta mean(xy)``; a negative mean log kills them.

    For normal noise of variance ``s2 = alpha3/B``, ``E ln|1 + X| = 0`` at ``eta = (b/s2)(1 - 3 r +
    ..)`` with ``r = b^2/s2``, where the second-order drift has ``1 - r + ..``.
    """
    batch, slope, noise = 64, 0.01, 1.0
    model = DiagonalNetwork.with_linear_targets(slope, noise, temperature=0.1)
    s2 = float(model.alpha[2]) / batch
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)

    def growth(rate: float) -> float:
        factor = 1 + 2 * rate * (slope + np.sqrt(s2) * nodes)
        return float(weights @ np.log(np.abs(factor)) / weights.sum())

    first = batch * float(model.critical_temperature())
    second = batch * float(model.critical_temperature(order=2, batch_size=batch))
    ratio = slope**2 / s2
    exact = brentq(growth, 0.5 * first, 1.2 * first)
    assert (1 - second / first) / ratio == pytest.approx(1, rel=0.02)
    assert (1 - exact / first) / ratio == pytest.approx(3, rel=0.2)


# Models ------------------------------------------------------------------------------------------


def test_diffusion_of_the_weights_reduces_to_the_plane() -> None:
    """Itô's formula for ``ln(u w)`` and ``u^2 - w^2`` on the diffusion of SGD, at two points."""
    model = network(0.1, weight_decay=0.15)
    x, e, u, w = sp.symbols("x e u w", real=True)
    loss = (u * w * x - x - e / 2) ** 2
    normal = {1: 0, 2: 1, 3: 0, 4: 3}
    sgd = fpk.SGD(
        loss + 0.15 * (u**2 + w**2),
        (u, w),
        fpk.noise.PerSample(loss, {x: normal, e: normal}),
        learning_rate=0.1,
    )
    weights, plane = sgd.diffusion(), model.plane()
    coordinates = [sp.log(u * w), u**2 - w**2]
    jacobian = sp.Matrix(coordinates).jacobian([u, w])
    bend = [(weights.tensor * sp.hessian(f, (u, w))).trace() for f in coordinates]
    drift = jacobian * weights.drift + sp.Matrix(bend)
    tensor = jacobian * weights.tensor * jacobian.T
    for point in ({u: 0.7, w: 1.3}, {u: -1.1, w: -0.2}):
        there = dict(zip((z, q), (f.subs(point) for f in coordinates), strict=True))
        for mine, theirs in ((plane.drift, drift), (plane.tensor, tensor)):
            np.testing.assert_allclose(
                np.array(mine.subs(there), float), np.array(theirs.subs(point), float), atol=1e-12
            )


def test_log_diffusion_of_both_signs() -> None:
    for sign in (1, -1):
        model = DiagonalNetwork.with_linear_targets(sign, 0.5, temperature=0.1, sign=sign)
        direct = model.plane()
        balanced = model.log_diffusion()
        assert balanced.variables == (z,)
        for point in (-2.0, 0.3):
            for mine, theirs in (
                (balanced.drift[0], direct.drift[0]),
                (balanced.tensor[0], direct.tensor[0, 0]),
            ):
                assert float(mine.subs(z, point)) == pytest.approx(
                    float(theirs.subs({z: point, q: 0})), rel=1e-12
                )


def test_log_diffusion_of_a_deep_network_in_floats() -> None:
    """Doubles of 15 digits would not pass for the same coefficients."""
    for depth in (4, 6):
        model = network(0.6, depth=depth)
        drift, value = model.log_diffusion().drift[0], 0.5
        diffusion = model.diffusion()
        expected = (diffusion.drift[0] / v - diffusion.tensor[0] / v**2).subs(v, value)
        assert float(drift.subs(z, np.log(value))) == pytest.approx(float(expected), rel=1e-12)
        assert max(f._prec for f in drift.atoms(sp.Float)) == 53


def test_variance_turns_over() -> None:
    """Fluctuation inversion: the variance falls again well below the critical temperature."""
    variances = [network(t).variance() for t in (0.3, 0.35944, 0.42)]
    assert variances[1] == pytest.approx(0.301075, abs=1e-5)
    assert variances[1] > max(variances[0], variances[2])
    deep = [network(t, depth=2).variance() for t in (0.2, 0.35, 0.6)]
    assert deep[1] > max(deep[0], deep[2])


@pytest.mark.parametrize("depth", [1, 2])
def test_sign_of_balanced_weights_is_kept(depth: int) -> None:
    """SGD with real minibatches from either sign: no crossing, whatever the data ask for."""
    rng = np.random.default_rng(12)
    inputs = rng.standard_normal(300)
    targets = inputs + 0.5 * rng.standard_normal(300)
    model = DiagonalNetwork.with_data(inputs, targets, depth=depth, temperature=0.01)
    for sign in (1, -1):
        start = model.balanced(0.8 * sign)
        runs = fpk.simulate_sgd(
            model.optimizer(inputs, targets), start, steps=1500, runs=200, seed=6, save_every=1
        )
        values = np.prod(runs.values, axis=-1)
        assert (sign * values >= 0).all()


def test_unbalanced_weights_may_change_the_sign() -> None:
    """One weight alone is free to pass zero: the sign is kept at balance only."""
    rng = np.random.default_rng(13)
    inputs = rng.standard_normal(300)
    targets = inputs + 0.5 * rng.standard_normal(300)
    model = DiagonalNetwork.with_data(inputs, targets, temperature=0.01)
    runs = fpk.simulate_sgd(
        model.optimizer(inputs, targets), (1.0, -0.3), steps=600, runs=200, seed=6
    )
    assert np.mean(np.prod(runs.values[-1], axis=-1) > 0.5) > 0.95


def test_sgd_on_data_has_the_moments_density() -> None:
    """Real minibatches at a small temperature, against the density of the data's own moments."""
    rng = np.random.default_rng(11)
    inputs = rng.standard_normal(300)
    targets = inputs + 0.5 * rng.standard_normal(300)
    model = DiagonalNetwork.with_data(inputs, targets, temperature=0.004)
    sgd = model.optimizer(inputs, targets)
    start = model.balanced(model.mean())
    runs = fpk.simulate_sgd(sgd, start, steps=3000, runs=600, seed=5)
    values = np.prod(runs.values[-1], axis=1)
    assert np.isfinite(runs.diverged_at).sum() == 0
    error = values.std() / np.sqrt(values.size)
    # eta = .004: the second order shifts mean and variance by about a percent of the width.
    assert abs(values.mean() - model.mean()) < 4 * error
    assert values.var() == pytest.approx(model.variance(), rel=4 * np.sqrt(2 / values.size))


def test_balanced_weights_and_names() -> None:
    deep = network(depth=2, width=2)
    weights = deep.balanced(-0.5)
    assert float(deep.output.subs(dict(zip(deep.variables, weights, strict=True)))) == (
        pytest.approx(-0.5)
    )
    assert [u.name for u in deep.variables][:4] == ["u_0_0", "u_0_1", "u_0_2", "u_1_0"]
    assert [u.name for u in network().variables] == ["u", "w"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DiagonalNetwork(-1), "depth is an integer, 0 or more, not -1"),
        (lambda: DiagonalNetwork(1, 0), "width is an integer, 1 or more, not 0"),
        (lambda: DiagonalNetwork(sign=0), "sign is 1 or -1"),  # type: ignore[arg-type]
        (lambda: DiagonalNetwork(alpha=(1, 2)), "alpha has 2 entries"),
        (lambda: DiagonalNetwork(alpha=(1, 2, 1)), "negative: these are no moments"),
        (lambda: DiagonalNetwork(alpha=(0, 0, 1)), "alpha1 must be positive"),
        (lambda: network(-0.1), "temperature must be positive"),
        (lambda: network(weight_decay=-1), "weight_decay must not be negative"),
        (lambda: network(depth=2).plane(), "depth 2 and width 1 have more than two"),
        (lambda: network(depth=0).log_diffusion(), "depth 0 v changes its sign"),
        (lambda: network(depth=0).lyapunov_exponent(), "depth 1 or more"),
        (lambda: DiagonalNetwork.with_data([1, 2], [1]), "shapes"),
    ],
)
def test_refused(build: Any, message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        build()


def test_numbers_need_values() -> None:
    with pytest.raises(UnboundSymbol, match="no value for T, alpha1"):
        DiagonalNetwork().mean()
