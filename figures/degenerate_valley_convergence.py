"""Time to the flat end of the valley against the noise: solver, SGD and derived formulas.

Runs start at x = 1 with y in equilibrium; the time is that at which the mean of x passes -1/2.
Minimal model: the Fokker-Planck equation in the plane.  Random shifts: that of the derived
diffusion along the valley.  Both with the width across that y has at this learning rate.  Dashed:
``int dx/drift``, without diffusion along the valley, in the limit of small noise and steps.  Left:
means of x against the time in units of 1/noise, one shape a noise.  Right: times over the formula.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fokkerplanck as fpk
from figures._line import line
from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.systems.degenerate_valley import MinimalValley
from fokkerplanck.systems.random_shift_valley import RandomShiftValley

PARAMETERS: dict[str, Any] = {
    "noises": [0.005, 0.01, 0.02, 0.04],
    "kappa": 30.0,
    "cells": [144, 64],
    "fine": 2400,
    "learning_rate": 0.02,
    "runs": 2000,
    "seed": 61,
}

START, END = 1.0, -0.5
SPREAD = 0.05  # standard deviation of x at the start
REACH = 2.6
SAVED = 150
x, y = sp.symbols("x y", real=True)
Model = MinimalValley | RandomShiftValley


def minimal(noise: float, kappa: float) -> MinimalValley:
    """The minimal model, held by a floor that is level but for its ends."""
    return MinimalValley(kappa=kappa, noise=noise, base_loss=noise / kappa * (x / 2) ** 8)


def width_factor(model: Model, learning_rate: float) -> sp.Expr:
    """Variance of y in the iteration at fixed x over that of the diffusion."""
    return 1 / (1 - learning_rate * model.curvature / 2)


def in_plane(model: MinimalValley, learning_rate: float) -> fpk.Diffusion:
    """The minimal diffusion with the width across that y has at this learning rate."""
    diffusion = model.diffusion()
    factor = sp.diag(1, width_factor(model, learning_rate))
    return fpk.Diffusion(diffusion.variables, diffusion.drift, diffusion.tensor * factor)


def along(model: RandomShiftValley, learning_rate: float) -> fpk.Diffusion:
    """The derived diffusion of x; its leading drift with the same width."""
    reduced = model.along()
    wider = model.drift_along() * (width_factor(model, learning_rate) - 1)
    return fpk.Diffusion(reduced.variables, [reduced.drift[0] + wider], reduced.tensor)


def at_rest(model: Model) -> float:
    """Variance of y at the start."""
    variance = (
        model.variance_across()
        if isinstance(model, RandomShiftValley)
        else model.noise / model.curvature
    )
    return float(variance.subs(x, START))


def formula(model: Model) -> float:
    """``int dx/drift`` from start to end."""
    integral = model.convergence_time(START, END)
    (variable, *ends) = integral.limits[0]
    nodes, weights = np.polynomial.legendre.leggauss(40)
    low, high = (float(end) for end in ends)
    points = (low + high) / 2 + (high - low) / 2 * nodes
    values = compile_expressions([integral.function], [variable])(points)[0]
    return float((high - low) / 2 * np.sum(weights * values))


def passage(times: np.ndarray, means: np.ndarray) -> float:
    """When the mean passes END, linear between the times."""
    k = int(np.argmax(means < END))
    if not means[k] < END:
        raise ValueError(f"the mean of x is {means[-1]:.3g} at the end and has not passed {END}")
    share = (means[k - 1] - END) / (means[k - 1] - means[k])
    return float(times[k - 1] + share * (times[k] - times[k - 1]))


def solved(model: Model, p: dict[str, Any], times: np.ndarray) -> np.ndarray:
    """Mean of x by `fokkerplanck.evolve`."""
    variance = at_rest(model)
    if isinstance(model, RandomShiftValley):
        grid = fpk.Grid(x=(-1.2, 1.5, p["fine"]))
        operator = fpk.assemble(along(model, p["learning_rate"]), grid)
        start = fpk.gaussian_density(grid, [START], [[SPREAD**2]])
    else:
        width = 6 * np.sqrt(float(model.noise))
        grid = fpk.Grid(x=(-REACH, REACH, p["cells"][0]), y=(-width, width, p["cells"][1]))
        operator = fpk.assemble(in_plane(model, p["learning_rate"]), grid, fpk.Selling())
        start = fpk.gaussian_density(grid, [START, 0.0], np.diag([SPREAD**2, variance]))
    return np.asarray(fpk.evolve(operator, start, times, tolerance=1e-3).means[:, 0])


def sampled(
    model: Model, p: dict[str, Any], duration: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times, means of x and their standard errors, by discrete SGD."""
    rng = np.random.default_rng(seed)
    spreads = [SPREAD, np.sqrt(at_rest(model))]
    start = np.array([START, 0.0]) + rng.normal(size=(p["runs"], 2)) * spreads
    every = max(1, round(duration / p["learning_rate"] / SAVED))
    runs = fpk.simulate_sgd(
        model.optimizer(p["learning_rate"]),
        start,
        steps=every * SAVED,
        runs=p["runs"],
        seed=seed,
        save_every=every,
    )
    values = np.asarray(runs.values)[:, :, 0]
    return runs.times, values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(p["runs"])


