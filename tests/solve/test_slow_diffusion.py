"""The density of a fast variable over a slow mean, in continuous time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidGrid, InvalidModel
from fokkerplanck.systems.two_valley import TwoValley

x, y = sp.symbols("x y", real=True)
STARTS = [(0.01, 5.0), (-0.01, 5.0)]


def two_valleys(eta: float, sigma: float, top: float, half_cells: int) -> Any:
    """A cell of the phase diagram; starts are centres of cells of width .01/(half_cells + 1/2)."""
    model = TwoValley(noise=eta * sigma)
    h, reach = 0.01 / (half_cells + 0.5), 7 * np.sqrt(eta * sigma)
    flat, sharp = (float(g) / 2 for g in model.at(top).separation)
    below, above = (int(np.ceil((side + reach) / h)) for side in (sharp, flat))
    grid = fpk.Grid(x=(-below * h, above * h, below + above))
    diffusion = model.diffusion(covariance="shortened_hessian")
    return fpk.slow_diffusion(diffusion, grid, (y, 4.99, top), STARTS, 20_000 * eta, region=x > 0)


@pytest.mark.parametrize(
    ("eta", "sigma", "top", "half_cells", "flat", "steps"),
    [
        (10 ** (-14 / 9), 10 ** (-14 / 9), 18.2, (2, 5), 0.7346, 233.3),
        (0.1, 0.1, 43.1, (0, 1), 0.9809, 11774.0),
        pytest.param(0.1, 0.01, 42.6, (2, 5), 0.9241, None, marks=pytest.mark.slow),
        pytest.param(10 ** (-11 / 9), 0.01, 30.4, (3, 6), 0.5786, 22.4, marks=pytest.mark.slow),
    ],
)
def test_limit_of_the_phase_diagram(
    eta: float, sigma: float, top: float, half_cells: tuple[int, int], flat: float, steps: Any
) -> None:
    """Cells by an independent program; errors are of second order in the cells."""
    coarse, fine = (two_valleys(eta, sigma, top, k) for k in half_cells)
    square = ((half_cells[1] + 0.5) / (half_cells[0] + 0.5)) ** 2
    share = (square * fine.probability[-1] - coarse.probability[-1]) / (square - 1)
    assert share == pytest.approx(flat, abs=5e-4)
    if steps is not None:
        assert fine.last_change / eta == pytest.approx(steps, rel=0.02)
    assert fine.times[-1] == pytest.approx(20_000 * eta, rel=1e-12)
    assert np.all(np.diff(fine.settled) > -1e-4)
    assert fine.density.mass == pytest.approx(1, abs=1e-9)
    assert fine.density.values.min() >= 0


def held(convention: str) -> fpk.Diffusion:
    """Two parabolas at y = 5, which does not move."""
    section = TwoValley(noise=1e-3).at(5)
    line = section.diffusion(convention)
    if convention == "isothermal":
        return fpk.Diffusion.from_isothermal((x, y), [*line.given, 0], sp.diag(*line.tensor, 0))
    return fpk.Diffusion((x, y), [*line.given, 0], sp.diag(*line.tensor, 0))


@pytest.mark.parametrize("convention", ["ito", "isothermal"])
def test_a_slow_variable_that_stands_still_leaves_evolve(convention: Any) -> None:
    """Density and last change at fixed y; both conventions of noise that jumps."""
    grid = fpk.Grid(x=(-0.36, 0.4, 152))
    several = fpk.slow_diffusion(
        held(convention), grid, (y, 4, 6), (0.05, 5.0), [3.0, 400.0], region=x > 0
    )
    section = TwoValley(noise=1e-3).at(5)
    operator = fpk.assemble(section.diffusion(convention), grid)
    start = several[0].density
    ends = fpk.evolve(operator, start, [397.0]).densities[-1]
    np.testing.assert_allclose(several[1].density.values, ends.values, atol=1e-2)
    stationary = float(section.flat_probability(convention))
    assert several[1].probability[-1] == pytest.approx(stationary, abs=3e-4)
    assert several[0].probability[-1] > stationary + 0.01
    one = fpk.slow_diffusion(
        held(convention), grid, (y, 4, 6), (0.05, 5.0), 3.0, region=x > 0, tolerance=1e-5
    )
    assert one.probability[-1] == pytest.approx(several[0].probability[-1], abs=1e-4)
    assert one.last_change == pytest.approx(several[0].last_change, rel=2e-3, abs=1e-5)
    assert one.slow_at_last_change == 5.0


def test_last_change_against_paths() -> None:
    """Many short steps of SGD with noise across alone, whose changes are seen one by one."""
    force = [-sp.diff(y * (sp.Abs(x) - 1) ** 2 - y, v) for v in (x, y)]
    model = fpk.Diffusion((x, y), force, [[sp.Rational(5, 8), 0], [0, 0]])
    grid = fpk.Grid(x=(-4, 4, 400))
    run = fpk.slow_diffusion(model, grid, (y, 0.5, 4), (0.3, 1.0), 1.0, region=x > 0)
    sgd = fpk.SGD(
        y * (sp.Abs(x) - 1) ** 2 - y,
        (x, y),
        fpk.noise.Covariance([[1.25e4, 0], [0, 0]]),
        learning_rate=1e-4,
    )
    paths = fpk.simulate_sgd(sgd, (0.3, 1.0), steps=10_000, runs=4000, seed=6, region=x > 0)
    flat = (paths.values[-1, :, 0] > 0).mean()
    assert abs(flat - run.probability[-1]) < 4 * np.sqrt(0.25 / 4000) + 0.005
    change = 1e-4 * paths.last_change
    assert abs(change.mean() - run.last_change) < 4 * change.std() / np.sqrt(4000) + 0.01


def test_refused() -> None:
    model = fpk.Diffusion((x, y), [-x, 1], [[1, 0], [0, 0]])
    grid = fpk.Grid(x=(-4, 4, 80))
    common: dict[str, Any] = {"region": x > 0}
    with pytest.raises(FokkerPlanckError, match="has left its range"):
        fpk.slow_diffusion(model, grid, (y, 0, 1), (0.0, 0.5), 3.0, **common)
    with pytest.raises(InvalidGrid, match="cuts a cell"):
        fpk.slow_diffusion(model, grid, (y, 0, 9), (0.0, 0.5), 3.0, region=x > 0.33)
    walls = fpk.Grid(x=(-4, 4, 80), boundary="absorbing")
    with pytest.raises(InvalidGrid, match="walls of x reflect"):
        fpk.slow_diffusion(model, walls, (y, 0, 9), (0.0, 0.5), 3.0, **common)
    with pytest.raises(GridMismatch, match="slow is"):
        fpk.slow_diffusion(model, grid, ("z", 0, 9), (0.0, 0.5), 3.0, **common)
    with pytest.raises(GridMismatch, match="with the same y"):
        fpk.slow_diffusion(model, grid, (y, 0, 9), [(0, 1), (0, 2)], 3.0, **common)
    with pytest.raises(FokkerPlanckError, match="outside the grid"):
        fpk.slow_diffusion(model, grid, (y, 0, 9), (5.0, 0.5), 3.0, **common)
    for duration in (0.0, [1.0, 1.0], -1.0):
        with pytest.raises(FokkerPlanckError, match="durations are positive"):
            fpk.slow_diffusion(model, grid, (y, 0, 9), (0.0, 0.5), duration, **common)
    with pytest.raises(InvalidModel, match="one of two variables"):
        fpk.slow_diffusion(
            fpk.Diffusion((x,), [-x], [[1]]), grid, (x, 0, 9), (0.0, 0.5), 3.0, **common
        )
