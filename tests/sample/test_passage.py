"""Sampled escape rates against quadratures, solvers and matrices; bridges, censoring, workers."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import ndtr

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.operator import assemble
from fokkerplanck.errors import (
    CensoredPaths,
    FokkerPlanckError,
    FokkerPlanckWarning,
    InvalidModel,
    InvalidRegion,
)
from fokkerplanck.model import noise
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.model.optimizers import SGD, Momentum
from fokkerplanck.results.density import gaussian_density
from fokkerplanck.results.rate import Rate
from fokkerplanck.sample import passage
from fokkerplanck.sample.chain import Chain
from fokkerplanck.sample.hazard import Waiting, estimate
from fokkerplanck.sample.passage import sample_escape_rate
from fokkerplanck.sample.schemes import WeakSecondOrder
from fokkerplanck.sample.sgd import simulate_sgd
from fokkerplanck.solve.escape import escape_rate

Array = NDArray[np.float64]
x, y, a = sp.symbols("x y a", real=True)
ORNSTEIN_UHLENBECK = Diffusion((x,), [-x], [[1]])
WELL = Diffusion((x,), [x - x**3], [[sp.Rational(1, 20)]])


def exact_mean_time(start: float, end: float) -> float:
    """``int_start^end exp(s^2/2) int_-inf^s exp(-r^2/2) dr ds`` for ``dx = -x dt + sqrt(2) dW``."""
    root = math.sqrt(2 * math.pi)
    return float(quad(lambda s: math.exp(s**2 / 2) * root * ndtr(s), start, end)[0])


def biases(steps: list[float], paths: int) -> tuple[Array, Array]:
    """Relative errors of the mean time from 0 to 1, and their standard errors."""
    exact = exact_mean_time(0.0, 1.0)
    found = [
        sample_escape_rate(ORNSTEIN_UHLENBECK, (0.0,), x > 1, paths=paths, step=h, seed=1)
        for h in steps
    ]
    sigmas = [float(rate.standard_error or 0.0) / rate.value for rate in found]
    return np.array([rate.info["mean_time"] / exact - 1 for rate in found]), np.array(sigmas)


def test_bridges_make_the_bias_of_first_order(monkeypatch: pytest.MonkeyPatch) -> None:
    steps, paths = [0.1, 0.025], 200_000
    bridged, errors = biases(steps, paths)
    compiled = passage.chain_of_diffusion

    def without_bridge(*arguments: Any) -> Chain:
        chain = compiled(*arguments)
        assert chain.target is not None
        return replace(chain, target=replace(chain.target, source=_no_rate(chain.target.source)))

    monkeypatch.setattr(passage, "chain_of_diffusion", without_bridge)
    plain, _ = biases(steps, paths)
    sigma = float(np.hypot(*(errors / bridged))) / math.log(4)
    assert math.log(plain[0] / plain[1], 4) == pytest.approx(0.5, abs=0.1)
    slope = math.log(bridged[0] / bridged[1], 4)
    assert 0.5 + 3 * sigma < slope < 1 + 3 * sigma
    assert np.abs(bridged / plain).max() < 0.2


def _no_rate(source: str) -> str:
    """The compiled level with a variance rate of 0: no bridge ever touches."""
    kept = [line for line in source.splitlines() if "out[256 + i]" not in line]
    return "\n".join([*kept, "        out[256 + i] = 0.0"]) + "\n"


@pytest.mark.parametrize("scheme", [None, WeakSecondOrder()])
def test_mean_time_of_multiplicative_noise(scheme: WeakSecondOrder | None) -> None:
    """Against the solver, over a curved target in two dimensions."""
    model = Diffusion((x, y), [-x, -y + x / 2], [[0.5 + x**2 / 4, 0.2], [0.2, 0.4]])
    target = x**2 + 2 * y**2 > 2
    reference = escape_rate(
        assemble(model, Grid(x=(-2, 2, 160), y=(-1.6, 1.6, 128))), (0.2, -0.1), target
    )
    sampled = sample_escape_rate(
        model, (0.2, -0.1), target, paths=20_000, step=0.01, seed=2, scheme=scheme
    )
    assert sampled.agrees_with(reference)
    assert sampled.unit == "time"


def test_double_well_at_low_barrier() -> None:
    model = Diffusion((x,), [x - x**3], [[sp.Rational(1, 10)]])
    reference = escape_rate(assemble(model, Grid(x=(-2.5, 2.5, 1000))), (-1.0,), x > 0.8)
    sampled = sample_escape_rate(
        model, (-1.0,), x > 0.8, paths=10_000, step=0.05, seed=1, scheme=WeakSecondOrder()
    )
    assert sampled.agrees_with(reference)
    low, high = sampled.info["interval"]
    assert low < sampled.value < high
    assert sampled.info["censored"] == 0
    assert abs(sampled.info["hazard_sigmas"]) < 4


@pytest.mark.slow
def test_double_well_at_barrier_of_five() -> None:
    """Half a percent of error on either side, from independent methods."""
    reference = escape_rate(assemble(WELL, Grid(x=(-2.2, 2.2, 2000))), (-1.0,), x > 0.8)
    sampled = sample_escape_rate(
        WELL, (-1.0,), x > 0.8, paths=40_000, step=0.05, seed=1, scheme=WeakSecondOrder()
    )
    assert sampled.standard_error is not None
    assert sampled.standard_error < 0.0055 * sampled.value
    assert sampled.agrees_with(reference)


def test_circulation_speeds_escape() -> None:
    """``A = -(D + J) grad V``: the same density for every J, escapes faster with a larger one."""
    temperature = sp.Rational(1, 8)
    potential = (x**2 - 1) ** 2 / 4 + y**2
    slope = sp.Matrix([potential.diff(x), potential.diff(y)])
    rates = []
    for circulation in (0, 2):
        matrix = sp.Matrix([[1, circulation], [-circulation, 1]])
        model = Diffusion((x, y), -matrix * slope, temperature * sp.eye(2))
        box = Grid(x=(-2.2, 2.2, 110), y=(-1.8, 1.8, 90))
        reference = escape_rate(assemble(model, box), (-1.0, 0.0), x > 0.5)
        sampled = sample_escape_rate(
            model, (-1.0, 0.0), x > 0.5, paths=6000, step=0.02, seed=3, scheme=WeakSecondOrder()
        )
        assert sampled.agrees_with(reference)
        rates.append(sampled)
    assert rates[1].value > 1.2 * rates[0].value


def test_regions() -> None:
    """The same set in five ways; a predicate is compiled by calling it with symbols."""
    regions = [
        sp.Or(x > 1, x < -1),
        sp.Not(sp.And(x <= 1, x >= -1)),
        sp.Symbol("x") ** 2 > 1,
        lambda position: position**2 > 1,
        abs(x) > 1,
    ]
    found = [
        sample_escape_rate(ORNSTEIN_UHLENBECK, (0.0,), region, paths=4000, step=0.02, seed=1)
        for region in regions
    ]
    middle = quad(lambda s: math.exp(s**2 / 2) * math.sqrt(2 * math.pi) * (ndtr(s) - 0.5), 0, 1)[0]
    for rate in found:
        assert rate.agrees_with(Rate(1 / middle, "quadrature"))


def predicate_of_arrays(positions: Array) -> Any:
    return np.sign(positions) > 0 if np.any(positions > 0.5) else positions > 0


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (predicate_of_arrays, r"predicate predicate_of_arrays\(positions.*cannot be compiled"),
        (lambda position: True, "cannot be compiled"),
        (sp.Symbol("p", positive=True) > 0, "positive=True"),
        (sp.Eq(x, 1), "no inside"),
        (x > -1, r"contains the start \(x\) = \(0\)"),
        (y > 1, "no coordinates"),
    ],
)
def test_regions_are_checked(region: Any, message: str) -> None:
    with pytest.raises(InvalidRegion, match=message):
        sample_escape_rate(ORNSTEIN_UHLENBECK, (0.0,), region, paths=4, step=0.1, seed=1)


def test_walls_and_target() -> None:
    """From 0.3 in [0, 1]: reflecting at 0, target above 0.8; then absorbing at 0 as well."""
    free = Diffusion((x,), [0], [[1]])
    run: dict[str, Any] = {"paths": 20_000, "step": 0.002, "seed": 3}
    reflecting = sample_escape_rate(free, (0.3,), x > 0.8, walls=Grid(x=(0, 1, 4)), **run)
    assert reflecting.agrees_with(Rate(2 / (0.8**2 - 0.3**2), "quadrature"))
    absorbing = Grid(x=(0, 1, 4), boundary={"x": ("absorbing", "reflecting")})
    either = sample_escape_rate(free, (0.3,), x > 0.8, walls=absorbing, **run)
    assert either.agrees_with(Rate(2 / (0.3 * 0.5), "quadrature"))


def test_starts_from_a_density() -> None:
    start = gaussian_density(Grid(x=(-1, 0.5, 60)), [-0.3], [[0.04]])
    operator = assemble(ORNSTEIN_UHLENBECK, Grid(x=(-7, 2, 900)))
    times = [exact_mean_time(s, 1.0) for s in start.grid.centers[0]]
    mean = float(start.masses @ times)
    assert escape_rate(operator, (-0.3,), x > 1).value == pytest.approx(
        1 / exact_mean_time(-0.3, 1.0), rel=1e-3
    )
    sampled = sample_escape_rate(ORNSTEIN_UHLENBECK, start, x > 1, paths=20_000, step=0.01, seed=2)
    assert sampled.agrees_with(Rate(1 / mean, "quadrature"))


def autoregressive_rate(slope: float, spread: float, start: float, edge: float) -> float:
    """One over the mean number of steps of ``x' = a x + s z`` until ``x > edge``, by quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    low = -12 * spread
    points = low + (nodes + 1) / 2 * (edge - low)
    density = np.exp(-((points - slope * points[:, None]) ** 2) / (2 * spread**2))
    kernel = density * weights * (edge - low) / 2 / (spread * math.sqrt(2 * math.pi))
    times = np.linalg.solve(np.eye(200) - kernel, np.ones(200))
    first = np.exp(-((points - slope * start) ** 2) / (2 * spread**2)) * weights
    first *= (edge - low) / 2 / (spread * math.sqrt(2 * math.pi))
    return 1 / float(1 + first @ times)


