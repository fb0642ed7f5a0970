"""Escape over a parabolic barrier: exact times, samples and the formula of density diffusion.

Top: mean time from one well to the other of three parabolas with ``D = (eta/2B)|L''|``, for three
ratios of the curvatures, in the isothermal convention, which is the formula's, and in Itô's, which
is SGD's.  Lines: finite volumes, to 1e-4 of the closed form.  Points: sampled paths, extrapolated
in the square root of the step.  Dashed: the formula, in Itô's convention times ``H_b/H_a``.
Bottom: exact time over formula for all ratios.  The formula needs the noise to be weak on either
parabola by itself: black lines, where the smaller share of the exponent is 1 and 4.
"""

from __future__ import annotations

from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.systems.density_diffusion import ThreeParabolas, theta

PARAMETERS: dict[str, Any] = {
    "ratios": [0.25, 1.0, 4.0],
    "noises": [[0.2, 2.2], [0.05, 0.55], [0.035, 0.5]],
    "solved": 16,
    "cells": 1000,
    "sampled": [[0.9, 1.4, 2.0], [0.21, 0.32, 0.5], [0.2, 0.3, 0.45]],
    "steps": [0.02, 0.005],
    "paths": 500,
    "map_ratios": [1 / 16, 16.0, 41],
    "map_noises": [0.02, 0.6, 31],
    "seed": 41,
}

Convention = Literal["isothermal", "ito"]
CONVENTIONS: tuple[Convention, Convention] = ("isothermal", "ito")
TITLES = {"isothermal": "isothermal", "ito": "Itô, as SGD"}
REACH = 9  # standard deviations of a well from its minimum to the wall


def bed(ratio: Any, noise: Any) -> ThreeParabolas:
    """Equal wells of curvature `ratio` on either side of a barrier of curvature and height 1."""
    return ThreeParabolas((ratio, ratio), 1, noise)


def grid(model: ThreeParabolas, cells: int) -> fpk.Grid:
    """Cells of equal width, as many as given between the junctions, which are faces."""
    first, last = map(float, model.junctions)
    width = (last - first) / cells
    spread = REACH * np.sqrt(float(model.temperature))
    below = int(np.ceil((first + spread) / width))
    above = int(np.ceil((float(model.minima[1]) - last + spread) / width))
    return fpk.Grid(theta=(first - below * width, last + above * width, below + cells + above))


def solved(model: ThreeParabolas, convention: Convention, cells: int) -> float:
    """Mean time from minimum to minimum by finite volumes."""
    operator = fpk.assemble(model.diffusion(convention), grid(model, cells))
    return 1 / fpk.escape_rate(operator, (0.0,), theta > float(model.minima[1])).value


def sampled(
    model: ThreeParabolas, convention: Convention, p: dict[str, Any], seed: int
) -> tuple[float, float]:
    """The same time by paths, free of its error of order ``step^(1/2)``, and its error."""
    diffusion, target = model.diffusion("ito"), float(model.minima[1])
    if convention == "isothermal":
        diffusion, target = straightened(model)
    times, errors = [], []
    for k, step in enumerate(p["steps"]):
        rate = fpk.sample_escape_rate(
            diffusion, (0.0,), theta > target, paths=p["paths"], step=step, seed=seed + 1000 * k
        )
        times.append(1 / rate.value)
        errors.append(rate.standard_error / rate.value**2)
    root = np.sqrt(p["steps"][0] / p["steps"][1])
    return (root * times[1] - times[0]) / (root - 1), np.hypot(root * errors[1], errors[0]) / (
        root - 1
    )


def straightened(model: ThreeParabolas) -> tuple[fpk.Diffusion, float]:
    """Isothermal paths in ``z = int D_1/D dtheta``, where their equation is Itô's; and the target.

    Where D jumps, the drift of isothermal paths is a delta function; that of z is not: ``D_z =
    D_1^2/D``, ``A_z = -D_1 L'/D``.
    """
    left, middle, right = model.levels
    first, last = model.junctions
    stretch = left / middle
    places = (first, first + stretch * (last - first))
    middling = first + (theta - first) / stretch
    beyond = last + (theta - places[1]) * right / left
    far = float(places[1] + (model.minima[1] - last) * left / right)

    def pieces(*values: sp.Expr) -> sp.Expr:
        return sp.Piecewise(
            (values[0], theta < places[0]), (values[1], theta < places[1]), (values[2], True)
        )

    drift = pieces(
        -model.wells[0] * theta,
        left / middle * model.ridge * (middling - model.saddle),
        -left / right * model.wells[1] * (beyond - model.minima[1]),
    )
    tensor = pieces(left, left**2 / middle, left**2 / right)
    return fpk.Diffusion((theta,), [drift], [[tensor]]), far


