"""The two-valley model as a fast variable x and a slow one y: what its figures share."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

import fokkerplanck as fpk
from fokkerplanck.results.slow_evolution import SlowEvolution
from fokkerplanck.systems.two_valley import TwoValley

Array = np.ndarray
x, y = sp.symbols("x y", real=True)

BEGIN = 5.0  # y at the start
STARTS = [(0.01, BEGIN), (-0.01, BEGIN)]
# Fastest that y moves, by L0' and the barrier at its start.
SPEED = 0.0265


def valley(noise: float) -> TwoValley:
    """The paper's parameters."""
    return TwoValley(noise=noise)


def starts(runs: int) -> Array:
    """Alternately in the flat and the sharp valley, beside the ridge."""
    return np.array([STARTS[k % 2] for k in range(runs)])


def panels(noise: float, eta: float, top: float) -> fpk.Panels:
    """Wide enough for y up to `top`: 7 standard deviations of the discrete process."""
    model = valley(noise)
    spread = 1.05 * np.sqrt(noise / max(1 - eta / float(model.at(BEGIN).flatness[1]), 0.2))
    flat, sharp = (float(g) / 2 for g in model.at(top).separation)
    step = np.sqrt(4 * eta * noise / float(model.at(top).flatness[0]))
    return fpk.Panels(x=(-sharp - 7 * spread, flat + 7 * spread), width=4 * step)


def operator_case(
    eta: float, noise: float, steps: int, covariance: str = "shortened_hessian"
) -> dict[str, Any]:
    """Arguments of `slow_evolution`."""
    top = 5.3 + SPEED * eta * steps
    return {
        "optimizer": valley(noise).optimizer(eta, covariance=covariance),
        "panels": panels(noise, eta, top),
        "slow": (y, 4.9, top),
        "start": STARTS,
        "steps": steps,
        "region": x > 0,
        # Errors of 1e-4 in P and 1e-3 in t_f, by halving it.
        "largest_move": 0.08,
    }


def limit(noise: float, duration: Any, top: float, cells_per_width: int) -> Any:
    """The Fokker–Planck equation; starts are centres of cells, so that errors are of order h^2.

    A result for every duration.
    """
    model = valley(noise)
    width = np.sqrt(noise)
    h = 0.01 / (max(1, round(0.01 * cells_per_width / width - 0.5)) + 0.5)
    flat, sharp = (float(g) / 2 for g in model.at(top).separation)
    below, above = (int(np.ceil((reach + 7 * width) / h)) for reach in (sharp, flat))
    grid = fpk.Grid(x=(-below * h, above * h, below + above))
    diffusion = model.diffusion(covariance="shortened_hessian")
    return fpk.slow_diffusion(diffusion, grid, (y, 4.9, top), STARTS, duration, region=x > 0)


def extrapolated(coarse: SlowEvolution, fine: SlowEvolution) -> Array:
    """P(x > 0), time and y of the last change at the end, to fourth order in the cells."""
    square = (coarse.density.grid.volumes[0] / fine.density.grid.volumes[0]) ** 2
    values = [
        np.array([run.probability[-1], run.last_change, run.slow_at_last_change])
        for run in (coarse, fine)
    ]
    if square == 1.0:
        return values[1]
    return (square * values[1] - values[0]) / (square - 1.0)
