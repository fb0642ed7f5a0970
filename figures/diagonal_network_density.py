"""Stationary densities of diagonal networks: closed form, finite volumes and SGD on data.

``y = x + noise`` of standard deviation 1/2, one weight a layer.  At depth 1 the density is a delta
function at v = 0 from T = 4/9 on; deeper networks keep one.  The histograms are of SGD on a data
set, one sample a step, so that the learning rate is T: at .005 the variance of SGD is some 8 %
above that of the closed forms, at .05 SGD is far wider, and at .5 most runs at depth 1 and more
diverge: the histogram is of depth 0 alone, and triangles are paths of the diffusion itself.  Runs
that diverge are left out and counted; errors are standard errors across independent runs or paths.
"""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import fokkerplanck as fpk
from figures._diagonal_network import network, sample
from fokkerplanck.errors import FokkerPlanckWarning, NotNormalizable
from fokkerplanck.systems.diagonal_network import DiagonalNetwork

PARAMETERS: dict[str, Any] = {
    "temperatures": [0.005, 0.05, 0.5],
    "sampled": [0.005, 0.05],
    "depths": [0, 1, 2, 3],
    "cells": 1200,
    "samples": 20_000,
    "runs": 2000,
    "time": 30.0,
    "duration": 200.0,
    "paths": 1000,
    "bins": 30,
    "seed": 17,
}

WINDOWS = [(0.8, 1.2), (0.2, 1.8), (0.0, 2.0)]
TOPS = [12.5, 4.0, 3.0]
s = sp.Symbol("s", real=True)