def error_map(p: dict[str, Any]) -> dict[str, np.ndarray]:
    """Exact time over formula, and the smaller share of the exponent, by (noise, ratio)."""
    ratio, noise = sp.symbols("r T", positive=True)
    model = bed(ratio, noise)
    low, high, count = p["map_ratios"]
    ratios = np.geomspace(low, high, count)
    low, high, count = p["map_noises"]
    noises = np.geomspace(low, high, count)
    arrays = {"map_ratios": ratios, "map_noises": noises}
    for convention in CONVENTIONS:
        exact = model.exact_escape_time(convention) / model.escape_time(convention)
        value = sp.lambdify((ratio, noise), exact, "mpmath")
        arrays[f"map_{convention}"] = np.array(
            [[float(value(r, t)) for r in ratios] for t in noises]
        )
    share = 1 / (1 + ratios)
    arrays["map_share"] = np.minimum(share / ratios, 1 - share) / noises[:, np.newaxis]
    return arrays


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Times by solver, paths and formula; map of the formula's error."""
    arrays = error_map(p)
    for i, ratio in enumerate(p["ratios"]):
        noises = np.geomspace(*p["noises"][i], p["solved"])
        arrays[f"noise_{i}"] = noises
        arrays[f"few_{i}"] = np.array(p["sampled"][i])
        for j, convention in enumerate(CONVENTIONS):
            key = f"{convention}_{i}"
            arrays[f"solver_{key}"] = np.array(
                [solved(bed(ratio, t), convention, p["cells"]) for t in noises]
            )
            arrays[f"formula_{key}"] = np.array(
                [float(bed(ratio, t).escape_time(convention)) for t in noises]
            )
            arrays[f"paths_{key}"] = np.array(
                [
                    sampled(bed(ratio, t), convention, p, p["seed"] + 100 * i + 10 * j + k)
                    for k, t in enumerate(p["sampled"][i])
                ]
            )
    return arrays


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Times above, error of the formula below; one column a convention."""
    figure, axes = plt.subplots(2, 2, figsize=(7.0, 5.8))
    for column, convention in enumerate(CONVENTIONS):
        _times(axes[0, column], arrays, convention)
        shown = _error(axes[1, column], arrays, convention)
    figure.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.colorbar(shown, ax=axes[1, :], label="exact time / formula", ticks=[0, 0.5, 1, 2, 3])
    return figure


def _times(axes: Axes, arrays: dict[str, np.ndarray], convention: Convention) -> None:
    for i, ratio in enumerate(PARAMETERS["ratios"]):
        key = f"{convention}_{i}"
        (line,) = axes.loglog(
            arrays[f"noise_{i}"], arrays[f"solver_{key}"], label=rf"$H_a/|H_b| = {ratio:g}$"
        )
        axes.loglog(
            arrays[f"noise_{i}"], arrays[f"formula_{key}"], "--", color=line.get_color(), lw=0.9
        )
        time, error = arrays[f"paths_{key}"].T
        axes.errorbar(arrays[f"few_{i}"], time, error, fmt="os^"[i], ms=3.5, color=line.get_color())
    axes.plot([], [], "--", color="0.15", lw=0.9, label="formula")
    axes.errorbar([], [], [], fmt="o", ms=3.5, color="0.15", label="sampled paths")
    axes.set(
        xlabel=r"$\eta/2B$",
        ylabel=r"mean escape time $\tau$",
        title=TITLES[convention],
        ylim=(3, 1e12),
    )
    axes.legend(loc="upper right")


def _error(axes: Axes, arrays: dict[str, np.ndarray], convention: Convention) -> Any:
    place = arrays["map_ratios"], arrays["map_noises"]
    ratio = arrays[f"map_{convention}"]
    shown = axes.pcolormesh(
        *place, ratio, norm=TwoSlopeNorm(1.0, 0.0, 3.0), cmap="RdBu_r", rasterized=True
    )
    axes.contour(*place, arrays["map_share"], [1, 4], colors="k", linewidths=(0.8, 1.4))
    axes.contour(
        *place, np.abs(ratio - 1), [0.05], colors="#009E73", linewidths=1.2, linestyles="--"
    )
    axes.plot([], [], color="k", label="smaller share of the exponent 1 (thin), 4")
    axes.plot([], [], "--", color="#009E73", label="error of 5 %")
    axes.set(xscale="log", yscale="log", xlabel=r"$H_a/|H_b|$", ylabel=r"$\eta/2B$")
    axes.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5], ["0.02", "0.05", "0.1", "0.2", "0.5"])
    axes.tick_params(axis="y", which="minor", labelleft=False)
    return shown
