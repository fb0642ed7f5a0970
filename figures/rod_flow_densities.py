"""Stationary densities of SGD through the edge of stability, by the chain and by two diffusions.

``ln cosh w`` (S = 1) with ``eta S`` from 0.5 to 2.4 and noise of standard deviation 0.1 a step: a
histogram of SGD, the exact one-step operator, the ordinary diffusion (of w) and the stochastic rod
(of ``(-1)^n w``, order 2).  In the panels the L1 distance of each from the operator.  Below ``eta S
= 1`` the ordinary diffusion is the nearer one, above it the rod; beyond the edge the chain visits
the 2-cycle of gradient descent, of which the ordinary diffusion knows nothing.
"""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import fokkerplanck as fpk

PARAMETERS: dict[str, Any] = {
    "products": [0.5, 1.5, 1.9, 2.0, 2.1, 2.4],
    "sigma": 0.1,
    "cells": 1600,
    "outside": 1e-7,
    "bins": 64,
    "runs": 4000,
    "burn_in": 300,
    "steps": 1200,
    "seed": 16,
}

w = sp.Symbol("w", real=True)
LOSS = sp.log(sp.cosh(w))
MODELS = ("sgd", "ordinary", "rod")


def model(product: float, sigma: float) -> fpk.SGD:
    """SGD with ``eta = product`` that adds noise of standard deviation sigma in a step."""
    noise = fpk.noise.Isotropic((sigma / product) ** 2)
    return fpk.SGD(LOSS, (w,), noise, learning_rate=product)


def cycle(product: float) -> float:
    """Half-difference of gradient descent's 2-cycle: the root of ``eta tanh w = 2 w``."""
    return 0.0 if product <= 2 else float(sp.nsolve(product * sp.tanh(w) - 2 * w, w, 1.0))


def after_a_step(density: fpk.Density, eta: float, sigma: float, places: np.ndarray) -> np.ndarray:
    """Density one step later, at any place; a stationary one is thereby interpolated exactly."""
    nodes = density.grid.centers[0]
    landed = (places[:, np.newaxis] - nodes + eta * np.tanh(nodes)) / sigma
    kernel = np.exp(-(landed**2) / 2) / (sigma * np.sqrt(2 * np.pi))
    return np.asarray(kernel @ density.masses)


def sampled(sgd: fpk.SGD, end: float, start: float, p: dict[str, Any], seed: int) -> fpk.Density:
    """Histogram of SGD after `burn_in` steps, half of the runs from either end of the cycle."""
    sides = np.where(np.arange(p["runs"]) % 2, start, -start)[:, np.newaxis]
    # An odd number of steps between samples, so that both phases are met.
    runs = fpk.simulate_sgd(sgd, sides, steps=p["steps"], runs=p["runs"], seed=seed, save_every=15)
    after = p["burn_in"] * float(sgd.learning_rate)
    return runs.histogram(fpk.Grid(w=(-end, end, p["bins"])), after=after)


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Densities on cells of w, and their L1 distances from the operator's."""
    arrays: dict[str, np.ndarray] = {"products": np.array(p["products"])}
    for k, product in enumerate(p["products"]):
        sgd, well = model(product, p["sigma"]), cycle(product)
        exact = fpk.stationary_density(
            fpk.transition_operator(sgd, fpk.Panels(w=(-well - 1.5, well + 1.5)))
        )
        beyond = np.cumsum(exact.masses) < p["outside"]
        end = -float(exact.grid.centers[0][beyond][-1])
        grid, axis = fpk.Grid(w=(-end, end, p["cells"])), (-end, end, p["cells"])
        rod = fpk.StochasticRod(sgd)
        with warnings.catch_warnings():  # far from their edge both diffusions say that they fail
            warnings.simplefilter("ignore", fpk.errors.FokkerPlanckWarning)
            ordinary = fpk.stationary_density(fpk.assemble(sgd.diffusion(), grid))
            staggered = fpk.stationary_density(fpk.assemble(rod, fpk.Grid(s=axis)))
            found = rod.density_of_iterate(staggered)
        histogram = sampled(sgd, end, well, p, p["seed"] + k)
        arrays[f"w_{k}"] = grid.centers[0]
        arrays[f"exact_{k}"] = after_a_step(exact, product, p["sigma"], grid.centers[0])
        arrays[f"ordinary_{k}"], arrays[f"rod_{k}"] = ordinary.values, found.values
        arrays[f"edges_{k}"] = histogram.grid.edges[0]
        arrays[f"sgd_{k}"], arrays[f"error_{k}"] = histogram.values, histogram.standard_error
        arrays[f"distance_{k}"] = distances(arrays, k)
    return arrays


def distances(arrays: dict[str, np.ndarray], k: int) -> np.ndarray:
    """L1 distances from the operator: of SGD (bin by bin), ordinary, rod; last SGD's noise."""
    volume = np.ptp(arrays[f"w_{k}"]) / (arrays[f"w_{k}"].size - 1)
    bins = arrays[f"sgd_{k}"].size
    averaged = arrays[f"exact_{k}"].reshape(bins, -1).mean(axis=1)
    width = np.diff(arrays[f"edges_{k}"])
    apart = [float(np.sum(np.abs(arrays[f"sgd_{k}"] - averaged) * width))]
    for name in MODELS[1:]:
        apart.append(float(np.sum(np.abs(arrays[f"{name}_{k}"] - arrays[f"exact_{k}"])) * volume))
    expected = float(np.sum(arrays[f"error_{k}"] * width)) * np.sqrt(2 / np.pi)
    return np.array([*apart, expected])


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """One panel for each ``eta S``."""
    figure, axes = plt.subplots(2, 3, figsize=(7.0, 4.2))
    for k, (panel, product) in enumerate(zip(axes.flat, arrays["products"], strict=True)):
        places = arrays[f"w_{k}"]
        panel.stairs(arrays[f"sgd_{k}"], arrays[f"edges_{k}"], fill=True, color="0.82", label="SGD")
        panel.plot(places, arrays[f"exact_{k}"], color="k", lw=2.2, label="one-step operator")
        panel.plot(places, arrays[f"ordinary_{k}"], color="C1", lw=1.1, label="ordinary diffusion")
        panel.plot(places, arrays[f"rod_{k}"], "--", color="C5", lw=1.3, label="stochastic rod")
        top = max(arrays[f"exact_{k}"].max(), arrays[f"rod_{k}"].max())
        panel.set(title=rf"$\eta S = {product:g}$", ylim=(0, 1.75 * top), xlabel="$w$")
        panel.set_xlim(places[0], places[-1])
        lines = zip(("SGD", "ordinary", "rod"), arrays[f"distance_{k}"], ("0.4", "C1", "C0"),
                    strict=False)  # fmt: skip
        for row, (name, apart, color) in enumerate(lines):
            digits = f"{apart:.3f}" if apart < 0.1 else f"{apart:.2f}"
            panel.text(0.03, 0.97 - 0.1 * row, f"{name} {digits}", transform=panel.transAxes,
                       va="top", color=color, fontsize=7.5)  # fmt: skip
    for panel in axes[:, 0]:
        panel.set_ylabel("density")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure
