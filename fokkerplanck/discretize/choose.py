"""The scheme that `assemble` takes when none is named, and why."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fokkerplanck.discretize.coefficients import Coefficients
from fokkerplanck.discretize.grid import Grid
from fokkerplanck.discretize.operator import Scheme
from fokkerplanck.discretize.resolution import eigenvalue_ratio
from fokkerplanck.discretize.schemes.log_density import LogDensity
from fokkerplanck.discretize.schemes.selling import Selling, diffusion_jumps_in_ito_form

__all__ = ["choose"]

Array = NDArray[np.float64]

# Up to here Selling's rates are as accurate without a potential as central differences; at 100
# they leave an L1 error of 3e-2 on 128 x 128 cells where LogDensity() leaves 3e-4 (measured).
MODERATE = 10.0
# With a potential, relaxation rates of Selling's stencils are off by more than a per cent on 64 x
# 64 cells from here on, those of Corner() by less than 0.1 % (measured, rotating tensor).
STRONG = 30.0
# LogDensity() refuses grids on which its iteration does not settle; measured from 32 cells up.
FEWEST = 32
# Cells at which the anisotropy is looked at, picked at random.
SAMPLE = 1024
SEED = 20230609


def choose(coefficients: Coefficients, grid: Grid, potential: Array | None) -> tuple[Scheme, str]:
    """A scheme for a problem whose potential is known or not, and the reason in words."""
    ratio = _typical_ratio(coefficients, grid)
    anisotropy = f"anisotropy {ratio:.3g}"
    if grid.dimension == 1:
        return Selling(), "Selling(): one dimension, exact integrals of drift over noise"
    if diffusion_jumps_in_ito_form(coefficients.diffusion):
        return Selling(), "Selling(): the Itô tensor jumps, rates from the source cell"
    if potential is not None:
        reason = f"Selling(): detailed balance, exact Gibbs density; {anisotropy}"
        if ratio > STRONG:
            reason += ": Corner() gives more accurate relaxation rates"
        return Selling(), reason
    if ratio <= MODERATE:
        return Selling(), f"Selling(): no potential, {anisotropy}, at most {MODERATE:g}"
    obstacle = _obstacle(ratio, grid)
    if obstacle:
        return Selling(), f"Selling(): no potential, {anisotropy}; not LogDensity(): {obstacle}"
    return LogDensity(), f"LogDensity(): no potential, {anisotropy}, above {MODERATE:g}"


def _obstacle(ratio: float, grid: Grid) -> str:
    """What keeps LogDensity() from being the choice."""
    if grid.dimension > 3:
        return "four dimensions"
    if min(grid.shape) < FEWEST:
        return f"fewer than {FEWEST} cells along an axis"
    if not np.isfinite(ratio):
        return "the tensor is degenerate"
    if any("absorbing" in axis.boundary for axis in grid.axes):
        return "its linear generator at absorbing walls is of first order"
    return ""


def _typical_ratio(coefficients: Coefficients, grid: Grid) -> float:
    """Median ratio of the tensor's eigenvalues; infinite where it is degenerate.

    The median, because noise that scales with the curvature is extreme in corners of the grid
    that no probability reaches.
    """
    rng = np.random.default_rng(SEED)
    points = [c[rng.integers(0, c.size, SAMPLE)] for c in grid.centers]
    tensor = coefficients.tensor(points)
    if any(not tensor[a, a].any() for a in range(grid.dimension)):
        return np.inf
    return float(np.median(eigenvalue_ratio(np.moveaxis(tensor, -1, 0))))
