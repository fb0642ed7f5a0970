"""A slow variable that follows its mean, against runs of SGD in the plane and reference values."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy.stats import norm

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidGrid, InvalidModel
from fokkerplanck.systems.two_valley import TwoValley

x, y = sp.symbols("x y", real=True)
STARTS = ((-0.01, 5.0), (0.01, 5.0))


def two_valleys(eta: float, sigma: float, highest: float) -> tuple[fpk.SGD, fpk.Panels]:
    """Two valleys side by side in x that part and flatten along y, noise ``2 sigma [H]_+``."""
    ratios = (sp.Rational(4, 5), sp.Rational(13, 20))
    g = [2 * a * y / (y + 30) for a in ratios]
    f = [a**2 * (y + 20) ** 2 / (y + 30) ** 2 for a in ratios]
    loss = sp.exp(-y / 100) + 1
    loss += sp.Piecewise((x * (x - g[0]) / f[0], x >= 0), (x * (x + g[1]) / f[1], True))
    noise = fpk.noise.Hessian(2 * sigma, negative="clip", floor=1e-8)
    sgd = fpk.SGD(loss, (x, y), noise, learning_rate=eta)
    reach = 7.4 * np.sqrt(eta * sigma / max(1 - eta / float(f[1].subs(y, 5)), 0.2))
    floors = [float(floor.subs(y, highest)) / 2 for floor in g]
    return sgd, fpk.Panels(x=(-floors[1] - reach, floors[0] + reach))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("eta", "sigma", "flat", "change", "slow"),
    [
        (0.0278256, 0.0278256, 0.7169, 169.95, 5.1064),
        (0.01, 0.0774264, 0.7045, 448.0, 5.1011),
        (0.1, 0.1, 0.9803, 11672.5, 30.047),
        (0.0599484, 0.0215443, 0.9667, 401.9, 5.5505),
    ],
)
def test_phase_diagram(eta: float, sigma: float, flat: float, change: float, slow: float) -> None:
    """Cells of a diagram, by an independent program with ten times as many operators."""
    sgd, panels = two_valleys(eta, sigma, 45.0)
    run = fpk.slow_evolution(sgd, panels, (y, 5, 45), STARTS, 20_000, region=x > 0)
    assert run.probability[-1] == pytest.approx(flat, abs=5e-4)
    # That program counts the first step as the second state.
    assert run.last_change + 1 == pytest.approx(change, rel=3e-3)
    assert run.slow_at_last_change == pytest.approx(slow, abs=1e-3)
    assert run.info["lost_mass"] < 1e-9


@pytest.fixture(scope="module")
def pair() -> tuple[fpk.SGD, fpk.SlowEvolution]:
    sgd, panels = two_valleys(0.1, 0.01, 15.0)
    return sgd, fpk.slow_evolution(sgd, panels, (y, 5, 15), STARTS, 500, region=x > 0)


def test_runs_in_the_plane_agree(pair: tuple[fpk.SGD, fpk.SlowEvolution]) -> None:
    sgd, run = pair
    count = 4000
    starts = np.tile(np.array(STARTS), (count // 2, 1))
    runs = fpk.simulate_sgd(sgd, starts, steps=500, runs=count, seed=12, save_every=1)
    flat = runs.values[:, :, 0] > 0
    for step in (3, 50, 500):
        error = np.sqrt(run.probability[step] * (1 - run.probability[step]) / count)
        assert abs(flat[step].mean() - run.probability[step]) < 3 * error
    heights = runs.values[-1, :, 1]
    assert abs(heights.mean() - run.slow[-1]) < 3 * heights.std() / np.sqrt(count) + 1e-3
    changes = flat[1:] != flat[:-1]
    last = np.where(changes.any(axis=0), 500 - changes[::-1].argmax(axis=0), 0)
    assert abs(last.mean() - run.last_change) < 3 * last.std() / np.sqrt(count)
    share = (last <= 100).mean()
    assert abs(share - run.settled[100]) < 3 * np.sqrt(share * (1 - share) / count)
    at_last = runs.values[last, np.arange(count), 1]
    # Crossings happen at heights a little above the mean: half a percent of the way.
    bias = 0.01 * (run.slow_at_last_change - 5)
    error = at_last.std() / np.sqrt(count)
    assert abs(at_last.mean() - run.slow_at_last_change) < 3 * error + bias


def test_masses_are_conserved_and_sides_settle(pair: tuple[fpk.SGD, fpk.SlowEvolution]) -> None:
    sgd, run = pair
    assert run.density.mass == pytest.approx(1.0, abs=1e-11)
    assert run.density.values.min() >= 0.0
    assert run.probability[-1] == pytest.approx(run.density.probability(x > 0), abs=1e-12)
    assert (np.diff(run.settled) >= -1e-14).all()
    assert run.settled[-1] == 1.0
    assert run.probability[0] == 0.5
    again = pickle.loads(pickle.dumps(run))
    assert again.last_change == run.last_change
    # With more operators the same comes out: what is kept and what is made again alike.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fokkerplanck.solve.steps_slow.KEPT", 0)
        _, panels = two_valleys(0.1, 0.01, 15.0)
        finer = fpk.slow_evolution(
            sgd, panels, (y, 5, 15), STARTS, 500, region=x > 0, largest_move=0.005
        )
    assert finer.probability[-1] == pytest.approx(run.probability[-1], abs=1e-4)
    assert finer.last_change == pytest.approx(run.last_change, rel=3e-3)


def test_moments_of_a_normal_process_are_its_covariance() -> None:
    """A linear step keeps normal laws normal; every term of the step has its part in this."""
    curvature = np.array([[1.0, 0.04], [0.04, 0.02]])
    noise = np.array([[1.0, 0.3], [0.3, 0.15]])
    eta, at, steps = 0.25, np.array([0.6, 3.0]), 60
    loss = sp.expand(sum(curvature[i, j] * (x, y)[i] * (x, y)[j] / 2
                         for i in range(2) for j in range(2))) - y / 10  # fmt: skip
    sgd = fpk.SGD(loss, (x, y), fpk.noise.Covariance(sp.Matrix(noise)), learning_rate=eta)
    run = fpk.slow_evolution(
        sgd, fpk.Panels(x=(-3.5, 3.5)), (y, 0, 5), at, steps, region=x > 0, moments=2
    )
    mean, covariance = at, np.zeros((2, 2))
    step = np.eye(2) - eta * curvature
    for _ in range(steps):
        mean = step @ mean + eta * np.array([0.0, 0.1])
        covariance = step @ covariance @ step.T + eta**2 * noise
    deviation = np.sqrt(covariance[1, 1])
    assert run.slow[-1] == pytest.approx(mean[1], abs=1e-10)
    assert run.density.mean()[0] == pytest.approx(mean[0], abs=1e-10)
    assert run.slow_std is not None
    assert run.slow_by_side is not None
    assert run.slow_std[-1] == pytest.approx(deviation, rel=1e-10)
    law = norm(mean[0], np.sqrt(covariance[0, 0]))
    mills = law.pdf(0.0) * covariance[0, 1] / np.array([law.sf(0.0), -law.cdf(0.0)])
    assert run.slow_by_side[-1] - run.slow[-1] == pytest.approx(mills, rel=3e-6)
    assert run.slow_std_by_side is not None
    slope = covariance[0, 1] / covariance[0, 0]
    inside = covariance[1, 1] - mills * (mills + slope * mean[0])
    assert run.slow_std_by_side[-1] == pytest.approx(np.sqrt(inside), rel=3e-6)
    assert run.slow_std[0] == 0.0
    # All starts are on one side.
    assert run.slow_by_side[0, 0] == 3.0
    assert np.isnan(run.slow_by_side[0, 1])


def test_moments_agree_with_runs_in_the_plane(pair: tuple[fpk.SGD, fpk.SlowEvolution]) -> None:
    sgd, alone = pair
    _, panels = two_valleys(0.1, 0.01, 15.0)
    run = fpk.slow_evolution(sgd, panels, (y, 5, 15), STARTS, 500, region=x > 0, moments=2)
    assert np.abs(run.probability - alone.probability).max() < 1e-3
    assert np.abs(run.slow - alone.slow).max() < 1e-3
    assert run.last_change == pytest.approx(alone.last_change, rel=0.01)
    assert run.density.mass == pytest.approx(1.0, abs=1e-11)
    assert run.density.values.min() >= 0.0
    assert pickle.loads(pickle.dumps(run)).slow_std[-1] == run.slow_std[-1]
    count = 20_000
    starts = np.tile(np.array(STARTS), (count // 2, 1))
    runs = fpk.simulate_sgd(sgd, starts, steps=500, runs=count, seed=4, save_every=50)
    for save in (1, 3, 10):
        n, heights = 50 * save, runs.values[save, :, 1]
        within(heights, run.slow[n], run.slow_std[n])
        flat = runs.values[save, :, 0] > 0
        for number, side in enumerate((flat, ~flat)):
            within(heights[side], run.slow_by_side[n, number], run.slow_std_by_side[n, number])


def within(heights: np.ndarray, mean: float, deviation: float) -> None:
    """Mean and variance within three standard errors."""
    square = (heights - heights.mean()) ** 2
    root = np.sqrt(heights.size)
    assert abs(heights.mean() - mean) < 3 * heights.std() / root
    assert abs(square.mean() - deviation**2) < 3 * square.std() / root


@pytest.mark.slow
@pytest.mark.parametrize(
    ("eta", "sigma", "highest", "flat", "deviation", "means"),
    [
        (0.0278256, 0.0278256, 20.0, 0.7165, 0.01507, (17.8702, 17.8826)),
        (0.01, 0.0774264, 11.0, 0.7041, 0.00419, (9.69948, 9.70563)),
    ],
)
def test_moments_of_a_phase_diagram(
    eta: float,
    sigma: float,
    highest: float,
    flat: float,
    deviation: float,
    means: tuple[float, float],
) -> None:
    """By an independent program, with the covariance that leaves out a term of the Hessian."""
    _, panels = two_valleys(eta, sigma, highest)
    sgd = TwoValley(noise=eta * sigma).optimizer(eta, covariance="shortened_hessian")
    run = fpk.slow_evolution(
        sgd, panels, (y, 5, highest), STARTS, 20_000, region=x > 0, moments=2, largest_move=0.1
    )
    assert run.probability[-1] == pytest.approx(flat, abs=1e-4)
    assert run.slow_std is not None
    assert run.slow_by_side is not None
    assert run.slow_std[-1] == pytest.approx(deviation, abs=6e-6)
    assert run.slow_by_side[-1] == pytest.approx(means, abs=6e-5)


def test_a_slow_variable_that_stands_still_changes_nothing() -> None:
    """Without a slope along y this is the one-step operator of x alone."""
    loss = (x**2 - 1) ** 2 / 4
    plane = fpk.SGD(loss + 0 * y, (x, y), fpk.noise.Isotropic(0.7), learning_rate=0.3)
    run = fpk.slow_evolution(
        plane, fpk.Panels(x=(-2.6, 2.6)), (y, -1, 1), (1.0, 0.0), 40, region=x > 0
    )
    line = fpk.SGD(loss, (x,), fpk.noise.Isotropic(0.7), learning_rate=0.3)
    operator = fpk.transition_operator(line, fpk.Panels(x=(-2.6, 2.6)))
    operator = operator.with_edges([0.0])
    masses, *_ = operator.first_step((1.0,))
    for _ in range(39):
        masses = operator.matrix @ masses
    alone = fpk.Density(masses / operator.grid.volumes, operator.grid)
    assert run.density.mean() == pytest.approx(alone.mean(), abs=1e-8)
    assert run.density.covariance() == pytest.approx(alone.covariance(), abs=1e-8)
    assert run.probability[-1] == pytest.approx(alone.probability(x > 0), abs=1e-8)
    assert (run.slow == 0.0).all()
    # No change at all in 40 steps: never having landed on the left.
    law = fpk.first_passage_distribution(operator, (1.0,), x < 0, steps=40)
    assert run.settled[0] == pytest.approx(law.survival[40], abs=1e-8)


def test_refusals() -> None:
    sgd, panels = two_valleys(0.1, 0.01, 15.0)

    def follow(
        optimizer: Any = sgd, on: Any = panels, slow: Any = (y, 5, 15), start: Any = STARTS
    ) -> Any:
        return fpk.slow_evolution(optimizer, on, slow, start, 300, region=x > 0)

    with pytest.raises(FokkerPlanckError, match="has left its range"):
        follow(slow=(y, 5, 5.2))
    with pytest.raises(GridMismatch, match="same y"):
        follow(start=((0, 5), (0, 6)))
    with pytest.raises(GridMismatch, match="slow is"):
        follow(slow=("z", 5, 15))
    with pytest.raises(GridMismatch, match="fast variable is y"):
        follow(slow=(x, -1, 1))
    with pytest.raises(InvalidGrid, match="lives on Panels"):
        follow(on=fpk.Grid(x=(-1, 1, 10)))
    with pytest.raises(InvalidModel, match="one of two variables"):
        follow(optimizer=fpk.SGD(x**2, (x,), fpk.noise.Isotropic(1), learning_rate=0.1))
    with pytest.raises(FokkerPlanckError, match="0 or 2, not 1"):
        fpk.slow_evolution(sgd, panels, (y, 5, 15), STARTS, 3, region=x > 0, moments=1)
    wide = fpk.SGD(x**2 * y, (x, y), fpk.noise.Isotropic(4), learning_rate=0.2)
    with pytest.raises(FokkerPlanckError, match="too wide for two moments"):
        fpk.slow_evolution(
            wide, fpk.Panels(x=(-4, 4)), (y, -8, 8), (0.5, 1.0), 60, region=x > 0, moments=2
        )
    tilted = fpk.SGD(sp.Abs(x - y / 10), (x, y), fpk.noise.Isotropic(1), learning_rate=0.1)
    with pytest.raises(InvalidModel, match="stands still"):
        follow(optimizer=tilted, on=fpk.Panels(x=(-2, 2)), start=(0.0, 6.0))
