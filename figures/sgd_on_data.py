"""Logistic regression on real data: minibatch SGD against its Fokker-Planck density.

Two weights, ridge included, on two standardised columns of the breast-cancer data that come with
scikit-learn (569 samples).  The diffusion tensor is the exact covariance over the data, the
iterates are real minibatches: nothing is fitted.  The bottom row shows where the diffusion
approximation fails as the learning rate grows: mean and variance of the first weight hold up to
eta H of about 0.1 at order 1 and 0.4 at order 2; the shape of the density, whose third cumulant the
diffusion does not know, is off by a chi-square divergence that falls only as eta/B.  Error bars add
the sampling error of SGD and the discretisation error of the solver.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure
from scipy.linalg import solve_discrete_lyapunov
from sklearn.datasets import load_breast_cancer

import fokkerplanck as fpk
from figures._minimum import minimum

KEEP = True

# 2000 independent runs of 100 iterates, each one relaxation time after the last: 200 000 in all.
PARAMETERS: dict[str, Any] = {
    "columns": [0, 1],
    "ridge": 0.05,
    "learning_rates": [0.0625, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0],
    "shown": [0.125, 1.0, 8.0],
    "batch_sizes": [1, 8],
    "cells": 96,
    "runs": 2000,
    "saved": 100,
    "seed": 20231,
}

u, v = sp.symbols("u v", real=True)
a, b, label = sp.symbols("a b z", real=True)
GROUPS = 40  # of runs, for the jackknife
RARE = 2e-3  # bins with a smaller probability are pooled: chi-square wants counts


def model(columns: list[int], ridge: float) -> fpk.SGD:
    """SGD on the regularised logistic loss, learning rate and batch size left as symbols."""
    table, target = load_breast_cancer(return_X_y=True)
    inputs = table[:, columns]
    inputs = (inputs - inputs.mean(axis=0)) / inputs.std(axis=0)
    loss = sp.log(1 + sp.exp(-label * (u * a + v * b))) + ridge / 2 * (u**2 + v**2)
    data = {a: inputs[:, 0], b: inputs[:, 1], label: 2.0 * target - 1}
    eta, batch = sp.symbols("eta B", positive=True)
    return fpk.SGD(
        loss, (u, v), fpk.noise.PerSample(loss, data), learning_rate=eta, batch_size=batch
    )


def linear_covariance(hessian: np.ndarray, noise: np.ndarray, eta: float) -> np.ndarray:
    """Covariance of SGD on the quadratic approximation: H S + S H - eta H S H = eta C."""
    step = np.eye(2) - eta * hessian
    return solve_discrete_lyapunov(step, eta**2 * noise)


def goodness(frequencies: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Unbiased chi-square divergence of binned runs from probabilities, with its error.

    ``sum_k [(h_k - p_k)^2 - var(h_k)] / p_k``; frequencies have shape (groups, bins).
    """

    def estimate(groups: np.ndarray) -> float:
        mean = groups.mean(axis=0)
        variance = groups.var(axis=0, ddof=1) / len(groups)
        return float(np.sum(((mean - expected) ** 2 - variance) / expected))

    return estimate(frequencies), jackknife(frequencies, estimate)


def jackknife(groups: np.ndarray, estimate: Any) -> float:
    """Standard error of an estimate from leaving out one group at a time."""
    left_out = np.array([estimate(np.delete(groups, k, axis=0)) for k in range(len(groups))])
    return float(np.sqrt((len(groups) - 1) * np.var(left_out, axis=0)))


