"""Flat over sharp: exponential odds under the noise of SGD, polynomial ones under white noise.

Two wells of equal depth and a barrier, three parabolas.  Left: stationary odds of the flat well,
its curvature a quarter of the sharp one's, against 2B/eta.  Right: the same against the ratio of
the curvatures, at the sharp one's fixed.  Lines: closed form; points: finite volumes (filled) and
discrete SGD by its one-step operator (open).
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fokkerplanck as fpk
from figures.density_diffusion_times import grid
from fokkerplanck.systems.density_diffusion import ThreeParabolas, theta

PARAMETERS: dict[str, Any] = {
    "sharp": 4.0,
    "flat": 1.0,
    "ridge": 2.0,
    "inverse_noises": [2.0, 20.0, 37],
    "few": [2.0, 6.0, 10.0, 14.0, 18.0],
    "ratios": [1.0, 10.0, 31],
    "few_ratios": [1.0, 2.0, 4.0, 8.0],
    "at": 8.0,
    "learning_rate": 0.02,
    "cells": 600,
}

KINDS = (("hessian", "ito"), ("hessian", "isothermal"), ("white", "ito"))
LABELS = ("SGD, Itô", "SGD, isothermal", "white noise")


def bed(ratio: float, inverse: float, kind: str, p: dict[str, Any]) -> ThreeParabolas:
    """The sharp well first."""
    wells = (p["sharp"], p["sharp"] / ratio)
    return ThreeParabolas(wells, p["ridge"], 1 / inverse, noise=kind)  # type: ignore[arg-type]


def odds(operator: Any, model: ThreeParabolas) -> float:
    """Of the second well, by a stationary density."""
    share = fpk.stationary_density(operator).probability(theta > float(model.saddle))
    return share / (1 - share)


def measured(model: ThreeParabolas, convention: Any, p: dict[str, Any]) -> list[float]:
    """By finite volumes, and of discrete SGD in Itô's convention."""
    found = [odds(fpk.assemble(model.diffusion(convention), grid(model, p["cells"])), model)]
    if convention != "ito":
        return [*found, np.nan]
    reach = 8 * np.sqrt(float(model.levels[2] / model.wells[1]))
    low = -8 * np.sqrt(float(model.levels[0] / model.wells[0]))
    panels = fpk.Panels(theta=(low, float(model.minima[1]) + reach))
    step = fpk.transition_operator(model.optimizer(p["learning_rate"]), panels)
    return [*found, odds(step, model)]


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Odds against 2B/eta and against the ratio of the curvatures."""
    ratio = p["sharp"] / p["flat"]
    low, high, count = p["inverse_noises"]
    arrays = {"inverse": np.linspace(low, high, count), "few": np.array(p["few"])}
    low, high, count = p["ratios"]
    arrays |= {"ratios": np.geomspace(low, high, count), "few_ratios": np.array(p["few_ratios"])}
    for k, (kind, convention) in enumerate(KINDS):
        beds = {
            "inverse": [bed(ratio, v, kind, p) for v in arrays["inverse"]],
            "ratios": [bed(r, p["at"], kind, p) for r in arrays["ratios"]],
            "few": [bed(ratio, v, kind, p) for v in arrays["few"]],
            "few_ratios": [bed(r, p["at"], kind, p) for r in arrays["few_ratios"]],
        }
        for name in ("inverse", "ratios"):
            arrays[f"odds_{name}_{k}"] = np.array(
                [float(b.odds(convention)) for b in beds[name]]  # type: ignore[arg-type]
            )
        for name in ("few", "few_ratios"):
            arrays[f"measured_{name}_{k}"] = np.array(
                [measured(b, convention, p) for b in beds[name]]
            )
    return arrays


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Odds against the inverse noise, and against the ratio of the curvatures."""
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1), sharey=True)
    _odds(axes[0], arrays, "inverse", "few")
    _odds(axes[1], arrays, "ratios", "few_ratios")
    p = PARAMETERS
    axes[0].set(
        yscale="log",
        xlabel=r"$2B/\eta$",
        ylabel="odds, flat : sharp",
        title=rf"$H_\mathrm{{sharp}}/H_\mathrm{{flat}} = {p['sharp'] / p['flat']:g}$",
    )
    axes[1].set(
        xscale="log",
        xlabel=r"$H_\mathrm{sharp}/H_\mathrm{flat}$",
        title=rf"$2B/\eta = {p['at']:g}$",
        xticks=[1, 2, 5, 10],
        xticklabels=["1", "2", "5", "10"],
    )
    axes[1].minorticks_off()
    ratios = arrays["ratios"]
    axes[1].plot(ratios, np.sqrt(ratios), ":", color="0.2", label="square root")
    axes[0].legend(loc="upper left")
    axes[1].legend(*_marks(axes[1]), loc="upper left")
    return figure


def _marks(axes: Axes) -> Any:
    axes.plot([], [], "o", color="0.2", ms=4, label="finite volumes")
    eta = PARAMETERS["learning_rate"]
    axes.plot([], [], "s", color="0.2", mfc="none", ms=6, label=rf"SGD, $\eta = {eta:g}$")
    handles, labels = axes.get_legend_handles_labels()
    return handles[-3:], labels[-3:]


def _odds(axes: Axes, arrays: dict[str, np.ndarray], places: str, few: str) -> None:
    for k, label in enumerate(LABELS):
        (line,) = axes.plot(arrays[places], arrays[f"odds_{places}_{k}"], label=label)
        solved, stepped = arrays[f"measured_{few}_{k}"].T
        color = line.get_color()
        axes.plot(arrays[few], solved, "o", color=color, ms=4)
        axes.plot(arrays[few], stepped, "s", color=color, mfc="none", ms=6)