def test_steps_of_sgd_are_counted() -> None:
    """``x' = (1 - eta) x + eta s z``: exact discrete times, without bridges."""
    sgd = SGD(x**2 / 2, (x,), noise.Isotropic(2.25), learning_rate=0.4)
    sampled = sample_escape_rate(sgd, (0.0,), x > 1.0, paths=40_000, step=None, seed=5)
    exact = autoregressive_rate(0.6, 0.6, 0.0, 1.0)
    assert sampled.unit == "step"
    assert sampled.agrees_with(Rate(exact, "quadrature", unit="step"))
    assert sampled.info["mean_time"] > 1
    assert sampled.per_time(0.4).value == pytest.approx(sampled.value / 0.4)


@pytest.mark.parametrize("replacement", [True, False])
def test_minibatch_runs_stop_at_the_step_that_arrives(replacement: bool) -> None:
    loss = (a * x - 1) ** 2 / 2
    data = {a: [0.2, 1.0, 1.4, -0.6]}
    sgd = SGD(
        loss,
        (x,),
        noise.PerSample(loss, data, replacement=replacement),
        learning_rate=0.5,
        batch_size=2,
    )
    runs = simulate_sgd(sgd, (0.0,), steps=400, runs=2000, seed=9, save_every=1)
    inside = runs.values[..., 0] > 0.8
    assert inside.any(axis=0).all()
    times = inside.argmax(axis=0)
    kept = Rate(
        1 / times.mean(), "runs", times.std() / math.sqrt(2000) / times.mean() ** 2, unit="step"
    )
    sampled = sample_escape_rate(sgd, (0.0,), x > 0.8, paths=4000, step=None, seed=1)
    assert sampled.agrees_with(kept)