def binned(density: fpk.Density, samples: np.ndarray, block: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies (groups, bins) and probabilities of blocks of cells; rare ones pooled last."""
    n = density.grid.shape[0] // block
    edges = [e[::block] for e in density.grid.edges]
    expected = density.masses.reshape(n, block, n, block).sum(axis=(1, 3)).ravel()
    groups = samples.reshape(GROUPS, -1, 2)
    counts = np.array([np.histogram2d(*g.T, bins=edges)[0].ravel() / len(g) for g in groups])
    common = expected > RARE
    pooled = 1 - counts[:, common].sum(axis=1, keepdims=True)
    return np.hstack([counts[:, common], pooled]), np.append(
        expected[common], 1 - expected[common].sum()
    )


def solve(sgd: fpk.SGD, grid: fpk.Grid) -> fpk.Density:
    """Stationary density of the modified equation."""
    return fpk.stationary_density(fpk.assemble(sgd.diffusion(), grid))


def moments(points: np.ndarray) -> np.ndarray:
    """Mean and covariance as five numbers."""
    spread = np.cov(points.T)
    return np.array([*points.mean(axis=0), spread[0, 0], spread[0, 1], spread[1, 1]])


def five(mean: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Mean and covariance as five numbers."""
    return np.array([*mean, spread[0, 0], spread[0, 1], spread[1, 1]])


def sampled_points(sgd: fpk.SGD, theta: np.ndarray, slowest: float, p: Any, seed: int) -> Any:
    """Ensemble of SGD from the minimum, one save a relaxation time, the first ten left out."""
    pause = int(np.ceil(1 / (float(sgd.learning_rate) * slowest)))
    ensemble = fpk.simulate_sgd(
        sgd,
        tuple(theta),
        steps=pause * (p["saved"] + 10),
        runs=p["runs"],
        seed=seed,
        save_every=pause,
    )
    return ensemble, np.asarray(ensemble.values)[-p["saved"] :].transpose(1, 0, 2)


def case(i: int, j: int, p: dict[str, Any]) -> dict[str, np.ndarray]:
    """Everything for batch size number i and learning rate number j."""
    batch, eta = p["batch_sizes"][i], p["learning_rates"][j]
    base = model(p["columns"], p["ridge"])
    theta, hessian, noise = minimum(base.subs({"B": 1}))
    sgd = base.subs({"eta": eta, "B": batch})
    ensemble, points = sampled_points(
        sgd, theta, float(np.linalg.eigvalsh(hessian)[0]), p, p["seed"] + 100 * i + j
    )
    each = np.array([moments(g) for g in points.reshape(GROUPS, -1, 2)])
    reach = 6 * np.sqrt(np.diag(linear_covariance(hessian, noise / batch, eta)))

    def grid(cells: int) -> fpk.Grid:
        low, high = theta - reach, theta + reach
        return fpk.Grid(u=(low[0], high[0], cells), v=(low[1], high[1], cells))

    first, second = (solve(replace(sgd, order=order), grid(p["cells"])) for order in (1, 2))
    coarse = solve(sgd, grid(p["cells"] // 2))
    histogram = ensemble.histogram(grid(p["cells"]), after=ensemble.times[-p["saved"] - 1])
    block = p["cells"] // 16
    return {
        "sampled": moments(points.reshape(-1, 2)),
        "sampled_error": each.std(axis=0, ddof=1) / np.sqrt(GROUPS),
        "solved": np.array([five(d.mean(), d.covariance()) for d in (first, second)]),
        "coarse": five(coarse.mean(), coarse.covariance()),
        "chi": np.array([goodness(*binned(d, points, block)) for d in (first, second)]),
        "density": first.values,
        "histogram": histogram.values,
        "edges": np.array(first.grid.edges),
    }


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Densities, moments and goodness of fit for every learning rate and batch size."""
    arrays: dict[str, np.ndarray] = {}
    arrays["theta"], arrays["hessian"], _ = minimum(model(p["columns"], p["ridge"]).subs({"B": 1}))
    cases = {
        (i, j): case(i, j, p)
        for i in range(len(p["batch_sizes"]))
        for j in range(len(p["learning_rates"]))
    }
    for key in ("sampled", "sampled_error", "solved", "coarse", "chi"):
        first = cases[0, 0][key]
        table = np.empty((len(p["batch_sizes"]), len(p["learning_rates"]), *first.shape))
        for where, found in cases.items():
            table[where] = found[key]
        arrays[key] = table
    for i in range(len(p["batch_sizes"])):
        for k, eta in enumerate(p["shown"]):
            found = cases[i, p["learning_rates"].index(eta)]
            for key in ("density", "histogram", "edges"):
                arrays[f"{key}_{i}{k}"] = found[key]
    return arrays


def spot_check(rng: np.random.Generator) -> tuple[str, tuple[int, int], np.ndarray]:
    """One random entry of the kept arrays, computed anew: its name, place and value."""
    i = int(rng.integers(len(PARAMETERS["batch_sizes"])))
    j = int(rng.integers(len(PARAMETERS["learning_rates"])))
    key = str(rng.choice(["sampled", "solved", "chi"]))
    return key, (i, j), case(i, j, PARAMETERS)[key]


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Six densities above, three measures of agreement against the learning rate below."""
    p = PARAMETERS
    figure = plt.figure(figsize=(7.0, 6.6))
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.55, 1.0])
    panels = top.subplots(len(p["batch_sizes"]), len(p["shown"]))
    for i, batch in enumerate(p["batch_sizes"]):
        for j, eta in enumerate(p["shown"]):
            _draw_density(panels[i, j], arrays, f"{i}{j}", p["learning_rates"].index(eta), i)
            panels[i, j].set_title(rf"$\eta = {eta:g}$, $B = {batch}$")
    top.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    for axis in panels[:, 0]:
        axis.set_ylabel("weight of mean texture")
    for axis in panels[-1]:
        axis.set_xlabel("weight of mean radius")
    _draw_agreement(bottom.subplots(1, 3), arrays)
    return figure


def _draw_density(axis: Any, arrays: dict[str, np.ndarray], where: str, j: int, i: int) -> None:
    density, histogram = arrays[f"density_{where}"], arrays[f"histogram_{where}"]
    edges = arrays[f"edges_{where}"]
    centers = [(e[1:] + e[:-1]) / 2 for e in edges]
    axis.pcolormesh(*edges, density.T, cmap="Blues", rasterized=True)
    levels = density.max() * np.array([0.03, 0.2, 0.6])
    axis.contour(*centers, density.T, levels=levels, colors="#0072B2", linewidths=1.0)
    axis.contour(
        *centers,
        _smoothed(histogram).T,
        levels=levels,
        colors="#D55E00",
        linewidths=1.0,
        linestyles="--",
    )
    mean, spread = arrays["sampled"][i, j][:2], arrays["sampled"][i, j][[2, 4]]
    reach = 3.3 * np.sqrt(spread)
    low = np.maximum(mean - reach, edges[:, 0])
    high = np.minimum(mean + reach, edges[:, -1])
    axis.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    axis.plot([], [], color="#0072B2", label="Fokker–Planck")
    axis.plot([], [], color="#D55E00", linestyle="--", label="SGD")


def _smoothed(histogram: np.ndarray) -> np.ndarray:
    """Mean over 3 x 3 cells, so that contours of counts can be followed."""
    padded = np.pad(histogram, 1, mode="edge")
    n, m = histogram.shape
    return sum(padded[i : i + n, j : j + m] for i in range(3) for j in range(3)) / 9


def _draw_agreement(axes: Any, arrays: dict[str, np.ndarray]) -> None:
    eta = np.array(PARAMETERS["learning_rates"])
    curvature = float(np.linalg.eigvalsh(arrays["hessian"])[-1])
    for i, (batch, color) in enumerate(
        zip(PARAMETERS["batch_sizes"], ("#0072B2", "#D55E00"), strict=True)
    ):
        sampled, error = arrays["sampled"][i], arrays["sampled_error"][i]
        for order, marker, style in ((1, "o", "-"), (2, "s", ":")):
            solved = arrays["solved"][i, :, order - 1]
            look = {
                "color": color,
                "marker": marker,
                "linestyle": style,
                "mfc": color if order == 1 else "white",
                "label": f"$B = {batch}$, order {order}",
                "capsize": 2,
            }
            # Sampling error of SGD and, second order in the cell size, that of the solver.
            grid_error = np.abs(arrays["solved"][i, :, 0] - arrays["coarse"][i]) / 3
            total = np.hypot(error, grid_error)
            width = np.sqrt(sampled[:, 2])
            axes[0].errorbar(
                eta, (solved[:, 0] - sampled[:, 0]) / width, total[:, 0] / width, **look
            )
            ratio = solved[:, 2] / sampled[:, 2]
            axes[1].errorbar(eta, ratio, ratio * total[:, 2] / sampled[:, 2], **look)
            chi, chi_error = arrays["chi"][i, :, order - 1].T
            axes[2].errorbar(eta, np.maximum(chi, 1e-6), chi_error, **look)
    axes[0].set_ylabel("mean: (FP − SGD) / s.d.")
    axes[1].set_ylabel("variance: FP / SGD")
    axes[2].set_ylabel(r"$\chi^2$ divergence of densities")
    axes[2].set_yscale("log")
    for axis, reference in zip(axes[:2], (0.0, 1.0), strict=True):
        axis.axhline(reference, color="0.6", linewidth=0.8, zorder=0)
    for axis in axes:
        axis.set_xscale("log", base=2)
        axis.set_xlabel(r"learning rate $\eta$")
    axes[1].legend(loc="best")
    top = axes[0].secondary_xaxis(
        "top", functions=(lambda e: e * curvature, lambda s: s / curvature)
    )
    top.set_xlabel(r"$\eta\,\lambda_{\max}(H)$")
