"""The density along a degenerate valley: solver, SGD and the effective loss F^kappa.

``L = lambda(x) y^2/2 + L0(x)`` with ``lambda = 2 + tanh x``; ``L0 = (Delta/kappa) (x/2)^8`` holds x
without preferring any place.  Left: noise so weak that ``F^kappa`` holds.  Middle: noise so strong
that it fails, although the valley is the same.  Right: the error of ``ln P`` between two points of
the valley, against the first correction of the theory.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.systems.degenerate_valley import MinimalValley

KEEP = True

PARAMETERS: dict[str, Any] = {
    "noises": [1e-3, 1e-1],
    "kappas": [1, 3, 10, 30, 100],
    "cells": [256, 64],
    "learning_rate": 0.02,
    "runs": 256,
    "relaxations": 2.0,
    "bins": 24,
    "seed": 41,
    "sweep_noises": [1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
    "sweep_kappas": [10, 30, 100],
    "points": [-1.0, 1.0],
}

REACH = 2.6  # of x: the floor (x/2)^8 adds 8 to -ln P there
x, y = sp.symbols("x y", real=True)


def valley(kappa: float, noise: float) -> MinimalValley:
    """The valley of the figure."""
    return MinimalValley(kappa=kappa, noise=noise, base_loss=noise / kappa * (x / 2) ** 8)


def solved(model: MinimalValley, noise: float, cells: list[int]) -> fpk.Density:
    """Marginal of the stationary solution, six standard deviations of y wide on each side."""
    width = 6 * np.sqrt(noise)
    grid = fpk.Grid(x=(-REACH, REACH, cells[0]), y=(-width, width, cells[1]))
    scheme = fpk.LogDensity() if float(model.kappa) >= 10 else None
    operator = fpk.assemble(model.diffusion(), grid, scheme)
    return fpk.stationary_density(operator).marginal("x")


def formula(model: MinimalValley, grid: fpk.Grid) -> np.ndarray:
    """``F^kappa exp(-kappa L0/Delta)``, normalised on the grid."""
    values = compile_expressions([model.marginal()], [x])(grid.centers[0])[0]
    return values / np.sum(values * grid.volumes)


def log_error(density: fpk.Density, values: np.ndarray, points: list[float]) -> float:
    """Change of ``ln(P/formula)`` between two points."""
    ratio = np.log(density.values / values)
    low, high = np.interp(points, density.grid.centers[0], ratio)
    return float(high - low)


def first_correction(model: MinimalValley, points: list[float]) -> float:
    """The same change by the theory's first correction, its slope integrated numerically."""
    slope = compile_expressions([sp.diff(model.marginal_correction(), x)], [x])
    nodes, weights = np.polynomial.legendre.leggauss(64)
    low, high = points
    half = (high - low) / 2
    return float(half * np.sum(weights * slope(low + half * (1 + nodes))[0]))