def test_momentum_starts_at_rest_and_may_aim_at_a_velocity() -> None:
    momentum = Momentum(x**2 / 2, (x,), noise.Isotropic(1), learning_rate=0.2, momentum=0.5)
    names = [v.name for v in momentum.state]
    at_rest = sample_escape_rate(momentum, (0.0,), x > 1, paths=200, step=None, seed=5)
    explicit = sample_escape_rate(momentum, (0.0, 0.0), x > 1, paths=200, step=None, seed=5)
    assert at_rest.value == explicit.value
    fast = sample_escape_rate(
        momentum, (0.0,), sp.Symbol(names[1], real=True) > 1, paths=200, step=None, seed=5
    )
    assert fast.value > at_rest.value


def test_censored_paths_are_counted() -> None:
    """Of exponential times most are cut: the mean of the others would be a fifth."""
    reference = escape_rate(assemble(WELL, Grid(x=(-2.2, 2.2, 2000))), (-1.0,), x > 0.8)
    with pytest.warns(CensoredPaths, match=r"\d+ of 4000 paths .* do not contradict"):
        sampled = sample_escape_rate(
            WELL,
            (-1.0,),
            x > 0.8,
            paths=4000,
            step=0.05,
            duration=300,
            seed=2,
            scheme=WeakSecondOrder(),
        )
    assert sampled.info["censored"] > 2000
    assert sampled.info["arrived"] + sampled.info["censored"] == 4000
    assert sampled.method == "sampled paths, exponential likelihood"
    assert sampled.agrees_with(reference)


