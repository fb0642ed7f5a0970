"""Regimes of the two-layer network, and where SGD itself collapses.

Targets ``y = x + s noise``.  The density of v vanishes at 0 below ``T_c/3``; above, it is infinite
there and has a maximum beside, up to the dashed line; from ``T_c = beta2/alpha3`` on it is a delta
function at 0.  Triangles: Lyapunov exponent of ``ln v`` at 0 measured on SGD, real minibatches of
one, eta = T, from ``v = 1e-150``.  SGD collapses where it is negative, inside the line ``E ln|1 +
2 eta x y| = 0``: with little label noise at no learning rate.  All lines of T_c meet where
``beta2^2 << alpha3``: only there is SGD a diffusion at its transition.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fpk
from figures._diagonal_network import network

PARAMETERS: dict[str, Any] = {
    "noises": [0.1, 30.0, 45],
    "measured": [0.3, 1.5, 7.0, 20.0],
    "fractions": [0.3, 0.7, 1.2, 1.7],
    "rates": [5e-4, 1.0, 80],
    "samples": 20_000,
    "population": 100_000,
    "start": 1e-150,
    "steps": 100,
    "runs": 4000,
    "seed": 61,
}


def growth(rate: float, product: np.ndarray) -> float:
    """``E ln|v_(k+1)/v_k|/eta`` of balanced weights near 0, batches of one of these ``x y``."""
    return float(2 * np.mean(np.log(np.abs(1 + 2 * rate * product))) / rate)


def products(noise: float, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets."""
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal(count)
    return inputs, inputs + noise * rng.standard_normal(count)


def measured(noise: float, rate: float, p: dict[str, Any], seed: int) -> tuple[float, ...]:
    """Exponent of SGD with its error, and what the data make of it."""
    inputs, targets = products(noise, p["samples"], seed)
    model = network(1, rate, noise)
    runs = fpk.simulate_sgd(
        model.optimizer(inputs, targets),
        model.balanced(p["start"]),
        steps=p["steps"],
        runs=p["runs"],
        seed=seed + 1000,
    )
    logs = np.log(np.abs(runs.values[-1])).sum(axis=1) - np.log(p["start"])
    exponents = logs / (p["steps"] * rate)
    error = exponents.std(ddof=1) / np.sqrt(p["runs"])
    return float(exponents.mean()), float(error), growth(rate, inputs * targets)


def no_maximum(noise: float) -> float:
    """Temperature from which on the density has no maximum beside 0."""
    model = network(1, 0.1, noise)
    a1, a2, a3 = (float(a) for a in model.alpha)
    b1, b2 = (float(b) for b in model.beta)
    infinite = b2 / (3 * a3)
    if 10 * a2 * infinite <= b1:
        return infinite  # the maximum moves to 0
    # Else it meets a minimum where (b1 - 10 a2 T)^2 + 28 a1 T (b2 - 3 a3 T) = 0.
    squared = np.array([100 * a2**2 - 84 * a1 * a3, 28 * a1 * b2 - 20 * b1 * a2, b1**2])
    roots = np.roots(squared)
    real = roots[np.isreal(roots)].real
    return float(real[real > infinite].min(initial=np.inf))


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Lines of transition over s, and measured exponents at points."""
    low, high, count = p["noises"]
    noises = np.geomspace(low, high, count)
    models = [network(1, 0.1, s) for s in noises]
    rates = np.geomspace(*p["rates"])
    population = [np.prod(products(s, p["population"], p["seed"]), axis=0) for s in noises]
    rows = []
    for i, s in enumerate(p["measured"]):
        critical = float(network(1, 0.1, s).critical_temperature())
        for j, fraction in enumerate(p["fractions"]):
            rate = fraction * critical
            rows.append([s, rate, *measured(s, rate, p, p["seed"] + 10 * i + j)])
    return {
        "noises": noises,
        "first": np.array([float(m.critical_temperature()) for m in models]),
        "second": np.array([float(m.critical_temperature(order=2)) for m in models]),
        "rates": rates,
        "sgd": np.array([[growth(rate, product) for product in population] for rate in rates]),
        "maximum": np.array([no_maximum(s) for s in noises]),
        "points": np.array(rows).T,
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """The map, and measured exponents against those of the data."""
    figure, (regimes, check) = plt.subplots(
        1, 2, figsize=(7.0, 3.4), gridspec_kw={"width_ratios": [1.6, 1]}
    )
    noises, first = arrays["noises"], arrays["first"]
    top = 1.0
    bottom = 5e-4
    shades = ("#e8f1f8", "#c6dcec", "#f6ddcb")
    for low, high, color in (
        (bottom, first / 3, shades[0]),
        (first / 3, first, shades[1]),
        (first, top, shades[2]),
    ):
        regimes.fill_between(noises, low, high, color=color, lw=0)
    regimes.loglog(noises, first, color="C0", label=r"$T_c=\beta_2/\alpha_3$")
    regimes.loglog(noises, arrays["second"], color="C2", label=r"$\beta_2/(\alpha_3+\beta_2^2)$")
    regimes.contour(noises, arrays["rates"], arrays["sgd"], levels=[0], colors="C1")
    regimes.plot([], [], color="C1", label=r"SGD: $E\ln|1+2\eta xy|=0$")
    seen = arrays["maximum"] < first
    regimes.loglog(noises[seen], arrays["maximum"][seen], "--", color="0.3", lw=0.9,
                   label="no maximum above", zorder=1.9)  # fmt: skip
    s, rate, exponent, error, expected = arrays["points"]
    for chosen, marker, face, label in (
        (exponent > 0, "^", "white", "SGD leaves 0"),
        (exponent < 0, "v", "C1", "SGD collapses"),
    ):
        regimes.plot(s[chosen], rate[chosen], marker, mfc=face, mec="C1", ms=5, label=label)
    regimes.text(0.12, 0.01, "$p(0)=0$", fontsize=8)
    regimes.text(0.12, 0.19, r"$p\to\infty$ at 0", fontsize=8)
    regimes.text(12, 0.45, r"$\delta(v)$", fontsize=9)
    regimes.set(xlabel="label noise $s$", ylabel="$T$", xlim=(0.1, 30), ylim=(bottom, top))
    handles = regimes.get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3)

    ends = np.array([exponent.min() - 0.5, exponent.max() + 0.5])
    check.axhline(0, color="0.6", lw=0.8, ls=":")
    check.plot(ends, ends, color="0.7", lw=2)
    check.errorbar(expected, exponent, error, fmt="o", color="C1", ms=3.5, capsize=2)
    check.set(xlabel="exponent from the data", ylabel="exponent of SGD")
    return figure
