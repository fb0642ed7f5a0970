"""Where F^kappa fails: the error of the formula against its small parameter, by the solver.

Level floor, ``lambda = 2 + tanh x`` between walls.  Left: relative error of the slope of ``ln P``
at x = 0 against ``epsilon = kappa Delta lambda'^2/(4 lambda^3)`` there; to first order it is
``epsilon (1 - 1/kappa)(1 + 4/kappa)``, the lines.  Middle: half the integral of ``|P - F^kappa|``,
the share of the probability that is misplaced, against the largest epsilon.  Right: the error of
``P`` itself, both densities normalised, at kappa = 60: where the density lies it is small, towards
the sharp end errors add up to some kappa epsilon.  The band is 2 %.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.systems.degenerate_valley import MinimalValley

PARAMETERS: dict[str, Any] = {
    "kappas": [10, 30, 100],
    "noises": [5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2],
    "kappa": 60,
    "profiles": [3e-4, 1e-3, 1e-2],
    "reach": 1.5,
    "cells": [320, 96],
}

SMALL = 0.02  # of epsilon: slopes are fitted up to here, the next order bends them above
x, y = sp.symbols("x y", real=True)


def marginal(model: MinimalValley, reach: float, cells: list[int]) -> fpk.Density:
    """Marginal of the solver; the grid is seven standard deviations of y wide on each side."""
    width = 7 * np.sqrt(float(model.noise) / float(model.curvature.subs(x, -reach)))
    grid = fpk.Grid(x=(-reach, reach, cells[0]), y=(-width, width, cells[1]))
    scheme = fpk.LogDensity() if float(model.kappa) > 1 else fpk.Selling()
    return fpk.stationary_density(fpk.assemble(model.diffusion(), grid, scheme)).marginal("x")


def compared(
    model: MinimalValley, reach: float, cells: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, masses of F^kappa and ``ln(P/F^kappa)``, both normalised."""
    density = marginal(model, reach, cells)
    masses = values(model.marginal(), density.grid.centers[0])
    masses /= masses.sum()
    return density.grid.centers[0], masses, np.log(density.masses / masses)


def values(expression: sp.Expr, points: Any) -> np.ndarray:
    """An expression of x at the points."""
    return np.asarray(compile_expressions([expression], [x])(np.asarray(points, float))[0])


def slope_error(model: MinimalValley, along: np.ndarray, ratio: np.ndarray) -> float:
    """``1 - (ln P)'/(ln F^kappa)'`` at x = 0."""
    near = np.abs(along) < 0.2
    change = np.polynomial.Polynomial.fit(along[near], ratio[near], 5).deriv()(0.0)
    return float(-change / values(sp.diff(sp.log(model.marginal()), x), 0.0))


def correction(model: MinimalValley, along: np.ndarray) -> np.ndarray:
    """First correction to ``ln P(x)``, from its derivative by the trapezoidal rule."""
    slope = values(sp.diff(model.marginal_correction(), x), along)
    steps = np.diff(along) * (slope[1:] + slope[:-1]) / 2
    return np.concatenate([[0.0], np.cumsum(steps)])


def exponent(small: np.ndarray, error: np.ndarray) -> tuple[float, float]:
    """Slope of ln error against ln epsilon where epsilon < SMALL, with its standard error."""
    kept = small < SMALL
    (value, _), covariance = np.polyfit(np.log(small[kept]), np.log(error[kept]), 1, cov=True)
    return float(value), float(np.sqrt(covariance[0, 0]))


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Errors over kappa and noise, and profiles at one kappa."""
    shape = (len(p["kappas"]), len(p["noises"]))
    arrays = {name: np.zeros(shape) for name in ("small", "error", "largest", "misplaced")}
    for i, kappa in enumerate(p["kappas"]):
        for j, noise in enumerate(p["noises"]):
            model = MinimalValley(kappa=kappa, noise=noise)
            along, masses, ratio = compared(model, p["reach"], p["cells"])
            arrays["small"][i, j] = values(model.small_parameter(), 0.0)
            arrays["error"][i, j] = slope_error(model, along, ratio)
            arrays["largest"][i, j] = values(model.small_parameter(), along).max()
            arrays["misplaced"][i, j] = np.sum(masses * np.abs(np.expm1(ratio))) / 2
    for j, noise in enumerate(p["profiles"]):
        model = MinimalValley(kappa=p["kappa"], noise=noise)
        arrays["x"], masses, ratio = compared(model, p["reach"], p["cells"])
        first = correction(model, arrays["x"])
        # Normalised like the two densities, to first order.
        arrays[f"profile_{j}"] = np.array([ratio, first - np.sum(first * masses)])
    return arrays


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Slope, misplaced probability, and profiles."""
    figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.9), width_ratios=[1, 1, 1.1])
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"][2:]
    for i, kappa in enumerate(PARAMETERS["kappas"]):
        small, error = arrays["small"][i], arrays["error"][i]
        _points(axes[0], small, error, colors[i])
        first = (1 - 1 / kappa) * (1 + 4 / kappa)
        axes[0].plot(small, first * small, color=colors[i], lw=0.8)
        largest, misplaced = arrays["largest"][i], arrays["misplaced"][i]
        _points(axes[1], largest, misplaced, colors[i])
        axes[1].plot(largest, misplaced, color=colors[i], lw=0.8)
        for axis, pair in ((axes[0], (small, error)), (axes[1], (largest, misplaced))):
            value, spread = exponent(*pair)
            label = rf"$\kappa = {kappa}$: ${value:.3f} \pm {spread:.3f}$"
            axis.plot([], [], "o", ms=3.5, color=colors[i], label=label)
    axes[0].set(xlabel=r"$\epsilon(0)$", ylabel=r"error of $d \ln P/dx$ over itself")
    axes[1].set(xlabel=r"largest $\epsilon$", ylabel="misplaced probability")
    for axis in axes[:2]:
        axis.legend(title=r"slope for $\epsilon < 0.02$", title_fontsize=8, loc="upper left")
        low, high = axis.get_ylim()
        axis.set_ylim(low, high * 30)
    _profiles(axes[2], arrays)
    return figure


def _points(axes: Axes, small: np.ndarray, error: np.ndarray, color: str) -> None:
    axes.loglog(small, error, "o", ms=3.5, color=color)


def _profiles(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    axes.axhspan(-0.02, 0.02, color="0.9", lw=0)
    for j, noise in enumerate(PARAMETERS["profiles"]):
        solver, first = arrays[f"profile_{j}"]
        axes.plot(arrays["x"], solver, label=rf"$\Delta = {noise:g}$")
        axes.plot(arrays["x"], first, "--", color="0.15", lw=0.8)
    axes.plot([], [], "--", color="0.15", lw=0.8, label="first correction")
    axes.set_yscale("symlog", linthresh=0.02)
    axes.set(
        xlabel="$x$, flat to sharp",
        ylabel=r"$\ln (P/F^\kappa)$",
        title=rf"$\kappa = {PARAMETERS['kappa']}$",
    )
    axes.set_ylim(-0.03, 20)
    axes.legend(loc="upper left")
