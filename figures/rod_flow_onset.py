"""How far y climbs past the edge before the oscillation of x stops it: set by noise, or rounding.

The minimal problem from below the edge.  Left: largest y against the noise in x: runs of SGD, the
formula, and rod flows whose Sigma keeps the floor that this noise gives it.  One rod along the top
eigenvector sees the onset only where the noise exceeds the drift of y; rods on all axes see it
always, seeded by that drift where the noise is less.  Right: gradient descent without noise in
decimal arithmetic: from y = 4 rounding decides until it has some 300 digits, from y = 6 what is
left of x.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import mpmath as mp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import fokkerplanck as fpk
from fokkerplanck.systems.edge_of_stability_noise import NoisyMinimalProblem

PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.3,
    "epsilon": 0.01,
    "start": [0.001, 4.0],
    "steps": 1500,
    "sigmas": [1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 1e-3, 3e-3, 1e-2, 3e-2],
    "flow_start": [0.1, 6.0],
    "flow_steps": 520,
    "runs": 100,
    "seed": 18,
    "digits": [8, 12, 16, 20, 30, 50, 70, 100, 140, 200, 250, 300, 400],
    "heights": [4, 6],
}

# Fall of y after which the largest one counts as the peak.
TURNED = 0.05


def problem(p: dict[str, Any], sigma: float) -> NoisyMinimalProblem:
    """Noise of standard deviation sigma a step in x."""
    eta = p["learning_rate"]
    return NoisyMinimalProblem(p["epsilon"], eta, (sigma / eta) ** 2)


def peak(flow: fpk.Trajectory, epsilon: float) -> float:
    """Largest y of a flow, nan where x never grew."""
    return float(flow.average[:, 1].max()) if flow.extent.max() > epsilon else np.nan


def flows(p: dict[str, Any], sigma: float) -> list[float]:
    """Peaks of rod flow with the floor of this noise: one rod, and rods on all axes."""
    chosen = problem(p, sigma).problem
    where = (
        chosen.loss,
        chosen.variables,
        p["learning_rate"],
        tuple(p["flow_start"]),
        p["flow_steps"],
    )
    closures = (fpk.flows.TopEigenvector(), fpk.flows.AllAxes())
    return [
        peak(fpk.flows.rod_flow(*where, floor=sigma**2 / 2, closure=c), p["epsilon"])
        for c in closures
    ]


def sampled(p: dict[str, Any], sigma: float, seed: int) -> tuple[float, float]:
    """Mean of the first maximum of y of runs of SGD, and its standard deviation.

    Later swings of the noisy equilibrium may reach higher.
    """
    runs = fpk.simulate_sgd(
        problem(p, sigma).optimizer,
        tuple(p["start"]),
        steps=p["steps"],
        runs=p["runs"],
        seed=seed,
        save_every=1,
    )
    y = np.asarray(runs.values)[:, :, 1]
    highest = np.maximum.accumulate(y, axis=0)
    turned = np.argmax(highest - y > TURNED, axis=0)
    tops = highest[turned, np.arange(p["runs"])]
    return float(tops.mean()), float(tops.std(ddof=1))


def rounded_peak(p: dict[str, Any], height: float, digits: int) -> float:
    """Largest y of gradient descent that rounds to so many decimal digits."""
    with mp.workdps(digits):
        x, y = mp.mpf(p["start"][0]), mp.mpf(height)
        eta, epsilon = mp.mpf(p["learning_rate"]), mp.mpf(p["epsilon"])
        top = y
        while y > top - TURNED:
            x, y = x - eta * (y * x + 3 * x**2 / 2 - epsilon), y - eta * (x**2 / 2 - epsilon)
            top = max(top, y)
        return float(top)


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Peaks by every method."""
    sigmas = np.array(p["sigmas"])
    fine = np.geomspace(sigmas[0], sigmas[-1], 60)
    quiet = problem(p, 1.0)
    return {
        "sigmas": sigmas,
        "fine": fine,
        "formula": np.array([float(problem(p, s).onset_peak()) for s in fine]),
        "flows": np.array([flows(p, sigma) for sigma in sigmas]),
        "sgd": np.array([sampled(p, s, p["seed"] + k) for k, s in enumerate(sigmas)]),
        "digits": np.array(p["digits"]),
        "rounded": np.array(
            [[rounded_peak(p, height, d) for d in p["digits"]] for height in p["heights"]]
        ),
        "memory": np.array([float(quiet.memory_peak(h, p["start"][0])) for h in p["heights"]]),
        "rounding": np.array([float(problem(p, s).onset_peak()) for s in rounding(p)]),
        "runs": np.array(p["runs"]),
    }


def rounding(p: dict[str, Any]) -> list[Any]:
    """Noise of rounding to so many digits: half a unit in the last place of the centre of x.

    Uniform within it; the centre is ``epsilon/y``, ``eta epsilon/2`` at the edge.
    """
    center = p["learning_rate"] * p["epsilon"] / 2
    return [center * mp.mpf(10) ** -d / mp.sqrt(3) for d in p["digits"]]


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Against noise, and against digits."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.0, 3.2))
    _noise(left, arrays)
    _digits(right, arrays)
    return figure


def _noise(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    mean, spread = arrays["sgd"].T
    axes.semilogx(arrays["fine"], arrays["formula"], color="0.6", lw=2.4, label="formula")
    axes.errorbar(arrays["sigmas"], mean, spread, fmt="o", ms=3.5, color="k", lw=0.8,
                  label="SGD, mean and spread of runs")  # fmt: skip
    top, every = arrays["flows"].T
    axes.plot(arrays["sigmas"], every, "s-", color="C0", ms=3.5, lw=1, label="rod flow, all axes")
    seen = np.isfinite(top)
    axes.plot(arrays["sigmas"][seen], top[seen], "x", color="C1", ms=6, label="one rod")
    axes.plot(arrays["sigmas"][~seen], np.full((~seen).sum(), 7.72), "^", color="C1", mfc="none",
              label="one rod: no onset")  # fmt: skip
    axes.set(
        xlabel=r"noise $\sigma = \eta \sqrt{C}$",
        ylabel="largest $y$",
        title="onset against noise",
        ylim=(6.5, 7.8),
    )
    axes.axhline(2 / PARAMETERS["learning_rate"], color="0.5", lw=0.8, ls=":")
    axes.legend(loc="lower left", fontsize=7.5)


def _digits(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    lowest = np.minimum(arrays["rounding"], arrays["memory"][0])
    axes.semilogx(arrays["digits"], lowest, color="0.6", lw=2.4, label="formula, rounding as noise")
    for k, (marker, color) in enumerate((("o", "C0"), ("s", "C1"))):
        label = f"from $y = {PARAMETERS['heights'][k]}$"
        axes.plot(arrays["digits"], arrays["rounded"][k], marker, color=color, label=label)
        axes.axhline(arrays["memory"][k], color=color, lw=0.9, ls="--")
    axes.plot([], [], "--", color="0.3", lw=0.9, label="formula, no noise")
    axes.axvline(16, ymax=0.28, color="0.5", lw=0.8, ls=":")
    axes.text(15, 7.8, "double\nprecision", color="0.4", fontsize=7, ha="right")
    axes.set(
        xlabel="decimal digits", title="gradient descent, rounded", ylim=(7.1, 10.9),
        xticks=[8, 16, 32, 64, 128, 256], xticklabels=["8", "16", "32", "64", "128", "256"],
    )  # fmt: skip
    axes.minorticks_off()
    axes.legend(loc="center left", fontsize=7.5, bbox_to_anchor=(0.0, 0.55))
