"""How discrete SGD approaches its Fokker–Planck equation: as the square root of the learning rate.

Left: stationary share of the flat valley at fixed y by the exact one-step operator, below Itô's by
about sqrt(eta).  The isothermal reading is another number, and no limit of SGD.  Right: the share
at the end of runs of equal time from the ridge at y = 5; there the way to the limit turns around.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fokkerplanck as fpk
from figures._two_valley import extrapolated, limit, operator_case, valley, x

PARAMETERS: dict[str, Any] = {
    "noise": 1e-3,
    "places": [3.0, 5.0],
    "fixed_rates": [0.1, 0.04, 0.01, 0.0025, 6.25e-4, 1.5625e-4],
    # Learning rate and sigma of cells of the phase diagram; steps of the first rate.
    "cells": [[10 ** (-14 / 9), 10 ** (-14 / 9)], [0.1, 0.01]],
    "parts": [0.5, 1, 2, 4],
    "steps": 20_000,
    "cells_per_width": [8, 16],
}


def share_at(place: float, noise: float, eta: float) -> float:
    """P(x > 0) of the stationary density of the one-step operator at fixed y."""
    section = valley(noise).at(place)
    sgd = section.optimizer(eta)
    spread = np.sqrt(noise / (1 - eta / float(section.flatness[1])))
    flat, sharp = (float(g) / 2 for g in section.separation)
    panels = fpk.Panels(x=(-sharp - 7 * spread, flat + 7 * spread))
    return fpk.stationary_density(fpk.transition_operator(sgd, panels)).probability(x > 0)


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Shares at fixed y (places, rates), in the full model (cells, parts), and the limits."""
    fixed = [[share_at(y, p["noise"], eta) for eta in p["fixed_rates"]] for y in p["places"]]
    readings = [
        [
            float(valley(p["noise"]).at(y).flat_probability(reading))
            for reading in ("ito", "isothermal")
        ]
        for y in p["places"]
    ]
    full, limits = [], []
    for eta, sigma in p["cells"]:
        noise = eta * sigma
        runs = [
            fpk.slow_evolution(**operator_case(eta / part, noise, round(p["steps"] * part)))
            for part in p["parts"]
        ]
        full.append([run.probability[-1] for run in runs])
        top = max(float(run.slow[-1]) for run in runs) + 0.3
        pair = [limit(noise, eta * p["steps"], top, cells) for cells in p["cells_per_width"]]
        limits.append(extrapolated(*pair)[0])
    return {
        "fixed": np.array(fixed),
        "readings": np.array(readings),
        "full": np.array(full),
        "limits": np.array(limits),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Errors at fixed y, shares of the full model."""
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.9))
    _errors(axes[0], arrays)
    _full(axes[1], arrays)
    return figure


def _errors(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    rates = np.array(PARAMETERS["fixed_rates"])
    for place, shares, readings, marker in zip(
        PARAMETERS["places"], arrays["fixed"], arrays["readings"], "os", strict=True
    ):
        label = f"$y = {place:g}$"
        (line,) = axes.loglog(rates, readings[0] - shares, marker + "-", label=label)
        axes.axhline(readings[0] - readings[1], color=line.get_color(), lw=0.8, ls=":")
    guide = rates[2:]
    axes.plot(guide, 0.34 * np.sqrt(guide), color="0.4", lw=0.9, ls="--", label=r"$\sqrt{\eta}$")
    axes.plot([], [], color="0.3", lw=0.8, ls=":", label="Itô − isothermal")
    axes.set(
        xlabel=r"learning rate $\eta$",
        ylabel=r"Itô's $P_\mathrm{flat}$ − operator's",
        title=r"stationary at fixed $y$, $\Delta_S = 10^{-3}$",
        ylim=(1.2e-3, 0.2),
    )
    axes.legend(loc="upper left", ncols=2)


def _full(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    parts = np.array(PARAMETERS["parts"])
    for (eta, sigma), shares, limit_, marker in zip(
        PARAMETERS["cells"], arrays["full"], arrays["limits"], "o^", strict=True
    ):
        label = rf"$\Delta_S = {1e4 * eta * sigma:.3g} \times 10^{{-4}}$, $t = {20_000 * eta:.0f}$"
        (line,) = axes.semilogx(eta / parts, shares, marker + "-", label=label)
        axes.axhline(limit_, color=line.get_color(), lw=0.9, ls="--")
    axes.plot([], [], color="0.3", lw=0.9, ls="--", label="Fokker–Planck equation")
    axes.set(
        xlabel=r"learning rate $\eta$",
        ylabel=r"$P_\mathrm{flat}$ at the end",
        title="runs from the ridge at $y = 5$",
        ylim=(0.66, 1.09),
    )
    axes.legend(loc="upper left")
