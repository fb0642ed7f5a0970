"""Freezing against noise: where runs stay where they are, and how many are flat by then.

Left: mean y of the last change of side in runs of equal learning rate and sigma, by SGD and by the
one-step operator; the paper's criterion, solved as it stands and by its closed form, with its Phi
and with the factor 3000 of the authors' program.  Right: share of the flat valley after 20 000
steps, with the master equation of the paper's rates (times to the ridge) and of Itô's.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp

import fokkerplanck as fpk
from figures._two_valley import BEGIN, extrapolated, limit, operator_case, starts, valley, x, y

PARAMETERS: dict[str, Any] = {
    "noises": np.logspace(-4, -2, 9).tolist(),
    "sampled": [2, 3, 4, 5, 8],  # numbers of the noises
    "runs": 2000,
    "steps": 20_000,
    "cells_per_width": [8, 16],
    "factor": 3000,
    "seed": 31,
}
READINGS = ("first_passage", "ito")


def real(value: sp.Expr) -> float:
    """NaN where the root is not real: the noise is below the square of the factor times Phi."""
    number = complex(sp.N(value))
    return number.real if number.imag == 0 else np.nan


def master(noise: float, end: float, reading: Any) -> float:
    """P(x > 0) of the master equation along y, from beside the ridge."""
    model = valley(noise)
    begin = 0.5
    if reading != "first_passage":
        committor = model.at(BEGIN).committor(reading)
        begin = float((committor.subs(x, 0.01) + committor.subs(x, -0.01)) / 2)
    share = sp.Symbol("P")
    slope = sp.lambdify((y, share), model.master_equation(share, reading), ["scipy", "numpy"])
    path = solve_ivp(
        lambda place, p: [slope(place, p[0])], (BEGIN, end), [begin], rtol=1e-7, method="LSODA"
    )
    return float(path.y[0, -1])


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Curves over the noises, SGD at some of them."""
    noises, rates = np.array(p["noises"]), np.sqrt(p["noises"])
    runs = fpk.slow_sweep(
        [operator_case(*cell, p["steps"]) for cell in zip(rates, noises, strict=True)]
    )
    sampled = []
    for k, seed in zip(
        p["sampled"], np.random.SeedSequence(p["seed"]).spawn(len(p["sampled"])), strict=True
    ):
        ends = fpk.simulate_sgd(
            valley(noises[k]).optimizer(rates[k], covariance="shortened_hessian"),
            starts(p["runs"]),
            steps=p["steps"],
            runs=p["runs"],
            seed=seed,
            region=x > 0,
        )
        both = np.stack([ends.at_last_change[:, 1], ends.values[-1, :, 0] > 0])
        sampled.append([both.mean(axis=1), both.std(axis=1, ddof=1) / np.sqrt(p["runs"])])
    limits = [
        extrapolated(
            *(
                limit(noise, eta * p["steps"], float(run.slow[-1]) + 0.3, cells)
                for cells in p["cells_per_width"]
            )
        )
        for noise, eta, run in zip(noises, rates, runs, strict=True)
    ]
    models = [valley(noise) for noise in noises]
    return {
        "operator": np.array([[r.slow_at_last_change, r.probability[-1]] for r in runs]),
        "end": np.array([run.slow[-1] for run in runs]),
        "sampled": np.array(sampled),
        "limit": np.array(limits)[:, [2, 0]],
        "criterion": np.array([[m.y_freeze(1, reading=r) for m in models] for r in READINGS]),
        "closed": np.array(
            [
                [real(m.y_freeze_approximation(factor)) for m in models]
                for factor in (1, p["factor"])
            ]
        ),
        "master": np.array(
            [
                [master(n, float(run.slow[-1]), r) for n, run in zip(noises, runs, strict=True)]
                for r in READINGS
            ]
        ),
    }


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """Where it freezes, and with how many in the flat valley."""
    figure, axes = plt.subplots(1, 2, figsize=(7.0, 3.1))
    _places(axes[0], arrays)
    _shares(axes[1], arrays)
    return figure


def _common(axes: Axes, arrays: dict[str, np.ndarray], column: int) -> None:
    noises = np.array(PARAMETERS["noises"])
    axes.semilogx(noises, arrays["operator"][:, column], color="C0", label="operator")
    axes.semilogx(noises, arrays["limit"][:, column], color="C5", ls="--", label="Fokker–Planck")
    mean, error = arrays["sampled"].transpose(1, 2, 0)[:, column]
    axes.errorbar(
        noises[PARAMETERS["sampled"]], mean, error, fmt="o", color="k", ms=3.5, label="SGD"
    )
    axes.set(xlabel=r"noise $\Delta_S = \eta\sigma$, $\eta = \sigma$")


def _places(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    noises = np.array(PARAMETERS["noises"])
    _common(axes, arrays, 0)
    finite = np.where(np.isfinite(arrays["criterion"]), arrays["criterion"], np.nan)
    axes.plot(noises, finite[0], color="C1", label="criterion")
    axes.plot(noises, finite[1], color="C1", ls=":", label="criterion, Itô's rates")
    axes.plot(noises, arrays["closed"][0], color="C3", ls="-.", label="closed form")
    axes.plot(noises, arrays["closed"][1], color="C3", ls=(0, (1, 2)),
              label=rf"closed form, {PARAMETERS['factor']} $\Phi$")  # fmt: skip
    axes.set(yscale="log", ylabel="$y$ at freezing", ylim=(0.6, 130))
    axes.axhline(BEGIN, color="0.7", lw=0.8, zorder=0)
    axes.legend(loc="upper left", fontsize=7)


def _shares(axes: Axes, arrays: dict[str, np.ndarray]) -> None:
    noises = np.array(PARAMETERS["noises"])
    _common(axes, arrays, 1)
    axes.plot(noises, arrays["master"][0], color="C1", label="paper's rates")
    axes.plot(noises, arrays["master"][1], color="C2", ls=":", label="Itô's rates")
    axes.set(ylabel=r"$P_\mathrm{flat}$ at the end", ylim=(0.48, 1.02))
    axes.legend(loc="lower right")
