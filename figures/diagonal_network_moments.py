"""Mean, variance and mode of the two-layer network through its critical temperature.

``y = x + noise`` of standard deviation 1/2: ``T_c = 4/9``.  Closed form, finite volumes in ln v and
paths (on a clock on which their coefficients are bounded; bars are one standard error).  The
variance turns over at T = .359, and from T_c on the density is a delta function at v = 0 (finite
volumes: all mass at the lower wall).  Dashed: the density cut to ``1e-14 < v < 60``.  Three layers
have no transition; their mode jumps to near 0.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize_scalar

from figures._diagonal_network import Sample, network, sample, solved

PARAMETERS: dict[str, Any] = {
    "solved": [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.43, 0.48, 0.54],
    "sampled": [0.05, 0.15, 0.25, 0.3, 0.35, 0.4, 0.44],
    "deep": [0.05, 0.2, 0.35, 0.5],
    "cells": 3000,
    "duration": 300.0,
    "paths": 1000,
    "box": [1e-14, 60.0],
    "seed": 41,
}
HIGHEST = 0.56  # temperature shown


def boxed(temperature: float, box: tuple[float, float]) -> tuple[float, float]:
    """Mean and variance of the closed form cut to a box of v."""
    s = np.linspace(*np.log(box), 20001)
    weights = network(1, temperature).pdf(np.exp(s)) * np.exp(s)
    weights /= weights.sum()
    mean = float(weights @ np.exp(s))
    return mean, float(weights @ np.exp(2 * s)) - mean**2


def peak(values: np.ndarray, densities: np.ndarray) -> float:
    """Maximum of a density near v = .95: of a polynomial of degree 5 through its logarithm."""
    near = (values > 0.7) & (values < 1.2) & (densities > 0)
    curve = np.polynomial.Polynomial.fit(values[near], np.log(densities[near]), 5)
    fine = np.linspace(0.75, 1.15, 4001)
    return float(fine[np.argmax(curve(fine))])


def sampled_peak(found: Sample) -> tuple[float, float]:
    """The same from samples, and its error from ten groups of paths."""
    edges = np.linspace(0.7, 1.2, 26)
    places = (edges[:-1] + edges[1:]) / 2

    def one(k: slice) -> float:
        masses, _ = np.histogram(found.values[:, k], edges, weights=found.weights[:, k])
        return peak(places, masses)

    groups = [one(slice(k, None, 10)) for k in range(10)]
    return one(slice(None)), float(np.std(groups, ddof=1) / np.sqrt(len(groups)))


def turning_point() -> tuple[float, float]:
    """Temperature of the largest variance, and that variance."""
    found = minimize_scalar(
        lambda t: -network(1, float(t)).variance(),
        bounds=(0.2, 0.43),
        method="bounded",
        options={"xatol": 1e-6},
    )
    return float(found.x), -float(found.fun)


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Moments and modes at each temperature, by each way."""
    critical = float(network(1, 0.1).critical_temperature())
    lines = np.append(np.linspace(0.01, 0.99 * critical, 60), 0.999 * critical)
    models = [network(1, t) for t in lines]
    deep = [network(2, t) for t in np.linspace(0.01, HIGHEST, 40)]
    arrays = {
        "lines": lines,
        "closed_form": np.array([[m.mean(), m.variance(), float(m.mode())] for m in models]).T,
        "boxed": np.array([boxed(t, tuple(p["box"])) for t in lines]).T,
        "deep_lines": np.linspace(0.01, HIGHEST, 40),
        "deep_form": np.array([[m.mean(), m.variance(), float(m.mode())] for m in deep]).T,
        "critical": np.array(critical),
        "turning": np.array(turning_point()),
    }
    rows = []
    for temperature in p["solved"]:
        values, masses, densities = solved(network(1, temperature), p["cells"])
        mean = masses @ values
        mode = peak(values, densities) if temperature < critical else np.nan
        rows.append([mean, masses @ values**2 - mean**2, mode])
    arrays["solver"] = np.array(rows).T
    for name, depth in (("sampled", 1), ("deep", 2)):
        table = []
        for k, temperature in enumerate(p[name]):
            model = network(depth, temperature)
            found = sample(model, p["duration"], p["paths"], p["seed"] + 10 * k + depth)
            mode = sampled_peak(found) if depth == 1 else (np.nan, np.nan)
            table.append([*found.moments(), *mode])
        arrays[f"paths_{name}"] = np.array(table).T
    return arrays


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Mean, variance and mode, one panel each."""
    p = PARAMETERS
    figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.9))
    critical = float(arrays["critical"])
    for k, (axis, name) in enumerate(zip(axes, ("mean", "variance", "mode"), strict=True)):
        axis.axvline(critical, color="0.6", lw=0.8, ls=":")
        axis.plot(arrays["lines"], arrays["closed_form"][k], color="C0", label="closed form")
        if k < 2:
            axis.plot([critical, HIGHEST], [0, 0], color="C0")
            axis.plot(arrays["lines"], arrays["boxed"][k], "--", color="0.4", lw=0.9,
                      label=r"cut to $10^{-14}<v<60$")  # fmt: skip
        deep = arrays["deep_form"][k].copy()
        # The two maxima of the mode's density are no curve.
        deep[np.abs(np.diff(deep, append=deep[-1])) > 0.3] = np.nan
        axis.plot(arrays["deep_lines"], deep, color="C1", label="three layers")
        axis.plot(p["solved"], arrays["solver"][k], "x", color="k", ms=5, label="finite volumes")
        for name_, color, label in (("sampled", "C0", "paths"), ("deep", "C1", None)):
            value, error = arrays[f"paths_{name_}"][2 * k : 2 * k + 2]
            axis.errorbar(
                p[name_], value, error, fmt="o", color=color, ms=3, capsize=2, lw=0.8, label=label
            )
        axis.set(xlabel="$T$", ylabel=f"{name} of $v$", xlim=(0, HIGHEST))
    turning = arrays["turning"]
    axes[1].annotate(
        f"$T = {turning[0]:.3f}$", turning, (turning[0], turning[1] + 0.02), ha="center", fontsize=7
    )
    axes[0].text(critical, 1.02, r"$T_c$", ha="center", va="bottom", color="0.4", fontsize=8,
                 transform=axes[0].get_xaxis_transform())  # fmt: skip
    axes[0].set_ylim(-0.05, 1.05)
    axes[1].set_ylim(-0.01, 0.35)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure
