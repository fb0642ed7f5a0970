"""Covariance of the gradient against the Hessian, element by element, on real tables.

Left: logistic regression on ten columns of the breast-cancer table; middle: a network of three tanh
units on two columns.  Filled: at a minimum (weight decay .002, left out of both matrices); open: at
twice its norm from it in a random direction.  Slopes of ``C = slope H`` through the origin and
correlations over the elements i <= j.  Right: correlation against the distance, median and
quartiles of 40 directions.  Fisher's identity ``C = H`` asks for a model that is true; at a minimum
the elements are nearly proportional, far from it they are not.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.optimize import minimize

from fokkerplanck.systems.tabular import Classifier, load_table

PARAMETERS: dict[str, Any] = {
    "cases": [["logistic", 10, 0], ["network", 2, 3]],
    "decay": 0.002,
    "far": 2.0,
    "draws": 40,
    "seed": 5,
}


def gradients(model: Classifier, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of the log loss of every sample, (samples, d), and the losses."""
    inputs, labels = model.inputs, model.labels
    if not model.hidden:
        function, slope = inputs @ theta, inputs
    else:
        n, units = inputs.shape[1], model.hidden
        weights = theta[: n * units].reshape(units, n)
        biases, heads = theta[n * units : (n + 1) * units], theta[(n + 1) * units : -1]
        levels = np.tanh(inputs @ weights.T + biases)
        function = levels @ heads + theta[-1]
        inner = heads * (1 - levels**2)
        first = (inner[:, :, np.newaxis] * inputs[:, np.newaxis, :]).reshape(len(inputs), -1)
        slope = np.hstack([first, inner, levels, np.ones((len(inputs), 1))])
    wrong = 1 / (1 + np.exp(labels * function))
    return -(labels * wrong)[:, np.newaxis] * slope, np.logaddexp(0, -labels * function)


def covariance_and_hessian(model: Classifier, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``C`` of one sample, and H of the mean log loss by central differences of its gradient."""
    covariance = np.cov(gradients(model, theta)[0].T, bias=True)
    step = 1e-5
    columns = [
        (gradients(model, theta + shift)[0] - gradients(model, theta - shift)[0]).mean(axis=0)
        for shift in step * np.eye(theta.size)
    ]
    hessian = np.array(columns) / (2 * step)
    return covariance, (hessian + hessian.T) / 2


def trained(model: Classifier, seed: int) -> np.ndarray:
    """Weights at a minimum of the regularised loss."""
    decay = float(model.decay)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        each, losses = gradients(model, theta)
        return losses.mean() + decay / 2 * theta @ theta, each.mean(axis=0) + decay * theta

    start = np.random.default_rng(seed).normal(size=len(model.variables))
    found = minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-8})
    return np.asarray(found.x)


def agreement(covariance: np.ndarray, hessian: np.ndarray) -> tuple[float, float]:
    """Slope through the origin of C on H, and the correlation, over the elements i <= j."""
    upper = np.triu_indices(len(hessian))
    h, c = hessian[upper], covariance[upper]
    return float(h @ c / (h @ h)), float(np.corrcoef(h, c)[0, 1])


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Both matrices at a minimum and far from it; slope and correlation against the distance."""
    arrays: dict[str, np.ndarray] = {"distances": np.linspace(0, p["far"], 9)}
    rng = np.random.default_rng(p["seed"])
    for name, columns, hidden in p["cases"]:
        model = Classifier(*load_table(columns=range(columns)), hidden=hidden, decay=p["decay"])
        theta = trained(model, p["seed"])
        directions = rng.normal(size=(p["draws"], theta.size))
        directions /= np.linalg.norm(directions, axis=1)[:, np.newaxis]
        size = np.linalg.norm(theta)
        for key, place in (("near", theta), ("far", theta + p["far"] * size * directions[0])):
            arrays[f"{name}_{key}"] = np.array(covariance_and_hessian(model, place))
        arrays[f"{name}_agreement"] = np.array(
            [
                [
                    agreement(*covariance_and_hessian(model, theta + distance * size * way))
                    for way in directions
                ]
                for distance in arrays["distances"]
            ]
        )
    return arrays


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Elements near and far for both models, and their correlation against the distance."""
    figure, axes = plt.subplots(1, 3, figsize=(7.0, 2.9))
    titles = {"logistic": "logistic regression", "network": "network of tanh units"}
    for panel, (name, title) in zip(axes, titles.items(), strict=False):
        _elements(panel, arrays, name)
        panel.set(xlabel="$H_{ij}$", ylabel="$C_{ij}$", title=title)
    for k, (name, title) in enumerate(titles.items()):
        found = arrays[f"{name}_agreement"][:, :, 1]
        low, middle, high = np.percentile(found, [25, 50, 75], axis=1)
        axes[2].plot(arrays["distances"], middle, "os"[k] + "-", color=f"C{k}", label=title)
        axes[2].fill_between(arrays["distances"], low, high, color=f"C{k}", alpha=0.2, lw=0)
    axes[2].set(
        xlabel=r"$|\theta - \theta^*|/|\theta^*|$", ylabel="correlation of $C$ and $H$", ylim=(0, 1)
    )
    axes[2].legend(loc="lower left")
    return figure


def _elements(panel: Axes, arrays: dict[str, np.ndarray], name: str) -> None:
    panel.axline((0, 0), slope=1, color="0.6", lw=0.8, zorder=0)
    for key, look in (("far", {"mfc": "none", "color": "C1"}), ("near", {"color": "C0"})):
        covariance, hessian = arrays[f"{name}_{key}"]
        upper = np.triu_indices(len(hessian))
        slope, correlation = agreement(covariance, hessian)
        panel.plot(
            hessian[upper],
            covariance[upper],
            "o",
            ms=3,
            label=f"{key}: slope {slope:.2f}, r {correlation:.2f}",
            **look,
        )
    panel.set_ylim(top=panel.get_ylim()[1] * 1.35)
    panel.legend(loc="upper left", fontsize=7)
