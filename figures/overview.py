"""The picture of the README: a symbolic loss, its effective potential, and SGD itself.

Two wells of equal loss, the left one flatter across; the noise follows the curvature across, and
the density settles in the flat well, carried by a current.  At this learning rate (eta H up to 1.3
in the sharp well) the modified equations of order 1 and 2 differ there, and SGD lies between them:
all three are drawn.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import fokkerplanck as fpk

PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.2,
    "cells": [160, 120],
    "runs": 4000,
    "steps": 12000,
    "save_every": 500,
    "seed": 7,
}

x, y = sp.symbols("x y", real=True)
LOSS = (x**2 - 1) ** 2 / 4 + 2 * sp.exp(x / 2) * y**2
NOISE = fpk.noise.Covariance(sp.diag(1, 4 * sp.exp(x / 2)))


def compute(
    learning_rate: float, cells: list[int], runs: int, steps: int, save_every: int, seed: int
) -> dict[str, np.ndarray]:
    """Potential, current and marginals of both orders, and the histogram of SGD."""
    grid = fpk.Grid(x=(-2, 2, cells[0]), y=(-1.5, 1.5, cells[1]))
    arrays = {"x": grid.edges[0], "y": grid.edges[1]}
    for order in (1, 2):
        sgd = fpk.SGD(LOSS, (x, y), NOISE, learning_rate=learning_rate, order=order)
        operator = fpk.assemble(sgd.diffusion(), grid)
        density = fpk.stationary_density(operator)
        arrays[f"marginal_{order}"] = density.marginal("x").values
        if order == 2:
            arrays["potential"] = fpk.effective_potential(density).values
            arrays["current"] = fpk.probability_current(operator, density).values
    ensemble = fpk.simulate_sgd(
        sgd, start=(-1, 0), steps=steps, runs=runs, seed=seed, save_every=save_every
    )
    line = fpk.Grid(x=(-2, 2, 50))
    sampled = ensemble.histogram(line, after=ensemble.times[-1] / 2)
    return arrays | {
        "bins": line.edges[0],
        "sampled": sampled.values,
        "sampled_error": np.asarray(sampled.standard_error),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Effective potential with the stationary current, and the marginal along x."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 2.7), width_ratios=[1.15, 1])
    edges = arrays["x"], arrays["y"]
    centers = [(e[1:] + e[:-1]) / 2 for e in edges]
    levels = np.arange(0, 13, 1.0)
    potential = np.minimum(arrays["potential"], levels[-1])
    filled = left.contourf(*centers, potential.T, levels=levels, cmap="viridis")
    figure.colorbar(filled, ax=left, label=r"effective potential $-\log\,p$", ticks=levels[::3])
    current = arrays["current"]
    length = np.hypot(*current)
    stream = left.streamplot(
        *centers,
        current[0].T,
        current[1].T,
        color="white",
        density=0.9,
        linewidth=(0.3 + 1.3 * np.sqrt(length / length.max())).T,
        arrowsize=0.7,
    )
    stream.lines.set_alpha(0.8)
    left.set(xlabel="$x$", ylabel="$y$", xlim=(-1.9, 1.9), ylim=(-1.2, 1.2))
    left.set_title("stationary state of SGD: potential and current")
    right.plot(
        centers[0], arrays["marginal_1"], ":", color="#0072B2", label="Fokker–Planck, order 1"
    )
    right.plot(centers[0], arrays["marginal_2"], color="#0072B2", label="Fokker–Planck, order 2")
    middle = (arrays["bins"][1:] + arrays["bins"][:-1]) / 2
    right.errorbar(
        middle,
        arrays["sampled"],
        2 * arrays["sampled_error"],
        fmt="o",
        color="#D55E00",
        markersize=2.5,
        elinewidth=0.8,
        label="SGD (two standard errors)",
    )
    right.set(xlabel="$x$", ylabel="marginal density", xlim=(-2, 2), ylim=(0, 2.2))
    right.legend(loc="upper right")
    return figure
