"""Walls: reflected and wrapped paths against stationary densities, absorbed ones against series."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray

from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.operator import assemble
from fokkerplanck.errors import FokkerPlanckError, GridMismatch, InvalidCoefficient
from fokkerplanck.model.diffusion import Diffusion
from fokkerplanck.sample.paths import simulate
from fokkerplanck.sample.schemes import WeakSecondOrder
from fokkerplanck.sample.statistics import sample_statistics
from fokkerplanck.solve.stationary import stationary_density

Array = NDArray[np.float64]
x, y = sp.symbols("x y", real=True)


def masses_on(fine: Array, factor: int) -> Array:
    """Masses of cells that are `factor` times as wide along both axes."""
    n, m = fine.shape
    return fine.reshape(n // factor, factor, m // factor, factor).sum(axis=(1, 3))


def test_reflection_with_a_full_tensor() -> None:
    """Strong correlation at the walls: mirrored along the normal, the corners come out wrong."""
    tensor = sp.Matrix([[1 + x / 2, 0.6], [0.6, 0.8 + y**2 / 4]])
    model = Diffusion((x, y), [0.5 - x, -y], tensor)
    box = {"x": (-1, 1, 8), "y": (-1, 1, 8)}
    exact = stationary_density(assemble(model, Grid(x=(-1, 1, 64), y=(-1, 1, 64))))
    found = sample_statistics(
        model,
        (0.0, 0.0),
        grid=Grid(box),
        duration=12,
        after=2,
        step=0.001,
        paths=1024,
        seed=3,
        walls=Grid(box),
    )
    assert found.density.mass == pytest.approx(1.0, abs=1e-12)
    assert found.density.standard_error is not None
    difference = found.density.masses - masses_on(exact.masses, 8)
    error = found.density.standard_error * found.density.grid.volumes
    assert (difference / error).std() < 1.5
    assert np.abs(difference / error).max() < 4.5
    assert np.median(error / found.density.masses) < 0.03


def test_periodic_wall() -> None:
    """Tilted washboard: a stationary current, density not Boltzmann's."""
    model = Diffusion((x,), [1 - 1.5 * sp.sin(x)], [[sp.Rational(1, 2)]])
    ring = Grid(x=(-np.pi, np.pi, 24), boundary="periodic")
    exact = stationary_density(
        assemble(model, Grid(x=(-np.pi, np.pi, 24 * 32), boundary="periodic"))
    )
    found = sample_statistics(
        model,
        (0.0,),
        grid=ring,
        duration=60,
        after=10,
        step=0.02,
        paths=1024,
        seed=5,
        scheme=WeakSecondOrder(),
        walls=ring,
    )
    assert found.density.standard_error is not None
    expected = exact.masses.reshape(24, 32).sum(axis=1) / ring.volumes
    deviation = (found.density.values - expected) / found.density.standard_error
    assert np.abs(deviation).max() < 4
    assert np.median(found.density.standard_error / expected) < 0.02


def test_wrapped_paths_stay_in_the_box() -> None:
    ring = Grid(x=(0, 1, 2), boundary="periodic")
    ensemble = simulate(
        Diffusion((x, y), [3, 0], [[1, 0], [0, 1]]),
        (0.5, 0.0),
        duration=5,
        step=0.1,
        paths=500,
        seed=1,
        walls=ring,
        save_every=1,
    )
    assert ((ensemble.values[..., 0] >= 0) & (ensemble.values[..., 0] < 1)).all()
    assert np.abs(ensemble.values[..., 1]).max() > 3


@pytest.mark.parametrize("step", [0.01, 0.0025])
def test_absorption_between_steps(step: float) -> None:
    """Free diffusion from the middle of [0, 1]: the share that stays is a series."""
    interval = Grid(x=(0, 1, 10), boundary="absorbing")
    ensemble = simulate(
        Diffusion((x,), [0], [[1]]),
        (0.5,),
        duration=0.2,
        step=step,
        paths=40_000,
        seed=2,
        walls=interval,
        save_every=round(0.05 / step),
    )
    odd = np.arange(1, 60, 2)
    for k, time in enumerate(ensemble.times[1:], start=1):
        terms = 4 / (np.pi * odd) * np.sin(odd * np.pi / 2) * np.exp(-((odd * np.pi) ** 2) * time)
        stays = terms.sum()
        found = (ensemble.absorbed_at > time + 1e-9).mean()  # type: ignore[operator]
        assert abs(found - stays) < 4 * np.sqrt(stays * (1 - stays) / 40_000)
        histogram = ensemble.histogram(interval, after=time - 1e-3)
        if k == 4:
            assert histogram.mass == pytest.approx(found)
            assert histogram.info["absorbed"] == 40_000 - round(found * 40_000)
    assert ensemble.info["absorbed"] == ensemble.absorbed.sum()
    assert ensemble.survivors().paths == round(found * 40_000)
    with pytest.raises(FokkerPlanckError, match="were absorbed"):
        ensemble.mean()


def test_one_wall_of_each_kind() -> None:
    """Mean time from a reflecting wall at 0 to an absorbing one at 1 is 1/2."""
    walls = Grid(x=(0, 1, 10), boundary={"x": ("reflecting", "absorbing")})
    ensemble = simulate(
        Diffusion((x,), [0], [[1]]),
        (0.0,),
        duration=12,
        step=0.005,
        paths=20_000,
        seed=4,
        walls=walls,
    )
    assert ensemble.absorbed.all()
    times = np.asarray(ensemble.absorbed_at)
    assert abs(times.mean() - 0.0025 - 0.5) < 4 * times.std() / np.sqrt(20_000)


def test_step_wider_than_the_box_is_refused() -> None:
    with pytest.raises(InvalidCoefficient, match="smaller step"):
        simulate(
            Diffusion((x,), [1e4], [[1]]),
            (0.5,),
            duration=1,
            step=0.1,
            paths=2,
            seed=1,
            walls=Grid(x=(0, 1, 2)),
        )


@pytest.mark.parametrize(
    ("walls", "start", "error", "message"),
    [
        (Grid(z=(0, 1, 2)), (0.5,), GridMismatch, "axis z"),
        (Grid(x=(0, 1, 2)), (1.5,), FokkerPlanckError, r"2 paths start outside.*x = 1\.5"),
    ],
)
def test_walls_are_checked(
    walls: Grid, start: tuple[float, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        simulate(
            Diffusion((x,), [0], [[1]]), start, duration=1, step=0.1, paths=2, seed=1, walls=walls
        )