def test_censoring_against_the_law_is_announced() -> None:
    free = Diffusion((x,), [1], [[0.01]])
    with pytest.warns(CensoredPaths, match="which the arrivals contradict: their hazard"):
        sample_escape_rate(free, (0.0,), x > 1, paths=2000, step=0.01, duration=1.05, seed=2)


def test_nothing_arrived() -> None:
    with pytest.warns(CensoredPaths, match="100 of 100 paths .* too few"):
        rate = sample_escape_rate(
            ORNSTEIN_UHLENBECK, (0.0,), x > 50, paths=100, step=0.1, duration=2, seed=1
        )
    assert rate.value == 0.0
    assert rate.standard_error == pytest.approx(1 / 200)
    assert rate.info["interval"] == (0.0, pytest.approx(-math.log(0.025) / 200))


def test_intervals_hold_what_they_promise() -> None:
    rng = np.random.default_rng(3)
    hits = {"complete": 0, "censored": 0}
    for _ in range(1500):
        times = rng.exponential(size=12)
        for name, end in (("complete", np.inf), ("censored", 0.7)):
            low, high = estimate(Waiting(np.minimum(times, end), times <= end)).entries["interval"]
            hits[name] += low < 1 < high
    assert abs(hits["complete"] / 1500 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 1500)
    assert hits["censored"] / 1500 > 0.93


def test_few_censored_paths_do_not_warn() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rate = sample_escape_rate(
            ORNSTEIN_UHLENBECK, (0.0,), x > 1, paths=1000, step=0.05, duration=9, seed=4
        )
    assert 0 < rate.info["censored"] < 30


def test_diverged_runs_are_censored_and_named() -> None:
    sgd = SGD(-(x**4), (x,), noise.Isotropic(1e-4), learning_rate=0.5)
    with pytest.warns(FokkerPlanckWarning) as caught:
        rate = sample_escape_rate(sgd, (-0.9,), x > 50, paths=20, step=None, seed=1)
    assert any("20 of 20 runs left to infinity" in str(w.message) for w in caught)
    assert rate.info["diverged"] == rate.info["censored"] == 20


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"step": None}, FokkerPlanckError, "needs a step"),
        ({"duration": -1.0}, FokkerPlanckError, "duration is a positive number"),
        ({"model": 3}, InvalidModel, "not int"),
        (
            {"model": SGD(x**2, (x,), noise.Isotropic(1), learning_rate=0.1)},
            FokkerPlanckError,
            "step=None",
        ),
    ],
)
def test_arguments_are_checked(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    arguments = {"model": ORNSTEIN_UHLENBECK, "paths": 4, "step": 0.1, "seed": 1, **changes}
    with pytest.raises(error, match=message):
        sample_escape_rate(arguments.pop("model"), (0.0,), x > 1, **arguments)
