"""Rods whose centre moves: losses that are not even, and slow variables beside."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckWarning, GridMismatch, InvalidModel
from fokkerplanck.systems.edge_of_stability_noise import NoisyMinimalProblem

w, s = sp.symbols("w s", real=True)
SKEWED = w**2 / 2 + w**3 / 10 - w**4 / 8
EPSILON, ETA = 0.01, 0.3


def model(product: float, sigma: float, loss: sp.Expr = SKEWED) -> fpk.SGD:
    """SGD with S = 1 that adds noise of standard deviation sigma to theta in a step."""
    return fpk.SGD(loss, (w,), fpk.noise.Isotropic((sigma / product) ** 2), learning_rate=product)


def of_rod(sgd: fpk.SGD, order: int) -> fpk.Density:
    rod = fpk.StochasticRod(sgd, order=order)
    grid = fpk.Grid(s=(-0.48, 0.48, 1000))  # |c'| = 0.88 at its ends
    return rod.density_of_iterate(fpk.stationary_density(fpk.assemble(rod, grid)))


def distance(found: fpk.Density, reference: fpk.Density) -> float:
    """``int |p - q|`` on the reference's Gauss nodes."""
    nodes = reference.grid.centers[0]
    at = np.interp(nodes, found.grid.centers[0], found.values, left=0, right=0)
    return float(np.sum(np.abs(at - reference.values) * reference.grid.volumes))


@pytest.mark.parametrize(
    ("product", "sigma", "first", "second"),
    [
        (1.9, 0.02, 0.026, 0.0036),
        (1.9, 0.05, 0.026, 0.0094),
        (2.0, 0.02, 0.012, 0.0028),
        (2.0, 0.05, 0.030, 0.0100),
        (2.1, 0.02, 0.075, 0.0252),
        (2.1, 0.05, 0.100, 0.0384),
    ],
)
def test_skewed_loss(product: float, sigma: float, first: float, second: float) -> None:
    sgd = model(product, sigma)
    chain = fpk.transition_operator(sgd, fpk.Panels(w=(-1.14, 1.5)))
    reference = fpk.stationary_density(chain)
    densities = [of_rod(sgd, order) for order in (1, 2)]
    errors = [distance(density, reference) for density in densities]
    assert errors[0] < first
    assert errors[1] < second
    assert errors[1] < 0.42 * errors[0]
    assert densities[1].mass == pytest.approx(1, abs=1e-12)
    assert densities[1].info["center_residual"] < 1e-3
    # The mean is that of c(s), which an even density of s alone would not have.
    assert densities[1].mean()[0] == pytest.approx(reference.mean()[0], rel=0.02)
    variances = densities[1].covariance() / reference.covariance()
    assert float(variances[0, 0]) == pytest.approx(1, abs=0.015)


def test_center_of_the_cycle() -> None:
    """The 2-cycle of gradient descent is ``c(s) +- s`` at the rest of the rod."""
    rod = fpk.StochasticRod(model(2.05, 0.01), order=1)
    extent = float(sp.nsolve(rod.step, s, 0.2))
    run = fpk.flows.gradient_descent(SKEWED, (w,), 2.05, (0.1,), 2000)
    cycle = np.sort(run.parameters[-2:, 0])
    assert (cycle[1] - cycle[0]) / 2 == pytest.approx(extent, rel=1e-3)
    assert cycle.mean() == pytest.approx(float(rod.center.subs(s, extent)), rel=1e-3)


def test_center_of_an_even_loss_with_parameters() -> None:
    a = sp.Symbol("a", positive=True)
    loss = w**2 / 2 + a * w**3
    sgd = fpk.SGD(loss, (w,), fpk.noise.Isotropic(1), learning_rate=2)
    center = fpk.StochasticRod(sgd, order=1).center
    # g = w + 3 a w^2: 3 a c^2 + c + 3 a s^2 = 0.
    exact = (-1 + sp.sqrt(1 - 36 * a**2 * s**2)) / (6 * a)
    assert sp.expand(sp.series(exact, s, 0, 10).removeO() - center) == 0
    bound = fpk.StochasticRod(sgd, order=1).subs({"a": 0.1})
    assert pickle.loads(pickle.dumps(bound)) == bound
    assert float(bound.center.subs(s, 0.1)) == pytest.approx(float(exact.subs({a: 0.1, s: 0.1})))


def test_theta_has_to_grow_with_s() -> None:
    rod = fpk.StochasticRod(model(2.0, 0.05))
    wide = fpk.Grid(s=(-0.7, 0.7, 200))
    flat = fpk.Density(np.full(200, 1 / 1.4), wide)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FokkerPlanckWarning)
        with pytest.raises(GridMismatch, match=r"moves as fast as s from s = 0\.5"):
            rod.density_of_iterate(flat)


