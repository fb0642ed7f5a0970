"""The phase diagram of transient freezing: who ends in the flat valley, and when sides are final.

Share of runs that end at x > 0, and mean time of the last change of side, after 20 000 steps from
beside the ridge at y = 5, over learning rate and noise.  Left to right: 2000 runs of SGD a cell;
the exact one-step operator in x with y following its mean; the Fokker–Planck equation, the limit of
small learning rates at the same noise and time.  Last: both against SGD, in standard errors; blank
where a few runs decide on the mean time.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

import fokkerplanck as fpk
from figures._two_valley import extrapolated, operator_case, starts, valley, x
from figures._two_valley import limit as limit_at

PARAMETERS: dict[str, Any] = {
    "rates": np.logspace(-2, -1, 10).tolist(),
    "sigmas": np.logspace(-2, -1, 10).tolist(),
    "runs": 2000,
    "steps": 20_000,
    "cells_per_width": [8, 16],
    "seed": 21,
}

# Mean number of steps below which single runs decide on the time of the last change.
FEW = 5


def sampled(
    eta: float, noise: float, p: dict[str, Any], seed: np.random.SeedSequence
) -> np.ndarray:
    """P(x > 0), time and y of the last change, and their standard errors; (2, 3)."""
    sgd = valley(noise).optimizer(eta, covariance="shortened_hessian")
    runs = fpk.simulate_sgd(
        sgd, starts(p["runs"]), steps=p["steps"], runs=p["runs"], seed=seed, region=x > 0
    )
    flat = runs.values[-1, :, 0] > 0
    values = np.stack([flat, eta * (runs.last_change + 1.0), runs.at_last_change[:, 1]])
    return np.stack([values.mean(axis=1), values.std(axis=1, ddof=1) / np.sqrt(p["runs"])])


def compute(**p: Any) -> dict[str, np.ndarray]:
    """Every quantity is P(x > 0), eta t_f, y_f along the last axis; (rates, sigmas, 3)."""
    shape = (len(p["rates"]), len(p["sigmas"]))
    cells = [(eta, eta * sigma) for eta in p["rates"] for sigma in p["sigmas"]]
    seeds = np.random.SeedSequence(p["seed"]).spawn(len(cells))
    found = [sampled(*cell, p, seed) for cell, seed in zip(cells, seeds, strict=True)]
    sgd, error = np.array(found).transpose(1, 0, 2).reshape(2, *shape, 3)
    # Processes that are forked would share the threads of the sampler.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(cells)), mp_context=fresh) as executor:
        cases = [operator_case(*cell, p["steps"]) for cell in cells]
        runs = fpk.slow_sweep(cases, executor=executor)
        # The mean of y hardly depends on the learning rate: it says how far the limit goes.
        tops = [float(run.slow[-1]) + 0.3 for run in runs]
        limit = limits(cells, tops, p, executor)
    operator = np.array(
        [
            [run.probability[-1], eta * (run.last_change + 1.0), run.slow_at_last_change]
            for run, (eta, _) in zip(runs, cells, strict=True)
        ]
    )
    return {
        "rates": np.array(p["rates"]),
        "sigmas": np.array(p["sigmas"]),
        "sgd": sgd,
        "error": error,
        "operator": operator.reshape(*shape, 3),
        "limit": limit.reshape(*shape, 3),
    }


def limits(
    cells: Sequence[Any], tops: Sequence[float], p: dict[str, Any], executor: Executor
) -> np.ndarray:
    """The limit at every cell: one run for all that have the same noise, to the last duration."""
    found = np.empty((len(cells), 3))
    names = [f"{noise:.9e}" for _, noise in cells]
    groups = [
        sorted((i for i, name in enumerate(names) if name == noise), key=cells.__getitem__)
        for noise in sorted(set(names))
    ]
    results = executor.map(
        at_noise,
        [cells[group[0]][1] for group in groups],
        [[cells[i][0] * p["steps"] for i in group] for group in groups],
        [tops[group[-1]] for group in groups],
        [p["cells_per_width"]] * len(groups),
    )
    for group, values in zip(groups, results, strict=True):
        found[group] = values
    return found


def at_noise(
    noise: float, durations: Sequence[float], top: float, cells_per_width: Sequence[int]
) -> np.ndarray:
    """The limit at some durations, extrapolated from two grids; (durations, 3)."""
    coarse, fine = (limit_at(noise, durations, top, cells) for cells in cells_per_width)
    return np.array([extrapolated(*pair) for pair in zip(coarse, fine, strict=True)])


def draw(arrays: dict[str, np.ndarray]) -> Figure:
    """P_flat above, eta t_f below; then both against SGD in standard errors."""
    figure, axes = plt.subplots(2, 5, figsize=(7.0, 3.0), sharex=True, sharey=True)
    names = ("SGD", "one-step operator", "Fokker\u2013Planck")
    labels = (r"$P_\mathrm{flat}$", r"$\eta\, t_\mathrm{f}$")
    norms = (Normalize(0.5, 1.0), LogNorm(0.01, 1200))
    for row, (label, norm) in enumerate(zip(labels, norms, strict=True)):
        for column, kind in enumerate(("sgd", "operator", "limit")):
            shown = _map(axes[row, column], arrays, arrays[kind][..., row], norm=norm)
            if row == 0:
                axes[row, column].set_title(names[column])
        figure.colorbar(shown, ax=axes[row, :3], label=label, aspect=20, pad=0.01)
        for column, kind in enumerate(("operator", "limit"), start=3):
            sigmas = deviations(arrays, kind)[..., row]
            shown = _map(axes[row, column], arrays, sigmas, cmap="RdBu_r", norm=Normalize(-6, 6))
            if row == 0:
                axes[row, column].set_title(("operator", "F\u2013P")[column - 3] + " \u2212 SGD")
        bar = figure.colorbar(shown, ax=axes[row, 3:], aspect=20, pad=0.01, extend="both")
        bar.set_label(f"{label}, standard errors")
    for cell in axes[1]:
        cell.set_xlabel(r"$\sigma$")
    for cell in axes[:, 0]:
        cell.set_ylabel(r"$\eta$")
    return figure


def deviations(arrays: dict[str, np.ndarray], kind: str) -> np.ndarray:
    """What a computation differs from SGD by, in standard errors; NaN where changes are rare.

    Of a share, those of the larger of both; the spread of times is known where some tens of runs
    changed sides after the first steps.
    """
    runs = PARAMETERS["runs"]
    error = arrays["error"].copy()
    share = arrays[kind][..., 0]
    error[..., 0] = np.maximum(error[..., 0], np.sqrt(share * (1 - share) / runs))
    rare = arrays["operator"][..., 1] < FEW * arrays["rates"][:, np.newaxis]
    error[rare, 1] = np.nan
    difference: np.ndarray = arrays[kind] - arrays["sgd"]
    return np.divide(difference, error, out=np.full_like(error, np.nan), where=error > 0)


def _map(axes: Axes, arrays: dict[str, np.ndarray], values: np.ndarray, **options: Any) -> Any:
    axes.set(xscale="log", yscale="log")
    axes.set_box_aspect(1)
    axes.set_xticks([0.01, 0.1], ["0.01", "0.1"])
    axes.set_yticks([0.01, 0.1], ["0.01", "0.1"])
    return axes.pcolormesh(
        arrays["sigmas"], arrays["rates"], values, shading="nearest", rasterized=True, **options
    )