def sampled(model: MinimalValley, noise: float, p: dict[str, Any], seed: int) -> fpk.Density:
    """Histogram of SGD after burn-in, errors across independent runs."""
    eta, kappa = p["learning_rate"], float(model.kappa)
    # Slowest of: drifting down F^kappa from the sharp end, and diffusing over the whole length.
    time = min(62 / noise, 5.0 * kappa / noise)
    steps = int(p["relaxations"] * time / eta)
    start = np.zeros((p["runs"], 2))
    start[:, 0] = np.linspace(-2, 2 if kappa < 10 else -1, p["runs"])
    runs = fpk.simulate_sgd(
        model.optimizer(eta),
        start,
        steps=steps,
        runs=p["runs"],
        seed=seed,
        save_every=max(1, steps // 600),
    )
    grid = fpk.Grid(x=(-REACH, REACH, p["bins"]))
    return runs.histogram(grid, after=runs.times[-1] / p["relaxations"])


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Marginals, histograms and errors of the logarithm."""
    arrays: dict[str, np.ndarray] = {}
    for i, noise in enumerate(p["noises"]):
        for j, kappa in enumerate(p["kappas"]):
            model = valley(kappa, noise)
            density = solved(model, noise, p["cells"])
            arrays[f"solver_{i}{j}"] = density.values
            arrays[f"formula_{i}{j}"] = formula(model, density.grid)
            histogram = sampled(model, noise, p, p["seed"] + 10 * i + j)
            arrays[f"sgd_{i}{j}"] = histogram.values
            arrays[f"sgd_error_{i}{j}"] = np.asarray(histogram.standard_error)
            arrays["x"], arrays["bins"] = density.grid.centers[0], histogram.grid.centers[0]
    shape = (len(p["sweep_kappas"]), len(p["sweep_noises"]))
    arrays["error"], arrays["theory"] = np.zeros(shape), np.zeros(shape)
    for i, kappa in enumerate(p["sweep_kappas"]):
        for j, noise in enumerate(p["sweep_noises"]):
            model = valley(kappa, noise)
            density = solved(model, noise, p["cells"])
            arrays["error"][i, j] = log_error(density, formula(model, density.grid), p["points"])
            arrays["theory"][i, j] = first_correction(model, p["points"])
    return arrays


def spot_check(rng: np.random.Generator) -> tuple[str, tuple[int, ...], np.ndarray]:
    """One random entry of the kept arrays, computed anew: its name, place and value."""
    i = int(rng.integers(len(PARAMETERS["noises"])))
    j = int(rng.integers(len(PARAMETERS["kappas"])))
    noise = PARAMETERS["noises"][i]
    model = valley(PARAMETERS["kappas"][j], noise)
    if rng.random() < 0.5:
        return f"solver_{i}{j}", (), solved(model, noise, PARAMETERS["cells"]).values
    seed = PARAMETERS["seed"] + 10 * i + j
    return f"sgd_{i}{j}", (), sampled(model, noise, PARAMETERS, seed).values


def _centred(arrays: dict[str, np.ndarray], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Histogram and error times (density at the bin's centre) / (its mean over the bin).

    On steep flanks the mean over a bin lies far above the value at its centre.
    """
    centers, solver = arrays["bins"], arrays[f"solver_{where}"]
    width = centers[1] - centers[0]
    fine = centers[:, np.newaxis] + width * np.linspace(-0.5, 0.5, 41)
    logarithm = np.interp(np.hstack([fine, centers[:, np.newaxis]]), arrays["x"], np.log(solver))
    factor = np.exp(logarithm[:, -1]) / np.exp(logarithm[:, :-1]).mean(axis=1)
    return arrays[f"sgd_{where}"] * factor, arrays[f"sgd_error_{where}"] * factor


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Two noise levels and the error of the formula."""
    p = PARAMETERS
    figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.9), width_ratios=[1, 1, 0.9])
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for i, noise in enumerate(p["noises"]):
        for j, kappa in enumerate(p["kappas"]):
            axes[i].semilogy(
                arrays["x"], arrays[f"solver_{i}{j}"], color=colors[j], label=rf"$\kappa = {kappa}$"
            )
            axes[i].semilogy(arrays["x"], arrays[f"formula_{i}{j}"], "--", color="0.15", lw=0.8)
            values, error = _centred(arrays, f"{i}{j}")
            # A logarithmic axis cannot show a value whose error reaches zero.
            shown = values > 2 * error
            axes[i].errorbar(
                arrays["bins"][shown],
                values[shown],
                error[shown],
                fmt="o",
                ms=2.2,
                color=colors[j],
                elinewidth=0.7,
            )
        axes[i].set(xlabel="$x$", ylim=(1e-8, 6), title=rf"$\Delta = {noise:g}$")
    axes[0].set_ylabel("$P(x)$")
    axes[0].plot([], [], "--", color="0.15", lw=0.8, label=r"$F^\kappa e^{-\kappa L_0/\Delta}$")
    axes[0].plot([], [], "o", ms=2.2, color="0.4", label="SGD")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=7)
    for i, kappa in enumerate(p["sweep_kappas"]):
        theory, error = arrays["theory"][i], arrays["error"][i]
        axes[2].loglog(theory, error, "o", color=colors[p["kappas"].index(kappa)])
    ends = np.array([arrays["theory"].min(), arrays["theory"].max()])
    axes[2].loglog(ends, ends, color="0.6", lw=0.8, zorder=0)
    axes[2].set(
        xlabel="first correction (theory)",
        ylabel=r"error of $\ln P$ (solver)",
        title=r"$x = -1$ against $x = 1$",
    )
    return figure
