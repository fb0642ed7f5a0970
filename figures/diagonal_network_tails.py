"""Exponents of the tails of diagonal networks: fitted, and as the closed forms have them.

``y = x + noise`` of standard deviation 1/2.  Left: ``p ~ v^-(5 - 3/(depth + 1))`` at depth 1 and
more, whatever T; slopes of finite-volume densities, and Hill's estimator on paths (bars are one
standard error).  Right: linear regression, ``p ~ |v|^-(2 + beta1/(T alpha1))``, whose variance is
infinite from ``beta1/alpha1 = 1/2`` on.  SGD itself, one sample a step and eta = T, has the
exponent ``1 + kappa`` of Kesten's equation ``E |1 - 2 eta x^2|^kappa = 1`` instead: its variance is
infinite from eta = 1/3 on.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import brentq

import fokkerplanck as fpk
from figures._diagonal_network import Sample, network, sample

PARAMETERS: dict[str, Any] = {
    "depths": [1, 2, 3, 4],
    "deep_temperatures": [0.3, 0.6, 0.6, 0.6],
    "temperatures": [0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7],
    "sgd": [0.2, 0.25, 0.3, 0.4, 0.5],
    "duration": 300.0,
    "paths": 1500,
    "runs": 2000,
    "steps": 2500,
    "samples": 20_000,
    "seed": 53,
}
# Corrections to the power laws: 1/v at depth 1 and more, the size to -2 at depth 0; those of SGD
# are seen to be larger.
THRESHOLD, SHALLOW, DISCRETE = float(np.exp(5.0)), 4.0, 8.0


def size(values: np.ndarray) -> np.ndarray:
    """``(G/min G)^(1/2)`` of linear regression, which grows as ``|v|``."""
    return np.sqrt(1 + (values - 1) ** 2 / 0.125)


def fitted(depth: int, temperature: float, p: dict[str, Any], seed: int) -> tuple[float, float]:
    """Hill's estimate on paths, and its error."""
    found = sample(network(depth, temperature), p["duration"], p["paths"], seed)
    if depth:
        return found.tail(found.values, THRESHOLD)
    return found.tail(size(found.values), SHALLOW)


def slope(depth: int, temperature: float) -> float:
    """Exponent of the finite-volume density between ``ln v = 8`` and 12."""
    model = network(depth, temperature)
    (z,) = model.log_diffusion().variables
    grid = fpk.Grid({z: (-14.0, 16.0, 1500)})
    density = fpk.stationary_density(fpk.assemble(model.log_diffusion(), grid))
    centers = grid.centers[0]
    low, high = np.searchsorted(centers, (8.0, 12.0))
    fall = np.log(density.values[low] / density.values[high])
    return float(1 + fall / (centers[high] - centers[low]))


def kesten(rate: float, inputs: np.ndarray) -> float:
    """``1 + kappa`` with ``E |1 - 2 eta x^2|^kappa = 1``."""
    logs = np.log(np.abs(1 - 2 * rate * inputs**2))
    return 1 + float(brentq(lambda k: np.log(np.mean(np.exp(k * logs))), 0.3, 60.0))


def sgd_tail(rate: float, inputs: np.ndarray, p: dict[str, Any], seed: int) -> tuple[float, float]:
    """Hill's estimate on SGD of linear regression with minibatches of one."""
    rng = np.random.default_rng(seed)
    targets = inputs + 0.5 * rng.standard_normal(inputs.size)
    optimizer = network(0, rate).optimizer(inputs, targets)
    runs = fpk.simulate_sgd(
        optimizer, (1.0,), steps=p["steps"], runs=p["runs"], seed=seed, save_every=5
    )
    values = runs.values[runs.steps > p["steps"] // 5, :, 0]
    return Sample(values, np.ones_like(values)).tail(size(values), DISCRETE)


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Exponents a of ``p ~ |v|^-a``, estimates with their errors."""
    rng = np.random.default_rng(p["seed"])
    inputs = rng.standard_normal(p["samples"])
    deep = list(zip(p["depths"], p["deep_temperatures"], strict=True))
    rates = np.linspace(0.17, 0.52, 30)
    return {
        "formula": np.array([-float(network(d, t).tail_exponent()) for d, t in deep]),
        "solver": np.array([slope(d, t) for d, t in deep]),
        "paths": np.array([fitted(d, t, p, p["seed"] + d) for d, t in deep]).T,
        "regression": np.array(
            [fitted(0, t, p, p["seed"] + 10 + k) for k, t in enumerate(p["temperatures"])]
        ).T,
        "sgd": np.array(
            [sgd_tail(t, inputs, p, p["seed"] + 30 + k) for k, t in enumerate(p["sgd"])]
        ).T,
        "rates": rates,
        "kesten": np.array([kesten(rate, inputs) for rate in rates]),
        "kesten_at": np.array([kesten(rate, inputs) for rate in p["sgd"]]),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Exponents against depth, and at depth 0 against the temperature."""
    p = PARAMETERS
    figure, (deep, flat) = plt.subplots(1, 2, figsize=(7.0, 3.0))
    depths = np.array(p["depths"])
    fine = np.linspace(0.8, depths.max() + 0.2, 100)
    deep.plot(fine, 5 - 3 / (fine + 1), color="0.7", lw=2.5, label=r"$5-3/(D+1)$")
    deep.plot(depths - 0.06, arrays["solver"], "x", color="k", ms=5, label="finite volumes")
    value, error = arrays["paths"]
    deep.errorbar(depths + 0.06, value, error, fmt="o", color="C0", capsize=2, label="paths")
    deep.set(xlabel="depth $D$", ylabel=r"$a$ in $p\sim v^{-a}$", xticks=depths, ylim=(3, 5))
    deep.legend(loc="lower right")
    temperatures = np.linspace(0.12, 0.75, 100)
    flat.plot(temperatures, 2 + 0.5 / temperatures, color="0.7", lw=2.5,
              label=r"$2+\beta_1/(T\alpha_1)$")  # fmt: skip
    flat.plot(arrays["rates"], arrays["kesten"], color="C1", ls="--", label="Kesten, SGD")
    value, error = arrays["regression"]
    flat.errorbar(p["temperatures"], value, error, fmt="o", color="C0", capsize=2, label="paths")
    value, error = arrays["sgd"]
    flat.errorbar(p["sgd"], value, error, fmt="s", color="C1", capsize=2, label="SGD")
    flat.axhline(3, color="0.6", lw=0.8, ls=":")
    flat.text(0.11, 2.97, "infinite variance", ha="left", va="top", color="0.4", fontsize=7)
    flat.set(xlabel="$T$", ylabel=r"$a$ in $p\sim|v|^{-a}$", title="depth 0", ylim=(2, 6))
    deep.set_title("depth 1 and more")
    flat.legend(loc="upper right")
    return figure
