"""The degenerate valley in the plane: noise, density, circulation and the entropy it produces.

Top: contours of the loss, the noise of each model as ellipses ``v^T D^-1 v = const`` (enlarged),
with the solved density of the minimal model and runs of discrete SGD in the random-shift model,
which drift from the sharp end to the flat one.  Bottom: the stationary current of the minimal
model, two rows of eddies that carry no net flux along the valley (the darker the faster, over three
decades), and the entropy that it produces at x, per probability, against the closed form.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse

import fokkerplanck as fpk
from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.systems.degenerate_valley import MinimalValley
from fokkerplanck.systems.random_shift_valley import RandomShiftValley

PARAMETERS: dict[str, Any] = {
    "noise": 0.02,
    "kappa": 5.0,
    "reach": 2.0,
    "cells": [160, 96],
    "shift_noise": 0.1,
    "learning_rate": 0.05,
    "steps": 2000,
    "runs": 3,
    "seed": 3,
    "entropy_noise": 1e-3,
    "kappas": [3, 10, 30],
    "entropy_cells": [512, 128],
}

x, y = sp.symbols("x y", real=True)


def solved(
    model: MinimalValley, reach: float, cells: list[int]
) -> tuple[fpk.FokkerPlanckOperator, fpk.Density]:
    """Operator and stationary density between walls at -reach and reach."""
    # Six standard deviations of y at the flat end.
    width = 6 * np.sqrt(float(model.noise) / float(model.curvature.subs(x, -reach)))
    grid = fpk.Grid(x=(-reach, reach, cells[0]), y=(-width, width, cells[1]))
    scheme = fpk.LogDensity() if float(model.kappa) >= 10 else fpk.Selling()
    operator = fpk.assemble(model.diffusion(), grid, scheme)
    return operator, fpk.stationary_density(operator)


def production_along(model: MinimalValley, reach: float, cells: list[int]) -> np.ndarray:
    """Points along, the solver's entropy production per probability there, and the closed form."""
    operator, density = solved(model, reach, cells)
    field = fpk.entropy_production(operator, density).field
    volumes = density.grid.volumes
    at_x = np.sum(field.values * volumes, axis=1) / density.masses.sum(axis=1)
    along = density.grid.centers[0]
    return np.array([along, at_x, compile_expressions([model.entropy_production()], [x])(along)[0]])


def tensors(diffusion: fpk.Diffusion, places: list[tuple[float, float]]) -> np.ndarray:
    """``D`` at the places, shape (places, 2, 2)."""
    along, across = np.transpose(places)
    compiled = compile_expressions(list(diffusion.tensor), diffusion.variables)
    return np.moveaxis(compiled(along, across), 0, -1).reshape(-1, 2, 2)


def places(width: float) -> list[tuple[float, float]]:
    """Where ellipses are drawn: on the floor and on both sides of it."""
    return [(a, b) for a in (-1.5, -0.5, 0.5, 1.5) for b in (-width, 0.0, width)]


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Density, current, runs, tensors and entropy production."""
    model = MinimalValley(kappa=p["kappa"], noise=p["noise"])
    operator, density = solved(model, p["reach"], p["cells"])
    shift = RandomShiftValley(noise=p["shift_noise"])
    runs = fpk.simulate_sgd(
        shift.optimizer(p["learning_rate"]),
        (1.6, 0.0),
        steps=p["steps"],
        runs=p["runs"],
        seed=p["seed"],
        save_every=2,
    )
    return {
        "along": density.grid.centers[0],
        "across": density.grid.centers[1],
        "density": density.values,
        "current": fpk.probability_current(operator, density).values,
        "paths": np.asarray(runs.values),
        "minimal_tensors": tensors(model.diffusion(), places(0.35)),
        "shift_tensors": tensors(shift.diffusion(), places(0.8)),
        **{
            f"production_{kappa}": production_along(
                MinimalValley(kappa=kappa, noise=p["entropy_noise"]),
                p["reach"],
                p["entropy_cells"],
            )
            for kappa in p["kappas"]
        },
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Landscapes above, current and entropy production below."""
    figure, axes = plt.subplots(2, 2, figsize=(7.0, 5.2))
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    _landscape(axes[0, 0], arrays)
    _runs(axes[0, 1], arrays, colors)
    _current(axes[1, 0], arrays)
    _production(axes[1, 1], arrays, colors)
    return figure