def solved(model: DiagonalNetwork, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """Places and finite-volume density: in ln v, or at depth 0 on a grid that widens outwards."""
    if model.depth == 0:
        (v,) = model.diffusion().variables
        grid = fpk.Grid({v: fpk.Mapped(1 + sp.sinh(s) / 4, s, (-12, 12, cells))})
        density = fpk.stationary_density(fpk.assemble(model.diffusion(), grid))
        return grid.centers[0], density.values
    (z,) = model.log_diffusion().variables
    # At depth 2 and more nothing lies below exp(-14); at depth 1, 1e-6 of the mass.
    grid = fpk.Grid({z: (-14.0, 8.0, cells)})
    density = fpk.stationary_density(fpk.assemble(model.log_diffusion(), grid))
    values = np.exp(grid.centers[0])
    return values, density.values / values


def sampled(
    model: DiagonalNetwork, window: tuple[float, float], p: dict[str, Any], seed: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Histogram of v over the runs of SGD that stay, its errors, and how many left to infinity."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal(p["samples"])
    targets = inputs + 0.5 * rng.standard_normal(p["samples"])
    start = model.balanced(1.0)
    with warnings.catch_warnings():
        # Runs that leave are counted in the figure.
        warnings.simplefilter("ignore", FokkerPlanckWarning)
        runs = fpk.simulate_sgd(
            model.optimizer(inputs, targets),
            start,
            steps=int(p["time"] / float(model.temperature)),
            runs=p["runs"],
            seed=seed,
        )
    left = int(np.isfinite(runs.diverged_at).sum())
    output = np.prod(runs.survivors().values[-1], axis=-1)
    edges = np.linspace(*window, p["bins"] + 1)
    counts = np.histogram(output, edges)[0]
    share = counts / output.size
    width = edges[1] - edges[0]
    return share / width, np.sqrt(share * (1 - share) / output.size) / width, left


def followed(
    model: DiagonalNetwork, window: tuple[float, float], p: dict[str, Any], seed: int
) -> np.ndarray:
    """Histogram of v along paths of the diffusion, and its errors."""
    found = sample(model, p["duration"], p["paths"], seed)
    edges = np.linspace(*window, p["bins"] + 1)
    shares = np.array(
        [found.mean((found.values > low) & (found.values <= high)) for low, high in pairwise(edges)]
    )
    return shares.T / (edges[1] - edges[0])


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Densities at every depth and temperature, histograms at the first temperature."""
    arrays: dict[str, np.ndarray] = {}
    for i, temperature in enumerate(p["temperatures"]):
        shown = np.linspace(*WINDOWS[i], 801)[1:]
        arrays[f"v_{i}"] = shown
        for j, depth in enumerate(p["depths"]):
            model = network(depth, temperature)
            try:
                arrays[f"formula_{i}{j}"] = model.pdf(shown)
            except NotNormalizable:
                continue
            places, values = solved(model, p["cells"])
            arrays[f"solver_{i}{j}"] = np.stack([places, values])
    arrays["left"] = np.zeros((len(p["sampled"]), len(p["depths"])), dtype=int)
    for i, temperature in enumerate(p["sampled"]):
        edges = np.linspace(*WINDOWS[i], p["bins"] + 1)
        arrays[f"bins_{i}"] = (edges[:-1] + edges[1:]) / 2
        for j, depth in enumerate(p["depths"]):
            seed = p["seed"] + 10 * i + j
            values, error, left = sampled(network(depth, temperature), WINDOWS[i], p, seed)
            arrays[f"sgd_{i}{j}"] = np.stack([values, error])
            arrays["left"][i, j] = left
    last = len(p["temperatures"]) - 1
    window, seed = WINDOWS[last], p["seed"] + 10 * last
    edges = np.linspace(*window, p["bins"] + 1)
    arrays[f"bins_{last}"] = (edges[:-1] + edges[1:]) / 2
    values, error, _ = sampled(network(0, p["temperatures"][last]), window, p, seed)
    arrays[f"sgd_{last}0"] = np.stack([values, error])
    for j, depth in enumerate(p["depths"]):
        if f"solver_{last}{j}" in arrays:
            model = network(depth, p["temperatures"][last])
            arrays[f"paths_{j}"] = followed(model, window, p, seed + 1 + j)
    return arrays


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """One panel a temperature."""
    p = PARAMETERS
    figure, axes = plt.subplots(1, 3, figsize=(7.0, 3.0))
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for i, temperature in enumerate(p["temperatures"]):
        for j, depth in enumerate(p["depths"]):
            if f"formula_{i}{j}" not in arrays:
                axes[i].axvline(0, color=colors[j], lw=4)
                axes[i].text(0.35, 2.75, rf"depth {depth}: $\delta(v)$", color=colors[j])
                continue
            axes[i].plot(arrays[f"v_{i}"], arrays[f"formula_{i}{j}"], color=colors[j])
            places, values = arrays[f"solver_{i}{j}"]
            wanted = np.linspace(*WINDOWS[i], 26)[1:-1] + 0.015 * j
            chosen = np.unique(np.searchsorted(places, wanted))
            axes[i].plot(places[chosen], values[chosen], "x", ms=3.5, mew=0.8, color=colors[j])
        axes[i].set(xlabel="$v$", title=f"$T = {temperature:g}$", xlim=WINDOWS[i])
        axes[i].set_ylim(0, TOPS[i])
    last = len(p["temperatures"]) - 1
    points = [(i, f"sgd_{i}{j}", j, "o") for i in range(3) for j in range(len(p["depths"]))]
    points += [(last, f"paths_{j}", j, "^") for j in range(len(p["depths"]))]
    for i, key, j, marker in points:
        if key in arrays:
            axes[i].errorbar(
                arrays[f"bins_{i}"], *arrays[key], fmt=marker, ms=2, color=colors[j], elinewidth=0.7
            )
    axes[0].set_ylabel("$p(v)$")
    gone, total = int(arrays["left"].sum()), p["runs"] * arrays["left"].size
    handles = [
        plt.Line2D([], [], color=color, label=f"depth {depth}")
        for color, depth in zip(colors, p["depths"], strict=False)
    ]
    sgd = f"SGD ({gone} of {total} runs diverged)"
    for marker, line, label in (
        ("", "-", "closed form"),
        ("x", "", "finite volumes"),
        ("o", "", sgd),
        ("^", "", "paths"),
    ):
        handles.append(plt.Line2D([], [], color="0.4", marker=marker, ls=line, ms=3, label=label))
    figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=7)
    return figure
