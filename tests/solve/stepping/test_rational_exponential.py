"""The contour sums to the exponential."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from scipy.linalg import expm

import fokkerplanck as fpk
from fokkerplanck.solve.stepping.rational_exponential import BEST, OTHER, Contour


def largest_error(contour: Contour, angle: float) -> float:
    """Of the sum against exp on rays at this angle to the negative half line."""
    radii = np.concatenate([[0.0], np.geomspace(1e-5, 1e8, 4000)])
    worst = 0.0
    poles, residues = contour.poles()
    nodes = np.concatenate([poles, poles[1:].conj()])
    weights = np.concatenate([residues[:1], residues[1:] / 2, residues[1:].conj() / 2])
    for sign in (1.0, -1.0):
        points = -radii * np.exp(1j * sign * angle)
        found = (weights / (nodes - points[:, np.newaxis])).sum(axis=1)
        worst = max(worst, float(np.abs(found - np.exp(points)).max()))
    return worst


@pytest.mark.parametrize(
    ("contour", "angle", "bound"),
    [(BEST, 0.0, 1e-12), (BEST, 0.9, 1e-12), (BEST, 1.0, 2e-11), (OTHER, 1.1, 3e-11)],
)
def test_contour_is_the_exponential(contour: Contour, angle: float, bound: float) -> None:
    assert largest_error(contour, angle) < bound


def test_neighbouring_parameters_are_no_better_than_the_best() -> None:
    best = max(largest_error(BEST, angle) for angle in (0.0, 0.45, 0.9))
    for scale in (0.8, 1.25):
        moved = Contour(BEST.nodes, BEST.scale * scale, BEST.angle, BEST.spacing)
        assert max(largest_error(moved, angle) for angle in (0.0, 0.45, 0.9)) > best


def test_densities_agree_with_the_dense_exponential() -> None:
    x = sp.Symbol("x", real=True)
    grid = fpk.Grid(x=(-3, 3, 60), boundary={"x": ("reflecting", "absorbing")})
    operator = fpk.assemble(fpk.Diffusion((x,), [sp.sin(2 * x)], [[1]]), grid)
    start = fpk.gaussian_density(grid, [-1.0], [[0.1]])
    times = [1e-3, 0.1, 3.0]
    evolution = fpk.evolve(operator, start, times, fpk.RationalExponential())
    for time, density in zip(times, evolution.densities, strict=True):
        exact = expm(time * operator.matrix.toarray()) @ start.masses
        assert np.abs(density.masses - exact).sum() < 1e-10
    assert evolution.info["estimated_error"] < 1e-10