def _loss(axes: Axes, reach: float, width: float, levels: np.ndarray) -> None:
    along, across = np.linspace(-reach, reach, 121), np.linspace(-width, width, 121)
    loss = (2 + np.tanh(along)) * across[:, np.newaxis] ** 2 / 2
    axes.contour(along, across, loss, levels, colors="0.55", linewidths=0.5)
    axes.set(xlabel="$x$, flat to sharp", ylabel="$y$, across", xlim=(-reach, reach))
    axes.set_ylim(-width, width)


def _ellipses(
    axes: Axes, tensors: np.ndarray, places: list[tuple[float, float]], size: float
) -> None:
    """Ellipses with semi-axes ``size sqrt(eigenvalue)``."""
    for tensor, place in zip(tensors, places, strict=True):
        values, vectors = np.linalg.eigh(tensor)
        major, minor = 2 * size * np.sqrt(np.maximum(values[::-1], 0))
        angle = np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1]))
        axes.add_patch(
            Ellipse(place, major, minor, angle=angle, fill=False, ec="k", lw=0.9, zorder=3)
        )


def _density(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    shown = axes.pcolormesh(
        arrays["along"],
        arrays["across"],
        arrays["density"].T,
        cmap="Blues",
        shading="gouraud",
        rasterized=True,
    )
    axes.figure.colorbar(shown, ax=axes, label="$P(x, y)$")


def _landscape(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    _density(axes, arrays)
    _loss(axes, PARAMETERS["reach"], 0.6, np.array([0.01, 0.04, 0.1, 0.2, 0.4]))
    _ellipses(axes, arrays["minimal_tensors"], places(0.35), 0.7)
    axes.set_title(rf"constant noise, $D_{{yy}}/D_{{xx}} = \kappa = {PARAMETERS['kappa']:g}$")


def _runs(axes: Axes, arrays: dict[str, np.ndarray], colors: list[str]) -> None:
    for k in range(arrays["paths"].shape[1]):
        axes.plot(*arrays["paths"][:, k].T, lw=0.35, alpha=0.75, color=colors[k])
        axes.plot(*arrays["paths"][-1, k], "o", ms=4, color=colors[k], mec="w", mew=0.6)
    _loss(axes, PARAMETERS["reach"], 1.4, np.array([0.05, 0.2, 0.6, 1.2, 2.4]))
    _ellipses(axes, arrays["shift_tensors"], places(0.8), 0.45)
    axes.set_title(r"random shifts, $C = \sigma H^2$: SGD from $x = 1.6$")


def _current(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    _density(axes, arrays)
    along, across, current = arrays["along"], arrays["across"], arrays["current"]
    # The layer at the walls holds half cells.
    inside = np.abs(across) < 0.45
    speed = np.hypot(*current)[:, inside].T
    axes.streamplot(
        np.linspace(along[0], along[-1], along.size),
        np.linspace(across[inside][0], across[inside][-1], inside.sum()),
        current[0][:, inside].T,
        current[1][:, inside].T,
        density=(1.3, 0.9),
        color=colour_of_speed(speed),
        cmap="copper_r",
        linewidth=0.8,
        arrowsize=0.7,
    )
    axes.set(xlabel="$x$, flat to sharp", ylabel="$y$, across", title="stationary current")
    axes.set(xlim=(-PARAMETERS["reach"], PARAMETERS["reach"]), ylim=(-0.45, 0.45))


def colour_of_speed(speed: np.ndarray) -> np.ndarray:
    """Logarithm of the speed, three decades of it, from 0 to 1."""
    return np.clip(1 + np.log10(speed / speed.max()) / 3, 0, 1)


def _production(axes: Axes, arrays: dict[str, np.ndarray], colors: list[str]) -> None:
    noise = PARAMETERS["entropy_noise"]
    for kappa, color in zip(PARAMETERS["kappas"], colors, strict=False):
        along, solver, formula = arrays[f"production_{kappa}"]
        axes.semilogy(along, solver / noise, color=color, label=rf"solver, $\kappa = {kappa}$")
        axes.semilogy(along, formula / noise, "--", color="0.15", lw=0.8)
    form = r"$\frac{(\kappa-1)^2}{2\kappa}\,(\lambda'/\lambda)^2$"
    axes.plot([], [], "--", color="0.15", lw=0.8, label=form)
    axes.set(
        xlabel="$x$, flat to sharp",
        ylabel=r"entropy production at $x$ over $\Delta$",
        title=rf"entropy production, $\Delta = {noise:g}$",
    )
    axes.legend(loc="lower center")
