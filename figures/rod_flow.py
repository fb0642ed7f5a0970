"""Gradient descent at the edge of stability, and the flows that model it.

Left: two successive iterates are the ends of a rod; every fifth rod of a run on the minimal
problem, a centre that moves smoothly and an extent that grows beyond the edge.  Middle: the quartic
loss, extent of the cycle against ``eta S`` through the edge at 2 and the pitchfork at 3.  Right:
the minimal problem from below the edge, ``y`` and the extent: one rod misses the onset, a floor or
rods on all axes cure it.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.systems.edge_of_stability import MinimalProblem, Quartic

PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.3,
    "epsilon": 0.01,
    "rod_start": [0.05, 6.45],
    "rod_steps": 140,
    "products": [1.7, 1.85, 1.95, 2.05, 2.2, 2.4, 2.6, 2.8, 2.95, 3.05, 3.15, 3.22],
    "quartic_steps": 600,
    "start": [0.1, 6.0],
    "steps": 700,
    "floor": 1e-6,
}

FLOWS = ("descent", "central", "missed", "floored", "seen")


def quartic(products: list[float], steps: int) -> dict[str, np.ndarray]:
    """Extents at the end of gradient descent and of rod flow, S = Q = 1."""
    model = Quartic(1, 1)
    arrays: dict[str, list[float]] = {"descent": [], "rod": [], "formula": []}
    for product in products:
        arguments = (model.loss, model.variables, product, (0.3,), steps)
        arrays["descent"].append(fpk.flows.gradient_descent(*arguments).extent[-1])
        arrays["rod"].append(fpk.flows.rod_flow(*arguments).extent[-1])
    fine = np.linspace(min(products), max(products), 200)
    arrays["formula"] = [float(model.extent(product)) for product in fine]
    found = {f"quartic_{name}": np.array(values) for name, values in arrays.items()}
    return found | {"products": np.array(products), "fine": fine}


def minimal(p: dict[str, Any]) -> dict[str, np.ndarray]:
    """y and the extent over time, and the mean distance of each flow from gradient descent."""
    problem = MinimalProblem(p["epsilon"])
    where = (problem.loss, problem.variables, p["learning_rate"], tuple(p["start"]), p["steps"])
    runs = {
        "descent": fpk.flows.gradient_descent(*where),
        "central": fpk.flows.central_flow(*where),
        "missed": fpk.flows.rod_flow(*where),
        "floored": fpk.flows.rod_flow(*where, floor=p["floor"]),
        "seen": fpk.flows.rod_flow(*where, closure=fpk.flows.AllAxes()),
    }
    arrays = {"edge": np.array(fpk.flows.critical_sharpness(p["learning_rate"]))}
    for name in FLOWS:
        arrays[f"y_{name}"] = runs[name].average[:, 1]
        arrays[f"extent_{name}"] = runs[name].extent
    return arrays


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Iterates for the rods, extents of the quartic, trajectories of the minimal problem."""
    problem = MinimalProblem(p["epsilon"])
    rods = fpk.flows.gradient_descent(
        problem.loss, problem.variables, p["learning_rate"], tuple(p["rod_start"]), p["rod_steps"]
    )
    arrays = {"iterates": rods.parameters, "centers": rods.average[:-1]}
    arrays |= quartic(p["products"], p["quartic_steps"])
    return arrays | minimal(p) | {"epsilon": np.array(p["epsilon"])}


STYLES: dict[str, dict[str, Any]] = {
    "descent": {"color": "0.65", "lw": 2.4, "label": "gradient descent"},
    "central": {"color": "C2", "label": "central flow"},
    "missed": {"color": "C1", "label": "rod flow, one rod"},
    "floored": {"color": "C3", "label": "one rod, floor $10^{-6}$"},
    "seen": {"color": "C0", "label": "rods on all axes"},
}


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Three panels, the last in two halves."""
    figure = plt.figure(figsize=(7.0, 3.0))
    layout = figure.add_gridspec(2, 3, width_ratios=[1, 1, 1.45])
    rods, cycle = figure.add_subplot(layout[:, 0]), figure.add_subplot(layout[:, 1])
    height = figure.add_subplot(layout[0, 2])
    extent = figure.add_subplot(layout[1, 2], sharex=height)

    points, centers = arrays["iterates"], arrays["centers"]
    for k in range(0, len(points) - 1, 5):
        rods.plot(*points[k : k + 2].T, "o-", color="C0", ms=2, lw=0.6, alpha=0.6)
    rods.plot(*centers.T, color="k", lw=1.2)
    rods.axhline(float(arrays["edge"]), color="0.5", lw=0.8, ls=":")
    rods.text(rods.get_xlim()[0], float(arrays["edge"]), r"$2/\eta$", va="bottom", color="0.4")
    rods.set(xlabel="$x$", ylabel="$y$", title="rods and their centre")

    cycle.plot(arrays["fine"], arrays["quartic_formula"], color="0.75", lw=2, label="2-cycle")
    cycle.plot(arrays["products"], arrays["quartic_descent"], "o", color="k", ms=4.5, mfc="none",
               label="gradient descent")  # fmt: skip
    cycle.plot(arrays["products"], arrays["quartic_rod"], "x", color="C0", label="rod flow")
    for product, word in ((2, "edge"), (3, "pitchfork")):
        cycle.axvline(product, ymax=0.72, color="0.5", lw=0.8, ls=":")
        cycle.text(product - 0.02, 0.15, word, rotation=90, color="0.4", fontsize=7, ha="right")
    cycle.set(
        xlabel=r"$\eta S$", ylabel=r"$\delta^2$", title="quartic, $S=Q=1$", ylim=(-0.015, 0.46)
    )
    cycle.legend(loc="upper left")

    for name in FLOWS:
        height.plot(arrays[f"y_{name}"], **STYLES[name])
        extent.semilogy(np.maximum(arrays[f"extent_{name}"], 1e-12), **STYLES[name])
    height.axhline(float(arrays["edge"]), color="0.5", lw=0.8, ls=":")
    extent.axhline(2 * float(arrays["epsilon"]), color="0.5", lw=0.8, ls=":")
    extent.text(0, 2 * float(arrays["epsilon"]), r"$2\epsilon$", va="bottom", color="0.4")
    height.tick_params(labelbottom=False)
    height.set(ylabel="$y$", title="minimal problem", ylim=(5.9, 9.6), yticks=[6, 7, 8])
    extent.set(xlabel="step", ylabel=r"$\delta^2$", ylim=(3e-8, 1))
    height.legend(loc="upper left", fontsize=6.5, ncols=2, handlelength=1.2, columnspacing=0.6)
    return figure
