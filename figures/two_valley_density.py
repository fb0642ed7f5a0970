"""How runs spread over the two valleys and freeze: the density across and along, over time.

SGD from beside the ridge at y = 5.  Above: density in x, SGD (steps) and the one-step operator with
y following its mean (line).  Below: runs of SGD about that mean of y, with the means and standard
deviations of y in either valley by the operator that follows two moments of y.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

import fokkerplanck as fpk
from figures._two_valley import operator_case, starts, valley

PARAMETERS: dict[str, Any] = {
    "rate": 10 ** (-11 / 9),
    "sigma": 10 ** (-15 / 9),
    "numbers": [4, 40, 400, 4000, 20_000],
    "runs": 8000,
    "bins": 60,
    "seed": 41,
}


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Positions of runs at some numbers of steps, densities and moments of the operator there."""
    noise = p["rate"] * p["sigma"]
    sgd = valley(noise).optimizer(p["rate"], covariance="shortened_hessian")
    states, position, previous = [], starts(p["runs"]), 0
    seeds = np.random.SeedSequence(p["seed"]).spawn(len(p["numbers"]))
    arrays: dict[str, np.ndarray] = {}
    for k, (number, seed) in enumerate(zip(p["numbers"], seeds, strict=True)):
        steps = number - previous
        position = fpk.simulate_sgd(sgd, position, steps=steps, runs=p["runs"], seed=seed).values[
            -1
        ]
        previous = number
        states.append(position)
        run = fpk.slow_evolution(**operator_case(p["rate"], noise, number), moments=2)
        arrays[f"x_{k}"] = run.density.grid.centers[0]
        arrays[f"density_{k}"] = run.density.values
        arrays[f"moments_{k}"] = np.array(
            [np.full(2, run.slow[-1]), run.slow_by_side[-1], run.slow_std_by_side[-1]]
        )
        arrays[f"share_{k}"] = np.array([run.probability[-1]])
    return {"states": np.array(states), **arrays}


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """One column a time."""
    numbers = PARAMETERS["numbers"]
    figure, axes = plt.subplots(2, len(numbers), figsize=(7.0, 3.6), sharex=True)
    for k, number in enumerate(numbers):
        (mean, _), by_side, deviation = arrays[f"moments_{k}"]
        across, along = arrays["states"][k].T
        top, below = axes[:, k]
        reach = (-0.48, 0.55)
        top.hist(across, PARAMETERS["bins"], reach, density=True, color="0.8", label="SGD")
        top.plot(arrays[f"x_{k}"], arrays[f"density_{k}"], lw=1.0, label="operator")
        title = f"{number} steps\n$\\bar y = {mean:.2f}$\n"
        title += rf"$P_\mathrm{{flat}} = {arrays[f'share_{k}'][0]:.3f}$"
        top.set_title(title, fontsize=8)
        top.set(xlim=reach, ylim=(0, 1.35 * arrays[f"density_{k}"].max()))
        spread = 1e3 * (along - mean)
        limit = 4.2 * 1e3 * float(deviation.max())
        below.hist2d(across, spread, PARAMETERS["bins"], (reach, (-limit, limit)), cmap="Greys",
                     rasterized=True)  # fmt: skip
        floors = (across[across > 0].mean(), across[across <= 0].mean())
        below.errorbar(
            floors, 1e3 * (by_side - mean), 1e3 * deviation, fmt="D", ms=3, capsize=2, lw=1.0
        )
        below.set(xlabel="$x$")
        for each in (top, below):
            each.axvline(0, color="0.5", lw=0.6, ls=":")
    axes[0, 0].set_ylabel("density in $x$")
    axes[1, 0].set_ylabel(r"$(y - \bar y) \times 10^3$")
    axes[0, 0].legend(loc="upper left", fontsize=7)
    return figure
