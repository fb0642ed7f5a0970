"""Where SGD diverges under random shifts, over the noise and the learning rate.

Share of runs that leave to infinity, ``lambda = 2 + tanh x``, ``C = sigma H^2``.  Left: x is held
at 0, where ``lambda = 2`` and ``lambda' = 1``; the three lines are the derived boundaries there, of
the mean of y, its mean square and its Lyapunov exponent, the one that SGD obeys.  Right: x is free
and starts there.  Growing y throws x about: below ``eta lambda = 2`` at the sharp end every place
holds y, above it at the flat end none does, and in between it is chance where a run ends.
"""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.discretize.coefficients import compile_expressions
from fokkerplanck.errors import FokkerPlanckWarning
from fokkerplanck.systems.random_shift_valley import RandomShiftValley

PARAMETERS: dict[str, Any] = {
    "sigmas": [0.1, 1e4],
    "learning_rates": [0.02, 3.0],
    "cells": 40,
    "runs": 20,
    "steps": 3000,
    "place": 0.0,
    "height": 0.1,
    "seed": 71,
}

x, y = sp.symbols("x y", real=True)
sigma = sp.Symbol("sigma", positive=True)


def levels(ends: list[float], cells: int) -> np.ndarray:
    """Centres of `cells` cells of equal width in the logarithm."""
    edges = np.geomspace(*ends, cells + 1)
    return np.sqrt(edges[1:] * edges[:-1])


def optimizer(learning_rate: float, place: float | None) -> fpk.SGD:
    """SGD of (x, y, sigma), or of (y, sigma) with x held at `place`.

    Sigma is a coordinate that neither the loss nor the noise moves, so runs of one call may differ
    in it.  With x held, the noise of y is ``lambda' y s_x + lambda s_y``.
    """
    valley = RandomShiftValley()
    hessian = sp.hessian(valley.loss, (x, y))
    if place is None:
        covariance = sp.diag(sigma * hessian * hessian, 0)
        return fpk.SGD(
            valley.loss,
            (x, y, sigma),
            fpk.noise.Covariance(covariance),
            learning_rate=learning_rate,
        )
    row = hessian[1, :].subs(x, place)
    covariance = sp.diag(sigma * (row * row.T)[0], 0)
    return fpk.SGD(
        valley.loss.subs(x, place),
        (y, sigma),
        fpk.noise.Covariance(covariance),
        learning_rate=learning_rate,
    )


def diverged(
    learning_rate: float, sigmas: np.ndarray, held: bool, p: dict[str, Any], seed: int
) -> np.ndarray:
    """Share of runs beyond 1e100 after `steps` steps, by sigma."""
    start = np.zeros((sigmas.size * p["runs"], 2 if held else 3))
    start[:, -2], start[:, -1] = p["height"], np.repeat(sigmas, p["runs"])
    if not held:
        start[:, 0] = p["place"]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "[0-9]+ of [0-9]+ runs left", FokkerPlanckWarning)
        runs = fpk.simulate_sgd(
            optimizer(learning_rate, p["place"] if held else None),
            start,
            steps=p["steps"],
            runs=len(start),
            seed=seed,
        )
    return runs.diverged.reshape(sigmas.size, p["runs"]).mean(axis=1)


def boundaries(place: float, sigmas: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Mean, mean square and Lyapunov criteria at a place, shape (3, rates, sigmas)."""
    eta = sp.Symbol("eta", positive=True)
    valley = RandomShiftValley(noise=eta * sigma)
    criteria = [valley.linear_boundary(eta), valley.mean_square_boundary(eta)]
    simple = compile_expressions([c.subs(x, place) for c in criteria], [eta, sigma])
    first = simple(rates[:, np.newaxis], sigmas)
    exponent = sp.lambdify((eta, sigma), valley.lyapunov_exponent(eta).subs(x, place), "mpmath")
    return np.concatenate([first, [[[float(exponent(r, s)) for s in sigmas] for r in rates]]])


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Shares of diverged runs, x held and x free, and the boundaries where x starts."""
    sigmas, rates = levels(p["sigmas"], p["cells"]), levels(p["learning_rates"], p["cells"])
    shares = [
        [diverged(rate, sigmas, held, p, p["seed"] + i) for i, rate in enumerate(rates)]
        for held in (True, False)
    ]
    return {
        "sigmas": sigmas,
        "rates": rates,
        "held": np.array(shares[0]),
        "free": np.array(shares[1]),
        "criteria": boundaries(p["place"], sigmas, rates),
    }


LINES = (
    ("-", r"Lyapunov: $\mathrm{E}\,\ln|1 - \eta\lambda - \eta\lambda' s_x| = 0$"),
    ("--", r"mean square: $(1 - \eta\lambda)^2 + \eta^2 \sigma \lambda'^2 = 1$"),
    (":", r"mean: $\eta\lambda = 2$"),
)


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Shares with x held and x free."""
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.6), sharey=True)
    colors = plt.rcParams["axes.prop_cycle"].by_key()["color"]
    sigmas, rates = arrays["sigmas"], arrays["rates"]
    order = (2, 1, 0)
    for axis, name in zip(axes, ("held", "free"), strict=True):
        shown = axis.pcolormesh(
            sigmas, rates, arrays[name], cmap="Greys", vmin=0, vmax=1, rasterized=True
        )
        axis.set(xscale="log", yscale="log", xlabel=r"$\sigma$, variance of the shifts")
    for which, (style, label), color in zip(order, LINES, colors, strict=False):
        axes[0].contour(
            sigmas, rates, arrays["criteria"][which], [0], colors=[color], linestyles=style
        )
        axes[0].plot([], [], style, color=color, label=label)
    for curvature, end, color in ((1.0, "flat", colors[4]), (3.0, "sharp", colors[5])):
        label = rf"$\eta\lambda = 2$ at the {end} end"
        axes[1].axhline(2 / curvature, color=color, ls="-.", label=label)
    axes[0].set(ylabel=r"$\eta$, learning rate", title="$x$ held at 0")
    axes[1].set_title("$x$ free, from 0")
    figure.colorbar(shown, ax=axes, label="share of diverged runs")
    # One legend for both, the lines of the left panel first.
    entries = [axis.get_legend_handles_labels() for axis in axes]
    handles, labels = ([*left, *right] for left, right in zip(*entries, strict=True))
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure
