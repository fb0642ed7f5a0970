"""The effective loss of SGD against the flatness, read off solved densities.

Left and middle: the minimal model on a level floor, ``L_SGD = -Delta ln P - L`` on the floor y = 0,
against ``ln F``; lines have the derived slope ``Delta (1 - kappa)``.  Left: strength by kappa.
Middle: by the noise at one kappa.  Right: ``-ln P(x)`` of the random-shift model along
``lambda = 2 + x``, held by a slope of the floor that alone prefers the sharp end: discrete SGD, the
derived diffusion along the valley, and the reading that puts the local kappa into ``L_SGD``.
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
from fokkerplanck.systems.random_shift_valley import RandomShiftValley

PARAMETERS: dict[str, Any] = {
    "noise": 1e-3,
    "kappas": [1, 3, 10, 30, 100],
    "noises": [5e-4, 1e-3, 2e-3],
    "kappa": 10,
    "reach": 1.5,
    "cells": [256, 129],
    "shift_noise": 0.05,
    "learning_rate": 0.005,
    "runs": 1000,
    "relaxations": 20,
    "bins": 21,
    "seed": 51,
}

x, y = sp.symbols("x y", real=True)


def effective_loss(model: MinimalValley, reach: float, cells: list[int]) -> np.ndarray:
    """``ln F`` and ``L_SGD = -Delta ln P - L`` on the floor, zero at the flat wall.

    An odd number of cells across has one row of them on the floor, where L is that of the floor.
    """
    noise = float(model.noise)
    width = 7 * np.sqrt(noise / float(model.curvature.subs(x, -reach)))
    grid = fpk.Grid(x=(-reach, reach, cells[0]), y=(-width, width, cells[1]))
    scheme = fpk.LogDensity() if float(model.kappa) > 1 else fpk.Selling()
    density = fpk.stationary_density(fpk.assemble(model.diffusion(), grid, scheme))
    logarithm = np.log(density.values[:, cells[1] // 2])
    along = grid.centers[0]
    flatness, floor = compile_expressions([sp.log(model.flatness), model.base_loss], [x])(along)
    values = -noise * logarithm - floor
    return np.array([flatness, values - values[0]])


def slope(flatness: np.ndarray, values: np.ndarray) -> float:
    """Slope of the straight line through both ends of the valley."""
    return float((values[-1] - values[0]) / (flatness[-1] - flatness[0]))


def balanced(noise: float) -> RandomShiftValley:
    """``lambda = 2 + x`` and a slope of the floor that holds x at 0 without curving it."""
    return RandomShiftValley(2 + x, -noise * x / 2, noise)


def random_shift(p: dict[str, Any]) -> dict[str, np.ndarray]:
    """Density along the valley: histogram of SGD, derived diffusion, local kappa."""
    model, eta = balanced(p["shift_noise"]), p["learning_rate"]
    steps = round(p["relaxations"] / (p["shift_noise"] * eta))
    runs = fpk.simulate_sgd(
        model.optimizer(eta),
        (0.0, 0.0),
        steps=steps,
        runs=p["runs"],
        seed=p["seed"],
        save_every=steps // 40,
    )
    half = 4 * np.sqrt(p["shift_noise"] / 2)
    histogram = runs.histogram(fpk.Grid(x=(-half, half, p["bins"])), after=runs.times[-1] / 4)
    grid = fpk.Grid(x=(-1.2, 2.0, 1600))
    derived = fpk.stationary_density(fpk.assemble(model.along(), grid))
    along = grid.centers[0]
    # ln P by the local kappa: a quarter of the derived slope, to leading order.
    local = sp.integrate(sp.simplify(model.log_density_slope() / 4), x)
    reading = np.exp(compile_expressions([local], [x])(along)[0])
    return {
        "bins": histogram.grid.centers[0],
        "sgd": histogram.values,
        "sgd_error": np.asarray(histogram.standard_error),
        "along": along,
        "derived": derived.values,
        "local": reading / np.sum(reading * grid.volumes),
    }


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Effective losses of both models."""

    def solved(kappa: float, noise: float) -> np.ndarray:
        return effective_loss(MinimalValley(kappa=kappa, noise=noise), p["reach"], p["cells"])

    return {
        **{f"kappa_{kappa}": solved(kappa, p["noise"]) for kappa in p["kappas"]},
        **{f"noise_{i}": solved(p["kappa"], noise) for i, noise in enumerate(p["noises"])},
        **random_shift(p),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Strength by kappa, by noise, and the random-shift model."""
    figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.8))
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    noise = PARAMETERS["noise"]
    for kappa, color in zip(PARAMETERS["kappas"], colors, strict=False):
        label = rf"$\kappa = {kappa}$"
        _against_flatness(
            axes[0], arrays[f"kappa_{kappa}"] / [[1], [noise]], 1 - kappa, label, color
        )
    axes[0].set(ylabel=r"$L_\mathrm{SGD}/\Delta$", title=rf"$\Delta = {noise:g}$")
    for i, (level, color) in enumerate(zip(PARAMETERS["noises"], colors, strict=False)):
        label = rf"$\Delta = {level:g}$"
        derived = 1e3 * level * (1 - PARAMETERS["kappa"])
        _against_flatness(axes[1], arrays[f"noise_{i}"] * [[1], [1e3]], derived, label, color)
    axes[1].set(ylabel=r"$10^3 L_\mathrm{SGD}$", title=rf"$\kappa = {PARAMETERS['kappa']}$")
    for axis in axes[:2]:
        axis.plot([], [], "--", color="0.15", lw=0.8, label=r"slope $\Delta(1-\kappa)$")
        axis.legend(loc="upper right")
    _random_shift(axes[2], arrays, colors)
    return figure


def _against_flatness(axes: Axes, pair: np.ndarray, derived: float, label: str, color: str) -> None:
    flatness, values = pair
    axes.plot(flatness, values, color=color, label=label)
    axes.plot(flatness, derived * (flatness - flatness[0]), "--", color="0.15", lw=0.8)
    axes.set_xlabel(r"$\ln F$, sharp to flat")


def _random_shift(axes: Axes, arrays: dict[str, np.ndarray], colors: list[str]) -> None:
    def flatness(along: np.ndarray) -> np.ndarray:
        return -np.log(2 + along) / 2

    lines = (("derived", "-", "derived"), ("local", "--", r"local $\kappa$ in $L_\mathrm{SGD}$"))
    for (name, style, label), color in zip(lines, colors, strict=False):
        axes.plot(flatness(arrays["along"]), -np.log(arrays[name]), style, color=color, label=label)
    values, error = arrays["sgd"], arrays["sgd_error"]
    shown = values > 2 * error
    axes.errorbar(
        flatness(arrays["bins"][shown]),
        -np.log(values[shown]),
        error[shown] / values[shown],
        fmt="o",
        ms=2.5,
        color="0.2",
        elinewidth=0.7,
        label="SGD",
    )
    axes.set(
        xlabel=r"$\ln F$, sharp to flat",
        ylabel=r"$-\ln P(x)$",
        title=rf"random shifts, $\Delta_S = {PARAMETERS['shift_noise']:g}$",
        xlim=(-0.49, -0.2),
        ylim=(-1.5, 7),
    )
    axes.legend(loc="upper center")
