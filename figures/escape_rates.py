"""Mean escape times against theory, and against the exact answer beside other packages.

Left: mean time between the wells of ``Phi = barrier ((x^2 - 1)^2 + y^2)`` over the time of Eyring,
Kramers and Langer, minus 1, against noise over barrier, for tensors turned by 30 degrees with
ratios of eigenvalues 1, 10 and 100.  Points: solver, extrapolated from two grids; bars: what the
extrapolation added.  Lines: the next order of the theory, nothing fitted.  Right: relative error of
the mean time in one dimension, the committed figures of `python -m benchmarks w2`: fokkerplanck on
its finest grid, of every peer the best one at each barrier.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.eyring_kramers import measure

KEEP = True

PARAMETERS: dict[str, Any] = {
    "anisotropies": [1.0, 10.0, 100.0],
    "barriers": [10.0, 14.0, 20.0, 28.0, 40.0, 56.0],
    "cells": [160, 320],
    "methods": [
        "fokkerplanck",
        "fplanck",
        "FiPy, backward",
        "scikit-fem P2",
        "deeptime",
    ],
}

W2 = Path(__file__).parents[1] / "benchmarks" / "results" / "w2.json"
MARKERS = "osD^v"


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Excess over the formula and its theory; errors and times of W2 by method and barrier."""
    shape = (len(p["anisotropies"]), len(p["barriers"]))
    arrays = {name: np.zeros(shape) for name in ("excess", "grid_error", "theory")}
    for i, anisotropy in enumerate(p["anisotropies"]):
        for j, barrier in enumerate(p["barriers"]):
            row = measure(anisotropy, barrier, p["cells"])
            arrays["excess"][i, j] = row.extrapolated
            arrays["grid_error"][i, j] = row.extrapolated - row.fine
            arrays["theory"][i, j] = row.correction
    return arrays | _table(p["methods"])


def _table(methods: list[str]) -> dict[str, np.ndarray]:
    """Errors by method and barrier; of every peer the grid with the smallest one."""
    rows = [row for row in json.loads(W2.read_text())["rows"] if row["error"] is not None]
    barriers = sorted({row["barrier"] for row in rows})
    errors = np.full((len(methods), len(barriers)), np.nan)
    negative = np.zeros(errors.shape, dtype=bool)
    for i, method in enumerate(methods):
        for j, barrier in enumerate(barriers):
            found = [r for r in rows if (r["method"], r["barrier"]) == (method, barrier)]
            if method == "fokkerplanck":
                # No choice by the answer.
                best = max(found, key=lambda row: row["cells"])
            else:
                best = min(found, key=lambda row: abs(row["error"]))
            errors[i, j] = abs(best["error"])
            negative[i, j] = best["mean_time"] < 0
    return {"barriers": np.array(barriers), "errors": errors, "negative": negative}


def spot_check(rng: np.random.Generator) -> tuple[str, tuple[int, ...], np.ndarray]:
    """One random excess computed anew: its name, place and value."""
    p = PARAMETERS
    i, j = int(rng.integers(len(p["anisotropies"]))), int(rng.integers(len(p["barriers"])))
    row = measure(p["anisotropies"][i], p["barriers"][j], p["cells"])
    return "excess", (i, j), np.asarray(row.extrapolated)


def _excess(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    noise = 1 / np.array(PARAMETERS["barriers"])
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    line = np.array([0.0, 0.11])
    for i, anisotropy in enumerate(PARAMETERS["anisotropies"]):
        slope = arrays["theory"][i, 0] / noise[0]
        axes.plot(line, 100 * slope * line, color=colors[i], lw=0.9)
        axes.errorbar(
            noise,
            100 * arrays["excess"][i],
            100 * np.abs(arrays["grid_error"][i]),
            fmt=MARKERS[i],
            color=colors[i],
            elinewidth=0.7,
            label=f"{anisotropy:g}, slope {slope:.3f}",
        )
    axes.plot([], [], color="0.4", lw=0.9, label="theory, next order")
    axes.set(
        xlabel="noise / barrier",
        ylabel=r"$\tau/\tau_\mathrm{EKL} - 1$ (%)",
        xlim=(0, 0.11),
        ylim=(0, 14),
    )
    axes.legend(title="anisotropy of $D$", loc="upper left")


def _errors(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    for i, method in enumerate(PARAMETERS["methods"]):
        axes.loglog(
            arrays["barriers"],
            arrays["errors"][i],
            MARKERS[i] + "-",
            color=colors[i],
            lw=0.9,
            label=method,
        )
    axes.axhline(1.0, color="0.5", lw=0.7, ls=":", zorder=0)
    some = ", some times negative" if arrays["negative"].any() else ""
    axes.text(3.6, 1.6, f"no digit right{some}", color="0.35", fontsize="small")
    axes.set(
        xlabel="barrier / noise",
        ylabel="relative error of the mean time",
        ylim=(1e-11, 30),
        xlim=(3.4, 120),
    )
    ticks = [float(b) for b in arrays["barriers"]]
    axes.set_xticks(ticks, [f"{b:g}" for b in ticks])
    axes.minorticks_off()
    axes.legend(loc="lower right")


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Two panels."""
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.0))
    _excess(axes[0], arrays)
    _errors(axes[1], arrays)
    return figure