@pytest.mark.parametrize(
    ("loss", "noise", "message"),
    [
        (w**2 / 2 + w, fpk.noise.Isotropic(1), "measure w from a minimum"),
        (w**2 / 2 + w**3, fpk.noise.Covariance([[1 + w**2]]), "noise that does not depend on w"),
        (sp.Abs(w) ** 3 + w**2 + w**3, fpk.noise.Isotropic(1), "smooth losses"),
    ],
)
def test_refused(loss: sp.Expr, noise: fpk.noise.Noise, message: str) -> None:
    with pytest.raises(InvalidModel, match=message):
        fpk.StochasticRod(fpk.SGD(loss, (w,), noise, learning_rate=2), order=1)


def test_staggered_is_named() -> None:
    v = sp.Symbol("v", real=True)
    sgd = fpk.SGD(w**2 * v, (v, w), fpk.noise.Isotropic(1), learning_rate=1)
    with pytest.raises(InvalidModel, match="of several variables"):
        fpk.StochasticRod(sgd)
    with pytest.raises(InvalidModel, match=r"one of the variables \['v', 'w'\]"):
        fpk.StochasticRod(sgd, staggered="x")
    rod = fpk.StochasticRod(sgd, staggered=w, order=1)
    assert rod.variables == (v, s)
    assert sp.expand(rod.drift[0] + s**2) == 0
    assert sp.expand(rod.drift[1] - (2 * s * v - 2 * s)) == 0
    assert rod.subs({}).variables == (v, s)


def test_equation_of_the_minimal_problem() -> None:
    """Order 1 to leading order in c, order 2 in the slow direction with its damping."""
    problem = NoisyMinimalProblem(EPSILON, ETA, 1e-9)
    x, y = problem.problem.variables
    first = fpk.StochasticRod(problem.optimizer, staggered=x, order=1)
    second = fpk.StochasticRod(problem.optimizer, staggered=x)
    assert sp.expand(first.center - (EPSILON - 1.5 * s**2) / y) == 0
    at = {s: 0.13, y: 6.6}
    c = float(first.center.subs(at))
    plain = 0.13 * (ETA * 6.6 - 2 + 3 * ETA * c)
    assert ETA * float(first.drift[0].subs(at)) == pytest.approx(plain, rel=0.01)
    fall = -ETA * ((0.13**2 + c**2) / 2 - EPSILON)
    assert ETA * float(first.drift[1].subs(at)) == pytest.approx(fall, rel=1e-12)
    # At rest the growth rates have the real part -7/2 eta^2 epsilon, at order 1 -9/2.
    for rod, factor in ((first, 9 / 2), (second, 7 / 2)):
        velocity = sp.Matrix(ETA * rod.drift)
        rest = sp.nsolve(velocity, (s, y), (0.14, 6.67))
        rates = velocity.jacobian((s, y)).subs({s: rest[0], y: rest[1]})
        assert -float(rates.trace()) / 2 == pytest.approx(factor * ETA**2 * EPSILON, rel=0.05)
        assert float(rates.det()) == pytest.approx(2 * ETA**2 * EPSILON, rel=0.05)


def test_two_variables_against_sgd() -> None:
    """Noise in both variables: density of the rod on a grid, and runs of SGD in standard errors."""
    ratio = 0.01
    noise = 2 * EPSILON * ratio / ETA**2
    problem = NoisyMinimalProblem(EPSILON, ETA, noise, noise)
    x = problem.problem.variables[0]
    found = {}
    grid = fpk.Grid(s=(-0.8, 0.8, 160), y=(6.05, 7.25, 120))
    for order in (1, 2):
        rod = fpk.StochasticRod(problem.optimizer, staggered=x, order=order)
        density = fpk.stationary_density(fpk.assemble(rod, grid))
        theta = rod.density_of_iterate(density)
        assert theta.grid.names == ("x", "y")
        assert theta.mass == pytest.approx(1, abs=1e-9)
        across = theta.marginal("x")
        squares = across.grid.centers[0] ** 2
        second = across.expectation(squares)
        found[order] = [
            float(theta.mean()[1]),
            float(np.sqrt(theta.covariance()[1, 1])),
            across.expectation(squares**2) / second**2,
            second / (2 * EPSILON),
        ]
    runs = fpk.simulate_sgd(
        problem.optimizer, (0.14, 6.65), steps=24_000, runs=200, seed=3, save_every=7
    )
    kept = np.asarray(runs.values)[runs.steps > 3000]
    squares = kept[:, :, 0] ** 2
    of_runs = np.array(
        [
            kept[:, :, 1].mean(axis=0),
            kept[:, :, 1].std(axis=0),
            (squares**2).mean(axis=0) / squares.mean(axis=0) ** 2,
            squares.mean(axis=0) / (2 * EPSILON),
        ]
    )
    means, errors = of_runs.mean(axis=1), of_runs.std(axis=1, ddof=1) / np.sqrt(200)
    tolerances = np.array([0.003, 0.002, 0.06, 0.01])
    assert np.all(np.abs(np.array(found[2]) - means) < tolerances + 3 * errors)
    assert np.all(errors < tolerances)
    assert means[0] == pytest.approx(6.6496, abs=0.003)
    # Order 1 lacks damping: y is steadier, x nearer to two points.
    assert found[1][1] < means[1] - 3 * errors[1]
    assert found[1][2] < means[2] - 0.1
