"""Passage of discrete SGD against runs of it, reference values, and exact chains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy.special import ndtr

import fokkerplanck as fpk
from fokkerplanck.errors import (
    DisconnectedDomain,
    GridMismatch,
    InvalidModel,
    InvalidRegion,
)
from tests.solve._two_valley import valleys

x, y = sp.symbols("x y", real=True)
DOUBLE_WELL = (x**2 - 1) ** 2 / 4  # curvature 2 at the minima


@pytest.mark.parametrize(
    ("height", "noise", "eta", "flat"),
    [
        (3, 1e-3, 0.01, 0.7713195),
        (3, 1e-3, 0.1, 0.7685640),
        (5, 1e-3, 0.1, 0.9245713),
        (2, 5e-4, 0.01, 0.7630520),
    ],
)
def test_odds_of_two_valleys(height: float, noise: float, eta: float, flat: float) -> None:
    """Reference values, to seven digits, of an independent collocation and of 1e7 SGD steps."""
    sgd, panels, *_ = valleys(height, noise, eta)
    operator = fpk.transition_operator(sgd, panels)
    assert operator.grid.size <= 200
    density = fpk.stationary_density(operator)
    assert density.probability(x > 0) == pytest.approx(flat, abs=1e-7)
    assert density.values.min() >= 0.0


@pytest.mark.parametrize(("eta", "down", "up"), [(0.1, 793.74, 63.96), (0.01, 13725.53, 1235.93)])
def test_steps_to_the_ridge(eta: float, down: float, up: float) -> None:
    sgd, panels, flat, sharp = valleys(5, 1e-3, eta)
    operator = fpk.transition_operator(sgd, panels)
    from_flat = fpk.escape_rate(operator, (flat,), x < 0)
    from_sharp = fpk.escape_rate(operator, (sharp,), x >= 0)
    # The references are rounded to half of the last digit that they show.
    assert 1 / from_flat.value == pytest.approx(down, rel=1e-5, abs=0.005)
    assert 1 / from_sharp.value == pytest.approx(up, rel=1e-5, abs=0.005)
    assert from_flat.unit == "step"
    assert from_flat.info["given_back"] < 1e-8


def sampled_steps(sgd: fpk.SGD, start: Any, hit: Any, steps: int, seed: int) -> Any:
    """Steps until `hit`, cut at `steps`."""
    runs = fpk.simulate_sgd(sgd, start, steps=steps, runs=3000, seed=seed, save_every=1)
    inside = hit(*np.moveaxis(runs.values, -1, 0))
    inside[-1] = True
    return runs.steps[inside.argmax(axis=0)]


# Past |x| = sqrt(1 + 2/eta) the quartic throws runs to infinity; hardly any goes there.
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.FokkerPlanckWarning")
@pytest.mark.parametrize("curvature_step", [0.05, 0.3, 0.8])
def test_steps_over_a_barrier_agree_with_runs(curvature_step: float) -> None:
    """Where the diffusion is off by many standard errors."""
    eta, steps = curvature_step / 2, 1200
    sgd = fpk.SGD(DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.22 / eta), learning_rate=eta)
    operator = fpk.transition_operator(sgd, fpk.Panels(x=(-2.6, 2.6)))
    law = fpk.first_passage_distribution(operator, (1.0,), x < 0, steps=steps)
    sampled = sampled_steps(sgd, (1.0,), lambda position: position < 0, steps, seed=5)
    error = sampled.std() / np.sqrt(sampled.size)
    # E min(T, n) is the sum of the survival probabilities before n.
    assert abs(sampled.mean() - law.survival[:-1].sum()) < 3 * error
    fiftieth = np.quantile(sampled, 0.5)
    share = np.sqrt(0.25 / sampled.size)
    assert abs(law.arrived[int(fiftieth)] - 0.5) < 3 * share + 2 / fiftieth
    diffusion = fpk.assemble(sgd.diffusion(), fpk.Grid(x=(-2.6, 2.6, 1040)))
    diffusive = eta * fpk.escape_rate(diffusion, (1.0,), x < 0).value
    exact = fpk.escape_rate(operator, (1.0,), x < 0).value
    assert 1 / exact == pytest.approx(law.mean, rel=1e-10)
    assert abs(diffusive - exact) > 5 * exact * error / sampled.mean()


# Across the noise a step spreads over less than two cells, along the escape over four.
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.FokkerPlanckWarning")
def test_steps_over_a_saddle_agree_with_runs() -> None:
    eta, steps = 0.3, 1000
    loss = DOUBLE_WELL + (y - x / 2) ** 2 / 2
    noise = fpk.noise.Covariance([[0.7, 0.25], [0.25, 0.5]])
    sgd = fpk.SGD(loss, (x, y), noise, learning_rate=eta)
    grid = fpk.Grid(x=(-2.4, 2.4, 64), y=(-2.6, 2.6, 44))
    operator = fpk.transition_operator(sgd, grid)
    law = fpk.first_passage_distribution(operator, (1.0, 0.5), x < 0, steps=steps)
    sampled = sampled_steps(sgd, (1.0, 0.5), lambda px, _: px < 0, steps, seed=8)
    error = sampled.std() / np.sqrt(sampled.size)
    assert abs(sampled.mean() - law.survival[:-1].sum()) < 3 * error
    rate = fpk.escape_rate(operator, (1.0, 0.5), x < 0)
    diffusion = fpk.assemble(sgd.diffusion(), grid)
    diffusive = eta * fpk.escape_rate(diffusion, (1.0, 0.5), x < 0).value
    assert abs(diffusive - rate.value) > 5 * rate.value * error / sampled.mean()


# Half of the corners of this grid are never reached: they hold nothing, and are no obstacle.
@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.FokkerPlanckWarning")
def test_survivors_in_the_plane() -> None:
    eta = 0.4
    loss = DOUBLE_WELL + (y - x / 2) ** 2 / 2
    noise = fpk.noise.Covariance([[0.3, 0.1], [0.1, 0.2]])
    sgd = fpk.SGD(loss, (x, y), noise, learning_rate=eta)
    operator = fpk.transition_operator(sgd, fpk.Grid(x=(-2.2, 2.2, 40), y=(-3, 3, 50)))
    density = fpk.quasi_stationary_density(operator, x < 0)
    assert (density.values == 0.0).any()
    low, high = density.info["decay_bounds"]
    assert high / low - 1 < 1e-9
    rate = fpk.escape_rate(operator, density, x < 0)
    assert rate.value == pytest.approx(density.info["decay_rate"], rel=1e-8)


def memoryless(grid: Any = None) -> fpk.TransitionOperator:
    """At ``eta H = 1`` a step ends at N(0, 1) wherever it began."""
    sgd = fpk.SGD(x**2 / 2, (x,), fpk.noise.Isotropic(1), learning_rate=1)
    return fpk.transition_operator(sgd, fpk.Panels(x=(-8.5, 8.5)) if grid is None else grid)


@pytest.mark.parametrize("bound", [0.3, 2.5, 6.0])
def test_memoryless_steps_are_geometric(bound: float) -> None:
    operator = memoryless()
    chance = float(ndtr(-bound))
    times = fpk.mean_first_passage_time(operator, x > bound)
    outside = times.grid.mesh[0] < bound
    # Nodes see the far tail of the normal density through less and less of its mass.
    digits = 1e-10 if bound < 5 else 1e-6
    assert times.values[outside] == pytest.approx(np.full(outside.sum(), 1 / chance), rel=digits)
    assert (times.values[~outside] == 0.0).all()
    variance = fpk.first_passage_variance(operator, x > bound).values[outside]
    assert variance == pytest.approx(
        np.full(variance.size, (1 - chance) / chance**2), rel=3 * digits
    )
    for start in ((0.0,), x < -1, fpk.gaussian_density(operator.grid, [-3], [[0.1]])):
        rate = fpk.escape_rate(operator, start, x > bound)
        assert rate.value == pytest.approx(chance, rel=1e-6)
    density = fpk.quasi_stationary_density(operator, x > bound)
    assert density.info["decay_rate"] == pytest.approx(chance, rel=digits)
    assert density.probability(x < bound) == pytest.approx(1.0, abs=1e-12)
    left = fpk.committor(operator, x < -1, x > bound)
    between = (left.grid.mesh[0] > -1) & (left.grid.mesh[0] < bound)
    expected = chance / (chance + float(ndtr(-1.0)))
    assert left.values[between] == pytest.approx(np.full(between.sum(), expected), rel=digits)


def test_boundaries_between_cell_borders_are_where_they_are() -> None:
    """A target that cuts a cell by any fraction leaves an error of second order."""
    errors = []
    for cells in (110, 220):
        worst = 0.0
        for fraction in (0.0, 0.3, 0.5, 0.8):
            bound = 1.0 + fraction * 17 / cells
            operator = memoryless(fpk.Grid(x=(-8.5, 8.5, cells)))
            rate = fpk.escape_rate(operator, (0.0,), x > bound).value
            worst = max(worst, abs(rate / float(ndtr(-bound)) - 1))
        errors.append(worst)
    assert errors[0] < 0.01
    assert errors[1] < errors[0] / 3


def test_cells_that_a_boundary_cuts_keep_what_lies_outside() -> None:
    """Four cells a step and a boundary in the middle of a cell: every mass is somewhere."""
    sgd = fpk.SGD(DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.5), learning_rate=0.3)
    cells = fpk.transition_operator(sgd, fpk.Grid(x=(-2.4, 2.4, 91)))
    law = fpk.first_passage_distribution(cells, (1.0,), x < 0, steps=500)
    assert law.survival + law.arrived == pytest.approx(np.ones(501), abs=1e-12)
    panels = fpk.transition_operator(sgd, fpk.Panels(x=(-2.4, 2.4)))
    exact = fpk.first_passage_distribution(panels, (1.0,), x < 0, steps=500)
    assert law.survival == pytest.approx(exact.survival, abs=0.005)
    assert law.mean == pytest.approx(exact.mean, rel=0.007)


def test_rare_escapes_keep_their_digits() -> None:
    """Barriers of 60 noise strengths: steps beyond 1e20, the two ways to count them agree."""
    sgd = fpk.SGD(DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.05), learning_rate=0.15)
    operator = fpk.transition_operator(sgd, fpk.Panels(x=(-1.9, 1.9)))
    rate = fpk.escape_rate(operator, (1.0,), x < -0.5)
    density = fpk.quasi_stationary_density(operator, x < -0.5)
    assert rate.value < 1e-20
    assert density.info["decay_rate"] == pytest.approx(rate.value, rel=1e-9)
    finer = fpk.transition_operator(sgd, fpk.Panels(x=(-2.0, 2.0), nodes=12))
    assert fpk.escape_rate(finer, (1.0,), x < -0.5).value == pytest.approx(rate.value, rel=1e-5)
    weights = fpk.stationary_density(operator)
    assert weights.probability(x > 0) == pytest.approx(0.5, abs=1e-9)


def test_a_density_on_other_panels_is_a_start() -> None:
    sgd = fpk.SGD(DOUBLE_WELL, (x,), fpk.noise.Isotropic(0.5), learning_rate=0.3)
    operator = fpk.transition_operator(sgd, fpk.Panels(x=(-2.6, 2.6)))
    masses, *_ = operator.first_step((1.0,))
    after = fpk.Density(masses / operator.grid.volumes, operator.grid)
    at_point = 1 / fpk.escape_rate(operator, (1.0,), x < 0.05).value
    from_density = 1 / fpk.escape_rate(operator, after, x < 0.05).value
    assert from_density == pytest.approx(at_point - 1, rel=1e-5)
    with pytest.raises(GridMismatch):
        fpk.escape_rate(operator, fpk.gaussian_density(fpk.Grid(x=(0, 1, 5)), [0.5], [[1]]), x < 0)


def test_refusals() -> None:
    operator = memoryless()
    with pytest.raises(InvalidRegion, match="nothing is ever reached"):
        fpk.mean_first_passage_time(operator)
    with pytest.raises(InvalidRegion, match="nothing ends the process"):
        fpk.quasi_stationary_density(operator)
    with pytest.raises(InvalidRegion, match="contains the start"):
        fpk.escape_rate(operator, (2.0,), x > 1)
    with pytest.raises(InvalidRegion, match="no step is made"):
        fpk.escape_rate(operator, x > 3, x > 1)
    with pytest.raises(InvalidRegion, match="outside"):
        fpk.escape_rate(operator, (0.0,), x > 100)
    with pytest.raises(InvalidRegion, match="in common"):
        fpk.committor(operator, x < 1, x > 0)
    diffusion = fpk.assemble(fpk.Diffusion((x,), [-x], [[1]]), fpk.Grid(x=(-4, 4, 40)))
    with pytest.raises(InvalidModel, match="counts steps"):
        fpk.first_passage_distribution(diffusion, (0.0,), x > 1, steps=3)


@pytest.mark.filterwarnings("ignore::fokkerplanck.errors.UnresolvedWarning")
def test_a_target_that_is_never_reached() -> None:
    """A drift of many cells a step away from the target, and noise that ends before it."""
    sgd = fpk.SGD(sp.Piecewise((-20 * x, x > 0), (20 * x, True)), (x,), fpk.noise.Isotropic(1),
                  learning_rate=0.1)  # fmt: skip
    operator = fpk.transition_operator(sgd, fpk.Grid(x=(-6, 6, 120)))
    times = fpk.mean_first_passage_time(operator, x < -1)
    assert np.isinf(times.values[times.grid.mesh[0] > 1]).all()
    assert times.info["never"] > 0
    with pytest.raises(DisconnectedDomain, match="never be reached"):
        fpk.escape_rate(operator, (3.0,), x < -1)