def measured(model: Model, p: dict[str, Any], seed: int) -> dict[str, np.ndarray]:
    """Mean of x over time and the passage times: SGD, its error, solver, formula."""
    derived = formula(model)
    times, means, errors = sampled(model, p, 1.6 * derived, seed)
    by_solver = solved(model, p, times)
    of_runs, of_solver = passage(times, means), passage(times, by_solver)
    # The error of the mean over its speed, both where it passes.
    k = int(np.argmax(means < END))
    speed = (means[k - 5] - means[k + 5]) / (times[k + 5] - times[k - 5])
    curves = np.array([times, means, errors, by_solver])
    return {"curves": curves, "passage": np.array([of_runs, errors[k] / speed, of_solver, derived])}


def slope(noises: np.ndarray, times: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Slope of ln t against ln noise by weighted least squares, and its standard error."""
    found, error, *_ = line(np.log(noises), np.stack([np.log(times), errors / times], axis=1))
    return found, error


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Both models at every noise."""
    models: dict[str, Callable[[float], Model]] = {
        "minimal": lambda noise: minimal(noise, p["kappa"]),
        "shift": lambda noise: RandomShiftValley(noise=noise),
    }
    arrays = {}
    for k, (name, model) in enumerate(models.items()):
        every = [
            measured(model(noise), p, p["seed"] + 10 * k + i) for i, noise in enumerate(p["noises"])
        ]
        arrays[name] = np.array([one["passage"] for one in every])
        arrays[f"{name}_curves"] = np.array([one["curves"] for one in every])
    return arrays


NAMES = {
    "minimal": rf"constant noise, $\kappa = {PARAMETERS['kappa']:g}$",
    "shift": "random shifts",
}


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Means of x, times, and times over the formula."""
    figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.9))
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    noises = np.array(PARAMETERS["noises"])
    for name, color, marker in zip(NAMES, colors, ("o", "s"), strict=False):
        _means(axes[0], noises, arrays[f"{name}_curves"], color)
        of_runs, errors, of_solver, derived = arrays[name].T
        value, error = slope(noises, of_runs, errors)
        label = f"{NAMES[name]}:\nslope ${value:.3f} \\pm {error:.3f}$"
        axes[1].errorbar(noises, of_runs, errors, fmt=marker, color=color, label=label)
        axes[1].plot(noises, of_solver, color=color)
        axes[1].plot(noises, derived, "--", color=color, lw=0.9)
        axes[2].errorbar(noises, of_runs / derived, errors / derived, fmt=marker, color=color)
        axes[2].plot(noises, of_solver / derived, color=color)
    axes[0].set(xlabel=r"noise $\times$ time", ylabel=r"mean of $x$")
    axes[1].set(ylabel="time to the flat end", yscale="log", ylim=(30, 2e4))
    axes[1].legend(loc="upper right")
    axes[2].axhline(1, color="0.3", ls="--", lw=0.9)
    axes[2].set(ylabel=r"time over $\int dx/\mathrm{drift}$", ylim=(0.9, 1.45))
    for axis in axes[1:]:
        axis.set_xscale("log")
        axis.set_xticks(noises, [f"{noise:g}" for noise in noises])
        axis.xaxis.minorticks_off()
        axis.set_xlabel(r"noise, $\Delta$ or $\Delta_S$")
    axes[2].errorbar([], [], [], fmt="o", color="0.3", label="SGD")
    axes[2].plot([], [], color="0.3", label="Fokker–Planck")
    axes[2].plot([], [], "--", color="0.3", lw=0.9, label=r"$\int dx/\mathrm{drift}$")
    axes[2].legend(loc="upper right")
    return figure


def _means(axes: Axes, noises: np.ndarray, curves: np.ndarray, color: str) -> None:
    for noise, (times, means, errors, _), shape in zip(noises, curves, "ov^s", strict=True):
        kept = slice(None, None, 12)
        axes.errorbar(
            noise * times[kept],
            means[kept],
            errors[kept],
            fmt=shape,
            ms=2.2,
            color=color,
            elinewidth=0.6,
        )
    axes.plot(noises[0] * curves[0, 0], curves[0, 3], color=color)
    axes.axhline(END, color="0.6", lw=0.6, ls=":")
