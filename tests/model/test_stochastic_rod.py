"""The staggered iterate against the exact one-step operator, closed forms and the 2-cycle."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import sympy as sp
from scipy.special import gamma

import fokkerplanck as fpk
from fokkerplanck.errors import (
    EdgeOfStabilityWarning,
    FokkerPlanckWarning,
    GridMismatch,
    InvalidModel,
    MetastableWarning,
    UnboundSymbol,
)
from fokkerplanck.systems.edge_of_stability import Quartic

w, s = sp.symbols("w s", real=True)
LOSSES = {"quartic": w**2 / 2 - w**4 / 4, "logcosh": sp.log(sp.cosh(w))}


def model(loss: str, product: float, sigma: float) -> fpk.SGD:
    """SGD with S = 1 that adds noise of standard deviation sigma to theta in a step."""
    noise = fpk.noise.Isotropic((sigma / product) ** 2)
    return fpk.SGD(LOSSES[loss], (w,), noise, learning_rate=product)


def reach(loss: str, product: float) -> float:
    """The quartic's chain lives in |w| < 1; the other's within about two 2-cycles."""
    return 1.0 if loss == "quartic" else 1.0 + 2 * np.sqrt(max(product - 2, 0))


def exact(loss: str, product: float, sigma: float) -> fpk.Density:
    end = reach(loss, product)
    sgd = model(loss, product, sigma)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FokkerPlanckWarning)  # what leaves the quartic's domain
        return fpk.stationary_density(fpk.transition_operator(sgd, fpk.Panels(w=(-end, end))))


def of_rod(loss: str, product: float, sigma: float, order: int) -> fpk.Density:
    rod = fpk.StochasticRod(model(loss, product, sigma), order=order)
    end = reach(loss, product)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FokkerPlanckWarning)
        density = fpk.stationary_density(fpk.assemble(rod, fpk.Grid(s=(-end, end, 2000))))
        return rod.density_of_iterate(density)


def distance(found: fpk.Density, reference: fpk.Density) -> float:
    """``int |p - q|`` on the reference's Gauss nodes."""
    at = np.interp(reference.grid.centers[0], found.grid.centers[0], found.values)
    return float(np.sum(np.abs(at - reference.values) * reference.grid.volumes))


@pytest.mark.parametrize(
    ("loss", "product", "sigma", "first", "second"),
    [
        ("quartic", 1.9, 0.05, 0.03, 0.005),
        ("quartic", 2.0, 0.02, 0.02, 0.001),
        ("quartic", 2.1, 0.05, 0.08, 0.01),
        ("quartic", 2.4, 0.05, 0.30, 0.11),
        ("logcosh", 1.9, 0.1, 0.03, 0.005),
        ("logcosh", 2.0, 0.1, 0.04, 0.005),
        ("logcosh", 2.1, 0.05, 0.07, 0.006),
        ("logcosh", 2.4, 0.1, 0.21, 0.06),
    ],
)
def test_stationary_density_of_the_iterate(
    loss: str, product: float, sigma: float, first: float, second: float
) -> None:
    reference = exact(loss, product, sigma)
    errors = [distance(of_rod(loss, product, sigma, order), reference) for order in (1, 2)]
    assert errors[0] < first
    assert errors[1] < second
    end = reach(loss, product)
    grid = fpk.Grid(w=(-end, end, 2000))
    with pytest.warns(EdgeOfStabilityWarning, match=r"is -[01]\.?\d? at w = 0"):
        diffusion = model(loss, product, sigma).diffusion()
    ordinary = fpk.assemble(diffusion, grid)
    assert distance(fpk.stationary_density(ordinary), reference) > 1
    assert errors[1] < 0.6 * errors[0]
    variance = of_rod(loss, product, sigma, 2).covariance() / reference.covariance()
    assert abs(float(variance[0, 0]) - 1) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("product", [1.9, 2.0, 2.1])
@pytest.mark.parametrize(
    ("loss", "sigma", "bound"),
    [("logcosh", 0.02, 0.02), ("logcosh", 0.05, 0.02), ("logcosh", 0.1, 0.02),
     ("quartic", 0.02, 0.015), ("quartic", 0.05, 0.015)],
)  # fmt: skip
def test_near_the_edge_for_every_noise(
    loss: str, sigma: float, bound: float, product: float
) -> None:
    reference = exact(loss, product, sigma)
    assert distance(of_rod(loss, product, sigma, 2), reference) < bound


