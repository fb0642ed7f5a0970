"""Two valleys: the landscape, what the noise makes of it, and who is in the flat valley at fixed y.

Top: the loss with a few runs of SGD, and a cut across the valleys with the effective loss of the
isothermal reading.  Bottom: the stationary share of the flat valley at fixed y, at three noises
(Itô) and, against ``z1^2``, the barrier over the noise, on which alone it depends, in every
reading.  The noise jumps at the ridge, so the three conventions of one diffusion differ; SGD is
Itô's up to the square root of its learning rate.  The formula of the paper takes times to the ridge
for rates, its equilibrium line too: under isotropic noise the Gibbs density has x1/(x1 + x2).
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
from fokkerplanck.systems.two_parabolas import TwoParabolas
from fokkerplanck.systems.two_valley import TwoValley

PARAMETERS: dict[str, Any] = {
    "path_noise": 9e-4,
    "path_rate": 0.05,
    "path_steps": 16_000,
    "paths": 4,
    "path_seed": 11,
    "cut": 40.0,
    "noises": [1e-3, 5e-4, 1e-4],
    "places": 24,
    "cells_per_width": 8,
    "learning_rate": 0.01,
    "sampled_places": 6,
    "runs": 200,
    "steps": 12_000,
    "seed": 12,
}

x, y = sp.symbols("x y", real=True)
CONVENTIONS = ("ito", "stratonovich", "isothermal")
MARKERS = ("o", "s", "^")
SGD_LABEL = rf"SGD, $\eta = {PARAMETERS['learning_rate']:g}$"
DEPTH = 3.2  # largest z1 shown: P_flat is nearly 1 by then


def places(noise: float, depths: np.ndarray) -> np.ndarray:
    """Where ``z1 = x1 y/((y + y_b) sqrt(2 Delta_S))`` has the values `depths`."""
    valley = TwoValley()
    share = depths * np.sqrt(2 * noise) / float(valley.x1)
    return np.asarray(float(valley.y_b) * share / (1 - share))


def solved(section: TwoParabolas, convention: Any, noise: float, cells: int) -> float:
    """P(x > 0) of the solver; the grid ends 7 standard deviations beyond the floors."""
    width = np.sqrt(noise) / cells
    flat, sharp = (float(g) / 2 + 7 * np.sqrt(noise) for g in section.separation)
    below, above = int(np.ceil(sharp / width)), int(np.ceil(flat / width))
    grid = fpk.Grid(x=(-below * width, above * width, below + above))
    operator = fpk.assemble(section.diffusion(convention), grid)
    return fpk.stationary_density(operator).probability(x > 0)


def sampled(section: TwoParabolas, p: dict[str, Any], seed: int) -> tuple[float, float]:
    """Share of x > 0 over the last three quarters of discrete runs, error across runs."""
    share = float(section.flat_probability("ito"))
    floors = np.array([float(section.separation[0]), -float(section.separation[1])]) / 2
    start = np.where(np.arange(p["runs"]) < share * p["runs"], *floors)[:, np.newaxis]
    runs = fpk.simulate_sgd(
        section.optimizer(p["learning_rate"]),
        start,
        steps=p["steps"],
        runs=p["runs"],
        seed=seed,
        save_every=20,
    )
    kept = runs.times > runs.times[-1] / 4
    of_runs = (np.asarray(runs.values)[kept, :, 0] > 0).mean(axis=0)
    return float(of_runs.mean()), float(of_runs.std(ddof=1) / np.sqrt(of_runs.size))


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Landscape, runs, the cut, and shares by solver, formula and discrete runs."""
    valley = TwoValley(noise=p["path_noise"])
    across, along = np.linspace(-0.6, 0.7, 200), np.linspace(0, 30, 160)
    loss = compile_expressions([valley.loss], valley.variables)
    runs = fpk.simulate_sgd(
        valley.optimizer(p["path_rate"]),
        np.array([[(-1) ** k * 0.01, 5.0] for k in range(p["paths"])]),
        steps=p["path_steps"],
        runs=p["paths"],
        seed=p["path_seed"],
        save_every=4,
    )
    section = valley.at(p["cut"])
    line = np.linspace(-0.85, 1.0, 401)
    cut = [section.loss, section.effective_loss(), section.sgd_loss()]
    arrays = {
        "across": across,
        "along": along,
        "loss": loss(across[:, np.newaxis], along)[0],
        "paths": np.asarray(runs.values),
        "line": line,
        "cut": compile_expressions(cut, [valley.variables[0]])(line),
    }
    for i, noise in enumerate(p["noises"]):
        model = TwoValley(noise=noise)
        arrays[f"y_{i}"] = places(noise, np.linspace(0.05, DEPTH, p["places"]))
        sections = [model.at(place) for place in arrays[f"y_{i}"]]
        arrays[f"solver_{i}"] = np.array(
            [[solved(s, c, noise, p["cells_per_width"]) for s in sections] for c in CONVENTIONS]
        )
        arrays[f"formula_{i}"] = np.array(
            [float(s.flat_probability("first_passage")) for s in sections]
        )
        few = places(noise, np.linspace(0.1, 2.6, p["sampled_places"]))
        arrays[f"few_{i}"] = few
        arrays[f"sgd_{i}"] = np.array(
            [sampled(model.at(place), p, p["seed"] + 10 * i + k) for k, place in enumerate(few)]
        )
    return arrays


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Landscape and cut above, the flat valley's share below."""
    figure, axes = plt.subplots(2, 2, figsize=(7.0, 5.4))
    _landscape(axes[0, 0], arrays)
    _cut(axes[0, 1], arrays)
    _shares(axes[1, 0], arrays)
    _readings(axes[1, 1], arrays)
    return figure