def test_silent_where_the_ordinary_diffusion_is_nearer() -> None:
    """And where the minimum is not known: parameters, several variables beyond a quadratic."""
    eta, v = sp.symbols("eta v", positive=True)
    noise = fpk.noise.Isotropic(0.01)
    quiet = [
        fpk.SGD(w**2 / 2, (w,), noise, learning_rate=0.99),
        fpk.SGD(w**2 / 2, (w,), noise, learning_rate=eta),
        fpk.SGD((w**2 - 1) ** 2, (w,), noise, learning_rate=0.12),
        fpk.SGD(w**2 * v**2 + w**2, (w, v), noise, learning_rate=1),
        fpk.SGD(-(w**2), (w,), noise, learning_rate=1),
    ]
    loud = [
        fpk.SGD(w**2 / 2 + 3 * v**2, (w, v), noise, learning_rate=0.2),
        fpk.SGD((w**2 - 1) ** 2, (w,), noise, learning_rate=0.13),
        fpk.SGLD(sp.log(sp.cosh(w)), (w,), noise, learning_rate=1.1, temperature=1),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sgd in quiet:
            sgd.diffusion()
    for sgd in loud:
        with pytest.warns(EdgeOfStabilityWarning, match="StochasticRod, or transition_operator"):
            sgd.diffusion()


def test_variance_at_the_edge() -> None:
    """``sigma sqrt(2/(eta Q)) Gamma(3/4)/Gamma(1/4)``, which no closure of moments has."""
    found = float(of_rod("quartic", 2.0, 0.02, 1).covariance()[0, 0])
    assert found == pytest.approx(0.02 * gamma(0.75) / gamma(0.25), rel=5e-4)
    assert float(exact("quartic", 2.0, 0.02).covariance()[0, 0]) == pytest.approx(found, rel=0.01)


@pytest.mark.parametrize("product", [2.05, 2.1])
def test_rate_of_phase_slips(product: float) -> None:
    """The chain's eigenvalue next to -1 is ``-exp(-rate)``; time of the rod is eta * steps."""
    barrier = (product - 2) ** 2 / (4 * product)
    sgd = model("quartic", product, float(np.sqrt(2 * barrier / 3)))  # three times the noise
    chain = fpk.transition_operator(sgd, fpk.Panels(w=(-0.8, 0.8))).matrix.toarray()
    eigenvalues = np.linalg.eigvals(chain).real
    slips = -np.log(-eigenvalues.min())
    rod = fpk.assemble(fpk.StochasticRod(sgd), fpk.Grid(s=(-0.8, 0.8, 800)))
    rate = -np.linalg.eigvals(rod.matrix.toarray()).real
    found = product * np.sort(rate)[1]
    assert found == pytest.approx(slips, rel=0.005 if product < 2.1 else 0.015)


@pytest.mark.parametrize("product", [0.5, 1.0, 1.9])
@pytest.mark.parametrize("order", [1, 2])
def test_quadratic(product: float, order: int) -> None:
    """Below the edge the rod fails as the ordinary diffusion does near it."""
    sgd = fpk.SGD(w**2 / 2, (w,), fpk.noise.Isotropic(1), learning_rate=product)
    rod = fpk.StochasticRod(sgd, order=order)
    variance = -rod.tensor[0] / sp.diff(rod.drift[0], s)
    truth = product / (2 - product)
    ratio = product / 2 if order == 1 else 1 - (product - 2) ** 2 / 4
    assert float(variance / truth) == pytest.approx(ratio, abs=1e-12)


def test_wells_are_the_cycle() -> None:
    eta = 2.1
    rod = fpk.StochasticRod(model("quartic", eta, 0.05), order=1)
    wells = [p.position[0] for p in fpk.critical_points(rod, fpk.Grid(s=(-1, 1, 100)))]
    extent = float(Quartic(1, 1).extent(eta))
    run = fpk.flows.gradient_descent(LOSSES["quartic"], (w,), eta, (0.2,), 400)
    cycle = sorted(run.parameters[-2:, 0])
    assert np.allclose(cycle, [-np.sqrt(extent), np.sqrt(extent)], atol=1e-10)
    assert np.allclose(sorted(wells), [cycle[0], 0, cycle[1]], atol=1e-10)


def test_alternating_modes_of_the_spectrum() -> None:
    """A deep cycle whose eigenvalue next to -1 must not give way to slow modes next to 1."""
    noise = fpk.noise.Isotropic(0.05**2 / (2 * 2.05 * 3) / 2.05**2)  # barrier three times the noise
    sgd = fpk.SGD(LOSSES["quartic"], (w,), noise, learning_rate=2.05)
    chain = fpk.transition_operator(sgd, fpk.Panels(w=(-0.95, 0.95)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MetastableWarning)
        eigenvalues = fpk.spectrum(chain, 3).info["eigenvalues"]
    assert -1 / np.log(-np.real(eigenvalues).min()) == pytest.approx(976.7, rel=1e-3)


def test_sampled_chain() -> None:
    """SGD itself, started in both wells; the rod's own error is half a per cent here."""
    variance = float(of_rod("logcosh", 2.1, 0.1, 2).covariance()[0, 0])
    rng = np.random.default_rng(0)
    theta = rng.choice([-1, 1], 40_000) * 0.3
    for _ in range(300):
        theta = theta - 2.1 * np.tanh(theta) + 0.1 * rng.standard_normal(theta.size)
    error = np.std(theta**2) / np.sqrt(theta.size)
    assert abs(np.mean(theta**2) - variance) < 0.005 * variance + 3 * error
    assert error < 0.005 * variance


def test_density_of_iterate_is_even_and_keeps_what_comes_with_it() -> None:
    rod = fpk.StochasticRod(model("quartic", 2.1, 0.1))
    grid = fpk.Grid(s=(-0.3, 0.3, 4))
    values, error = np.array([0.2, 0.6, 0.8, 0.4]), np.array([0.03, 0.0, 0.1, 0.04])
    with np.errstate(divide="ignore"):
        given = fpk.Density(values, grid, fpk.Density(values, grid).info, error, np.log(values))
    theta = rod.density_of_iterate(given)
    assert theta.grid == fpk.Grid(w=(-0.3, 0.3, 4))
    assert np.allclose(theta.values, [0.3, 0.7, 0.7, 0.3])
    assert np.allclose(np.exp(theta.log_values), theta.values)
    assert np.allclose(theta.standard_error, [0.025, 0.05, 0.05, 0.025])
    with pytest.raises(GridMismatch, match="symmetric about 0"):
        rod.density_of_iterate(fpk.Density(values, fpk.Grid(s=(-1, 2, 4))))
    with pytest.raises(GridMismatch, match="name the axes"):
        rod.density_of_iterate(fpk.Density(values, fpk.Grid(w=(-1, 1, 4))))


def test_warns_where_steps_are_large() -> None:
    """b' = -1.5 for a quadratic with eta S = 0.5, -0.1 with 1.9."""
    for product, large in ((0.5, True), (1.9, False)):
        noise = fpk.noise.Isotropic(0.01)
        sgd = fpk.SGD(w**2 / 2, (w,), noise, learning_rate=product)
        rod = fpk.StochasticRod(sgd)
        density = fpk.stationary_density(fpk.assemble(rod, fpk.Grid(s=(-4, 4, 400))))
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            theta = rod.density_of_iterate(density)
        assert theta.info["step_slope"] == pytest.approx(abs(product - 2))
        assert [entry.category for entry in seen] == [FokkerPlanckWarning] * large


def test_behaves_as_a_diffusion() -> None:
    eta, c = sp.symbols("eta c", positive=True)
    rod = fpk.StochasticRod(
        fpk.SGD(LOSSES["quartic"], (w,), fpk.noise.Isotropic(c), learning_rate=eta)
    )
    assert rod.parameters == (c, eta)
    bound = rod.subs({"eta": 2.1, c: 0.01})
    assert isinstance(bound, fpk.StochasticRod)
    assert bound.parameters == ()
    assert bound.optimizer.learning_rate == 2.1
    assert pickle.loads(pickle.dumps(bound)) == bound
    assert bound != fpk.StochasticRod(bound.optimizer, order=1)
    doubled = bound.change_variables((w,), [2 * s])
    assert float(doubled.drift[0].subs(w, 0.6)) == pytest.approx(2 * bound.drift[0].subs(s, 0.3))
    assert bound.diffusion() == fpk.Diffusion((s,), bound.drift, bound.tensor)
    with pytest.raises(UnboundSymbol, match=r"\['c', 'eta'\]"):
        rod.density_of_iterate(fpk.Density(np.ones(4) / 2, fpk.Grid(s=(-1, 1, 4))))
    for name in ("s", "w"):
        with pytest.raises(InvalidModel, match="coordinates"):
            rod.subs({name: 1})


def test_noise_that_varies() -> None:
    """Order 1 takes even noise: multiplicative, with the Itô drift unchanged."""
    noise = fpk.noise.Covariance([[1 + w**2]])
    sgd = fpk.SGD(LOSSES["quartic"], (w,), noise, learning_rate=2)
    rod = fpk.StochasticRod(sgd, order=1)
    assert sp.expand(rod.tensor[0] - (1 + s**2)) == 0
    assert sp.expand(rod.drift[0] - (-(s**3))) == 0
    with pytest.raises(InvalidModel, match="use order=1"):
        fpk.StochasticRod(sgd)


def test_minibatches_of_data() -> None:
    """Curvature E x^2 = 1 and tanh's noise, on top of injected noise; against the exact chain."""
    x = sp.Symbol("x", real=True)
    table = np.linspace(-1.5, 1.5, 60)
    loss = x**2 * sp.log(sp.cosh(w)) / np.mean(table**2)
    sgld = fpk.SGLD(
        loss,
        (w,),
        fpk.noise.PerSample(loss, {x: table}),
        learning_rate=2.0,
        batch_size=100,
        temperature=0.002,
    )
    rod = fpk.StochasticRod(sgld, order=1)
    density = fpk.stationary_density(fpk.assemble(rod, fpk.Grid(s=(-1.5, 1.5, 1000))))
    theta = rod.density_of_iterate(density)
    chain = fpk.transition_operator(sgld, fpk.Panels(w=(-1.5, 1.5)))
    assert distance(theta, fpk.stationary_density(chain)) < 0.03  # 0.11 without minibatch noise
    # b' = -2 tanh^2, near -2 s^2.
    assert 1.5 < theta.info["step_slope"] / float(theta.covariance()[0, 0]) < 4


@pytest.mark.parametrize(
    ("loss", "noise", "message"),
    [
        (sp.log(sp.cosh(w)) + sp.exp(w), fpk.noise.Isotropic(1), "the loss is not even in w"),
        (w**2, fpk.noise.Covariance([[1 + w]]), "the noise is not even in w"),
        (w**2, fpk.noise.Isotropic(sp.Symbol("s")), "rename the parameter"),
        (s**2 * w**2, fpk.noise.PerSample(s**2 * w**2, {s: [1, 2]}), "or data symbol s"),
        (w**2, fpk.noise.Hessian(1, negative="clip"), "clipped noise"),
        (sp.Abs(w) ** 3 + w**2, fpk.noise.Isotropic(1), "bends or jumps"),
    ],
)
def test_refused(loss: sp.Expr, noise: fpk.noise.Noise, message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        fpk.StochasticRod(fpk.SGD(loss, (w,), noise, learning_rate=2))


def test_refused_models() -> None:
    v = sp.Symbol("v", real=True)
    two = fpk.SGD(w**2 * v, (w, v), fpk.noise.Isotropic(1), learning_rate=1)
    heavy = fpk.Momentum(w**2, (w,), fpk.noise.Isotropic(1), learning_rate=1, momentum=0.5)
    with pytest.raises(InvalidModel, match="of several variables"):
        fpk.StochasticRod(two)
    with pytest.raises(InvalidModel, match="Momentum"):
        fpk.StochasticRod(heavy)
    with pytest.raises(InvalidModel, match="order is 1 or 2"):
        fpk.StochasticRod(model("quartic", 2, 0.1), order=3)


def test_evenness_that_no_expansion_shows() -> None:
    loss = sp.log(sp.exp(w) + sp.exp(-w))  # ln cosh w + ln 2
    sgd = fpk.SGD(loss, (w,), fpk.noise.Isotropic(1), learning_rate=2)
    known = fpk.StochasticRod(model("logcosh", 2, 2))
    found = fpk.StochasticRod(sgd)
    for a, b in ((found.drift, known.drift), (found.tensor, known.tensor)):
        assert abs(float((a[0] - b[0]).subs(s, 0.7))) < 1e-12