def _landscape(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    levels = np.linspace(1.4, 2.4, 21)
    shown = axes.contourf(
        arrays["along"], arrays["across"], arrays["loss"], levels, cmap="Greys", extend="both"
    )
    axes.figure.colorbar(shown, ax=axes, label="$L$", ticks=[1.4, 1.6, 1.8, 2.0, 2.2, 2.4])
    for k in range(arrays["paths"].shape[1]):
        axes.plot(arrays["paths"][:, k, 1], arrays["paths"][:, k, 0], lw=0.4, alpha=0.8)
    axes.axhline(0, color="0.3", lw=0.6, ls=":")
    axes.set(xlabel="$y$, along", ylabel="$x$, sharp | flat", title="$L(x, y)$ and runs of SGD")


def _cut(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    names = ("$L$", r"$L_\mathrm{eff}$", r"$L_\mathrm{SGD} = L_\mathrm{eff} - L$")
    for values, name, style in zip(arrays["cut"], names, ("-", "-", "--"), strict=True):
        axes.plot(arrays["line"], values, style, label=name)
    axes.axvline(0, color="0.3", lw=0.6, ls=":")
    axes.set(xlabel="$x$", title=f"cut at $y = {PARAMETERS['cut']:g}$", ylim=(-0.4, 2.2))
    axes.legend(loc="center left", bbox_to_anchor=(0.02, 0.42))


def _shares(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for i, (noise, marker) in enumerate(zip(PARAMETERS["noises"], MARKERS, strict=True)):
        color = colors[3 + i]
        label = rf"$\Delta_S = {1e4 * noise:g} \times 10^{{-4}}$"
        axes.plot(arrays[f"y_{i}"], arrays[f"solver_{i}"][0], color=color, label=label)
        axes.plot(arrays[f"y_{i}"], arrays[f"formula_{i}"], "--", color=color, lw=0.9)
        share, error = arrays[f"sgd_{i}"].T
        axes.errorbar(arrays[f"few_{i}"], share, error, fmt=marker, ms=3.5, color=color)
    axes.plot([], [], "--", color="0.15", lw=0.9, label="paper's formula")
    axes.errorbar([], [], [], fmt="o", ms=3.5, color="0.3", label=SGD_LABEL)
    axes.set(
        xlabel="$y$",
        ylabel=r"$P_\mathrm{flat}$ at fixed $y$",
        title="Itô: Fokker–Planck and SGD",
        xlim=(0, 6.5),
    )
    axes.legend(loc="lower right")


def _readings(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    valley = TwoValley()

    def depth(along: np.ndarray, noise: float) -> np.ndarray:
        return (float(valley.x1) * along / (along + float(valley.y_b))) ** 2 / (2 * noise)

    noises = PARAMETERS["noises"]
    names = ("Itô", "Stratonovich", "isothermal")
    for values, name in zip(arrays["solver_0"], names, strict=True):
        axes.semilogx(depth(arrays["y_0"], noises[0]), values, label=name)
    axes.plot(
        depth(arrays["y_0"], noises[0]), arrays["formula_0"], "--", color="0.15", label="paper"
    )
    for i, marker in enumerate(MARKERS):
        share, error = arrays[f"sgd_{i}"].T
        depths = depth(arrays[f"few_{i}"], noises[i])
        axes.errorbar(depths, share, error, fmt=marker, ms=3.5, color="0.3", elinewidth=0.7)
    lines = (
        (valley.equilibrium_probability(), "-", "paper"),
        (valley.gibbs_probability(), ":", "Gibbs"),
    )
    for value, style, name in lines:
        axes.axhline(float(value), color="0.6", lw=0.9, ls=style, label=f"isotropic noise, {name}")
    axes.set(
        xlabel=r"barrier over noise $z_1^2 = f_1 \Delta L/(2 \Delta_S)$",
        ylabel=r"$P_\mathrm{flat}$ at fixed $y$",
        title="all noises, every reading",
    )
    axes.legend(loc="upper left")
